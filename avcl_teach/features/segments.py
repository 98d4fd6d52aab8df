"""Cut clips into segments of sound and regions of picture: the sub-elements that attention relates."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from avcl_teach.features.spectral import log_mel

_FREQUENCIES = 4  # kept of each axis of a region's spectrum


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
    """Describe each region of a grid x grid picture in each segment by the spectrum of its shape and change.

    Log magnitude of the lowest 8 x 4 frequencies of the grey region, and of its change from frame to frame;
    colour and brightness are left out. Regions run row by row. Errors: ValueError for sizes that do not
    divide. Lesson: 11.
    """
    n, t, _, h, w = frames.shape
    _check_sizes(t, h, w, n_segments=n_segments, grid=grid)
    grey = frames.float().mean(2) / 255
    change = F.pad(grey.diff(dim=1), (0, 0, 0, 0, 1, 0))
    shape, change = (_regions(x, grid) for x in (grey, change))
    parts = [_log_spectrum(x, n_segments) for x in (shape - shape.mean((-2, -1), keepdim=True), change)]
    return torch.cat(parts, dim=-1)


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


def _regions(
    x: Float[Tensor, "clip time height width"], grid: int
) -> Float[Tensor, "clip time region rows columns"]:
    h, w = x.shape[-2] // grid, x.shape[-1] // grid
    return x.unflatten(3, (grid, w)).unflatten(2, (grid, h)).transpose(3, 4).flatten(2, 3)


def _log_spectrum(
    x: Float[Tensor, "clip time region rows columns"], n_segments: int
) -> Float[Tensor, "clip segment region feature"]:
    k, X = _FREQUENCIES, torch.fft.rfft2(x).abs().square()
    X = torch.cat([X[..., -k:, :k], X[..., :k, :k]], dim=-2).flatten(-2)
    return (X.unflatten(1, (n_segments, -1)).mean(2) + 1e-3).log()


def _check_sizes(t: int, h: int, w: int, *, n_segments: int, grid: int) -> None:
    if n_segments < 1 or grid < 1 or t % n_segments or h % grid or w % grid:
        raise ValueError(
            f"expected {n_segments} segments and a grid of {grid} that divide {t} frames of {h} x {w} px"
        )
