"""Seo, Na and Kim 2020 (HMTL): text, there in training alone, teaches a net of face and voice.

Known: a frozen source model of the text, a decoder and a discriminator that pull the audio-visual code onto
the text's, a classifier for each side (from a reader's notes, which contradict each other on which class is 1
in D: here text is 1). Reconstruction: sizes, weights, data. Kept: the frozen source in evaluation mode,
decoder and discriminator, separate classifiers. Shrunk: GRUs of 32, utterances stand alone (no context across
a video). Left out: rows of face alone and voice alone. Changed: few clips are labelled while all have text,
for with all labels there is nothing left to teach here. Table 1 prints "Adv.L + CE": the decoder's MSE is
missing there. Lesson: 32.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.comparison.emotion_sequences import Felt, FeltSplit, felt_clips
from avcl_teach.metrics.affect import uar
from avcl_teach.objectives import adversarial_transfer, discriminator_log_loss
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.training.two_player import fit_two
from avcl_teach.world.variants.sentences import WORDS

ABOUT = System(
    name="seo2020",
    paper="Seo, Na and Kim 2020",
    key="seo2020",
    lesson="32",
    task="emotion recognition",
    metric="UAR",
    protocol="pleasant or unpleasant, talkers never met, from face and voice alone; classes count alike",
    chance="1 / 2 classes; a wrong partner is any other clip (always one of the other class would be a hint)",
    ceiling="the best guess from the true sign of the mouth",
    labels_used="valence of a few clips; text of all training clips",
    paired="voice, face and, in training alone, the words of one clip",
    survey_row="Seo et al., 2020 | Adv.L + CE | Semi-Supervised | Emotion Recognition | ACC | 65.2/40.1 | "
    "CMU-MOSI/EMOCAP",
    correction="there is an MSE too (the decoder); the text is a third modality, used in training alone; the "
    "data set is IEMOCAP",
    kept="pretrained frozen text model, decoder and discriminator, a classifier for each side",
    arms=("paper", "no discriminator", "no decoder", "no text", "shuffled text"),
    claims=(
        Claim("Text in training helps face and voice at test.", "paper", "no text"),
        Claim("The help is the text's: with shuffled text it goes.", "paper", "shuffled text"),
        Claim("The decoder helps.", "paper", "no decoder"),
        Claim("The discriminator helps.", "paper", "no discriminator"),
    ),
)

SIZES = {
    "quick": {"n_train": 96, "n_test": 48, "n_labelled": 24, "steps": 8},
    "cpu": {"n_train": 1024, "n_test": 512, "n_labelled": 32, "steps": 200},
    "gpu": {"n_train": 4096, "n_test": 1024, "n_labelled": 32, "steps": 600},
}
WIDTH = 32
WEIGHTS = {  # alpha of the decoder, beta of the discriminator
    "paper": (1.0, 0.1), "no discriminator": (1.0, 0.0), "no decoder": (0.0, 0.1), "no text": (0.0, 0.0),
    "shuffled text": (1.0, 0.1),
}  # fmt: skip


class TextNet(nn.Module):
    """Read a sentence into a code in -1 ... 1, and its valence off that."""

    def __init__(self, *, width: int = WIDTH) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), 16)
        self.gru = nn.GRU(16, width // 2, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(width, 2)

    def code(self, token: Int[Tensor, "batch token"]) -> Float[Tensor, "batch dim"]:
        """Return the code of each sentence."""
        return torch.tanh(self.gru(self.embed(token))[1].movedim(0, 1).flatten(1))

    def forward(self, token: Int[Tensor, "batch token"]) -> Float[Tensor, "batch two"]:
        """Return the logits."""
        return self.classifier(self.code(token))


class FaceVoiceNet(nn.Module):
    """Join a voice and a face into a code; the decoder guesses the text's code from it."""

    def __init__(self, dim_a: int, dim_v: int, *, width: int = WIDTH) -> None:
        super().__init__()
        self.a, self.v = (nn.GRU(d, width, batch_first=True, bidirectional=True) for d in (dim_a, dim_v))
        self.join = nn.Sequential(nn.Dropout(0.3), nn.Linear(4 * width, width), nn.Tanh())
        self.classifier = nn.Linear(width, 2)
        self.decoder = nn.Sequential(nn.Linear(width, width), nn.Tanh())

    def code(self, x_a: Tensor, x_v: Tensor) -> Float[Tensor, "batch dim"]:
        """Return the code of each clip."""
        return self.join(torch.cat([self.a(x_a)[0].mean(1), self.v(x_v)[0].mean(1)], dim=1))

    def forward(self, x_a: Tensor, x_v: Tensor) -> Float[Tensor, "batch two"]:
        """Return the logits."""
        return self.classifier(self.code(x_a, x_v))


def discriminator(*, width: int = WIDTH) -> nn.Sequential:
    """Build what tells the text's codes (1) from the others (0)."""
    return nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))


def plain_clips(size: dict[str, int], seed: int) -> Felt:
    """Take clips whose face, voice and words agree."""
    data = felt_clips(size["n_train"], size["n_test"], n_val=size["n_test"] // 2, seed=seed)
    return data.map(FeltSplit.plain)


def labelled_rows(n: int, n_labelled: int, *, seed: int) -> Int[Tensor, "labelled"]:
    """Draw which of n clips have a label."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:n_labelled]


def fit_text(train: FeltSplit, labelled: Tensor, *, seed: int) -> TextNet:
    """Train the source model on the labelled sentences, and freeze it in evaluation mode."""
    torch.manual_seed(seed)
    net = TextNet()
    rows = train.token[labelled], train.positive[labelled]
    training.fit(net, lambda m, b: F.cross_entropy(m(b[0]), b[1]), rows, steps=100,
                 batch_size=min(32, len(labelled)), lr=5e-3, seed=seed, progress=False,
                 device="cpu")  # fmt: skip
    return net.requires_grad_(False).eval()


def fit(
    train: FeltSplit, text: TextNet, labelled: Tensor, *, seed: int, arm: str = "paper", steps: int,
    device: str | torch.device = "cpu",
) -> FaceVoiceNet:  # fmt: skip
    """Train face and voice on the labelled clips, and towards the text's codes on all."""
    alpha, beta = WEIGHTS[arm]
    h = text.code(train.token)
    g = torch.Generator().manual_seed(seed)
    if arm == "shuffled text":
        h = h[torch.randperm(len(h), generator=g)]
    torch.manual_seed(seed + 1)
    net, D = FaceVoiceNet(train.x_a.shape[2], train.x_v.shape[2]), discriminator()
    known = [x[labelled].to(device) for x in (train.x_a, train.x_v, train.positive)]

    def student(net: nn.Module, D: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x_a, x_v, h = batch
        task = F.cross_entropy(net(*known[:2]), known[2])
        if not alpha + beta:
            return task
        s = net.code(x_a, x_v)
        return task + adversarial_transfer(s, h, decoder=net.decoder, discriminator=D, alpha=alpha, beta=beta)

    def judge(net: nn.Module, D: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        with torch.no_grad():
            s = net.code(*batch[:2])
        return discriminator_log_loss(D(batch[2]), D(s))

    fit_two(net, D, student, judge, (train.x_a, train.x_v, h), steps=steps, batch_size=min(64, len(h)),
            lr_generator=3e-3, lr_discriminator=3e-3, betas=(0.5, 0.99), seed=seed,
            device=device)  # fmt: skip
    return net.cpu()


@torch.no_grad()
def told(net: Callable[..., Tensor], *x: Tensor, positive: Tensor) -> float:
    """Return the UAR of the sign of the valence."""
    return uar(net(*x).argmax(1), positive)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and evaluate one arm. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    size = SIZES[budget]
    data = plain_clips(size, seed)
    test, labelled = data.test, labelled_rows(data.train.n_clips, size["n_labelled"], seed=seed)
    text = fit_text(data.train, labelled, seed=seed)
    net = fit(data.train, text, labelled, seed=seed, arm=arm, steps=size["steps"], device=device)
    y = test.positive
    return Outcome(
        score=told(net, test.x_a, test.x_v, positive=y),
        chance=0.5,
        wrong_partner=told(net, test.x_a, test.x_v.roll(1, 0), positive=y),
        ceiling=told(lambda f: torch.stack([-f.mean(1), f.mean(1)], 1), test.face_valence, positive=y),
        extra={"text alone": told(text, test.token, positive=y)},
    )
