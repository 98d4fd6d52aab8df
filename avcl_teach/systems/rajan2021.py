"""Rajan, Brutti and Cavallaro 2021: at test only the weak modality; in training it learns to say the strong.

Known: translation, alignment by correlation, CCC of arousal and valence on RECOLA (verified, from the
abstracts). Reconstruction: the form of the terms, all sizes and weights. Kept: at test the weak encoder and
its predictor run alone; whole-batch statistics with a batch of at least 4 times the code. Here the weak
modality is the face and the strong one the voice, the target arousal at every step; alignment is of the means
of clips. Avoided: CCC of each clip averaged (frames of all clips stand end to end), correlation with fewer
rows than 4 times the code, the strong modality at test. The row of Table 1 belongs to another paper of the
authors. Lesson: 32.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.comparison.emotion_sequences import Felt, FeltSplit, felt_clips
from avcl_teach.encoders.weak_to_strong import WeakToStrong
from avcl_teach.metrics.affect import ccc
from avcl_teach.objectives import deep_cca
from avcl_teach.table1 import Claim, Outcome, System

ABOUT = System(
    name="rajan2021",
    paper="Rajan, Brutti and Cavallaro 2021",
    key="rajan2021",
    lesson="32",
    task="emotion recognition",
    metric="CCC",
    protocol="arousal at every step of talkers never met, from the face alone; all steps end to end",
    chance="0: a constant, or a curve of another clip",
    ceiling="the strong modality alone: the same net trained and tested on the voice",
    labels_used="arousal of every step",
    paired="voice and face of one clip, in training alone",
    survey_row="Rajan et al., 2021 | MSE + DCCA + CE | Supervised | Emotion Recognition | ACC | "
    "56.5(A)/55.2(V) | SEW",
    correction="the cited paper regresses arousal and valence (CCC, RECOLA) and has no accuracy; the numbers "
    "are those of another paper of the authors, and SEW is no such data set",
    kept="translation and alignment in training; weak encoder and predictor alone at test",
    arms=("paper", "translation only", "alignment only", "weak alone", "strong alone"),
    claims=(
        Claim("Translation and alignment help the weak modality.", "paper", "weak alone"),
        Claim("Alignment adds to translation.", "paper", "translation only"),
        Claim("The strong modality is the stronger one.", "strong alone", "weak alone"),
    ),
)

SIZES = {
    "quick": {"n_train": 96, "n_test": 48, "steps": 8},
    "cpu": {"n_train": 1024, "n_test": 512, "steps": 150},
    "gpu": {"n_train": 4096, "n_test": 1024, "steps": 600},
}
DIM = 16
WEIGHTS = {  # of translation, reconstruction, correlation
    "paper": (1.0, 1.0, 1.0), "translation only": (1.0, 0.0, 0.0), "alignment only": (0.0, 1.0, 1.0),
    "weak alone": (0.0, 0.0, 0.0), "strong alone": (0.0, 0.0, 0.0),
}  # fmt: skip


class Steps(nn.Module):
    """Read a sequence both ways and give every step a code."""

    def __init__(self, dim: int, *, hidden: int = 32, out: int = DIM) -> None:
        super().__init__()
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, out)

    def forward(self, x: Float[Tensor, "batch step feature"]) -> Float[Tensor, "batch step dim"]:
        """Return the codes."""
        return self.out(self.gru(x)[0])


def build(dim_weak: int, dim_strong: int) -> WeakToStrong:
    """Build both encoders, the translation and the reconstruction of the strong one, and a predictor."""
    decoders = [nn.Sequential(nn.Linear(DIM, 32), nn.ReLU(), nn.Linear(32, dim_strong)) for _ in range(2)]
    return WeakToStrong((Steps(dim_weak), Steps(dim_strong)), decoders, dim=DIM, n_classes=1)


def loss_of(
    net: WeakToStrong, batch: tuple[Tensor, ...], *, weights: tuple[float, float, float]
) -> Float[Tensor, ""]:
    """Add 1 - CCC, translation, reconstruction, less correlation (a share of its largest value)."""
    x_w, x_s, y = batch
    to_strong, itself, agree = weights
    if not any(weights):
        return 1 - ccc(net(x_w).logits[..., 0], y)
    out = net(x_w, x_s)
    loss = 1 - ccc(out.logits[..., 0], y)
    if to_strong:
        loss = loss + to_strong * F.mse_loss(out.translation, x_s)
    if itself:
        loss = loss + itself * F.mse_loss(out.reconstruction, x_s)
    if agree:
        loss = loss + agree * deep_cca(out.z.mean(1), out.z_strong.mean(1), ridge=1e-2) / DIM
    return loss


def sides(split: FeltSplit, arm: str) -> tuple[Tensor, Tensor]:
    """Return (what runs at test, the strong modality)."""
    return (split.x_a if arm == "strong alone" else split.x_v), split.x_a


def fit(data: Felt, *, seed: int, arm: str = "paper", steps: int, device: str | torch.device = "cpu"):
    """Train one arm and return the net."""
    torch.manual_seed(seed)
    rows = (*sides(data.train, arm), data.train.arousal)
    net = build(rows[0].shape[2], rows[1].shape[2])
    training.fit(net, lambda m, b: loss_of(m, b, weights=WEIGHTS[arm]), rows, steps=steps,
                 batch_size=min(4 * DIM + 32, len(rows[2])), lr=3e-3, seed=seed, progress=False,
                 device=device)  # fmt: skip
    return net.cpu()


@torch.no_grad()
def curve(net: WeakToStrong, x: Tensor) -> Float[Tensor, "clip step"]:
    """Return the arousal that the net tells, from one modality."""
    return net(x).logits[..., 0]


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and evaluate one arm. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    size = SIZES[budget]
    data = felt_clips(size["n_train"], size["n_test"], n_val=size["n_test"] // 2, seed=seed)
    net = fit(data, seed=seed, arm=arm, steps=size["steps"], device=device)
    y = data.test.arousal
    x, _ = sides(data.test, arm)
    said = curve(net, x)
    strong = fit(data, seed=seed, arm="strong alone", steps=size["steps"], device=device)
    each = torch.stack([ccc(p, q) for p, q in zip(said, y, strict=True)]).mean()
    return Outcome(
        score=float(ccc(said, y)),
        chance=0.0,
        wrong_partner=float(ccc(said.roll(1, 0), y)),
        ceiling=float(ccc(curve(strong, data.test.x_a), y)),
        extra={"mean over clips": float(each)},
    )
