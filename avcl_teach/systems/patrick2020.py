"""GDT (Patrick et al. 2020): for every transformation, choose to be invariant to it or to tell it apart.

Verified in the released code: four versions of a clip (as it is, shifted, reversed, both) in one batch;
heads 512 -> 256, unit length, tau 0.07; an invariant version is a positive, a distinctive one a negative.
From memory: that distinctiveness wins where the order matters. Shrunk: windows of 8 steps of a quarter
second, d = 32; AdamW for SGD, 250 steps of 64 windows; both sides learn (keys are detached in
the release); shift and reversal act on the series of step features (a reconstruction: reversal within a
quarter second is not seen); towers keep means of four slots and no maximum, which tells what, not when; the
score is a linear probe as in the other rows: tuning all weights on 128 concerts wipes out what any start was
worth (seen on val; "fine-tuned" in extra). Avoided: one modality reversed alone, temperature applied twice,
a window's versions among the positives and the negatives at once. Lesson: 31.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from avcl_teach.comparison.view_steps import Steps, concert_steps, crops
from avcl_teach.encoders.step_towers import StepTower
from avcl_teach.metrics.transfer import top1
from avcl_teach.objectives import info_nce
from avcl_teach.objectives.transformations import gdt
from avcl_teach.systems import _self_supervised as shared
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.world.knobs import CLASSES
from avcl_teach.world.variants.concerts import band_posterior

N_STEPS, SHIFT, PER_CLASS = 8, 4, 16
DRUM = CLASSES.index("drum")
# arm -> is a shifted, is a reversed window the same thing? None: versions are not shown at all
ARMS = {
    "paper": (False, False),
    "invariant": (True, True),
    "shift told apart": (False, True),
    "reversal told apart": (True, False),
    "base": None,
}
ABOUT = System(
    name="patrick2020",
    paper="Patrick, Asano, Kuznetsova et al. 2020: GDT",
    key="patrick2020",
    lesson="31",
    task="action recognition",
    metric="top-1, linear probe",
    protocol="frozen picture tower, averaged over the 4 windows of a concert; linear probe told "
    f"{PER_CLASS} concerts of each of 8 bands; "
    f"{shared.SEEDS}; wrong partner: {shared.CONTROL}",
    chance="1 / 8 bands",
    ceiling="the band most probable given the instruments of all shots, told without error",
    labels_used="none in pretraining",
    paired="sound and picture of one window, in the same version",
    survey_row="Patrick et al., 2020 | NCE | Semi-Supervised | Sound Classification/Action Recognition | "
    "ACC | 88.5/95.2/72.8 | ESC-50/UCF101/HMDB51",
    correction="Self-supervised. 95.2 and 72.8 are fine-tuned, after pretraining on 65 million videos; "
    "Kinetics-400 gives 90.9 and 62.3. 88.5 is a linear probe. Temporal alignment is one choice of several.",
    kept="all four versions of a window in one batch; a choice for each transformation; negatives of a batch",
    claims=(
        Claim("Telling versions apart helps where time counts.", "paper", "invariant", "when"),
        Claim("Invariance helps where time does not count.", "invariant", "paper", "which"),
        Claim("Telling versions apart helps, against showing none.", "paper", "base", "when"),
    ),
    arms=tuple(ARMS),
    mark="verified",
    unit="%",
)
SIZES = {
    "quick": {"n_train": 256, "n_test": 128, "steps": 20, "batch_size": 32, "tune_steps": 10},
    "cpu": {"n_train": 1024, "n_test": 1024, "steps": 250, "batch_size": 64, "tune_steps": 100},
    "gpu": {"n_train": 8192, "n_test": 2048, "steps": 1500, "batch_size": 256, "tune_steps": 200},
}


class Towers(nn.Module):
    """Hold f and g with time slots, and a head each; heads serve pretraining alone."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.v = (StepTower(shared.N_FEATURES[k], width=32, slots=4, maximum=False) for k in "av")
        self.head_a, self.head_v = (
            nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32)) for _ in range(2)
        )

    def forward(
        self, x_a: Float[Tensor, "batch step feature_a"], x_v: Float[Tensor, "batch step feature_v"]
    ) -> tuple[Tensor, Tensor]:
        """Return both sides in the common space."""
        return self.head_a(self.a(x_a)), self.head_v(self.v(x_v))


def four_versions(
    x: Float[Tensor, "clip step feature"], first: Int[Tensor, "clip"]
) -> Float[Tensor, "version clip n_steps feature"]:
    """Cut windows from step `first`: as it is, shifted by SHIFT steps, reversed, shifted and reversed."""
    base, shifted = crops(x, first, N_STEPS), crops(x, first + SHIFT, N_STEPS)
    return torch.stack([base, shifted, base.flip(1), shifted.flip(1)])


def same_table(shift: bool, reversal: bool) -> Bool[Tensor, "version version"]:
    """Say which of the four versions count as one thing, given what is the same under each change."""
    eye, ones = torch.eye(2, dtype=torch.bool), torch.ones(2, 2, dtype=torch.bool)
    return torch.kron(ones if reversal else eye, ones if shift else eye)


def pretrain(train: Steps, *, arm: str = "paper", seed: int = 0, **sizes: int) -> Towers:
    """Train both towers without labels, on the device of the data; sizes: steps, batch_size."""

    def loss(model: Towers, batch: tuple[Tensor, ...]) -> Tensor:
        last = batch[0].shape[1] - N_STEPS - SHIFT
        first = 2 * torch.randint(last // 2 + 1, (len(batch[0]),), device=batch[0].device)
        if ARMS[arm] is None:
            return info_nce(*model(*(crops(x, first, N_STEPS) for x in batch)))
        versions = [four_versions(x, first) for x in batch]
        a, v = model(*(x.flatten(0, 1) for x in versions))
        n = len(versions[0])
        return gdt(a.unflatten(0, (n, -1)), v.unflatten(0, (n, -1)), same=same_table(*ARMS[arm]))

    return shared.fit(shared.drawn(Towers, seed), loss, (train.x_a, train.x_v), seed=seed, lr=2e-3, **sizes)


def windows(data: Steps) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Cut each concert into windows: sound, picture, band, place of the one drum shot (else -1), players."""
    n = data.x_a.shape[1] // N_STEPS
    x_a, x_v = (x.unflatten(1, (n, N_STEPS)).flatten(0, 1) for x in (data.x_a, data.x_v))
    players = data.instrument.unflatten(1, (n, -1)).flatten(0, 1)
    drum = players == DRUM
    when = torch.where(drum.sum(1) == 1, drum.int().argmax(1), -1)
    return x_a, x_v, data.y.repeat_interleave(n), when, players


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Pretrain and judge one arm. Errors: ValueError for an arm or budget that is not there."""
    ABOUT.check(arm, budget, SIZES)
    sizes = dict(SIZES[budget])
    data = concert_steps(sizes.pop("n_train"), sizes.pop("n_test"), seed=seed)
    train, val, test = (shared.on(cut, device) for cut in (data.train, data.val, data.test))
    tune = {"steps": sizes.pop("tune_steps"), "lr": 3e-3, "seed": seed}
    model = pretrain(train, arm=arm, seed=seed, **sizes)
    wrong = pretrain(shared.wrongly_paired(train, seed=seed), arm=arm, seed=seed, **sizes)
    whole, sound = ([(getattr(part, k), part.y) for part in (train, val, test)] for k in ("x_v", "x_a"))
    cut = [windows(part) for part in (train, val, test)]
    which = [(c[1], c[2]) for c in cut]
    when, when_a = ([(c[k][c[3] >= 0], c[3][c[3] >= 0]) for c in cut] for k in (1, 0))
    few = min(4 * PER_CLASS, int(when[0][1].bincount().min()))
    space, space_a = nn.Sequential(model.v, model.head_v), nn.Sequential(model.a, model.head_a)
    all_v, all_a = (shared.Averaged(tower, N_STEPS) for tower in (model.v, model.a))
    return shared.outcome(
        lambda m: shared.probe_at(shared.Averaged(m.v, N_STEPS), whole, PER_CLASS, seed=seed),
        {"pretrained": model, "wrong partners": wrong, "untrained": shared.drawn(Towers, seed).to(device)},
        chance=1 / data.n_classes,
        ceiling=top1(band_posterior(test.instrument.cpu()), test.y.cpu()),
        extra={
            "fine-tuned": shared.tuned_at(all_v, whole, PER_CLASS, **tune),
            "sound, linear": shared.probe_at(all_a, sound, PER_CLASS, seed=seed),
            "one window": shared.probe_at(model.v, which, PER_CLASS, seed=seed),
            "which": shared.probe_at(space, which, few, seed=seed),
            "when": shared.probe_at(space, when, few, seed=seed),
            "when, sound": shared.probe_at(space_a, when_a, few, seed=seed),
        },
    )
