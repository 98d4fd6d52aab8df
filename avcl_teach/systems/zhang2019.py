"""Zhang, Wang and Du 2019: attention-guided factorized bilinear pooling for emotion from face and voice.

Known: the pipeline and 62.48 % on AFEW (verified, from the abstract); the form of the attention and the video
branch (from memory). Reconstruction: sizes, and the data. Kept: attention before the fusion, factor k with
sum pooling, signed root and unit length, cross-entropy. Shrunk: three convolutions over prosody and over
eigenfaces (frozen features for the face, as in the paper); k = 4, 32 outputs. Three fifths of all steps show
something else than the talker. Ours: a second head says whether voice and face fit. Avoided: a root without
eps (NaN), dropout after the norm, k and the outputs swapped. Lesson: 32.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.comparison.emotion_sequences import Felt, FeltSplit, felt_clips
from avcl_teach.encoders import AttentionPool
from avcl_teach.encoders.bilinear_fusion import FactorizedBilinear, sum_pool
from avcl_teach.metrics.affect import uar
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.world.emotion_probes import best_guess

ABOUT = System(
    name="zhang2019",
    paper="Zhang, Wang and Du 2019",
    key="zhang2019",
    lesson="32",
    task="emotion recognition",
    metric="UAR",
    protocol="five emotions of talkers never met, 60 % of the steps show something else; classes count alike",
    chance="1 / 5 classes",
    ceiling="the best guess from the true signs of arousal, voice's and face's valence",
    labels_used="emotion of every clip, and whether voice and face fit (a second label)",
    paired="voice and face of one clip",
    survey_row="Zhang et al., 2019 | CE | Supervised | Emotion Recognition | ACC | 62.5 | AFEW8.0",
    correction="",
    kept="attention before the fusion, k factors and sum pooling, signed root and unit length",
    arms=("paper", "concat", "sum", "mean pool"),
    claims=(
        Claim("Factorized bilinear pooling beats concatenation of equal size.", "paper", "concat"),
        Claim("A product rule needs products: bilinear beats a sum on whether voice and face fit.",
              "paper", "sum", "product"),
        Claim("Attention beats the mean where most steps are irrelevant.", "paper", "mean pool"),
    ),
)  # fmt: skip

SIZES = {
    "quick": {"n_train": 96, "n_test": 48, "steps": 10},
    "cpu": {"n_train": 1024, "n_test": 512, "steps": 200},
    "gpu": {"n_train": 4096, "n_test": 1024, "steps": 800},
}
WIDTH, N_OUT, N_FACTORS, SAME_SIZE = 32, 32, 4, 87  # SAME_SIZE: hidden units that make concat as large


class Concat(nn.Module):
    """Join two vectors end to end, and let a small network of the same size find what to do."""

    def __init__(self, dim: int, *, n_out: int, hidden: int = SAME_SIZE) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2 * dim, hidden), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, n_out)
        )

    def forward(
        self, a: Float[Tensor, "batch dim"], v: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch out"]:
        """Return the fused vector."""
        return self.net(torch.cat([a, v], dim=1))


class Sum(FactorizedBilinear):
    """Add where bilinear pooling multiplies: what is read off it is one function of a plus one of v."""

    def forward(
        self, a: Float[Tensor, "batch dim_a"], v: Float[Tensor, "batch dim_v"]
    ) -> Float[Tensor, "batch out"]:
        """Return the fused vector."""
        return sum_pool(self.dropout(self.U(a) + self.V(v)), n_factors=self.n_factors)


class EmotionNet(nn.Module):
    """Convolve, attend, fuse; read off the emotion, and whether voice and face fit."""

    def __init__(self, dim_a: int, dim_v: int, *, arm: str = "paper", width: int = WIDTH) -> None:
        super().__init__()
        self.a, self.v = _convolutions(dim_a, width), _convolutions(dim_v, width)
        self.pool_a, self.pool_v = (
            None if arm == "mean pool" else AttentionPool(width, sharpness=2.0) for _ in "av"
        )
        if arm == "concat":
            self.fuse = Concat(width, n_out=N_OUT)
        else:
            kind = Sum if arm == "sum" else FactorizedBilinear
            self.fuse = kind(width, width, n_out=N_OUT, n_factors=N_FACTORS)
        self.scale = nn.Parameter(torch.tensor(5.0))  # a unit vector alone bounds the logits
        self.emotion, self.fitting = nn.Linear(N_OUT, 5), nn.Linear(N_OUT, 2)

    def forward(
        self, x_a: Float[Tensor, "batch step feature_a"], x_v: Float[Tensor, "batch step feature_v"]
    ) -> tuple[Float[Tensor, "batch five"], Float[Tensor, "batch two"]]:
        """Return the logits of both questions."""
        h_a, h_v = self.a(x_a.mT).mT, self.v(x_v.mT).mT
        a = h_a.mean(1) if self.pool_a is None else self.pool_a(h_a)
        v = h_v.mean(1) if self.pool_v is None else self.pool_v(h_v)
        z = self.scale * self.fuse(a, v)
        return self.emotion(z), self.fitting(z)


def _convolutions(dim: int, width: int) -> nn.Sequential:
    sizes = (dim, width, width)
    return nn.Sequential(*(m for d in sizes for m in (nn.Conv1d(d, width, 3, padding=1), nn.ReLU())))


def loss_of(net: nn.Module, batch: tuple[Tensor, ...]) -> Float[Tensor, ""]:
    """Add the cross-entropies of both questions."""
    emotion, fitting = net(*batch[:2])
    return F.cross_entropy(emotion, batch[2]) + F.cross_entropy(fitting, batch[3])


def fit(
    data: Felt, *, seed: int, arm: str = "paper", steps: int, share: float = 0.6,
    device: str | torch.device = "cpu",
) -> EmotionNet:  # fmt: skip
    """Train one arm on clips of which `share` of the steps show something else, and return the net."""
    torch.manual_seed(seed)
    net = EmotionNet(*data.dims, arm=arm)
    rows = (*data.train.cut_away(share=share, seed=seed), data.train.emotion, data.train.fitting)
    training.fit(net, loss_of, rows, steps=steps, batch_size=min(64, len(rows[2])), lr=2e-3, seed=seed,
                 progress=False, device=device)  # fmt: skip
    return net.cpu()


@torch.no_grad()
def told(net: nn.Module, x_a: Tensor, x_v: Tensor, split: FeltSplit) -> tuple[float, float]:
    """Return the UAR of both questions."""
    emotion, fitting = net(x_a, x_v)
    return uar(emotion.argmax(1), split.emotion), uar(fitting.argmax(1), split.fitting)


def ceiling_of(split: FeltSplit) -> float:
    """Return the best guess of who knows the three true signs."""
    a, b, f = (x.mean(1) > 0 for x in (split.arousal, split.valence, split.face_valence))
    return best_guess((4 * a.long() + 2 * b.long() + f.long()).numpy(), split.emotion.numpy())


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and evaluate one arm. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    size = SIZES[budget]
    data = felt_clips(size["n_train"], size["n_test"], n_val=size["n_test"] // 2, seed=seed)
    net = fit(data, seed=seed, arm=arm, steps=size["steps"], device=device)
    test = data.test
    x_a, x_v = test.cut_away(seed=seed)
    other = wrong_partners(test.emotion, seed=seed)
    score, product = told(net, x_a, x_v, test)
    wrong_voice, _ = told(net, x_a[other], x_v, test)
    wrong_face, _ = told(net, x_a, x_v[other], test)
    unfit = wrong_partners(test.emotion * 2 + test.fitting, seed=seed)
    extra = {"product": product, "product, wrong voice": told(net, x_a[unfit], x_v, test)[1],
             "wrong voice": wrong_voice, "wrong face": wrong_face}  # fmt: skip
    return Outcome(score, 1 / 5, max(wrong_voice, wrong_face), ceiling_of(test), extra)
