"""Data of the bench: features of both sides, cut into train, val and test, standardised on train only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.comparison import views
from avcl_teach.comparison.cached import cached, hash_files
from avcl_teach.comparison.networks import Layout

SPLITS = ("train", "val", "test")


class Split(NamedTuple):
    """Hold one cut: row i of x_a belongs to row i of x_v and has class labels[i]."""

    x_a: Float[Tensor, "pair feature_a"]
    x_v: Float[Tensor, "pair feature_v"]
    labels: Int[Tensor, "pair"]

    @property
    def n_pairs(self) -> int:
        """Count the pairs."""
        return len(self.labels)


@dataclass(frozen=True)
class Pairs:
    """Hold three cuts of pairs with what an encoder must know of their rows.

    instances: whether a pair has one true partner by nature (clips), or shares its class only (digits, where
    R@10 of the one partner means nothing). Lesson: 26.
    """

    name: str
    train: Split
    val: Split
    test: Split
    layout_a: Layout
    layout_v: Layout
    class_names: tuple[str, ...]
    instances: bool = True

    @property
    def n_classes(self) -> int:
        """Count the classes."""
        return len(self.class_names)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {getattr(self, name).n_pairs}" for name in SPLITS)
        return (
            f"Pairs({self.name}: {sizes}; {self.layout_a.n_features} features of sound, "
            f"{self.layout_v.n_features} of picture, {self.n_classes} classes)"
        )


def world_pairs(
    n_train: int = 1024, n_test: int = 256, preset: str = "easy", *, seed: int = 0, n_val: int = 256
) -> Pairs:
    """Take clips of the world, 32 px wide; those of val and test show individuals never met in training.

    Features of `sound_view` and `picture_view`, cached on disk (rendering 1,500 clips takes about 7 s of
    processor time once). The seed draws the clips. Errors: ValueError for fewer than 2 clips or an unknown
    preset. Lesson: 26.
    """
    from avcl_teach import world

    _check_sizes(n_train=n_train, n_val=n_val, n_test=n_test)

    def cut(split: str, n: int) -> tuple[dict[str, Tensor], tuple[Layout, Layout]]:
        parts = []
        for start in range(0, n, 128):
            clips = world.render(
                range(start, min(n, start + 128)), preset=preset, split=split, seed=seed, size_px=32,
                stems=False, masks=False,
            )  # fmt: skip
            x_a, layout_a = views.sound_view(clips.mono, sample_rate_hz=clips.sample_rate_hz)
            x_v, layout_v = views.picture_view(clips.frames)
            parts.append((x_a, x_v, clips.label))
        x_a, x_v, labels = (torch.cat(part) for part in zip(*parts, strict=True))
        return {"x_a": x_a, "x_v": x_v, "labels": labels}, (layout_a, layout_v)

    def key(split: str, n: int) -> dict:
        return {
            "clips": world.content_hash(range(n), preset=preset, split=split, seed=seed, size_px=32),
            "views": hash_files(views.__file__),
        }

    cuts = [
        _cached(key(split, n), lambda split=split, n=n: cut(split, n))
        for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True)
    ]
    return _pairs(f"world, {preset}", cuts, world.CLASSES)


def digit_pairs(
    held_out: str | Sequence[str] | None = None,
    *,
    seed: int = 0,
    n_train: int = 1024,
    n_test: int = 256,
    n_val: int = 200,
    speech: str = "auto",
) -> Pairs:
    """Pair written with spoken digits BY CLASS, the test's speakers held out of training and validation.

    `held_out` as in `digits.paired_digits`. Nobody wrote the digit he said, so judge by mAP; R@10 of the one
    partner means nothing here. Errors: FileNotFoundError where no spoken digits are to be had, with the ways
    to get them; ValueError for an unknown speaker or fewer than 2 pairs. Lesson: 26.
    """
    from avcl_teach.digits import paired_digits

    _check_sizes(n_train=n_train, n_val=n_val, n_test=n_test)
    cuts = []
    for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True):
        clips = paired_digits(
            split=split, n=n, seed=seed, heldout_speakers=held_out, size_px=8, speech=speech
        )
        x_a, layout_a = views.spoken_view(clips.mono, sample_rate_hz=clips.sample_rate_hz)
        x_v, layout_v = views.written_view(clips.frames)
        cuts.append(({"x_a": x_a, "x_v": x_v, "labels": clips.label}, (layout_a, layout_v)))
    who = ", ".join(clips.meta["heldout_speakers"])
    kind = clips.meta["speech"].split(" ")[0]
    return _pairs(f"digits ({kind} speech), {who} held out", cuts, clips.meta["class_names"], instances=False)


def toy_pairs(
    n_train: int = 1024,
    n_test: int = 256,
    *,
    seed: int = 0,
    n_val: int = 256,
    n_classes: int = 10,
    n_shared: int = 12,
    n_private: int = 12,
    instance: float = 0.7,
    nuisance: float = 1.5,
    n_features: int = 40,
) -> Pairs:
    """Draw pairs from a Gaussian model: class and instance shared, a private nuisance on each side.

    s = m_class + instance * u, x = tanh(W [s; nuisance * p] / 2), with W and p each side's own and standard
    normal throughout. What can be told of a pair is s; the nuisance is larger than it. Costs milliseconds.
    Errors: ValueError for sizes below 2. Lessons: 20 to 26.
    """
    _check_sizes(n_train=n_train, n_val=n_val, n_test=n_test, n_classes=n_classes)
    g = torch.Generator().manual_seed(seed)
    means = torch.randn(n_classes, n_shared, generator=g)
    W_a, W_v = (torch.randn(n_shared + n_private, n_features, generator=g) for _ in range(2))
    scale = (n_shared + nuisance**2 * n_private) ** 0.5 / 2
    cuts = []
    for n in (n_train, n_val, n_test):
        labels = torch.randint(n_classes, (n,), generator=g)
        s = means[labels] + instance * torch.randn(n, n_shared, generator=g)
        x_a, x_v = (
            torch.tanh(torch.cat([s, nuisance * torch.randn(n, n_private, generator=g)], 1) @ W / scale)
            for W in (W_a, W_v)
        )
        cuts.append(({"x_a": x_a, "x_v": x_v, "labels": labels}, (Layout(n_features), Layout(n_features))))
    return _pairs("toy", cuts, tuple(f"class {c}" for c in range(n_classes)))


def _pairs(name: str, cuts: list, class_names: Sequence[str], *, instances: bool = True) -> Pairs:
    """Standardise every cut by the first one: plain features one by one, a series over all its steps."""
    layouts = cuts[0][1]
    splits = [dict(tensors) for tensors, _ in cuts]
    for side, layout in zip(("x_a", "x_v"), layouts, strict=True):
        mean, std = _statistics(splits[0][side], layout)
        for split in splits:
            split[side] = ((split[side] - mean) / std).float()
    cut = [Split(split["x_a"], split["x_v"], split["labels"]) for split in splits]
    return Pairs(name, *cut, *layouts, tuple(class_names), instances)


def _statistics(x: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    what, series = x[:, : layout.n_what], x[:, layout.n_what :]
    mean, std = [what.mean(0)], [what.std(0)]
    if layout.n_channels:
        series = series.unflatten(1, (layout.n_channels, layout.n_steps))
        mean.append(series.mean((0, 2)).repeat_interleave(layout.n_steps))
        std.append(series.std((0, 2)).repeat_interleave(layout.n_steps))
    std = torch.cat(std)
    return torch.cat(mean), torch.where(std > 1e-6, std, 1.0)


def _cached(key: dict, make: Callable[[], tuple[dict[str, Tensor], tuple[Layout, Layout]]]):
    """Read a cut from the cache, or make it and keep it (a damaged file is made again)."""

    def made():
        tensors, layouts = make()
        return tensors, {"layouts": [list(layout) for layout in layouts]}

    tensors, meta = cached(key, made)
    return tensors, tuple(Layout(*layout) for layout in meta["layouts"])


def _check_sizes(**sizes: int) -> None:
    for name, n in sizes.items():
        if n < 2:
            raise ValueError(f"expected {name} >= 2, got {n}")
