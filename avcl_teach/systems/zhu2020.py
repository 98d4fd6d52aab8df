"""Cascaded opponent filter (Zhu and Rahtu 2020): what my picture left in your track is moved over to mine.

Verified in the released code: stage 1 is PixelPlayer on one frame; stage 2 has a new U-Net that hears each
separated sound and a new look at a dynamic image; one shared K-vector and one bias (17 numbers) filter what
passes from m to n; logits are added before one sigmoid; both stages are trained, stage 2 on a detached input.
What is given is taken away elsewhere, so the sum of the logits over sources never changes. Reconstruction:
sizes. Shrunk: 16 frames of 32 px, four levels. Faults of the code avoided: the logarithm of a masked
magnitude reaches 0 (a floor stands in), a dynamic image of 0 to 255 after a normalisation (here -1 to 1).
Lesson: 35.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.solo_clips import Solos
from avcl_teach.encoders.picture_trunks import PictureMaps
from avcl_teach.encoders.u_nets import UNet
from avcl_teach.systems import _pixel_player as base
from avcl_teach.table1 import Claim, Outcome, System

ABOUT = System(
    name="zhu2020",
    paper="Zhu and Rahtu 2020",
    key="zhu2020",
    lesson="35",
    task="Sound separation",
    metric="SDR",
    unit="dB",
    protocol="120 frozen mixtures of two solos of different classes at equal loudness, individuals never met "
    "in training; soft masks of stage 2, BSS Eval with 512 taps, no permutation search",
    chance="SDR of the mixture itself, taken for either source",
    ceiling="SDR of the dominant masks of the true shares",
    labels_used="class labels for the picture trunk (the paper's is trained on ImageNet) and to draw pairs",
    paired="the sound of a mixture and the silent videos of its two sources",
    survey_row="Zhu and Rahtu, 2020 | CE | Supervised | Sound Separation | SDR | 8.25 | MUSIC",
    correction="mix-and-separate on unlabelled videos, the regime the table calls semi-supervised elsewhere; "
    "8.25 could not be checked",
    kept="exchange of residuals, logits added before one sigmoid, losses on both stages, detached input",
    mark="reconstruction",
    arms=("paper", "one stage", "still picture"),
    claims=(
        Claim("A second stage improves on the first.", "paper", "one stage"),
        Claim("Motion tells stage 2 what appearance cannot.", "paper", "still picture", "same class"),
    ),
)
SIZES = {name: sizes | {"n_same": max(sizes["n_test"] // 2, 4)} for name, sizes in base.SIZES.items()}
SIZES["cpu"] = SIZES["cpu"] | {"steps": 400}


def dynamic_image(
    frames: Float[Tensor, "*batch time channel height width"],
) -> Float[Tensor, "*batch channel height width"]:
    r"""Pool a film into one picture: $\sum_t c_t I_t$, $c_t = \sum_{i=t}^{T} (2 i - T - 1) / i$.

    Late frames count positively, early ones negatively: approximate rank pooling (the released code has
    2 i - T, whose weights do not add up to 0, so that a still film leaves its picture). A film that stands
    still gives 0. Source: Bilen et al. 2016. Lesson: 35.
    """
    T = frames.shape[-4]
    i = torch.arange(1, T + 1, dtype=torch.float64)
    c = ((2 * i - T - 1) / i).flip(0).cumsum(0).flip(0)
    return torch.einsum("t,...tchw->...chw", c.to(frames), frames)


def exchange(
    logits: Float[Tensor, "mixture source row frame"], r: Float[Tensor, "mixture to from row frame"]
) -> Float[Tensor, "mixture source row frame"]:
    """Add to each source what it is given by the others and take what they are given by it.

    final_n = logits_n + sum over m of (r[n, m] - r[m, n]); the diagonal of r cancels. The sum over sources
    stays what it was, whatever r is. Lesson: 35.
    """
    return logits + (r - r.transpose(1, 2)).sum(2)


class OpponentFilter(nn.Module):
    """Separate in two stages."""

    def __init__(self, k: int = base.K, *, width: int = 16, see: str = "paper") -> None:
        super().__init__()
        self.see = see
        self.first = base.PixelPlayer(k, width=width)
        self.second = UNet(k, width=width)
        self.motion, self.look = PictureMaps(k, n_in=1, width=8), nn.Linear(64, k)
        self.filter = base.PixelHead(k)  # alpha, beta: 17 numbers

    def second_look(self, maps: Tensor, motion: Tensor) -> Float[Tensor, "mixture source k"]:
        """See the dynamic image, or ("still picture") the same picture once more."""
        if self.see == "still picture":
            return torch.sigmoid(self.look(maps).amax(2))
        seen = self.motion(motion.flatten(0, 1)).amax((2, 3))
        return torch.sigmoid(seen).unflatten(0, motion.shape[:2])

    def forward(
        self, x: Float[Tensor, "mixture row 64"], maps: Tensor, motion: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of stage 1 and of stage 2, each [mixture, source, row, 64]."""
        one = self.first(x, maps)
        if self.see == "one stage":
            return one, one
        b, n = one.shape[:2]
        heard = torch.sigmoid(one).detach() * x[:, None]
        s = self.second(base.log_input(heard).flatten(0, 1)[:, None]).unflatten(0, (b, n))
        v = self.second_look(maps, motion)
        r = torch.einsum("bnk,bmkft->bnmft", v * self.filter.alpha, s) + self.filter.beta
        return one, exchange(one, r)


def views(clips: Solos) -> tuple[Tensor, Tensor]:
    """Return the trunk's maps of one picture and the dynamic image in grey, about -1 to 1."""
    return base.trunk_maps(clips), dynamic_image(clips.grey[:, :, None]) / 4


def train(seed: int, arm: str, sizes: dict, device: str | torch.device = "cpu"):
    """Train one arm on pairs of different and of the same class in equal parts."""
    clips = base.training_clips(sizes, seed).to(device)
    maps, motion = views(clips)
    torch.manual_seed(seed)
    model = OpponentFilter(see=arm).to(device)
    n = sizes["steps"] * sizes["batch"] // 2
    who = [base.draw_pairs(clips.labels.cpu(), n, same=same, seed=seed + same) for same in (False, True)]

    def loss(m):
        one, two = model(m.x, maps[m.who], motion[m.who])
        first = base.mask_loss(one, m.masks, m.x)
        return first if two is one else first + base.mask_loss(two, m.masks, m.x)

    history = base.train_on_pairs(model, loss, clips, torch.cat(who), steps=sizes["steps"],
                                  batch=sizes["batch"], seed=seed, device=device)  # fmt: skip
    return model.eval(), history.losses


def separator(model: OpponentFilter, clips: Solos, *, stage: int = 2):
    """Return logits(mixtures, rows) of a stage."""
    maps, motion = views(clips)
    return lambda m, rows: model(m.x, maps[rows], motion[rows])[stage - 1]


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    model, _ = train(seed, arm, sizes, device)
    clips, who = base.frozen_pairs(sizes["n_test"], same=False)
    twins, pairs = base.frozen_pairs(sizes["n_same"], same=True)
    clips, twins = clips.to(device), twins.to(device)
    found = base.judge(separator(model, clips), clips, who)
    first = found if arm == "one stage" else base.judge(separator(model, clips, stage=1), clips, who)
    same, level = base.judge(separator(model, twins), twins, pairs), base.levels(clips, who)
    extra = {name: found[name] for name in ("sir", "sar", "si_sdr")} | {
        "stage 1": first["sdr"], "same class": same["sdr"], "same class, wrong partner": same["wrong"],
    }  # fmt: skip
    return Outcome(found["sdr"], level["mixture"], found["wrong"], level["oracle"], extra)
