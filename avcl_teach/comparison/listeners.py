"""Two networks that listen to speech, both trained on true speech: a recogniser, and an ear for the loss.

The recogniser writes words down and is never shown generated speech: with it WER is measured. The ear names
sounds and lends its inner features to a loss. They share no weights: who trains against the judge, fools it.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.features.spectral import log_mel

N_MELS = 32
N_WORDS, N_SOUNDS = 16, 14  # silence comes on top of each
SHORTEST = 3  # frames of 40 ms that a word must last to be written down


def speech_mel(x: Float[Tensor, "clip sample"]) -> Float[Tensor, "clip mel frame"]:
    """Return the log-mel spectrogram that both listeners hear: 32 bands, a frame every 10 ms."""
    return log_mel(x, n_fft=256, hop_length=80, n_mels=N_MELS, eps=1e-4)


class Listener(nn.Module):
    """Name what is said at every 40 ms: convolutions over time, with or without a GRU both ways.

    `features` gives the inner layer [clip, dim, time], `forward` the logits [clip, time, class], step j at
    j / 25 seconds, 1 + samples // 320 of them.
    """

    def __init__(self, n_classes: int, *, dim: int = 64, gru: bool = True):
        super().__init__()
        self.norm = nn.GroupNorm(1, N_MELS, affine=False)
        self.layers = nn.ModuleList([
            nn.Conv1d(N_MELS, dim, 5, 2, 2), nn.Conv1d(dim, dim, 5, 2, 2), nn.Conv1d(dim, dim, 3, 1, 1),
        ])  # fmt: skip
        self.gru = nn.GRU(dim, dim // 2, batch_first=True, bidirectional=True) if gru else None
        self.head = nn.Linear(dim, n_classes)

    def features(self, x: Float[Tensor, "clip sample"]) -> Float[Tensor, "clip dim time"]:
        """Return what the inner layer makes of the sound."""
        h = self.norm(speech_mel(x))
        for layer in self.layers:
            h = F.leaky_relu(layer(h), 0.1)
        return h

    def forward(self, x: Float[Tensor, "clip sample"]) -> Float[Tensor, "clip time n_classes"]:
        """Return a logit for every class at every step."""
        h = self.features(x).mT
        return self.head(h if self.gru is None else h + self.gru(h)[0])


def write_down(logits: Float[Tensor, "clip time word"]) -> list[list[int]]:
    """Write words down: the best class of each step, runs joined, silence and runs below 3 steps dropped."""
    found = []
    for row in logits.argmax(2).tolist():
        runs: list[list[int]] = []
        for word in row:
            if runs and runs[-1][0] == word:
                runs[-1][1] += 1
            else:
                runs.append([word, 1])
        kept = [word for word, n in runs if word < logits.shape[2] - 1 and n >= SHORTEST]
        found.append([word for k, word in enumerate(kept) if k == 0 or word != kept[k - 1]])
    return found


@torch.no_grad()
def transcribe(
    recogniser: Listener, x: Float[Tensor, "clip sample"], *, batch_size: int = 64
) -> list[list[int]]:
    """Return the words that a recogniser hears in each clip, as numbers."""
    recogniser.eval()
    return [words for part in x.split(batch_size) for words in write_down(recogniser(part))]


def word_targets(
    word_s: Float[Tensor, "clip slot 2"], words: Int[Tensor, "clip slot"], n: int = 51
) -> Tensor:
    """Return the word at each of n steps of 40 ms, 16 in silence: from alignments, as a corpus has them."""
    t = torch.arange(n) / 25
    inside = (t >= word_s[..., :1]) & (t < word_s[..., 1:])  # [clip, slot, step]
    said = (inside * words[..., None]).sum(1)
    return torch.where(inside.any(1), said, N_WORDS)


def recogniser_and_ear() -> tuple[Listener, Listener]:
    """Build both listeners, untrained: words with a GRU, sounds without, so that they differ in kind."""
    return Listener(N_WORDS + 1), Listener(N_SOUNDS + 1, dim=48, gru=False)


def learn_to_listen(
    kind: str, *, steps: int = 500, n_clips: int = 2048, seed: int = 0, progress: bool = False
) -> Listener:
    """Train the "recogniser" (words) or the "ear" (sounds) on true speech of the training speakers.

    Gain, noise and tilt of the spectrum change at every step, so that neither leans on a microphone.
    Errors: ValueError for another kind. Lesson: 37.
    """
    from avcl_teach import training
    from avcl_teach.world.variants import speech_sounds

    if kind not in ("recogniser", "ear"):
        raise ValueError(f'expected "recogniser" or "ear", got {kind!r}')
    first = 100_000 if kind == "recogniser" else 200_000
    x, said = speech_sounds(range(first, first + n_clips), split="train")
    words = kind == "recogniser"
    y = word_targets(said.word_s, said.words) if words else said.sound[:, ::5][:, :51]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed if words else 1000 + seed)
        model = recogniser_and_ear()[0 if words else 1]

    def loss(model: Listener, batch: Sequence[Tensor]) -> Tensor:
        x, y = batch
        noise = torch.randn_like(x) * 0.02 * torch.rand(len(x), 1)
        x = (x - 0.6 * (2 * torch.rand(len(x), 1) - 1) * x.roll(1, 1)) * (0.5 + torch.rand(len(x), 1)) + noise
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten())

    training.fit(model, loss, (x, y), steps=steps, batch_size=32, lr=3e-3, seed=seed, progress=progress)
    return model.eval()
