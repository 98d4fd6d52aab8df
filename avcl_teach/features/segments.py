"""Cut clips into segments of sound and regions of picture: the sub-elements that attention relates."""

import functools
import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from avcl_teach.features.spectral import log_mel

BANDS = (0, 1, 2, 3, 4, 6, 8, 10)  # edges, in cycles per window, of the bands of a region's spectrum
_CHUNK = 32  # clips at a time: what fits the processor's cache


def segment_sounds(
    x: Float[Tensor, "clip sample"], *, n_segments: int, sample_rate_hz: int = 8000, n_mels: int = 32
) -> Float[Tensor, "clip segment feature"]:
    """Describe each segment of a sound by the mean and the maximum of its log-mel bands (2 n_mels numbers).

    Errors: ValueError for a number of segments that leaves no whole sample each. Lesson: 11.
    """
    if not 1 <= n_segments <= x.shape[1]:
        raise ValueError(f"expected 1 to {x.shape[1]} segments, got {n_segments}")
    if x.shape[1] % n_segments:
        raise ValueError(f"expected segments of equal length, got {x.shape[1]} samples in {n_segments}")
    parts = x.unflatten(1, (n_segments, -1)).flatten(0, 1)
    L = log_mel(parts, sample_rate_hz=sample_rate_hz, n_mels=n_mels)
    return torch.cat([L.mean(-1), L.amax(-1)], dim=1).unflatten(0, (len(x), n_segments))


def segment_regions(
    frames: UInt8[Tensor, "clip time 3 height width"], *, n_segments: int, grid: int = 4
) -> Float[Tensor, "clip segment region feature"]:
    r"""Describe each region of a grid x grid picture in each segment by the spectrum of its shape and change.

    Through a Hann window twice as wide as the region, so that neighbours overlap, as the last maps of a
    convolutional network do: $\log(10^{-3} + \mathrm{mean}_b |X|^2)$ of the grey picture without its mean,
    and of its change from frame to frame. b runs over the bands of `BANDS` across and, with both signs, down:
    7 x 13 numbers each, 182 together. Colour and brightness are left out. Regions run row by row.
    Errors: ValueError for sizes that do not divide. Lesson: 11.
    """
    t, h, w = frames.shape[1], *frames.shape[3:]
    _check_sizes(t, h, w, n_segments=n_segments, grid=grid)
    return torch.cat([_describe_regions(part, n_segments, grid) for part in frames.split(_CHUNK)])


def region_cover(
    mask: Bool[Tensor, "clip object time height width"], *, n_segments: int, grid: int = 4
) -> Float[Tensor, "clip object segment region"]:
    """Return the share of each region that an object covers in each segment: the truth for maps. Lesson: 11.

    Errors: ValueError for sizes that do not divide.
    """
    n, o, t, h, w = mask.shape
    _check_sizes(t, h, w, n_segments=n_segments, grid=grid)
    share = F.avg_pool2d(mask.float().flatten(0, 1), (h // grid, w // grid))
    return share.unflatten(1, (n_segments, -1)).mean(2).flatten(2).unflatten(0, (n, o))


def _describe_regions(
    frames: UInt8[Tensor, "clip time 3 height width"], n_segments: int, grid: int
) -> Float[Tensor, "clip segment region feature"]:
    grey = frames.float().mean(2) / 255
    change = F.pad(grey.diff(dim=1), (0, 0, 0, 0, 1, 0))
    shape = grey - grey.mean((-2, -1), keepdim=True)
    parts = [_band_powers(x, grid).unflatten(1, (n_segments, -1)).mean(2) for x in (shape, change)]
    return (torch.cat(parts, dim=-1) + 1e-3).log()


def _band_powers(
    x: Float[Tensor, "clip time height width"], grid: int
) -> Float[Tensor, "clip time region feature"]:
    """Return the power of every region's window in each band: rows first, then columns, then bands."""
    across, pool_x = _bank(x.shape[3], grid, both_signs=False)
    down, pool_y = _bank(x.shape[2], grid, both_signs=True)
    across, down, pool_x, pool_y = (m.to(x.device) for m in (across, down, pool_x, pool_y))
    y = torch.einsum("nthw,wgfc->ntgfch", x, across)
    y = torch.einsum("ntgfch,hrek->ntrgefck", y, down)
    real = y[..., 0, 0] - y[..., 1, 1]
    imaginary = y[..., 0, 1] + y[..., 1, 0]
    power = pool_y @ (real.square() + imaginary.square()) @ pool_x.T
    return power.flatten(-2).flatten(2, 3)


@functools.cache
def _bank(size: int, grid: int, *, both_signs: bool) -> tuple[Tensor, Tensor]:
    """Return windowed waves [position, region, frequency, cos and sin], and the means over bands [band,
    frequency]; windows are cut at the border."""
    step = size // grid
    width = 2 * step
    highest = BANDS[-1] - 1
    f = torch.arange(-highest if both_signs else 0, highest + 1)
    phase = -2 * math.pi * torch.arange(width)[:, None] * f / width
    wave = (
        torch.stack([phase.cos(), phase.sin()], -1) * torch.hann_window(width, periodic=False)[:, None, None]
    )
    waves = torch.zeros(size + 2 * step, grid, len(f), 2)
    for region in range(grid):
        start = step // 2 + region * step
        waves[start : start + width, region] = wave
    band = f.sign() * (torch.bucketize(f.abs(), torch.tensor(BANDS), right=True) - 1)
    member = (band == band.unique()[:, None]).float()
    return waves[step : step + size], member / member.sum(1, keepdim=True)


def _check_sizes(t: int, h: int, w: int, *, n_segments: int, grid: int) -> None:
    if n_segments < 1 or grid < 1 or t % n_segments or h % grid or w % grid:
        raise ValueError(
            f"expected {n_segments} segments and a grid of {grid} that divide {t} frames of {h} x {w} px"
        )
