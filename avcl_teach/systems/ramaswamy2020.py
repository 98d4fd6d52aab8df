"""Ramaswamy and Das 2020: one fusion block and weights for segments, under three kinds of supervision.

Blocks and settings (verified from the abstract): audio-visual fusion, segment-wise attention, and a triplet
over Gram matrices where there are no labels. Numbers (from memory): 74.8 % supervised, 68.9 % weak. The forms
of fusion, weights and triplet are reconstructions. In the paper the triplet finds sources in the image; here
it finds matches in time, since its distance says whether sound and picture belong together. Kept: a product
of both modalities as fusion, a weight for each segment, three losses. Shrunk: 32 dimensions, 8 segments.
Faults avoided: Gram matrices of rows of any length (scale wins); negatives from another second of the same
clip (false ones while the event lasts); a softmax before the maximum over time. Lesson: 33.

Without labels two things are still told, and no more: the share of segments that match (a threshold), and
after training the name of each of eight clusters.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.event_pairs import Events
from avcl_teach.encoders.transformers import TransformerBlock
from avcl_teach.objectives.gram_triplets import (
    gram_triplet,
    squared_distances,
    triplet_of_distances,
)
from avcl_teach.systems import _events
from avcl_teach.systems._event_clusters import ClusterLocalizer, mean_of_rows
from avcl_teach.systems.lin2020 import clip_loss, segment_loss
from avcl_teach.table1.declare import Claim, Outcome, System

ABOUT = System(
    name="ramaswamy2020",
    paper="Ramaswamy and Das 2020",
    key="ramaswamy2020",
    lesson="33",
    task="event localization in time",
    metric="segment accuracy",
    protocol=_events.PROTOCOL,
    chance=_events.CHANCE,
    ceiling=_events.CEILING,
    labels_used="a class or none for every segment (weak: classes of the clip; unsupervised: none, but the "
    "share of matches and the names of eight clusters)",
    paired="sound and picture of one segment",
    survey_row="Ramaswamy and Das, 2020 | CE/T | Semi-(Un)Supervised | Sound Localization | ACC | 74.8 | "
    "AVE",
    correction="74.8 is the supervised number for events in time; the triplet is over Gram matrices and "
    "belongs to another task of the paper, sources in the image",
    kept="fusion by a product, weights for segments, three losses",
    claims=(
        Claim("labels of segments beat labels of clips", "paper", "weak", "match_auc"),
        Claim("labels of clips beat no labels", "weak", "unsupervised", "match_auc"),
        Claim("not the paper's, direction unknown: Gram matrices beat means", "unsupervised", "mean_triplet",
              "match_auc"),
    ),
    arms=("paper", "weak", "unsupervised", "mean_triplet"),
)  # fmt: skip
SIZES = _events.SIZES


class Fusion(nn.Module):
    """Multiply what two linear maps make of sound and picture (bilinear, of low rank), and map it out."""

    def __init__(self, dim: int, *, rank: int = 64) -> None:
        super().__init__()
        self.U, self.V, self.out = nn.Linear(dim, rank), nn.Linear(dim, rank), nn.Linear(rank, 2 * dim)

    def forward(self, a: Tensor, v: Tensor) -> Tensor:
        """Return out(U a * V v): large only where both agree."""
        return self.out(self.U(a) * self.V(v))


class SegmentWeights(nn.Module):
    """Let segments look at each other, then weigh each: z_t (1 + T w_t), the w_t of a clip sum to 1."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.look = TransformerBlock(dim, 2)
        self.score = nn.Sequential(nn.Linear(dim, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, z: Float[Tensor, "clip segment dim"]) -> Float[Tensor, "clip segment dim"]:
        """Return the weighed segments."""
        z = self.look(z)
        return z * (1 + z.shape[1] * self.score(z).softmax(1))


class FusedLocalizer(nn.Module):
    """Fuse sound and picture by a product, weigh segments, answer each."""

    def __init__(self, n_classes: int, *, dim: int = 32) -> None:
        super().__init__()
        self.encode, self.fuse = _events.Encoders(dim), Fusion(dim)
        self.weigh, self.head = SegmentWeights(2 * dim), _events.mlp(2 * dim, n_classes + 1)

    def forward(
        self,
        x_a: Float[Tensor, "clip segment feature_a"],
        x_v: Float[Tensor, "clip segment region feature_v"],
    ) -> Float[Tensor, "clip segment answer"]:
        """Return logits of the classes and, last, of "none"."""
        a, v = self.encode(x_a, x_v)
        return self.head(self.weigh(self.fuse(a, v.amax(2))))


class Matcher(nn.Module):
    """Make of each segment two sets of rows: four of its sound, one of each region of its picture."""

    def __init__(self, *, dim: int = 16, rows: int = 4, n_a: int = 64, n_v: int = 32) -> None:
        super().__init__()
        self.rows, self.f, self.g = rows, _events.mlp(n_a, rows * dim), _events.mlp(n_v, dim)

    def forward(self, x_a: Tensor, x_v: Tensor) -> tuple[Tensor, Tensor]:
        """Return sets [clip, segment, row, dim]."""
        return self.f(x_a).unflatten(-1, (self.rows, -1)), self.g(x_v)


def label_free_loss(net: nn.Module, batch: tuple[Tensor, ...], *, margin: float = 0.2) -> Float[Tensor, ""]:
    """Triplet over Gram matrices of all segments of the batch; those of one clip are no negatives."""
    a, v = net(batch[0], batch[1])
    return gram_triplet(a.flatten(0, 1), v.flatten(0, 1), _clip_of(a), margin=margin)


def label_free_loss_of_means(
    net: nn.Module, batch: tuple[Tensor, ...], *, margin: float = 0.2
) -> Float[Tensor, ""]:
    """Same triplet over the means of the rows: first-order statistics instead of second-order ones."""
    a, v = net(batch[0], batch[1])
    D = squared_distances(mean_of_rows(a).flatten(0, 1), mean_of_rows(v).flatten(0, 1))
    return triplet_of_distances(D, _clip_of(a), margin=margin)


def _clip_of(a: Tensor) -> Tensor:
    return torch.arange(len(a), device=a.device).repeat_interleave(a.shape[1])


def train(
    seed: int, *, arm: str = "paper", budget: str = "cpu", device: str | torch.device = "cpu"
) -> tuple[nn.Module, Events]:
    """Train one arm and return it with its data."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    data = _events.load(seed, sizes)
    torch.manual_seed(seed)
    net = FusedLocalizer(data.n_classes) if arm in ("paper", "weak") else Matcher()
    losses = {"paper": segment_loss, "weak": clip_loss, "unsupervised": label_free_loss}
    loss = losses.get(arm, label_free_loss_of_means)
    return _events.fit(net, loss, data, seed=seed, device=device, **sizes), data


def answerer(
    net: nn.Module, data: Events, *, arm: str = "paper", device: str | torch.device = "cpu"
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return what maps (sound, regions) to (answers, how sure) for a trained arm."""
    if arm in ("paper", "weak"):
        return partial(_events.localize, net, device=device)
    return ClusterLocalizer(net, data, means=arm == "mean_triplet", device=device)


def measure(
    net: nn.Module, data: Events, *, arm: str = "paper", device: str | torch.device = "cpu"
) -> Outcome:
    """Measure a trained arm."""
    return _events.outcome(answerer(net, data, arm=arm, device=device), data)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and measure one arm."""
    net, data = train(seed, arm=arm, budget=budget, device=device)
    return measure(net, data, arm=arm, device=device)
