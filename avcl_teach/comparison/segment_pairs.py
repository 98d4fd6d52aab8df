"""Clips of the world cut into segments and regions, with the truth about each: data of Part 1's lessons."""

import contextlib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.features import segments

SPLITS = ("train", "val", "test")
_CHUNK = 64


@dataclass(frozen=True)
class SegmentSplit:
    """Hold one cut: sound and regions of every segment, and what truly happens there.

    event: state of each segment (0 nothing, 1 heard only, 2 seen only, 3 mismatch, 4 match) ·
    event_label: the class where the state is match, else -1 · heard, viewed: class that is heard and seen in
    each segment, -1 = none (where several are seen, one that is heard, if any is) · cover_heard: share of
    each region that the object covers whose sound is heard (0 where it is not seen) · index: the clip's
    index in the world, to render what a row shows · cover_silent: share that objects cover whose sound is
    not heard.
    """

    x_a: Float[Tensor, "clip segment feature_a"]
    x_v: Float[Tensor, "clip segment region feature_v"]
    event: Int[Tensor, "clip segment"]
    event_label: Int[Tensor, "clip segment"]
    heard: Int[Tensor, "clip segment"]
    viewed: Int[Tensor, "clip segment"]
    cover_heard: Float[Tensor, "clip segment region"]
    index: Int[Tensor, "clip"]
    cover_silent: Float[Tensor, "clip segment region"]

    @property
    def n_clips(self) -> int:
        """Count the clips."""
        return len(self.index)


@dataclass(frozen=True)
class Segments:
    """Hold three cuts of segmented clips; the picture's regions run row by row over a grid x grid picture."""

    name: str
    train: SegmentSplit
    val: SegmentSplit
    test: SegmentSplit
    class_names: tuple[str, ...]
    grid: int
    preset: str
    seed: int
    layout: str

    @property
    def n_classes(self) -> int:
        """Count the classes."""
        return len(self.class_names)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {getattr(self, name).n_clips}" for name in SPLITS)
        x_a, x_v = self.test.x_a, self.test.x_v
        return (
            f"Segments({self.name}: {sizes}; {x_a.shape[1]} segments, {x_a.shape[2]} features of sound, "
            f"{x_v.shape[2]} regions of {x_v.shape[3]} features)"
        )


def world_segments(
    n_train: int = 512,
    n_test: int = 128,
    preset: str = "easy",
    *,
    seed: int = 0,
    n_val: int = 128,
    layout: str = "event",
    grid: int = 4,
) -> Segments:
    """Take clips of the world, cut into their segments and regions; val and test show unmet individuals.

    Features of `segment_sounds` and `segment_regions`, standardised on train only, cached on disk. Errors:
    ValueError for fewer than 2 clips, an unknown preset or layout, a grid that does not divide 64 px.
    Lessons: 10 to 12.
    """
    from avcl_teach import world

    for name, n in {"n_train": n_train, "n_val": n_val, "n_test": n_test}.items():
        if n < 2:
            raise ValueError(f"expected {name} >= 2, got {n}")
    where = {"preset": preset, "seed": seed, "layout": layout}
    cuts = [_cut(n, split, grid, where) for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True)]
    for side in ("x_a", "x_v"):
        x = cuts[0][side].flatten(0, -2)
        mean, std = x.mean(0), x.std(0).clamp_min(1e-6)
        for cut in cuts:
            cut[side] = (cut[side] - mean) / std
    splits = [SegmentSplit(**cut) for cut in cuts]
    return Segments(f"world, {preset}, {layout}", *splits, tuple(world.CLASSES), grid, preset, seed, layout)


def _cut(n: int, split: str, grid: int, where: dict) -> dict[str, Tensor]:
    """Read one cut from the cache, or render it and keep it (a damaged file is made again)."""
    from avcl_teach import world
    from avcl_teach.downloads import cache_folder
    from avcl_teach.storage import CorruptFileError, read_tensors, write_tensors

    key = {
        "clips": world.content_hash(range(n), split=split, **where),
        "code": hashlib.sha256(
            Path(segments.__file__).read_bytes() + Path(__file__).read_bytes()
        ).hexdigest(),
        "grid": grid,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    path = cache_folder() / "comparison" / f"{digest}.safetensors"
    try:
        return read_tensors(path)[0]
    except (FileNotFoundError, CorruptFileError):
        chunks = (range(start, min(n, start + _CHUNK)) for start in range(0, n, _CHUNK))
        parts = [_describe(world.render(c, split=split, stems=False, **where), grid) for c in chunks]
        tensors = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    with contextlib.suppress(OSError):
        write_tensors(path, tensors, {})
    return tensors


def _describe(clips, grid: int) -> dict[str, Tensor]:
    """Turn rendered clips into features of every segment and the truth about it."""
    n_segments = clips.event.shape[1]
    middle = (torch.arange(n_segments) + 0.5) * clips.duration_s / n_segments
    heard, viewed = _who(clips.on, middle), _who(clips.seen, middle)  # [clip, object, segment]
    classes = clips.object_class[:, :, None]
    both = viewed & heard
    shown = torch.where(both.any(1, keepdim=True), both, viewed)
    cover = segments.region_cover(clips.mask, n_segments=n_segments, grid=grid)
    return {
        "x_a": segments.segment_sounds(
            clips.mono, n_segments=n_segments, sample_rate_hz=clips.sample_rate_hz
        ),
        "x_v": segments.segment_regions(clips.frames, n_segments=n_segments, grid=grid),
        "event": clips.event,
        "event_label": clips.event_label,
        "heard": torch.where(heard, classes, -1).amax(1),
        "viewed": torch.where(shown, classes, -1).amax(1),
        "cover_heard": (cover * both[..., None]).amax(1),
        "index": clips.extra["index"],
        "cover_silent": (cover * (viewed & ~heard)[..., None]).amax(1),
    }


def _who(intervals: Tensor, at: Tensor) -> Tensor:
    """Tell whether each object is on at each moment: Bool [clip, object, moment]."""
    start, end = intervals[..., 0, None], intervals[..., 1, None]
    return ((start <= at) & (at < end)).any(2)
