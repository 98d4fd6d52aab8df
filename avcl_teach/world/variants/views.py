"""Several views of one scene: the same event rendered again, cropped, recoloured, moved in time or in pitch.

A view is a re-render and no edited copy: a cropped one is drawn sharp at its own scale, a shifted one shows
what came before or after, a retuned player is played again. Its truth is as exact as that of the first, and
every view has noise, echoes, sensor and (but for plain ones) recording level of its own, so that two views
share the scene and nothing else.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.world import cache
from avcl_teach.world.draws import choice, generator
from avcl_teach.world.knobs import Knobs, resolve
from avcl_teach.world.pictures.compose import object_path
from avcl_teach.world.pictures.motion import frame_times_s
from avcl_teach.world.pictures.palette import hsv_to_rgb
from avcl_teach.world.render import as_indices, render_scenes
from avcl_teach.world.scenes import Scenes, sample_scenes
from avcl_teach.world.splits import find_split
from avcl_teach.world.variants import view_truth

CHANGES = ("crop", "hue", "time", "pitch")
EVERY = "+".join(CHANGES)
SIDE = 0.75
"""Side of a crop in sides of the whole picture."""
MAX_SHIFT_FRAMES = 2
SEMITONES = (-5, -4, -3, -2, 2, 3, 4, 5)
HUE = (0.2, 0.8)
LEVEL_DB = 8.0
_NEW_NOISE = 1 << 32  # added to a scene's index for each view: all random noise is drawn anew


class Change(NamedTuple):
    """Hold what one view does to the scenes of a batch: what a view leaves alone is 0 (side: 1)."""

    hue: Float[np.ndarray, "clip"]
    frames: Float[np.ndarray, "clip"]
    semitones: Float[np.ndarray, "clip"]
    level_db: Float[np.ndarray, "clip"]
    corner: Float[np.ndarray, "clip 2"]
    side: float


def render_views(
    indices: int | Sequence[int],
    *,
    views: Sequence[str] = ("plain", EVERY),
    preset: str | Knobs = "standard",
    split: str = "train",
    seed: int = 0,
    layout: str = "solo",
    size_px: int = 64,
    stems: bool = False,
    masks: bool = False,
    batch_size: int = 64,
    **knobs: object,
) -> Clips:
    """Render every scene once for each view; the views of a scene stand side by side, in the order given.

    A view is "plain" or joins some of `CHANGES` with "+": "crop" a window of 3/4 of the side that keeps the
    first object · "hue" all colours turned by 0.2 to 0.8 of the circle · "time" 1 or 2 frames earlier or
    later in the same performance · "pitch" all players 2 to 5 semitones up or down. What a view does is drawn
    from (seed, split, index, place among the views). Extra truth: scene, view, hue, shift_s, semitones,
    level_db, corner [clip, 2] (x, y) and side of the window, in sides of the whole. Other truth is the
    view's own: boxes and masks in the crop, notes on its clock (an onset before it began is negative).
    Errors: ValueError for an unknown view, layout (solo and scene have views), knob or size. Lesson: 31.
    """
    found, wanted = as_indices(indices), [_parts(view) for view in views]
    if not found or not wanted:
        raise ValueError(f"expected at least one scene and one view, got {len(found)} and {len(wanted)}")
    if layout not in ("solo", "scene"):
        raise ValueError(f"expected layout 'solo' or 'scene', got {layout!r}")
    if not 16 <= size_px <= 512 or batch_size < 1:
        raise ValueError(f"expected 16 to 512 px and a batch of at least 1, got {size_px} and {batch_size}")
    chosen, of = resolve(preset, **knobs), find_split(split, seed=seed)
    spare_s = 2 * MAX_SHIFT_FRAMES / chosen.frame_rate_hz
    longer = dataclasses.replace(chosen, duration_s=chosen.duration_s + spare_s)
    how = {"size_px": size_px, "stems": stems, "masks": masks}
    meta = {"source": "world", "variant": "views", "views": list(views), "split": split, "seed": seed}
    meta |= {"preset": preset if isinstance(preset, str) else "custom", "layout": layout}
    batches = []
    for start in range(0, len(found), batch_size):
        part = found[start : start + batch_size]
        scenes = sample_scenes(part, knobs=longer, split=of, seed=seed, layout=layout)
        seen = [_one_view(scenes, k, parts, chosen, how, meta) for k, parts in enumerate(wanted)]
        side_by_side = torch.arange(len(part) * len(seen)).view(len(seen), -1).T.flatten()
        batches.append(Clips.cat(seen)[side_by_side] if len(seen) > 1 else seen[0])
    return batches[0] if len(batches) == 1 else Clips.cat(batches)


def load_views(indices: int | Sequence[int], **arguments: object) -> Clips:
    """Return the views from the cache, or render and keep them. Arguments as in `render_views`."""
    found = as_indices(indices)
    key = {"variant": "views", "indices": found, **arguments}
    key["preset"] = dataclasses.asdict(resolve(arguments.get("preset", "standard")))
    files = (__file__, view_truth.__file__)
    return cache.kept_variant(lambda: render_views(found, **arguments), of=files, **key)


def draw_change(scenes: Scenes, k: int, parts: Sequence[str]) -> Change:
    """Draw what view k does to each scene; every change has random numbers of its own."""
    u = np.stack([generator(scenes.seed, scenes.split, int(i), f"view-{k}").random(8) for i in scenes.index])
    steps = np.array([s for s in range(-MAX_SHIFT_FRAMES, MAX_SHIFT_FRAMES + 1) if s])
    side = SIDE if "crop" in parts else 1.0
    return Change(
        hue=(HUE[0] + (HUE[1] - HUE[0]) * u[:, 0]) * ("hue" in parts),
        frames=steps[choice(u[:, 1], len(steps))] * float("time" in parts),
        semitones=np.array(SEMITONES)[choice(u[:, 2], len(SEMITONES))] * float("pitch" in parts),
        level_db=LEVEL_DB * (2 * u[:, 5] - 1) * bool(parts),
        corner=_corner(scenes, u[:, 3:5]) if side < 1 else np.zeros((len(scenes), 2)),
        side=side,
    )


def recoloured(scenes: Scenes, hue: Float[np.ndarray, "clip"]) -> Scenes:
    """Turn the hue of objects and background by a part of the circle."""
    colour, background = scenes.colour.copy(), scenes.background.copy()
    colour[..., 0] = np.mod(colour[..., 0] + hue[:, None], 1.0)
    for at in (slice(0, 3), slice(3, 6)):
        hsv = rgb_to_hsv(background[:, at])
        hsv[:, 0] = np.mod(hsv[:, 0] + hue, 1.0)
        background[:, at] = hsv_to_rgb(hsv)
    return dataclasses.replace(scenes, colour=colour, background=background)


def retuned(scenes: Scenes, semitones: Float[np.ndarray, "clip"]) -> Scenes:
    """Move the register of every player."""
    timbre = scenes.timbre | {"register": scenes.timbre["register"] + semitones[:, None]}
    return dataclasses.replace(scenes, timbre=timbre)


def rgb_to_hsv(rgb: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
    """Turn red, green, blue in 0..1 into hue, saturation, value: the inverse of the palette's way."""
    v, low = rgb.max(-1), rgb.min(-1)
    chroma = v - low
    safe = np.where(chroma > 0, chroma, 1.0)
    r, g, b = np.moveaxis(rgb, -1, 0)
    h = np.select([v == r, v == g], [(g - b) / safe, 2 + (b - r) / safe], 4 + (r - g) / safe)
    return np.stack([np.mod(h / 6, 1.0) * (chroma > 0), chroma / np.where(v > 0, v, 1.0), v], -1)


def _one_view(scenes: Scenes, k: int, parts: Sequence[str], knobs: Knobs, how: dict, meta: dict) -> Clips:
    """Render one view of every scene: change the scene, render it whole, cut window and stretch."""
    change = draw_change(scenes, k, parts)
    changed = retuned(recoloured(scenes, change.hue), change.semitones)
    changed = dataclasses.replace(
        changed, index=scenes.index + k * _NEW_NOISE, gain_db=scenes.gain_db + change.level_db[:, None]
    )
    whole_px = round(how["size_px"] / change.side)
    clips = render_scenes(changed, **{**how, "size_px": whole_px}, meta=meta | _names())
    clips = view_truth.cut_window(clips, torch.as_tensor(change.corner), size_px=how["size_px"])
    first = MAX_SHIFT_FRAMES + torch.as_tensor(change.frames).long()
    clips = view_truth.cut_stretch(clips, first, duration_s=knobs.duration_s, segment_s=knobs.segment_s)
    told = {
        "index": _number(scenes.index),
        "scene": _number(scenes.index),
        "view": torch.full((len(scenes),), k),
        "hue": _real(change.hue),
        "shift_s": _real(change.frames / knobs.frame_rate_hz),
        "semitones": _real(change.semitones),
        "level_db": _real(change.level_db),
        "corner": _real(np.round(change.corner * whole_px) / whole_px),
        "side": torch.full((len(scenes),), change.side),
    }
    return dataclasses.replace(clips, extra=clips.extra | told)


def _corner(scenes: Scenes, u: Float[np.ndarray, "clip 2"]) -> Float[np.ndarray, "clip 2"]:
    """Draw the upper left corner of a crop so that the first object's centre stays inside, if it can."""
    times = frame_times_s(scenes)
    path = object_path(scenes, times, np.zeros((len(scenes), len(times), 2)))[:, 0]
    low = np.clip(path.max(1) + 0.1 - SIDE, 0, 1 - SIDE)
    high = np.clip(path.min(1) - 0.1, 0, 1 - SIDE)
    low, high = np.minimum(low, high), np.maximum(low, high)
    return low + u * (high - low)


def _parts(view: str) -> tuple[str, ...]:
    parts = () if view == "plain" else tuple(view.split("+"))
    unknown = [part for part in parts if part not in CHANGES]
    if unknown or len(set(parts)) != len(parts):
        raise ValueError(f"expected 'plain' or some of {CHANGES} joined by '+', got {view!r}")
    return parts


def _names() -> dict:
    from avcl_teach.world.knobs import CLASSES

    return {"class_names": list(CLASSES)}


def _number(x: np.ndarray) -> Tensor:
    return torch.as_tensor(x, dtype=torch.int64)


def _real(x: np.ndarray) -> Tensor:
    return torch.as_tensor(x, dtype=torch.float32)
