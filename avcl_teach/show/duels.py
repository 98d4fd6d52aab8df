"""A game on the line: two distributions and what the judge thinks, as four pictures and a film."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from avcl_teach.show.encode import movie_bytes
from avcl_teach.show.players import (
    CAPTION_STYLE,
    Player,
    _data_uri,
    escape,
    one_line,
    picture,
    png_bytes,
)
from avcl_teach.show.style import BLUE, GREY, ORANGE, VERMILLION, Array, Drawing, as_array, styled

FRAME_RATE_HZ, HOLD_S = 8, 1


class Standing(NamedTuple):
    """Hold one state of a game on the line: samples [sample], and D's probability of real [point]."""

    samples: Array
    opinion: Array


@styled
def standing(
    real: Float[Array, "n"],
    state: Standing,
    *,
    x: Float[Array, "point"],
    ax: Any = None,
    title: str | None = None,
    legend: bool = True,
) -> Drawing:
    """Draw real and generated samples as histograms over a line, and D's probability of real above it.

    x are the points at which `state.opinion` is given; their ends are the ends of the axis.
    Errors: ValueError for NaN, or an opinion of another length than x. Lesson: 15.
    """
    import matplotlib.pyplot as plt

    real, x = as_array(real, "real", ndim=1), as_array(x, "x", ndim=1)
    fake, opinion = as_array(state.samples, "samples", ndim=1), as_array(state.opinion, "opinion", ndim=1)
    if opinion.shape != x.shape:
        raise ValueError(f"expected one opinion for each of {len(x)} points, got {len(opinion)}")
    fig, ax = (ax.figure, ax) if ax is not None else plt.subplots(figsize=(5.4, 2.8), layout="constrained")
    bins = np.linspace(x[0], x[-1], 61)
    for values, colour, name, style in (
        (real, BLUE, "real", "stepfilled"),
        (fake, ORANGE, "generated", "step"),
    ):
        share, _ = np.histogram(np.clip(values, x[0], x[-1]), bins=bins)
        filled = style == "stepfilled"
        density = share / len(values) / (bins[1] - bins[0])
        ax.stairs(
            density, bins, color=colour, label=name, fill=filled, alpha=0.45 if filled else 1, linewidth=1.6
        )
    ax.set(xlim=(x[0], x[-1]), ylim=(0, 1.3), xlabel="$x$", ylabel="density", title=title or "")
    ax.plot(x, opinion, color=VERMILLION, linestyle="--", label="D: share real")
    ax.axhline(0.5, color=GREY, linewidth=0.6)
    if legend:
        ax.legend(loc="upper right", ncols=3)
    return Drawing(fig, ax)


def duel_film(
    real: Float[Array, "n"],
    states: Sequence[tuple[int, Standing]],
    *,
    x: Float[Array, "point"],
    alt: str,
    caption: str,
    n_stills: int = 4,
) -> Player:
    """Show a game on the line: some states side by side, and a film of all that waits for a click.

    states: (round, Standing), as `fit_two` watched them. Errors: as `standing`; ValueError for fewer states
    than n_stills, or empty words. Lesson: 15.
    """
    import matplotlib.pyplot as plt

    alt, caption = one_line(alt, "alt"), one_line(caption, "caption")
    if len(states) < n_stills:
        raise ValueError(f"expected at least {n_stills} states, got {len(states)}")
    chosen = [states[round(k * (len(states) - 1) / (n_stills - 1))] for k in range(n_stills)]
    fig, axes = plt.subplots(1, n_stills, figsize=(10, 2.3), layout="constrained", sharey=True)
    for ax, (step, state) in zip(axes, chosen, strict=True):
        standing(real, state, x=x, ax=ax, title=f"round {step}", legend=False)
        ax.label_outer()
    still = picture(png_bytes(fig), alt=alt, width_px=800)
    plt.close(fig)
    frames = [_frame(real, state, x, f"round {step}") for step, state in states]
    film = np.stack(frames + [frames[-1]] * (FRAME_RATE_HZ * HOLD_S))
    data, mime = movie_bytes(film, None, frame_rate_hz=FRAME_RATE_HZ, sample_rate_hz=1)
    body = (
        f'<figure class="avt-duel" style="margin:0.6em 0;">{still.html}'
        f'<video controls loop muted playsinline preload="auto" src="{_data_uri(data, mime)}" '
        f'aria-label="{escape(alt)}" style="width:540px;max-width:100%;background:white;"></video>'
        f'<figcaption style="{CAPTION_STYLE}">{escape(caption)}</figcaption></figure>'
    )
    return Player(body, summary=f"film of {len(states)} states, {len(data) // 1024} KB: {caption}")


def _frame(real: Array, state: Standing, x: Array, title: str) -> np.ndarray:
    """Draw one state as pixels [3, height, width]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(5.4, 2.9), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    standing(real, state, x=x, ax=fig.subplots(), title=title)
    fig.canvas.draw()
    return np.asarray(fig.canvas.buffer_rgba())[..., :3].transpose(2, 0, 1).copy()
