"""Fanzeres and Nadeu 2021: a picture drawn from the code of a sound, judged by yes/no judges of each class.

Verified (released models): an auto-encoder of spectrograms trained without pictures; a generator of dense
blocks fed by its code, no noise; the code joins D late; no class label in either; one small binary network a
class judges. From the first version's abstract: a "moving-average adversarial loss" against instability,
whose form was not read. Reconstruction: the generator plays against the running mean of D's weights as well
as D (a mean of past *losses* would do nothing: past ones carry no gradient, and a factor is lost on Adam).
Ours: D also refuses a real picture beside another sound's code (Reed et al. 2016), so that it cannot ignore
the code. Shrunk: log-mels and pictures of 32 x 32, code of 64 for 512, three dense blocks for six. Pictures
are drawings without colour (no sound tells colours). Judges learn from individuals that the generator never
saw, of real pictures and of spoilt ones. Avoided: batch norm, whose statistics would mix real and drawn.
Changed: no dropout in D, a penalty on its gradient at real pictures, a running mean of the generator's
weights draws at test. Left out: the price of a wide bottleneck in distance of pixels. Lesson: 36.
"""

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.comparison.glimpse_pairs import Glimpses, GlimpseSplit, glimpses
from avcl_teach.comparison.sound_to_picture import SoundReader, learn_code
from avcl_teach.encoders.dense_pictures import DenseGenerator, LateCodeDiscriminator, YesNoJudges
from avcl_teach.metrics.generation import informativity
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.objectives.adversarial import discriminator_log_loss, generator_log_loss, r1_penalty
from avcl_teach.objectives.memory_bank import momentum_update
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.training.two_player import fit_two

ABOUT = System(
    name="fanzeres2021",
    paper="Fanzeres and Nadeu 2021: Sound-to-Imagination",
    key="fanzeres2021",
    lesson="36",
    task="pictures from sound",
    metric="informativity",
    protocol="share of pictures drawn from sounds of unmet individuals that the yes/no judge of the sound's "
    "class accepts, mean over 8 classes; judges learned from yet other individuals",
    chance="1 / 8: a perfect picture of a class drawn at random",
    ceiling="the same judges on the real pictures of the test",
    labels_used="none to draw; class labels by the judges",
    paired="half a second of sound and one picture of the same clip",
    survey_row="Fanzeres and Nadeu, 2021 | MSE + Adv.L. | Semi-Supervised | Sound-2-Image Generation | I "
    "| 0.14 | VEGAS",
    correction="the paper calls itself unsupervised; MSE trains the auto-encoder of sounds alone, the "
    "generator is adversarial; I is informativity, of five classes",
    kept="code learned without pictures, dense connections, code late in D, no class label in G or D",
    claims=(
        Claim("A wider bottleneck tells more.", "paper", "code of 8"),
        Claim(
            "Not of the paper: an opponent makes pictures more recognisable than squared error.",
            "paper",
            "pixels",
        ),
    ),
    arms=("paper", "code of 8", "pixels"),
)
SIZES = {
    "quick": {"n_train": 64, "n_val": 16, "n_test": 64, "steps": 3, "code_steps": 5, "judge_steps": 5},
    "cpu": {"n_train": 1024, "n_val": 512, "n_test": 512, "steps": 450, "code_steps": 300,
            "judge_steps": 200},
    "gpu": {"n_train": 8192, "n_val": 1024, "n_test": 1024, "steps": 8000, "code_steps": 2000,
            "judge_steps": 1500},
}  # fmt: skip
Pictures = Float[Tensor, "n channel 32 32"]


def learn_judges(
    split: GlimpseSplit, n_classes: int, *, steps: int, seed: int = 0, device="cpu"
) -> YesNoJudges:
    """Learn to say yes to real pictures of one class, and no to other classes and to spoilt pictures."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judges = YesNoJudges(n_classes)
    weight = torch.tensor(float(n_classes), device=device)

    def loss(net: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y = batch
        x = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)
        says = net(torch.cat([x, spoil(x[::2])]))
        wanted = torch.zeros_like(says)
        wanted[: len(y)] = F.one_hot(y, n_classes).to(says)
        return F.binary_cross_entropy_with_logits(says, wanted, pos_weight=weight)

    training.fit(judges, loss, (split.drawing, split.labels), steps=steps, batch_size=min(64, split.n_clips),
                 lr=2e-3, seed=seed, device=device, progress=False)  # fmt: skip
    return judges


def spoil(x: Pictures) -> Pictures:
    """Spoil pictures the ways generators do: blurred, a blend of two, or patches out of place; by thirds."""
    k = len(x) // 3
    blurred = F.interpolate(F.avg_pool2d(x[:k], 8), scale_factor=8, mode="bilinear")
    blend = (x[k : 2 * k] + x[k : 2 * k].roll(1, 0)) / 2
    patches = F.unfold(x[2 * k :], 8, stride=8)
    moved = F.fold(patches[..., torch.randperm(patches.shape[2], device=x.device)], x.shape[2:], 8, stride=8)
    return torch.cat([blurred, blend, moved])


class MovingAverageGame:
    """Hold both losses; the generator also faces the running mean of D. A batch is (picture, code)."""

    def __init__(self, *, momentum: float = 0.9, r1: float = 0.5) -> None:
        self.momentum, self.r1 = momentum, r1
        self.slow: nn.Module | None = None

    def discriminator(self, G: nn.Module, D: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Tell (real, its code) from (drawn, its code) and from (real, another's code), flat at the first."""
        x, e = batch
        with torch.no_grad():
            fake = G(e)
        if self.slow is None:
            self.slow = copy.deepcopy(D).requires_grad_(False)
        momentum_update(D, self.slow, m=self.momentum)
        quarter = len(x) // 4
        loss = discriminator_log_loss(D(x, e), torch.cat([D(fake, e), D(x, e.roll(1, 0))]))
        return loss + self.r1 * r1_penalty(lambda x: D(x, e[:quarter]), x[:quarter])

    def generator(self, G: nn.Module, D: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Pass for real with D as it is, and with D as it has been on average."""
        fake = G(batch[1])
        return (generator_log_loss(D(fake, batch[1])) + generator_log_loss(self.slow(fake, batch[1]))) / 2


def learn_to_draw(
    x: Pictures, code: Float[Tensor, "n code"], *, arm: str = "paper", steps: int, seed: int = 0, device="cpu"
) -> nn.Module:
    """Play against D, or (arm "pixels") regress each sound's own picture."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G, D = DenseGenerator(code.shape[1]), LateCodeDiscriminator(code.shape[1])
    if arm == "pixels":
        training.fit(G, lambda G, batch: F.mse_loss(G(batch[1]), batch[0]), (x, code), steps=steps,
                     batch_size=32, lr=1e-3, seed=seed, device=device, progress=False)  # fmt: skip
        return G
    game = MovingAverageGame()
    duel = fit_two(G, D, game.generator, game.discriminator, (x, code), steps=steps, batch_size=24,
                   lr_generator=1e-3, lr_discriminator=2e-3, betas=(0.5, 0.9), average=0.99, seed=seed,
                   device=device)  # fmt: skip
    return duel.averaged


@torch.no_grad()
def judged(judges: nn.Module, x: Pictures, labels: Tensor) -> dict[str, float]:
    """Return the informativity of pictures: "all", "any", and class by class."""
    p = torch.cat([judges(part).sigmoid().cpu() for part in x.split(256)])
    return informativity(p, labels.cpu())


def train(
    seed: int, *, arm: str = "paper", budget: str = "cpu", device: str | torch.device = "cpu"
) -> tuple[nn.Module, SoundReader, YesNoJudges, Glimpses]:
    """Learn the code of sounds, the judges and the generator of one arm; return them with the data."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    data = glimpses(sizes["n_train"], sizes["n_test"], seed=seed, n_val=sizes["n_val"])
    how = {"seed": seed, "device": device}
    reader = learn_code(data.train.x_a, steps=sizes["code_steps"], dim=8 if arm == "code of 8" else 64, **how)
    judges = learn_judges(data.val, data.n_classes, steps=sizes["judge_steps"], **how)
    code = reader(data.train.x_a.to(device))
    G = learn_to_draw(data.train.drawing.to(device), code, arm=arm, steps=sizes["steps"], **how)
    return G, reader, judges, data


@torch.no_grad()
def measure(G: nn.Module, reader: Callable, judges: YesNoJudges, data: Glimpses, *, seed: int = 0) -> Outcome:
    """Judge what is drawn from test sounds, from sounds of another class, and the real pictures."""
    test, device = data.test, next(judges.parameters()).device
    y, code = test.labels, reader(test.x_a.to(device))
    x, real = G(code), test.drawing.to(device)
    own, wrong, best = (
        judged(judges, z, y) for z in (x, G(code[wrong_partners(y, seed=seed).to(device)]), real)
    )
    return Outcome(
        own["all"], 1 / data.n_classes, wrong["all"], best["all"],
        {"any": own["any"], "real, of another class": judged(judges, real[wrong_partners(y)], y)["all"],
         "pixel distance": float(F.mse_loss(x, real))},
    )  # fmt: skip


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an arm or budget that is not there."""
    return measure(*train(seed, arm=arm, budget=budget, device=device), seed=seed)
