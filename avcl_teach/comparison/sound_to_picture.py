"""Draw what is heard: a generator fed by the code of a sound, trained against several kinds of opponent.

`python -m avcl_teach.comparison.sound_to_picture --help` trains longer than a lesson can wait, and writes the
weights with their scores. A lesson loads them (`stored`).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.comparison.glimpse_pairs import Glimpses, GlimpseSplit
from avcl_teach.encoders import conditions
from avcl_teach.encoders.adversarial import Discriminator
from avcl_teach.encoders.small_pictures import PictureGenerator, PictureTrunk, sound_auto_encoder
from avcl_teach.metrics.frechet import frechet_distance
from avcl_teach.objectives import adversarial
from avcl_teach.training import fit
from avcl_teach.training.two_player import Duel, fit_two

DIM_CODE, DIM_FEATURE, WIDTH = 32, 128, 24
ARMS = ("alone", "label", "code", "prediction", "code + L1", "L1 alone")
STORED = Path(__file__).resolve().parents[1] / "weights" / "sound_to_picture.safetensors"


class SoundReader(nn.Module):
    """Read the code of a log-mel: an encoder learned by reconstruction, standardised. Lesson: 15."""

    def __init__(self, dim: int = DIM_CODE):
        super().__init__()
        self.encoder = sound_auto_encoder(dim).encoder
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    @torch.no_grad()
    def forward(self, x_a: Float[Tensor, "clip 1 32 32"]) -> Float[Tensor, "clip code"]:
        """Return the code of each sound."""
        return torch.cat([(self.encoder(x) - self.mean) / self.std for x in x_a.split(256)])


class PictureJudge(nn.Module):
    """Name the class of a picture; trained on real pictures of individuals no generator saw. Lesson: 15."""

    def __init__(self, n_classes: int, dim: int = 32):
        super().__init__()
        self.trunk = PictureTrunk(dim, width=WIDTH, dropout=0.3)
        self.classes = nn.Linear(dim, n_classes)

    def forward(self, x: Float[Tensor, "clip 3 32 32"]) -> Float[Tensor, "clip class"]:
        """Return the logits of the classes."""
        return self.classes(self.trunk(x))


def learn_code(
    x_a: Float[Tensor, "clip 1 32 32"], *, steps: int = 400, seed: int = 0, dim: int = DIM_CODE,
    device: torch.device | str = "cpu",
) -> SoundReader:  # fmt: skip
    """Learn the code of sounds by squared error alone: no picture and no label takes part. Lesson: 15."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, reader = sound_auto_encoder(dim), SoundReader(dim)
    how = {"batch_size": 64, "lr": 2e-3, "seed": seed, "progress": False, "device": device}
    fit(model, lambda m, batch: F.mse_loss(m(batch[0])[1], batch[0]), x_a, steps=steps, **how)
    reader.encoder.load_state_dict(model.encoder.state_dict())
    code = reader.to(device).eval()(x_a.to(device))
    reader.mean.copy_(code.mean(0))
    reader.std.copy_(code.std(0))
    return reader


def learn_judge(
    split: GlimpseSplit, n_classes: int, *, steps: int = 400, seed: int = 1, device="cpu"
) -> PictureJudge:
    """Learn to name real pictures, half of them mirrored. Lesson: 15."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = PictureJudge(n_classes)

    def loss(model: nn.Module, batch: tuple) -> Tensor:
        mirror = torch.rand(len(batch[0]), 1, 1, 1, device=batch[0].device) < 0.5
        return F.cross_entropy(model(torch.where(mirror, batch[0].flip(3), batch[0])), batch[1])

    how = {"batch_size": 64, "lr": 2e-3, "seed": seed, "progress": False, "device": device}
    fit(judge, loss, (split.x_v, split.labels), steps=steps, **how)
    return judge


def predicted_sets(
    code: Float[Tensor, "clip code"], labels: Int[Tensor, "clip"], n_classes: int, *, level: float = 0.9
) -> Bool[Tensor, "clip class"]:
    """Predict the set of classes of each sound by a linear classifier of the first quarter.

    Its errors are counted on the second quarter (`conformal_sets`); labels of the other half are never read.
    Lesson: 15.
    """
    n = len(code) // 4
    X = torch.cat([code, torch.ones(len(code), 1).to(code)], 1).double()
    Y = F.one_hot(labels[:n], n_classes).double()
    C = X[:n].T @ X[:n] / n + 1e-2 * torch.eye(X.shape[1]).to(X)
    W = torch.cholesky_solve(X[:n].T @ Y / n, torch.linalg.cholesky(C))
    p = (5 * X @ W).softmax(1).float()
    return conditions.conformal_sets(p, p[n : 2 * n], labels[n : 2 * n], level=level)


def opponent(arm: str, n_classes: int) -> Discriminator:
    """Build the discriminator of an arm: the same trunk, another head. Lesson: 15."""
    heads = {
        "alone": lambda: conditions.NoCondition(DIM_FEATURE),
        "label": lambda: conditions.LabelProjection(DIM_FEATURE, n_classes),
        "prediction": lambda: conditions.PredictionHead(DIM_FEATURE, n_classes),
    }
    head = heads.get(arm, lambda: conditions.LatentCondition(DIM_FEATURE, DIM_CODE))()
    return Discriminator(PictureTrunk(DIM_FEATURE, width=WIDTH), head)


@dataclass(frozen=True)
class Losses:
    """Hold the two losses of an arm; a batch is (picture, class, code, set of classes).

    r1 weighs the penalty on the slope of D, taken on a quarter of each batch; l1 the distance to the sound's
    own picture ("code + L1", after the paired losses of Mira et al. 2021). Lesson: 15.
    """

    arm: str
    r1: float = 0.5
    l1: float = 10.0

    def condition(self, batch: tuple) -> Tensor | None:
        """Pick what the discriminator is told beside the picture."""
        return {"alone": None, "label": batch[1], "prediction": None}.get(self.arm, batch[2])

    def discriminator(self, G: nn.Module, D: Discriminator, batch: tuple) -> Tensor:
        """Real pictures with their condition against drawn ones with theirs; flat at the real ones."""
        c, quarter = self.condition(batch), len(batch[0]) // 4
        with torch.no_grad():
            fake = G.sample(batch[2])
        h = D.trunk(batch[0])
        loss = adversarial.discriminator_log_loss(D.head(h, c), D(fake, c))
        if self.arm == "prediction":
            loss = loss + F.cross_entropy(D.head.classify(h), batch[1])
        few = None if c is None else c[:quarter]
        return loss + self.r1 * adversarial.r1_penalty(lambda x: D(x, few), batch[0][:quarter])

    def generator(self, G: nn.Module, D: Discriminator, batch: tuple) -> Tensor:
        """Drawn pictures are to pass for real, beside the sound's condition."""
        fake = G.sample(batch[2])
        h = D.trunk(fake)
        loss = adversarial.generator_log_loss(D.head(h, self.condition(batch)))
        if self.arm == "prediction":
            loss = loss + adversarial.class_set_loss(D.head.classify(h), batch[3])
        return loss + self.l1 * (fake - batch[0]).abs().mean() if self.arm == "code + L1" else loss


def train_arm(
    arm: str, data: tuple[Tensor, ...], n_classes: int, *, steps: int, seed: int = 0, device="cpu", **how
) -> tuple[PictureGenerator, Duel | None]:
    """Train one arm; return the averaged generator and the record of the game (None where none was played).

    data: pictures, classes, codes, sets of the training cut. Errors: ValueError for an arm not in ARMS.
    Lesson: 15.
    """
    if arm not in ARMS:
        raise ValueError(f"expected an arm of {', '.join(ARMS)}, got {arm!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G, D = PictureGenerator(DIM_CODE, width=WIDTH), opponent(arm, n_classes)
    if arm == "L1 alone":

        def distance(G: nn.Module, batch: tuple) -> Tensor:
            return (G.sample(batch[1]) - batch[0]).abs().mean()

        fit(
            G, distance, (data[0], data[2]), steps=steps, batch_size=32, lr=2e-3, seed=seed,
            progress=False, device=device,
        )  # fmt: skip
        return G, None
    settings = {"batch_size": 32, "lr_generator": 5e-4, "lr_discriminator": 1e-3, "average": 0.99} | how
    losses = Losses(arm)
    both = losses.generator, losses.discriminator
    duel = fit_two(G, D, *both, data, steps=steps, seed=seed, device=device, **settings)
    return duel.averaged, duel


@torch.no_grad()
def judge_pictures(
    G: PictureGenerator, judge: PictureJudge, code: Tensor, split: GlimpseSplit, *, seed: int = 0
) -> dict[str, float]:
    """Score drawn pictures: recognised as their sound's class, from shuffled codes, and the Fréchet distance.

    "shuffled": each picture is drawn from another clip's code, and judged by the class it was asked for.
    "frechet": on the judge's features, against the real pictures of the cut. Lesson: 15.
    """
    y = split.labels.to(code.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        order = torch.randperm(len(code))
        own, other = (draw(G, e) for e in (code, code[order]))
    real = judge.trunk(split.x_v.to(code.device))
    right = [(judge(x).argmax(1) == y).float().mean() for x in (own, other)]
    return {
        "recognised": float(right[0]), "shuffled": float(right[1]),
        "frechet": frechet_distance(judge.trunk(own).cpu(), real.cpu()),
    }  # fmt: skip


@torch.no_grad()
def draw(G: PictureGenerator, code: Float[Tensor, "clip code"]) -> Float[Tensor, "clip 3 32 32"]:
    """Draw one picture a code, in pieces, with torch's global generator. Lesson: 15."""
    return torch.cat([G.sample(e) for e in code.split(128)])


def training_data(reader: SoundReader, glimpses: Glimpses) -> tuple[Tensor, ...]:
    """Return pictures, classes, codes and predicted sets of the training cut. Lesson: 15."""
    split = glimpses.train
    code = reader(split.x_a)
    return split.x_v, split.labels, code, predicted_sets(code, split.labels, glimpses.n_classes)
