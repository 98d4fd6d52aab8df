"""Category information for one-frame separation (Zhu and Rahtu 2021): how much is just knowing the class?

Verified in the released code: as many maps as classes (K = 8 here) and no alpha, no beta in the product; the
picture is replaced by a one-hot vector (the oracle), or pushed towards it; a location map from the product of
a pooled embedding with its own places, trained with matching and mismatching pairs. Reconstruction: sizes.
Pictures are seen through the frozen trunk (one that learnt from nothing found no class within this budget:
every mask was a half). The oracle's 10.74 dB is what the survey prints as the system's: it knows the class at
test time too, and it locates nothing. Faults avoided: pairs of one class as "mismatch", a sampling loop that
may never end. Lesson: 35.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.solo_clips import Solos
from avcl_teach.encoders.u_nets import UNet
from avcl_teach.systems import _pixel_player as base
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.world import CLASSES

ABOUT = System(
    name="zhu2021a",
    paper="Zhu and Rahtu 2021",
    key="zhu2021category",
    lesson="35",
    task="Sound separation",
    metric="SDR",
    unit="dB",
    protocol="120 frozen mixtures of two solos of different classes at equal loudness, individuals never met "
    "in training; soft masks, BSS Eval with 512 taps, no permutation search",
    chance="SDR of the mixture itself, taken for either source",
    ceiling="SDR of the dominant masks of the true shares",
    labels_used="to draw pairs of different classes and for the picture trunk; the category arm is told both "
    "classes, in training and at test",
    paired="the sound of a mixture and one picture of each of its two sources",
    survey_row="Zhu and Rahtu, 2021 | CE | Semi-Supervised | Sound Separation & Localization | SDR | "
    "10.74 | MUSIC",
    correction="10.74 is the oracle: the true category in place of the picture; it locates nothing. The "
    "best system that looks at pixels reaches 10.59, with labels in training",
    kept="K = number of classes, no alpha and beta in the product, matching and mismatching pairs",
    mark="reconstruction",
    arms=("paper", "no match loss", "category"),
    claims=(
        Claim("Knowing the class separates better than looking.", "category", "paper"),
        Claim("Matching and mismatching pairs help the look.", "paper", "no match loss"),
    ),
)
SIZES = {name: sizes | {"n_same": max(sizes["n_test"] // 2, 4)} for name, sizes in base.SIZES.items()}
SIZES["cpu"]["steps"] = 1000


class CategorySeparator(nn.Module):
    """Separate by a vector of as many entries as there are classes, seen in one picture or told."""

    def __init__(self, *, n_classes: int = len(CLASSES), width: int = 16, told: bool = False) -> None:
        super().__init__()
        self.told, self.sound = told, UNet(n_classes, width=width)
        self.look = nn.Linear(64, n_classes)
        self.locate = nn.Conv2d(1, 1, 1)

    def see(self, maps: Float[Tensor, "*batch place 64"]) -> tuple[Tensor, Tensor]:
        """Return the embedding e [*batch, class] in 0..1 and its map [*batch, class, row, column]."""
        h = self.look(maps)
        side = math.isqrt(h.shape[-2])
        return torch.sigmoid(h.amax(-2)), h.mT.unflatten(-1, (side, side))

    def located(self, e: Float[Tensor, "n class"], h: Float[Tensor, "n class row column"]) -> Tensor:
        """Return logits of where a picture h shows what the embedding e is of: [n, row, column]."""
        return self.locate((e[..., None, None] * h).sum(1, keepdim=True))[:, 0]

    def forward(self, x: Float[Tensor, "mixture row 64"], e: Float[Tensor, "mixture source class"]) -> Tensor:
        """Return logits of the masks: sum over classes of e_c s_c."""
        return torch.einsum("bnk,bkft->bnft", e, self.sound(base.log_input(x)[:, None]))


def match_loss(
    model: CategorySeparator,
    e: Float[Tensor, "mixture 2 class"],
    h: Float[Tensor, "mixture 2 class row column"],
) -> Float[Tensor, ""]:
    """Ask that a picture's own embedding is found somewhere in it, and the other's nowhere.

    Half the cross-entropy of max p(e1, h1) against 1 plus that of max p(e1, h2) against 0; the two are of
    different classes. Lesson: 35.
    """
    own = model.located(e[:, 0], h[:, 0]).amax((1, 2))
    other = model.located(e[:, 0], h[:, 1]).amax((1, 2))
    return (F.softplus(-own).mean() + F.softplus(other).mean()) / 2


def codes(model: CategorySeparator, clips: Solos) -> Float[Tensor, "clip class"]:
    """Return the vector of every clip: seen, or told as one-hot."""
    if model.told:
        return F.one_hot(clips.labels, len(CLASSES)).float()
    return model.see(base.trunk_maps(clips))[0]


def train(seed: int, arm: str, sizes: dict, device: str | torch.device = "cpu"):
    """Train one arm on pairs of different classes."""
    clips = base.training_clips(sizes, seed).to(device)
    torch.manual_seed(seed)
    model = CategorySeparator(told=arm == "category").to(device)
    maps, one_hot = base.trunk_maps(clips), F.one_hot(clips.labels, len(CLASSES)).float()
    who = base.draw_pairs(clips.labels.cpu(), sizes["steps"] * sizes["batch"], same=False, seed=seed)

    def loss(m):
        if model.told:
            return base.mask_loss(model(m.x, one_hot[m.who]), m.masks, m.x)
        e, h = model.see(maps[m.who])
        found = base.mask_loss(model(m.x, e), m.masks, m.x)
        return found + match_loss(model, e, h) if arm == "paper" else found

    history = base.train_on_pairs(model, loss, clips, who, steps=sizes["steps"], batch=sizes["batch"],
                                  seed=seed, device=device)  # fmt: skip
    return model.eval(), history.losses


def separator(model: CategorySeparator, clips: Solos):
    """Return logits(mixtures, rows)."""
    with torch.no_grad():
        e = codes(model, clips)
    return lambda m, rows: model(m.x, e[rows])


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
    found, level = base.judge(separator(model, clips), clips, who), base.levels(clips, who)
    same = base.judge(separator(model, twins), twins, pairs)
    extra = {name: found[name] for name in ("sir", "sar", "si_sdr")}
    extra |= {"same class": same["sdr"], "same class, wrong partner": same["wrong"]}
    return Outcome(found["sdr"], level["mixture"], found["wrong"], level["oracle"], extra)
