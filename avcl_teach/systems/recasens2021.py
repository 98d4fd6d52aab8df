"""BraVe (Recasens et al. 2021): a narrow view predicts a broad one, and back; nothing is pushed apart.

Verified in the released code: two backbones, one a temporal extent; projector Linear, batch norm, ReLU,
Linear, batch norm; predictor the same without the last norm, ten times the learning rate; 1 - cos to a
detached target, both directions averaged; linear probe on the frozen narrow backbone. From memory: that a
longer broad view is better. Shrunk: narrow, 4 steps of a quarter second of picture features; broad, 32 steps
of sound; 64 and 32 units; AdamW for LARS, 250 steps; own predictors for both sides (the release shares one
module); concerts for videos; features averaged over the 8 narrow crops of a clip before the probe.
Avoided: a falling loss read as progress, raw projections compared, a stop-gradient before the projector, the
same crop for both views. Lesson: 31.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.view_steps import Steps, concert_steps, crops
from avcl_teach.encoders.step_towers import StepTower
from avcl_teach.metrics.transfer import top1
from avcl_teach.objectives.regressions import embedding_spread, head, regression
from avcl_teach.systems import _self_supervised as shared
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.world.variants.concerts import band_posterior

NARROW, BROAD, PER_CLASS = 4, 32, 8
# arm -> steps of the broad view, and whether predictors, stop-gradient and batch norm are there
ARMS = {"paper": (BROAD, True), "narrow only": (NARROW, True), "none of the three": (BROAD, False)}
ABOUT = System(
    name="recasens2021",
    paper="Recasens, Luc, Alayrac et al. 2021: BraVe",
    key="recasens2021",
    lesson="31",
    task="action recognition",
    metric="top-1, linear probe",
    protocol="frozen narrow picture tower, averaged over 8 crops of a concert; linear probe told "
    f"{PER_CLASS} concerts of each of 8 bands; {shared.SEEDS}; wrong partner: {shared.CONTROL}",
    chance="1 / 8 bands",
    ceiling="the band most probable given the instruments of all shots, told without error",
    labels_used="none in pretraining",
    paired="narrow picture and broad sound of one concert",
    survey_row="Recasens et al., 2021 | L2 | Semi-Supervised | Action Recognition/Sound Classification | "
    "ACC | 93.2/69.9/93. | UCF101/HMDB51/ESC-50",
    correction="Self-supervised. 93.2 and 69.9 are linear probes of a double-width network with sound and "
    "flow; fine-tuned 95.7 and 77.8 exist. On unit vectors the L2 is 1 - cos. Nothing is reconstructed.",
    kept="two temporal extents, two backbones, predictors, stop-gradient, batch norm in the heads",
    claims=(
        Claim("A broad view teaches more than a second narrow one.", "paper", "narrow only"),
        Claim("Predictor, stop-gradient and norm keep it from collapse.", "paper", "none of the three"),
    ),
    arms=tuple(ARMS),
    mark="verified",
    unit="%",
)
SIZES = {
    "quick": {"n_train": 256, "n_test": 128, "steps": 25, "batch_size": 64},
    "cpu": {"n_train": 1024, "n_test": 1024, "steps": 250, "batch_size": 128},
    "gpu": {"n_train": 8192, "n_test": 2048, "steps": 2000, "batch_size": 512},
}


class Brave(nn.Module):
    """Hold two towers and their heads: narrow looks at pictures, broad listens."""

    def __init__(self, *, guarded: bool = True) -> None:
        super().__init__()
        self.guarded = guarded
        self.narrow, self.broad = StepTower(shared.N_FEATURES["v"]), StepTower(shared.N_FEATURES["a"])
        self.projector_n, self.projector_b = (head(64, 32, hidden=128, norm=guarded) for _ in range(2))
        self.predictor_n, self.predictor_b = (
            head(32, 32, hidden=128, last_norm=False) if guarded else nn.Identity() for _ in range(2)
        )

    def forward(
        self, x_n: Float[Tensor, "batch narrow feature_v"], x_b: Float[Tensor, "batch broad feature_a"]
    ) -> tuple[Tensor, Tensor]:
        """Return z of both views: what is predicted, and what predictions start from."""
        return self.projector_n(self.narrow(x_n)), self.projector_b(self.broad(x_b))

    def loss(self, z_n: Float[Tensor, "batch dim"], z_b: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
        """Predict each view's z from the other's; targets stand still, where the model is guarded."""
        still_n, still_b = (z.detach() if self.guarded else z for z in (z_n, z_b))
        there, back = self.predictor_n(z_n), self.predictor_b(z_b)
        return (regression(there, still_b) + regression(back, still_n)) / 2


def two_views(x_a: Tensor, x_v: Tensor, *, broad: int = BROAD) -> tuple[Tensor, Tensor]:
    """Draw a narrow crop of the picture at a cut, and the broad view of the sound that holds it."""
    first = 2 * torch.randint((x_v.shape[1] - NARROW) // 2 + 1, (len(x_v),), device=x_v.device)
    return crops(x_v, first, NARROW), x_a if broad == BROAD else crops(x_a, first, broad)


def pretrain(train: Steps, *, arm: str = "paper", seed: int = 0, steps: int = 250, batch_size: int = 128):
    """Train both towers without labels, on the device of the data; return the model."""
    broad, guarded = ARMS[arm]
    model = shared.drawn(lambda: Brave(guarded=guarded), seed)

    def faster(groups: list[dict]) -> torch.optim.Optimizer:
        """Give the predictors ten times the learning rate of all else."""
        fast = {id(p) for part in (model.predictor_n, model.predictor_b) for p in part.parameters()}
        out = []
        for group in groups:
            for times, chosen in ((1, False), (10, True)):
                params = [p for p in group["params"] if (id(p) in fast) == chosen]
                out += [{**group, "params": params, "lr": group.get("lr", 1e-3) * times}] * bool(params)
        return torch.optim.AdamW(out, lr=1e-3)

    def loss(model: Brave, batch: tuple[Tensor, ...]) -> Tensor:
        return model.loss(*model(*two_views(*batch, broad=broad)))

    how = {"steps": steps, "batch_size": batch_size, "lr": 1e-3, "optimizer": faster}
    return shared.fit(model, loss, (train.x_a, train.x_v), seed=seed, **how)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Pretrain and judge one arm. Errors: ValueError for an arm or budget that is not there."""
    ABOUT.check(arm, budget, SIZES)
    sizes = dict(SIZES[budget])
    data = concert_steps(sizes.pop("n_train"), sizes.pop("n_test"), seed=seed)
    train, val, test = (shared.on(cut, device) for cut in (data.train, data.val, data.test))
    model = pretrain(train, arm=arm, seed=seed, **sizes)
    wrong = pretrain(shared.wrongly_paired(train, seed=seed), arm=arm, seed=seed, **sizes)
    untrained = shared.drawn(Brave, seed).to(device)
    cuts = [(cut.x_v, cut.y) for cut in (train, val, test)]
    with torch.no_grad():
        z = model.projector_n(model.narrow(test.x_v[:, :NARROW]))
        extra = {"spread": float(embedding_spread(z))}
    extra["one crop"] = shared.probe_at(
        model.narrow, [(x[:, 12 : 12 + NARROW], y) for x, y in cuts], PER_CLASS, seed=seed
    )
    return shared.outcome(
        lambda m: shared.probe_at(shared.Averaged(m.narrow, NARROW), cuts, PER_CLASS, seed=seed),
        {"pretrained": model, "wrong partners": wrong, "untrained": untrained},
        chance=1 / data.n_classes,
        ceiling=top1(band_posterior(test.instrument.cpu()), test.y.cpu()),
        extra=extra,
    )
