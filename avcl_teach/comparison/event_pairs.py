"""Clips with events, ready to train on: segments of sound, regions of picture, the answer of each segment."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.comparison.segment_pairs import SegmentSplit, world_segments

MATCH = 4


@dataclass(frozen=True)
class EventSplit:
    """Hold one cut. x_v has a few principal components a region; target is a class, or n_classes for "none".

    event: state of each segment · heard, viewed: the class, -1 = none · cover: share of each region covered
    by the thing that is heard and seen · index: the clip in the world.
    """

    x_a: Float[Tensor, "clip segment feature_a"]
    x_v: Float[Tensor, "clip segment region feature_v"]
    target: Int[Tensor, "clip segment"]
    event: Int[Tensor, "clip segment"]
    heard: Int[Tensor, "clip segment"]
    viewed: Int[Tensor, "clip segment"]
    cover: Float[Tensor, "clip segment region"]
    index: Int[Tensor, "clip"]

    @property
    def n_clips(self) -> int:
        """Count the clips."""
        return len(self.index)


@dataclass(frozen=True)
class Events:
    """Hold three cuts of clips with events."""

    train: EventSplit
    val: EventSplit
    test: EventSplit
    class_names: tuple[str, ...]
    preset: str
    seed: int

    @property
    def n_classes(self) -> int:
        """Count the classes; this number is also the answer "none"."""
        return len(self.class_names)

    def __repr__(self) -> str:
        n = {name: getattr(self, name).n_clips for name in ("train", "val", "test")}
        return f"Events({self.preset}, seed {self.seed}: {n}, {self.train.x_a.shape[1]} segments a clip)"


def world_events(
    n_train: int = 768,
    n_test: int = 256,
    preset: str = "easy",
    *,
    seed: int = 0,
    n_val: int = 128,
    n_components: int = 32,
) -> Events:
    """Take clips of the layout "event" and keep of each region its largest principal components.

    Components are those of the training cut, each scaled to variance 1. Errors: as `world_segments`, and
    ValueError for more components than features. Lesson: 33.
    """
    data = world_segments(n_train, n_test, preset, seed=seed, n_val=n_val)
    x = data.train.x_v.flatten(0, 2)
    if not 1 <= n_components <= x.shape[1]:
        raise ValueError(f"expected 1 to {x.shape[1]} components, got {n_components}")
    size, axes = torch.linalg.eigh(torch.cov(x.T))
    W, mean = axes[:, -n_components:] / size[-n_components:].clamp_min(1e-9).sqrt(), x.mean(0)

    def cut(split: SegmentSplit) -> EventSplit:
        target = torch.where(split.event == MATCH, split.event_label, data.n_classes)
        return EventSplit(split.x_a, (split.x_v - mean) @ W, target, split.event, split.heard,
                          split.viewed, split.cover_heard, split.index)  # fmt: skip

    return Events(*map(cut, (data.train, data.val, data.test)), data.class_names, preset, seed)


def strangers(split: EventSplit, *, seed: int = 0) -> Int[Tensor, "clip"]:
    """Give each clip the pictures of another, in which nothing that it sounds is seen at the same moment.

    Returns an order without fixed points. No segment of a sound then matches its new picture: a pair of
    strangers of one class would be no wrong partner. Errors: ValueError where there is no such order.
    Lesson: 33.
    """
    from scipy.optimize import linear_sum_assignment

    n = split.n_clips
    same = (split.heard[:, None] == split.viewed[None]) & (split.heard[:, None] >= 0)
    cost = same.sum(2).double() + n * split.heard.shape[1] * torch.eye(n, dtype=torch.double)
    draw = torch.rand(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    order = torch.as_tensor(linear_sum_assignment((cost + draw / (2 * n)).numpy())[1])
    if cost[torch.arange(n), order].sum() > 0:
        raise ValueError(f"expected clips that can be told apart, got {n} of which some share every class")
    return order
