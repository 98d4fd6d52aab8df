"""Panoramas: players all around, a picture that wraps, sound with its directions (first-order ambisonics).

Channels as in AmbiX: W, Y, Z, X with W = s, Y = s sin(phi), Z = 0, X = s cos(phi), phi to the LEFT. Azimuths
here are to the RIGHT, as in pictures: theta = -phi, so Y = -s sin(theta). Column x of W columns lies at
theta = 360 deg x / W; column 0 is straight ahead. Lesson: 39.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.world.cache import kept_variant
from avcl_teach.world.draws import generator, spread
from avcl_teach.world.knobs import Knobs, resolve
from avcl_teach.world.render import as_indices, render
from avcl_teach.world.scenes import sample_scenes
from avcl_teach.world.splits import find_split

CANDIDATES = 16
"""Solo scenes from which the players of one panorama are taken, so that all are of different classes."""
JITTER = math.radians(15)
GRID = (5, 20)
LEVEL = 0.05
"""RMS of every sounding player over the clip: loudness tells nobody apart."""
KEPT = ("object_class", "instance", "notes", "on", "seen", "visible")


class Plan(NamedTuple):
    """Hold who plays in each panorama, [clip, object]: solo indices, which sound, azimuth of the place."""

    solo: np.ndarray
    sounding: np.ndarray
    azimuth: np.ndarray


def render_panoramas(
    indices: int | Sequence[int],
    *,
    n_sounding: int = 2,
    n_silent: int = 1,
    preset: str | Knobs = "easy",
    split: str = "train",
    seed: int = 0,
    height_px: int = 64,
    batch_size: int = 32,
    **knobs: object,
) -> Clips:
    """Render players of different classes around the listener: frames [clip, time, 3, h, 4 h], four channels.

    Places are spread evenly with up to 15 degrees of jitter, turned by a random angle; silent players move by
    notes of their own. All that sound have the same RMS. Extra truth: azimuth [clip, object, time] radians
    within -pi..pi, noise [clip, 4, sample] (from everywhere). Errors: ValueError for a count that has not as
    many classes, and as `world.render`. Lesson: 39.
    """
    found = as_indices(indices)
    of = find_split(split, seed=seed)
    if n_sounding < 1 or n_silent < 0 or n_sounding + n_silent > 6:
        raise ValueError(f"expected 1 to 6 players, one of them sounding, got {n_sounding} and {n_silent}")
    plan = plan_panoramas(
        found,
        n_sounding=n_sounding,
        n_silent=n_silent,
        knobs=resolve(preset, **knobs),
        split=split,
        seed=seed,
    )
    parts = []
    for start in range(0, len(found), batch_size):
        part = Plan(*(x[start : start + batch_size] for x in plan))
        solos = render(
            part.solo.ravel().tolist(), preset=preset, split=split, seed=seed, size_px=height_px, **knobs
        )
        parts.append(_compose(solos, part, found[start : start + batch_size], of.name, seed))
    return parts[0] if len(parts) == 1 else Clips.cat(parts)


def load_panoramas(
    indices: int | Sequence[int],
    *,
    n_sounding: int = 2,
    n_silent: int = 1,
    preset: str | Knobs = "easy",
    split: str = "train",
    seed: int = 0,
    height_px: int = 64,
    **knobs: object,
) -> Clips:
    """Return panoramas from the cache, rendered first where there are none: see `render_panoramas`."""
    found = as_indices(indices)
    arguments = {
        "n_sounding": n_sounding,
        "n_silent": n_silent,
        "split": split,
        "seed": seed,
        "height_px": height_px,
    }
    return kept_variant(
        lambda: render_panoramas(found, preset=preset, **arguments, **knobs),
        of=__file__,
        indices=found,
        knobs=dataclasses.asdict(resolve(preset, **knobs)),
        variant="panorama",
        **arguments,
    )


def plan_panoramas(
    indices: Sequence[int], *, n_sounding: int, n_silent: int, knobs: Knobs, split: str, seed: int
) -> Plan:
    """Choose the players of each panorama and their places: a pure function of (seed, split, index)."""
    n = n_sounding + n_silent
    of = find_split(split, seed=seed)
    wanted = np.asarray(indices)[:, None] * CANDIDATES + np.arange(CANDIDATES)
    classes = (
        sample_scenes(wanted.ravel().tolist(), knobs=knobs, split=of, seed=seed)
        .cls[:, 0]
        .reshape(wanted.shape)
    )
    solo, azimuth = np.empty((len(wanted), n), np.int64), np.empty((len(wanted), n))
    sounding = np.zeros((len(wanted), n), bool)
    for row, index in enumerate(indices):
        _, first = np.unique(classes[row], return_index=True)
        if len(first) < n:
            raise ValueError(f"expected {n} classes among {CANDIDATES} players, got {len(first)}")
        draws = generator(seed, of.name, int(index), "panorama")
        solo[row] = wanted[row, np.sort(first)[:n]]
        sounding[row, draws.permutation(n)[:n_sounding]] = True
        turn = 2 * math.pi * draws.random() + spread(draws.random(n), -JITTER, JITTER)
        azimuth[row] = wrap(torch.from_numpy(turn + 2 * math.pi * np.arange(n) / n)).numpy()
    return Plan(solo, sounding, azimuth)


def encode(
    x: Float[Tensor, "*n sample"], azimuth: Float[Tensor, "*n time"], *, frame_rate_hz: float = 8.0,
    sample_rate_hz: int = 8000,
) -> Float[Tensor, "*n 4 sample"]:  # fmt: skip
    """Return the four channels of a mono source whose azimuth (to the right) is known at each frame.

    W = x, Y = -x sin(theta), Z = 0, X = x cos(theta); between frames theta goes the short way. Lesson: 39.
    """
    turns = torch.cumsum(torch.cat([azimuth[..., :1], wrap(azimuth.diff(dim=-1))], dim=-1), dim=-1)
    at = torch.arange(x.shape[-1], device=x.device) / sample_rate_hz * frame_rate_hz
    k = at.long().clamp(max=azimuth.shape[-1] - 1)
    after = (k + 1).clamp(max=azimuth.shape[-1] - 1)
    theta = turns[..., k] + (at - k).clamp(max=1) * (turns[..., after] - turns[..., k])
    return torch.stack([x, -x * theta.sin(), torch.zeros_like(x), x * theta.cos()], dim=-2)


def rotate(
    w: Float[Tensor, "*n channel sample"], yaw: float | Float[Tensor, "..."]
) -> Float[Tensor, "*n 4 sample"]:
    """Turn the listener by yaw radians to the right: a source at theta is then heard at theta - yaw.

    Y' = Y cos(yaw) + X sin(yaw), X' = X cos(yaw) - Y sin(yaw): a source at theta = yaw gets Y' = 0, X' > 0.
    Errors: ValueError for other than four channels. Lesson: 39.
    """
    if w.shape[-2] != 4:
        raise ValueError(f"expected the four channels W, Y, Z, X, got {w.shape[-2]}")
    yaw = torch.as_tensor(yaw, dtype=w.dtype, device=w.device)[..., None]
    W, Y, Z, X = w.unbind(-2)
    return torch.stack([W, Y * yaw.cos() + X * yaw.sin(), Z, X * yaw.cos() - Y * yaw.sin()], dim=-2)


def crop_frames(
    frames: UInt8[Tensor, "clip time 3 h w"], yaw: Float[Tensor, "clip"], *, width_px: int = 64
) -> UInt8[Tensor, "clip time 3 h width"]:
    """Cut the window of `width_px` columns whose middle looks at yaw, across the seam where need be."""
    w = frames.shape[-1]
    first = (yaw / (2 * math.pi) * w).round().long() - width_px // 2
    columns = (first[:, None] + torch.arange(width_px, device=frames.device)) % w
    return frames.gather(-1, columns[:, None, None, None].expand(*frames.shape[:-1], width_px))


def crop(clips: Clips, yaw: float | Float[Tensor, "clip"], *, width_px: int = 64) -> Clips:
    """Look to yaw (radians to the right) with a window of `width_px` columns, and hear from there.

    Sound, stems, noise and azimuths are turned with the picture; boxes, masks and centres are dropped.
    Errors: ValueError for sound without four channels, or a window wider than the panorama. Lesson: 39.
    """
    if not 1 <= width_px <= clips.frames.shape[-1]:
        raise ValueError(f"expected a window of 1 to {clips.frames.shape[-1]} columns, got {width_px}")
    turn = torch.as_tensor(yaw, dtype=torch.float32).expand(len(clips))
    extra = clips.extra | {"azimuth": wrap(clips.extra["azimuth"] - turn[:, None, None])}
    extra["noise"] = rotate(clips.extra["noise"], turn)
    stem = None if clips.stem is None else rotate(clips.stem, turn[:, None])
    return dataclasses.replace(
        clips,
        frames=crop_frames(clips.frames, turn, width_px=width_px),
        waveform=rotate(clips.waveform, turn),
        stem=stem, mask=None, box=None, centre=None, extra=extra,
    )  # fmt: skip


def wrap(angle: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Bring angles into -pi..pi."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def _compose(solos: Clips, plan: Plan, indices: Sequence[int], split: str, seed: int) -> Clips:
    n, k = plan.solo.shape
    n_frames, height = solos.frames.shape[1], solos.frames.shape[-1]
    width = 4 * height
    frames = _background(indices, split, seed, height)[:, None].repeat(1, n_frames, 1, 1, 1)
    centre_px = solos.centre[:, 0, :, 0] * height
    middle = centre_px.nanmean(-1)
    goal = torch.from_numpy(plan.azimuth.ravel()) / (2 * math.pi) * width
    shift = (goal - middle).round().long()
    for row in range(n * k):
        columns = (torch.arange(height) + shift[row]) % width
        here = frames[row // k][..., columns]
        frames[row // k][..., columns] = torch.where(solos.mask[row, 0, :, None], solos.frames[row], here)
    theta = wrap((centre_px + shift[:, None]) / width * 2 * math.pi)
    theta = torch.where(theta.isnan(), wrap((middle + shift) / width * 2 * math.pi)[:, None], theta)
    mono = solos.stem[:, 0, 0]
    level = mono.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-6)
    mono = mono / level * LEVEL * torch.from_numpy(plan.sounding.ravel())[:, None]
    rates = {"frame_rate_hz": solos.frame_rate_hz, "sample_rate_hz": solos.sample_rate_hz}
    stem = encode(mono, theta, **rates).unflatten(0, (n, k))
    noise = solos.extra["noise"][::k, 0]
    third = noise.shape[-1] // 4
    around = torch.stack([noise, *(noise.roll(j * third, dims=-1) / 3**0.5 for j in (1, 2, 3))], dim=1)
    centre = torch.stack([(theta / (2 * math.pi)) % 1, solos.centre[:, 0, :, 1]], dim=-1)
    truth = {name: getattr(solos, name)[:, 0].unflatten(0, (n, k)) for name in KEPT}
    sounding = torch.from_numpy(plan.sounding)
    first = sounding.int().argmax(1, keepdim=True)
    return Clips(
        frames=frames,
        waveform=stem.sum(1) + around,
        stem=stem,
        sounding=sounding,
        label=truth["object_class"].gather(1, first)[:, 0],
        centre=centre.unflatten(0, (n, k)),
        extra={"azimuth": theta.unflatten(0, (n, k)), "noise": around, "index": torch.as_tensor(indices)},
        meta=solos.meta | {"variant": "panorama", "layout": "panorama"},
        **truth,
        **rates,
    )


def _background(indices: Sequence[int], split: str, seed: int, height: int) -> Tensor:
    rows, columns = GRID
    y = (torch.arange(height) + 0.5) / height * (rows - 1)
    x = (torch.arange(4 * height) + 0.5) / (4 * height) * columns
    out = []
    for index in indices:
        draws = generator(seed, split, int(index), "panorama-background")
        grid = torch.from_numpy(draws.random((rows, columns)))
        grid = torch.cat([grid, grid[:, :1]], dim=1)  # the seam closes
        low, left = y.long(), x.long()
        lower = torch.lerp(grid[low], grid[(low + 1).clamp(max=rows - 1)], (y - low).double()[:, None])
        mix = torch.lerp(lower[:, left], lower[:, left + 1], (x - left).double())
        first, second = torch.from_numpy(0.08 + 0.84 * draws.random((2, 3, 1, 1)))
        out.append((first + mix * (second - first)).mul(255).round().to(torch.uint8))
    return torch.stack(out)
