"""Events in time: coloured runs of classes on a time axis, as a figure or under the clip that plays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int

from avcl_teach.clips import Clips
from avcl_teach.metrics.event_segments import runs_of
from avcl_teach.show.players import Player, clip
from avcl_teach.show.style import BLACK, BLUE, GREY, PALETTE, PURPLE, VERMILLION, Array, Drawing, styled

PAGE_PX, PICTURE_PX, ROW_PX, FOOT_PX = 400, 224, 24, 40
LEFT, RIGHT_EDGE = 0.26, 0.97  # of the page's width: where the time axis starts and ends
DARK = (BLUE, VERMILLION, BLACK, PURPLE)


@styled
def event_timeline(
    rows: Mapping[str, Int[Array, "segment"]],
    *,
    names: Sequence[str],
    duration_s: int | float,
    ax: Any = None,
) -> Drawing:
    """Draw a bar for each event of each row, with its class on it; "none" stays empty.

    Values of a row: a class, or len(names) or a negative number for none. Rows stand in their order, first
    on top. Errors: ValueError for no row, or rows of unequal length. Lesson: 33.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 0.5 + 0.3 * len(rows)), layout="constrained")
    _bars(ax, rows, names, duration_s)
    return Drawing(ax.figure, ax)


def event_clip(
    clips: Clips, i: int, rows: Mapping[str, Int[Array, "segment"]], *, names: Sequence[str], caption: str
) -> Player:
    """Play clip i above the bars of `event_timeline`, with a line at the moment that plays.

    Errors: as `event_timeline`. Lesson: 33.
    """
    one = clips[i]
    foot = _foot(rows, names, one.duration_s)
    big = F.interpolate(one.frames[0].float(), (PICTURE_PX, PICTURE_PX), mode="bilinear", antialias=True)
    side = (PAGE_PX - PICTURE_PX) // 2
    big = F.pad(big.clamp(0, 255), (side, side), value=255.0).repeat_interleave(2, 0)
    n = len(big)
    pages = torch.cat([big, foot[None].expand(n, -1, -1, -1)], dim=2).round().to(torch.uint8)
    for t in range(n):
        x = round(PAGE_PX * (LEFT + (RIGHT_EDGE - LEFT) * (t + 0.5) / n))
        pages[t, :, PICTURE_PX : -FOOT_PX + 4, x - 1 : x + 2] = torch.tensor([0, 0, 0])[:, None, None]
    film = Clips(pages[None], one.waveform, 2 * one.frame_rate_hz, one.sample_rate_hz)
    return clip(film, 0, caption=caption, min_side_px=min(pages.shape[2:]))


def _foot(rows: Mapping, names: Sequence[str], duration_s: float) -> torch.Tensor:
    """Draw the bars as a picture [3, height, PAGE_PX] of 0 ... 255."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = ROW_PX * len(rows) + FOOT_PX
    height += height % 2
    fig = Figure(figsize=(PAGE_PX / 100, height / 100), dpi=100)
    ax = fig.add_axes((LEFT, (FOOT_PX - 4) / height, RIGHT_EDGE - LEFT, 1 - (FOOT_PX - 4) / height))
    _bars(ax, rows, names, duration_s)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    rgb = np.asarray(canvas.buffer_rgba())[..., :3]
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1).float()


def _bars(ax: Any, rows: Mapping, names: Sequence[str], duration_s: float) -> None:
    lengths = {len(row) for row in rows.values()}
    if len(lengths) != 1:
        raise ValueError(f"expected at least one row, all of one length, got lengths {sorted(lengths)}")
    n, none = lengths.pop(), len(names)
    for y, row in enumerate(rows.values()):
        row = torch.as_tensor(row).cpu()
        row = torch.where((row < 0) | (row >= none), none, row)
        for c, start, stop in runs_of(row, none=none):
            left, width = start * duration_s / n, (stop - start) * duration_s / n
            colour = PALETTE[c % len(PALETTE)]
            ax.barh(y, width, 0.72, left=left, color=colour, edgecolor="white", linewidth=1)
            ink = "white" if colour in DARK else "black"
            place = {
                "ha": "center",
                "va": "center",
                "fontsize": 8 if stop - start > 1 else 6,
                "clip_on": True,
            }
            ax.text(left + width / 2, y, names[c], color=ink, **place)
        ax.axhline(y + 0.5, color=GREY, linewidth=0.4)
    ax.set(xlim=(0, duration_s), ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)), xlabel="time (s)")
    ax.set_yticklabels(list(rows), fontsize=8)
    ax.set_xticks([duration_s * k / 4 for k in range(5)])
    ax.tick_params(axis="both", labelsize=8, length=2)
    ax.xaxis.label.set_size(8)
    for side in ("left", "top", "right"):
        ax.spines[side].set_visible(False)
