"""Rows of small pictures and spectrograms side by side, as one figure."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from avcl_teach.show.players import Player, figure
from avcl_teach.show.spectra import SOUND_MAP
from avcl_teach.show.style import Array, as_array

_GAP_PX, _BACKGROUND, _LETTER_IN = 2, 1.0, 0.075


def glimpse_rows(
    rows: Mapping[str, Array],
    *,
    alt: str,
    heard: Collection[str] = (),
    columns: Sequence[str] = (),
    caption: str | None = None,
) -> Player:
    """Lay out small pictures and log-mels, one row a name, one column an item.

    rows: {name: [item, 32, 32], [item, 1, 32, 32], [item, 1024] (square, row by row) or in colour
    [item, 3, height, width]}, values in [0, 1], cut off beyond. Names in `heard` are log-mels: low bands at
    the bottom, in the colours of spectrograms. Errors: ValueError for no rows, rows of unequal length, names
    that do not fit, or another shape. Lessons: 13 to 15.
    """
    import matplotlib.pyplot as plt

    if not rows or set(heard) - set(rows):
        raise ValueError(f"expected at least one row, and heard among {list(rows)}, got {list(heard)}")
    sheets = {name: _squares(x, name, turned=name in heard) for name, x in rows.items()}
    lengths = {len(x) for x in sheets.values()}
    if len(lengths) > 1 or (columns and len(columns) not in lengths):
        raise ValueError(f"expected rows (and columns) of one length, got {sorted(lengths)}, {len(columns)}")
    n = lengths.pop()
    left_in = _LETTER_IN * max(map(len, sheets)) + 0.15
    cell_in, top_in = min(0.9, (9.0 - left_in) / n), 0.25 if columns else 0.02
    width_in, height_in = left_in + cell_in * n, cell_in * len(sheets) + top_in
    fig = plt.figure(figsize=(width_in, height_in))
    axes = []
    for r, (name, squares) in enumerate(sheets.items()):
        bottom_in = (len(sheets) - 1 - r) * cell_in + 0.02
        at = (left_in / width_in, bottom_in / height_in, 1 - left_in / width_in, (cell_in - 0.04) / height_in)
        axes.append(ax := fig.add_axes(at))
        ax.imshow(_strip(squares, coloured=name in heard), interpolation="nearest", aspect="auto")
        ax.set(xticks=[], yticks=[], frame_on=False)
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    width_px = next(iter(sheets.values())).shape[2]
    for k, name in enumerate(columns):
        at = k * (width_px + _GAP_PX) + width_px / 2
        axes[0].text(at, -3, name, ha="center", va="bottom", fontsize=9)
    return figure(fig, alt=alt, caption=caption)


def _squares(x: Array, name: str, *, turned: bool) -> np.ndarray:
    """Return [item, height, width, 1 or 3] in [0, 1]."""
    x = as_array(x, name, ndim=(2, 3, 4))
    if x.ndim == 2:
        side = round(x.shape[1] ** 0.5)
        if side * side != x.shape[1]:
            raise ValueError(f"{name}: expected a square of pixels a row, got {x.shape[1]}")
        x = x.reshape(len(x), side, side)
    x = x[:, None] if x.ndim == 3 else x
    if x.shape[1] not in (1, 3) or not len(x):
        raise ValueError(f"{name}: expected at least one picture of 1 or 3 channels, got {x.shape}")
    x = np.moveaxis(x, 1, -1).astype(float).clip(0, 1)
    return x[:, ::-1] if turned else x


def _strip(squares: np.ndarray, *, coloured: bool) -> np.ndarray:
    """Put squares side by side in colour, with gaps between them."""
    import matplotlib

    if coloured:
        squares = matplotlib.colormaps[SOUND_MAP](squares[..., 0])[..., :3]
    squares = np.broadcast_to(squares, (*squares.shape[:3], 3))
    gap = np.full((len(squares), squares.shape[1], _GAP_PX, 3), _BACKGROUND)
    cells = np.concatenate([squares, gap], axis=2)
    return np.concatenate(list(cells), axis=1)[:, :-_GAP_PX]
