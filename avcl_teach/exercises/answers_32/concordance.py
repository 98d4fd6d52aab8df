"""Exercise 1 of lesson 32: the concordance of two sets of curves."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake
from avcl_teach.metrics.affect import ccc


def concordance(x: Float[Tensor, "clip step"], y: Float[Tensor, "clip step"]) -> Float[Tensor, ""]:
    """2 cov / (var_x + var_y + (mean_x - mean_y)^2), over all steps of all clips."""
    return ccc(x, y)


def from_squared_errors(x, y):
    error, d_x, d_y = (x - y).square().mean(), x - x.mean(), y - y.mean()
    below = d_x.square().mean() + d_y.square().mean() + (x.mean() - y.mean()) ** 2
    return 1 - error / below


def curves(g):
    x = torch.randn(4, 5, generator=g)
    return x, 0.7 * x + 0.5 * torch.randn(4, 5, generator=g) + 0.4


def levels(g):
    level = 2 * torch.randn(5, 1, generator=g)
    return level + 0.1 * torch.randn(5, 3, generator=g), 0.5 * level + 0.2 * torch.randn(5, 3, generator=g)


def one_clip(g):
    return torch.randn(1, 7, generator=g), torch.randn(1, 7, generator=g) - 1


def _moments(x, y):
    d_x, d_y = x - x.mean(), y - y.mean()
    return (d_x * d_y).mean(), d_x.square().mean(), d_y.square().mean(), (x.mean() - y.mean()) ** 2


def correlation(x, y):
    c, a, b, _ = _moments(x, y)
    return c / (a * b).sqrt()


def means_left_out(x, y):
    c, a, b, _ = _moments(x, y)
    return 2 * c / (a + b)


def half_of_it(x, y):
    c, a, b, m = _moments(x, y)
    return c / (a + b + m)


def product_of_spreads(x, y):
    c, a, b, m = _moments(x, y)
    return 2 * c / ((a * b).sqrt() + m)


def spreads_not_squared(x, y):
    c, a, b, m = _moments(x, y)
    return 2 * c / (a.sqrt() + b.sqrt() + m)


def means_not_squared(x, y):
    c, a, b, m = _moments(x, y)
    return 2 * c / (a + b + m.sqrt())


def a_clip_at_a_time(x, y):
    return torch.stack([ccc(p, q) for p, q in zip(x, y, strict=True)]).mean()


def a_step_at_a_time(x, y):
    return torch.stack(
        [ccc(p, q) if len(p) > 1 else p.sum() * 0 for p, q in zip(x.T, y.T, strict=True)]
    ).mean()


def one_spread_twice(x, y):
    c, _, b, m = _moments(x, y)
    return 2 * c / (2 * b + m)


def squared_error(x, y):
    return (x - y).square().mean()


CONCORDANCE = Exercise(
    name="affect.concordance",
    lesson="32",
    title="Score a curve in shape, level and size",
    stars=1,
    minutes=8,
    reference=concordance,
    cases=(curves, levels, one_clip),
    mistakes=(
        Mistake(correlation, "Add 3 to every value of x. Does your score notice?"),
        Mistake(means_left_out, "Add 3 to every value of x: whose term in the formula should feel that?"),
        Mistake(half_of_it, "What does a perfect curve score in yours? It should be 1."),
        Mistake(product_of_spreads, "Let y be twice x. Are the two spreads below added or multiplied?"),
        Mistake(spreads_not_squared, "Measure both curves in other units. Does your score stay?"),
        Mistake(means_not_squared, "All terms below have the unit of a variance. The distance of means too?"),
        Mistake(a_clip_at_a_time, "One clip sad, one angry: where does your score see that they differ?"),
        Mistake(a_step_at_a_time, "All steps of all clips are one cloud. How many clouds have you?"),
        Mistake(one_spread_twice, "Swap x and y. The score should not change."),
        Mistake(squared_error, "A score of 0 is a bad curve here, and 1 the best."),
    ),
    alternatives=(from_squared_errors,),
)  # fmt: skip
