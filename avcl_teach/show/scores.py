"""Results: bars over seeds, ranks, training curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from avcl_teach.show.style import (
    BLACK,
    BLUE,
    GREY,
    PALETTE,
    VERMILLION,
    Array,
    Drawing,
    as_array,
    axes_or_new,
    styled,
)

# Two-sided 95 % points of Student's t for 1 to 30 degrees of freedom.
T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def interval(
    values: Sequence[int | float] | tuple[int | float, int | float, int | float],
) -> tuple[float, float, float]:
    """Return (mean, low, high): a 3-tuple as it is, a list of seeds as mean and 95 % t-interval.

    mean +- t(n - 1) s / sqrt(n); one value has no interval (low = high = mean).
    Errors: ValueError for an empty list, NaN, or a tuple that is not low <= mean <= high.
    """
    x = as_array(list(values), "values", ndim=1).astype(float)
    if isinstance(values, tuple):
        if len(x) != 3 or not x[1] <= x[0] <= x[2]:
            raise ValueError(f"expected a tuple (mean, low, high) or a list of seeds, got {values!r}")
        return float(x[0]), float(x[1]), float(x[2])
    mean = float(x.mean())
    if len(x) == 1:
        return mean, mean, mean
    t = T_95[len(x) - 2] if len(x) <= 31 else 1.96
    half = t * x.std(ddof=1) / np.sqrt(len(x))
    return mean, float(mean - half), float(mean + half)


NUMBER_IN = 0.5  # room for the number at the end of a bar


@styled
def bars(
    results: Mapping[str, Sequence[int | float] | tuple[int | float, int | float, int | float]],
    *,
    metric: str = "score",
    chance: int | float | None = None,
    ceiling: int | float | None = None,
    highlight: str | None = None,
    ax: Any = None,
    title: str | None = None,
) -> Drawing:
    """Draw results as bars with whiskers, every seed as a dot, chance and ceiling as lines.

    results: {name: list of one value a seed} (whisker = 95 % t-interval) or {name: (mean, low, high)}.
    Errors: ValueError for no results, NaN, or a tuple out of order. Lessons: all that compare.
    """
    if not results:
        raise ValueError("results: expected at least one name, got none")
    stats = np.array([interval(values) for values in results.values()])
    fig, ax = axes_or_new(ax, height_in=0.42 * len(results) + 1.0, width_in=6.4)
    y = np.arange(len(results))
    colours = [BLUE if highlight in (None, name) else "#9FB6C6" for name in results]
    ax.barh(y, stats[:, 0], color=colours, height=0.62)
    whiskers = np.abs(stats[:, :1] - stats[:, 1:]).T
    ax.errorbar(stats[:, 0], y, xerr=whiskers, fmt="none", ecolor=BLACK, elinewidth=1.3, capsize=3)
    for k, values in enumerate(results.values()):
        if not isinstance(values, tuple):
            ax.plot(values, np.full(len(values), k), "o", color="white", markeredgecolor=BLACK, markersize=4)
    ends = [max(high, *values) for high, values in zip(stats[:, 2], results.values(), strict=True)]
    right = max(*ends, ceiling or 0, chance or 0)
    for k, (mean, end) in enumerate(zip(stats[:, 0], ends, strict=True)):
        ax.text(end + 0.015 * right, k, f"{mean:.3g}", va="center", fontsize=9)
    mark_level(ax, chance, "chance", "--", VERMILLION)
    mark_level(ax, ceiling, "ceiling", ":", GREY)
    ax.set_yticks(y, list(results))
    ax.set(xlabel=metric, ylim=(len(results) - 0.5, -0.5))
    ax.set_title(title or "", pad=6 if chance is None and ceiling is None else 20)
    left, room = min(0, stats[:, 1].min()), NUMBER_IN / (ax.get_position().width * fig.get_figwidth())
    ax.set_xlim(left, (left + (1.015 * right - left) / (1 - min(room, 0.5))) or 1)
    ax.tick_params(axis="y", length=0)
    return Drawing(fig, ax)


def mark_level(ax: Any, value: int | float | None, word: str, linestyle: str, colour: str) -> None:
    """Draw a vertical line with its name and value above the axes."""
    if value is None:
        return
    ax.axvline(value, color=colour, linestyle=linestyle, linewidth=1.6)
    at = (value, 1.01)
    text = f"{word} {value:.3g}"
    ax.text(*at, text, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=9, color=colour)


@styled
def ranks(
    rank: Num[Array, "query"],
    *,
    n_gallery: int,
    ax: Any = None,
    title: str | None = None,
) -> Drawing:
    """Draw how often the partner came at which rank, with the flat line of chance and the median.

    Shapes: rank [query], from 1 (best) to n_gallery; halves occur with ties. Chance is
    n_query / n_bins a bin.
    Errors: ValueError for ranks outside 1..n_gallery. Lessons: 00, 02.
    """
    rank = as_array(rank, "rank", ndim=1).astype(float)
    if rank.min() < 1 or rank.max() > n_gallery:
        raise ValueError(f"rank: expected values from 1 to {n_gallery}, got {rank.min():g} to {rank.max():g}")
    n_bins = min(n_gallery, 25)
    edges = np.linspace(0.5, n_gallery + 0.5, n_bins + 1)
    fig, ax = axes_or_new(ax, height_in=2.5, width_in=5.4)
    ax.hist(rank, bins=edges, color=BLUE, edgecolor="white", linewidth=0.5)
    ax.axhline(len(rank) / n_bins, color=VERMILLION, linestyle="--", linewidth=1.4, label="chance")
    median = float(np.median(rank))
    ax.axvline(median, color=BLACK, linestyle=":", linewidth=1.6, label=f"median rank {median:g}")
    ax.set(xlabel=f"rank of the partner (1 = first of {n_gallery})", ylabel="queries", title=title)
    ax.set_xlim(0.5, n_gallery + 0.5)
    ax.legend()
    return Drawing(fig, ax)


@styled
def curves(
    history: Any,
    *,
    metric: str | None = None,
    chance: int | float | None = None,
    title: str | None = None,
) -> Drawing:
    """Draw the loss of each step, smoothed, and the metric where it was measured, its best point ringed.

    history is that of training.fit: `losses` (one a step), `metrics` [(steps done, value)], `metric_name`,
    `best_step`. metrics may also be {name: [(step, value)]} or [{"step":, name:}]; a plain list of losses
    will do. Returns (fig, array of axes). Errors: ValueError for no losses, NaN or an unknown metric.
    Lessons: 00, 02.
    """
    import matplotlib.pyplot as plt

    losses = as_array(getattr(history, "losses", history), "losses", ndim=1)
    unnamed = getattr(history, "metric_name", "metric")
    points = metric_points(getattr(history, "metrics", None), metric, unnamed=unnamed)
    n_axes = 2 if points else 1
    fig, axes = plt.subplots(1, n_axes, figsize=(3.6 * n_axes, 2.5), layout="constrained", squeeze=False)
    step = np.arange(len(losses))
    axes[0, 0].plot(step, losses, color=BLUE, alpha=0.35, linewidth=0.8, label="each step")
    axes[0, 0].plot(step, running_mean(losses), color=BLUE, linewidth=1.8, label="running mean")
    axes[0, 0].set(xlabel="step", ylabel="training loss")
    axes[0, 0].legend()
    if points:
        _draw_metrics(axes[0, 1], points, chance, getattr(history, "best_step", None))
    if title:
        fig.suptitle(title, fontsize=11)
    return Drawing(fig, axes[0])


def _draw_metrics(ax: Any, points: dict, chance: int | float | None, best_step: int | None) -> None:
    for c, (name, pairs) in enumerate(points.items()):
        at, value = np.array(pairs, dtype=float).T
        ax.plot(at, value, marker="o", markersize=4, color=PALETTE[(c + 2) % len(PALETTE)], label=name)
        if best_step is not None and best_step in at:
            best = value[list(at).index(best_step)]
            ax.plot(
                best_step, best, "o", markersize=10, fillstyle="none", color=BLACK, label=f"best {best:.3g}"
            )
    ax.set(xlabel="step", ylabel="value" if len(points) > 1 else next(iter(points)))
    if chance is not None:
        ax.axhline(chance, color=VERMILLION, linestyle="--", linewidth=1.2, label=f"chance {chance:.3g}")
    if len(ax.get_legend_handles_labels()[1]) > 1:
        ax.legend()
    ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))


def metric_points(metrics: Any, only: str | None, *, unnamed: str = "metric") -> dict[str, list]:
    """Return {name: [(step, value)]} from any form that curves() takes."""
    if metrics is None or len(metrics) == 0:
        return {}
    if isinstance(metrics, Mapping):
        points = {name: list(pairs) for name, pairs in metrics.items()}
    elif isinstance(metrics[0], Mapping):
        names = [name for name in metrics[0] if name != "step"]
        points = {name: [(m["step"], m[name]) for m in metrics if name in m] for name in names}
    else:
        points = {unnamed: [tuple(pair) for pair in metrics]}
    if only is None:
        return points
    if only not in points:
        raise ValueError(f"metric: expected one of {sorted(points)}, got {only!r}")
    return {only: points[only]}


def running_mean(x: Float[np.ndarray, "step"], *, window: int | None = None) -> Float[np.ndarray, "step"]:
    """Return the mean over `window` values around each step (fewer at the ends); default a twentieth."""
    window = window or max(1, len(x) // 20)
    total = np.cumsum(np.concatenate([[0.0], np.asarray(x, dtype=float)]))
    n = np.arange(len(x))
    start, end = np.maximum(0, n - (window - 1) // 2), np.minimum(len(x), n + window // 2 + 1)
    return (total[end] - total[start]) / (end - start)
