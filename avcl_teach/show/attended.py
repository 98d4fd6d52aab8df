"""A clip that plays under its weights of attention: what each segment counts, while one hears it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.show.players import Player, clip
from avcl_teach.show.style import BLUE, ORANGE, VERMILLION, Array

SIDE_PX, BARS_PX, GAP_PX, MARK_PX = 192, 56, 4, 2


def attended_clip(
    clips: Clips,
    i: int,
    weights: Float[Array, "segment"],
    *,
    caption: str,
    asking: int | None = None,
) -> Player:
    """Play clip i under a bar for the weight of each segment and a small picture of it.

    The bar of the segment that plays is orange, the others blue; the large picture is the darker the less its
    segment weighs. `asking` frames the segment whose picture asks. Shapes: weights [segment], a number that
    divides the clip's frames. Errors: ValueError for weights that are negative or do not fit. Lesson: 10.
    """
    w = torch.as_tensor(weights).detach().float().cpu()
    n, n_frames = len(w), clips.frames.shape[1]
    if w.ndim != 1 or n == 0 or n_frames % n or not bool((w >= 0).all()):
        raise ValueError(f"expected weights >= 0 of segments that divide {n_frames} frames, got {w.tolist()}")
    if asking is not None and not 0 <= asking < n:
        raise ValueError(f"expected a segment of 0 to {n - 1} that asks, got {asking}")
    frames = clips.frames[i].float().cpu() / 255
    large, small = (_resized(frames, side) for side in (SIDE_PX, SIDE_PX // n))
    share = w / w.max().clamp_min(1e-12)
    canvas = []
    for t in range(n_frames):
        now = t * n // n_frames
        shown = large[t] * (0.25 + 0.75 * share[now])
        canvas.append(_page(_bars(share, now), _row(small[:: n_frames // n], asking), shown))
    pages = (255 * torch.stack(canvas)).round().to(torch.uint8)[None]
    return clip(replace(_bare(clips, i), frames=pages), 0, caption=caption, min_side_px=SIDE_PX)


def _bare(clips: Clips, i: int) -> Clips:
    """Keep picture and sound of one clip, and nothing whose shape depends on the picture's."""
    one = clips[i]
    return Clips(one.frames, one.waveform, one.frame_rate_hz, one.sample_rate_hz)


def _resized(frames: Tensor, side_px: int) -> Tensor:
    size = {"size": (side_px, side_px), "mode": "bilinear", "antialias": True, "align_corners": False}
    return F.interpolate(frames, **size).clamp(0, 1)


def _bars(share: Tensor, now: int) -> Tensor:
    """Draw one bar a segment on white: [3, BARS_PX, width]."""
    side_px = SIDE_PX // len(share)
    page = torch.ones(3, BARS_PX, side_px * len(share))
    for s, height in enumerate((share * (BARS_PX - 1)).round().int().tolist()):
        colour = _colour(ORANGE if s == now else BLUE)
        page[:, BARS_PX - 1 - height :, s * side_px + 2 : (s + 1) * side_px - 2] = colour
    return page


def _row(small: Tensor, asking: int | None) -> Tensor:
    """Put the small pictures side by side: [3, side, width]."""
    row = [picture.clone() for picture in small]
    if asking is not None:
        framed, k = row[asking], MARK_PX
        colour = _colour(VERMILLION)
        framed[:, :k], framed[:, -k:], framed[:, :, :k], framed[:, :, -k:] = (colour,) * 4
    return torch.cat(row, dim=2)


def _page(*parts: Tensor) -> Tensor:
    """Stack parts of any width on a white page, with gaps between them."""
    width = max(part.shape[2] for part in parts)
    rows: list[Any] = []
    for part in parts:
        rows += [F.pad(part, (0, width - part.shape[2], 0, GAP_PX), value=1.0)]
    return torch.cat(rows, dim=1)


def _colour(code: str) -> Tensor:
    rgb: Sequence[float] = [int(code[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return torch.tensor(rgb)[:, None, None]
