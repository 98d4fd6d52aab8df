"""Speech from video after Mira et al. (2021): the data, the losses of both players, training and scoring."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from avcl_teach.comparison.listeners import Listener, transcribe
from avcl_teach.encoders.lip_speech import PowerCritic, SpeechGenerator, WaveCritic, log_spectrum, sound_of
from avcl_teach.features.cepstra import mfcc
from avcl_teach.metrics.frechet import frechet_distance
from avcl_teach.metrics.speech import envelope_distance, word_error_rate
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.objectives.adversarial import WASSERSTEIN, gradient_penalty
from avcl_teach.training.two_player import Duel, fit_two

ARMS = ("paper", "no power", "no critics", "no perceptual")
WEIGHTS = {"critics": 0.1, "perceptual": 140.0, "power": 50.0, "mfcc": 0.4}  # the last three as remembered
PENALTY = 10.0
CROP = 25  # frames: one second
APART = 10_000  # between the clips of two seeds
PHASE_STEPS = 16  # towards phases, of speech that is listened to


class Talk(NamedTuple):
    """Hold talking mouths: frames, sound, and the words that are said."""

    frames: UInt8[Tensor, "clip time 3 h w"]
    x: Float[Tensor, "clip sample"]
    words: Int64[Tensor, "clip slot"]
    speaker: Int64[Tensor, "clip"]

    @property
    def sentences(self) -> Int64[Tensor, "clip"]:
        """Number every sentence, so that equal ones have one number."""
        return (self.words * torch.tensor([1, 16, 256, 4096])).sum(1)


def talk(split: str, n: int, *, seed: int = 0) -> Talk:
    """Load n talking mouths of a split; another seed says other sentences, the speakers stay. Lesson: 37."""
    from avcl_teach.world.variants import speech_clips

    clips = speech_clips(range(APART * seed, APART * seed + n), split=split)
    return Talk(clips.frames, clips.mono, clips.extra["words"], clips.extra["speaker"])


class Critics(nn.Module):
    """Hold both critics: one hears samples, one sees log spectra."""

    def __init__(self):
        super().__init__()
        self.wave, self.power = WaveCritic(), PowerCritic()

    def judge(self, x: Float[Tensor, "clip sample"]) -> tuple[Tensor, Tensor]:
        """Return what each of them says of the sounds."""
        return self.wave(x), self.power(log_spectrum(x))


class Losses:
    """Hold what each player minimises, for one arm; batches are frames and samples of whole clips.

    L_G = - E D_wave - E D_power + 140 L_ear + 50 L_power + 0.4 L_mfcc, all but the first two against the very
    speech of the clip. Source: Mira et al. 2021; weights from memory. Lesson: 37.
    """

    def __init__(self, arm: str, ear: Listener, *, weights: dict[str, float] = WEIGHTS):
        if arm not in ARMS:
            raise ValueError(f"expected an arm of {', '.join(ARMS)}, got {arm!r}")
        self.arm, self.ear = arm, ear.eval().requires_grad_(False)
        self.weights = {name: w for name, w in weights.items() if arm != f"no {name}"}

    def comparative(
        self, y: Float[Tensor, "clip sample"], x: Float[Tensor, "clip sample"]
    ) -> dict[str, Tensor]:
        """Compare generated with true speech: mean absolute differences, the first one relative."""
        heard, meant = self.ear.features(y), self.ear.features(x)
        return {
            "perceptual": (heard - meant).abs().mean() / meant.abs().mean(),
            "power": (log_spectrum(y) - log_spectrum(x)).abs().mean(),
            "mfcc": (mfcc(y, eps=1e-4) - mfcc(x, eps=1e-4)).abs().mean(),
        }

    def generator(self, G: SpeechGenerator, D: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        """Please both critics, and say what was said."""
        frames, x = crop(*batch)
        y = G(frames)
        found = self.comparative(y, x)
        if "critics" in self.weights:
            found["critics"] = sum(WASSERSTEIN.generator(logit) for logit in D.judge(y))
        return sum(w * found[name] for name, w in self.weights.items())

    def critics(self, G: SpeechGenerator, D: Critics, batch: Sequence[Tensor]) -> Tensor:
        """Widen the gap between true and generated, with slopes near 1."""
        frames, x = crop(*batch)
        with torch.no_grad():
            y = G(frames)
        pairs = zip(D.judge(x), D.judge(y), strict=True)
        gap = sum(WASSERSTEIN.discriminator(real, fake) for real, fake in pairs)
        slope = gradient_penalty(D.wave, x, y)
        return gap + PENALTY * (slope + gradient_penalty(D.power, log_spectrum(x), log_spectrum(y)))


def crop(frames: Tensor, x: Tensor, *, n_frames: int = CROP) -> tuple[Tensor, Tensor]:
    """Cut a second of each clip, picture and sound at the same place: 320 samples a frame. Lesson: 37."""
    n_samples = x.shape[1] // frames.shape[1]
    start = torch.randint(frames.shape[1] - n_frames + 1, (len(frames),), device=frames.device)
    rows = torch.arange(len(frames), device=frames.device)[:, None]
    t = start[:, None] + torch.arange(n_frames, device=frames.device)
    at = start[:, None] * n_samples + torch.arange(n_frames * n_samples, device=x.device)
    return frames[rows, t], x[rows, at]


def train_speech(
    arm: str, data: Talk, ear: Listener, *, steps: int, seed: int = 0, batch_size: int = 16,
    device: str | torch.device = "cpu", weights: dict[str, float] = WEIGHTS, **how
) -> tuple[SpeechGenerator, Duel]:  # fmt: skip
    """Train one arm; return the generator, averaged over its last rounds, and the record of the game.

    Errors: ValueError for an arm that is not there. Lesson: 37.
    """
    losses = Losses(arm, copy.deepcopy(ear).to(device), weights=weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G, D = SpeechGenerator(), Critics()
    settings = {"lr_generator": 2e-3, "lr_discriminator": 5e-4, "betas": (0.5, 0.99), "average": 0.95} | how
    second = losses.critics
    if "critics" not in losses.weights:  # one player is left: the same loop and optimiser, an idle opponent
        D, second = nn.Linear(1, 1), _idle
    duel = fit_two(
        G, D, losses.generator, second, data[:2], steps=steps, batch_size=batch_size, seed=seed,
        device=device, **settings,
    )  # fmt: skip
    return duel.averaged, duel


def _idle(G: SpeechGenerator, D: nn.Module, batch: Sequence[Tensor]) -> Tensor:
    return 0 * D.weight.sum()


@torch.no_grad()
def speak(
    G: SpeechGenerator,
    frames: UInt8[Tensor, "clip time 3 h w"],
    *,
    n_steps: int = PHASE_STEPS,
    batch_size: int = 32,
) -> Float[Tensor, "clip sample"]:
    """Generate the speech of whole clips, with more steps towards the phases than training takes."""
    G.eval()
    return torch.cat([G(part, n_steps=n_steps).cpu() for part in frames.split(batch_size)])


@torch.no_grad()
def judge_speech(
    G: SpeechGenerator, recogniser: Listener, ear: Listener, data: Talk, *, seed: int = 0
) -> dict[str, float]:
    """Score generated speech: WER, WER from strangers' faces, distances to the true speech.

    "Frechet" compares log spectra of single moments, as levels of 8 bands and ripple in 4: true speech,
    through the same vocoder, against generated; "Frechet, true": half of the true clips against the others.
    Lesson: 37.
    """
    device = next(G.parameters()).device
    y = speak(G, data.frames.to(device))
    heard, true = transcribe(recogniser, y), transcribe(recogniser, data.x)
    order = wrong_partners(data.sentences, seed=seed)
    through = sound_of(log_spectrum(data.x), n_steps=PHASE_STEPS)
    half = len(data.x) // 2
    moments = {name: _moments(x) for name, x in (("true", through), ("made", y))}
    cut = len(moments["true"]) // len(data.x) * half
    compared = Losses("paper", ear).comparative(y, data.x)
    return {
        "WER": word_error_rate(data.words.tolist(), heard),
        "WER, wrong face": word_error_rate(data.words.tolist(), [heard[int(i)] for i in order]),
        "WER, true speech": word_error_rate(data.words.tolist(), true),
        "WER, wrong face, true speech": word_error_rate(data.words.tolist(), [true[int(i)] for i in order]),
        "WER, true speech through the vocoder": word_error_rate(
            data.words.tolist(), transcribe(recogniser, through)
        ),
        **{f"{name} distance": float(value) for name, value in compared.items()},
        "envelope distance": float(envelope_distance(y, data.x).mean()),
        "Frechet": frechet_distance(moments["true"], moments["made"]),
        "Frechet, true": frechet_distance(moments["true"][:cut], moments["true"][cut : 2 * cut]),
    }


def _moments(x: Float[Tensor, "clip sample"]) -> Float[Tensor, "moment 12"]:
    """Describe single moments: the levels of 8 bands, and how much harmonics ripple in 4."""
    L = log_spectrum(x)[:, 1:]  # 128 bins
    bands = torch.stack([part.mean(1) for part in L.split((4, 4, 8, 8, 16, 24, 32, 32), 1)], 1)
    ripple = (L[:, 1:97] - L[:, :96]).abs().unflatten(1, (4, 24)).mean(2)  # harmonics make spectra ripple
    both = torch.cat([bands, ripple], 1)[:, :, 20:-60:5]
    return both.movedim(1, 2).flatten(0, 1)
