"""Render clips: a scene table in, pictures, sound and truth out, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.clips_fields import split_extra
from avcl_teach.world.keypoints import keypoints
from avcl_teach.world.knobs import CLASSES, Knobs, resolve
from avcl_teach.world.parallel import side_by_side
from avcl_teach.world.scenes import Scenes, sample_scenes
from avcl_teach.world.splits import find_split

VERSION = 1


def as_indices(indices: int | Sequence[int] | np.ndarray) -> list[int]:
    """Turn a count or a list of indices into a list. Raises ValueError on anything negative or not whole."""
    found = list(range(indices)) if isinstance(indices, (int, np.integer)) else [int(i) for i in indices]
    if (isinstance(indices, (int, np.integer)) and indices < 0) or any(i < 0 for i in found):
        raise ValueError(f"expected a count or indices of at least 0, got {indices!r}")
    return found


def render(
    indices: int | Sequence[int] | np.ndarray,
    *,
    preset: str | Knobs = "standard",
    split: str = "train",
    seed: int = 0,
    layout: str = "solo",
    size_px: int = 64,
    stems: bool = True,
    masks: bool = True,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
    **knobs: object,
) -> Clips:
    """Render clips of the world: a pure function of (preset and knobs, split, seed, layout, index).

    ``indices``: a count n (clips 0..n-1) or the indices themselves · ``layout``: "solo" one sounding object,
    "scene" several with silent ones, "event" comings and goings with a state for each segment, "long" tones
    that objects ring and one that comes back much later, "emotion" a talker who feels · ``size_px``: side of
    the picture; the scene is the same at every size · ``stems``, ``masks``: keep them (64 kB and 64 kB an
    object) · any knob of ``Knobs`` by name. Extra truth: ``keypoints`` [clip, object, time, 4], ``labelled``
    [clip], with the stems ``noise`` [clip, 1, sample], what the layout alone knows by its name in
    ``Scenes.truth``. Raises ValueError on an unknown name, index or size. Lesson: 01.
    """
    batches = render_batches(
        indices,
        preset=preset,
        split=split,
        seed=seed,
        layout=layout,
        size_px=size_px,
        stems=stems,
        masks=masks,
        batch_size=batch_size,
        device=device,
        **knobs,
    )
    return join(batches, len(as_indices(indices)))


def join(batches: Iterator[Clips], n: int) -> Clips:
    """Join batches of n clips in all; each is copied into its place, so memory holds the clips only once.

    Where clips of a batch hold fewer of something (notes) than those of another, NaN stands for what is not.
    """
    for start, batch in _places(batches):
        if len(batch) == n:
            return batch
        if start == 0:
            meta, rates = batch.meta, (batch.frame_rate_hz, batch.sample_rate_hz)
            whole = {name: x.new_empty((n, *x.shape[1:])) for name, x in batch.tensors().items()}
        for name, part in batch.tensors().items():
            whole[name] = _with_room(whole[name], part.shape[1:])
            place = whole[name][start : start + len(batch)]
            if place.shape != part.shape:
                place.fill_(torch.nan)
            place[(..., *map(slice, part.shape[1:]))] = part
    return Clips(**split_extra(whole), frame_rate_hz=rates[0], sample_rate_hz=rates[1], meta=meta)


def _with_room(x: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    most = [max(pair) for pair in zip(x.shape[1:], shape, strict=True)]
    if list(x.shape[1:]) == most:
        return x
    wider = x.new_full((len(x), *most), torch.nan)
    wider[(..., *map(slice, x.shape[1:]))] = x
    return wider


def _places(batches: Iterator[Clips]) -> Iterator[tuple[int, Clips]]:
    start = 0
    for batch in batches:
        yield start, batch
        start += len(batch)


def render_batches(
    indices: int | Sequence[int] | np.ndarray,
    *,
    preset: str | Knobs = "standard",
    split: str = "train",
    seed: int = 0,
    layout: str = "solo",
    size_px: int = 64,
    stems: bool = True,
    masks: bool = True,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
    **knobs: object,
) -> Iterator[Clips]:
    """Render batch after batch; memory is bounded by ``batch_size``. Arguments as in ``render``."""
    chosen, of = resolve(preset, **knobs), find_split(split, seed=seed)
    found = as_indices(indices)
    if not found:
        raise ValueError("expected at least one clip to render, got none")
    if not 16 <= size_px <= 1024:
        raise ValueError(f"expected a picture side of 16 to 1024 px, got {size_px}")
    if batch_size < 1:
        raise ValueError(f"expected a batch of at least 1 clip, got {batch_size}")
    meta = {
        "source": "world",
        "preset": preset if isinstance(preset, str) else "custom",
        "split": split,
        "seed": seed,
        "layout": layout,
        "class_names": list(CLASSES),
        "version": VERSION,
    }

    def one(start: int) -> Clips:
        part = found[start : start + batch_size]
        scenes = sample_scenes(part, knobs=chosen, split=of, seed=seed, layout=layout)
        return render_scenes(scenes, size_px=size_px, stems=stems, masks=masks, device=device, meta=meta)

    yield from side_by_side(one, range(0, len(found), batch_size), device=device)


@torch.no_grad()
def render_scenes(
    scenes: Scenes,
    *,
    size_px: int = 64,
    stems: bool = True,
    masks: bool = True,
    device: str | torch.device = "cpu",
    meta: dict | None = None,
) -> Clips:
    """Turn a table of scenes into clips: paint it, sound it, attach its truth."""
    from avcl_teach.world.pictures import paint
    from avcl_teach.world.sounds import mix, synthesize

    painted = paint(scenes, size_px=size_px, masks=masks, device=device)
    stem = synthesize(scenes, device=device)
    waveform, noise = mix(scenes, stem)
    truth = {
        name: _tensor(value, torch.int64, device)
        for name, value in {
            "label": scenes.cls[:, 0],
            "object_class": scenes.cls,
            "instance": scenes.instance,
            "event": scenes.event,
            "event_label": scenes.event_label,
        }.items()
    }
    truth |= {name: _tensor(getattr(scenes, name), torch.bool, device) for name in ("sounding", "visible")}
    truth |= {name: _tensor(getattr(scenes, name), torch.float32, device) for name in ("notes", "on", "seen")}
    extra = {
        "index": _tensor(scenes.index, torch.int64, device),
        "keypoints": keypoints(scenes, painted.centre),
        "labelled": _tensor(scenes.labelled, torch.bool, device),
    }
    extra |= {
        name: _tensor(value, torch.float32 if value.dtype.kind == "f" else torch.int64, device)
        for name, value in scenes.truth.items()
    }
    if stems:
        extra["noise"] = noise
    return Clips(
        frames=painted.frames,
        waveform=waveform,
        frame_rate_hz=scenes.knobs.frame_rate_hz,
        sample_rate_hz=scenes.knobs.sample_rate_hz,
        stem=stem[:, :, None] if stems else None,
        mask=painted.mask,
        box=painted.box,
        centre=painted.centre,
        extra=extra,
        meta=meta or {},
        **truth,
    )


def _tensor(values: np.ndarray, dtype: torch.dtype, device: str | torch.device) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(values)).to(device=device, dtype=dtype)
