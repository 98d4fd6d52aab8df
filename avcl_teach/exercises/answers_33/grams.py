"""Exercise 4 of lesson 33: a triplet over Gram matrices."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def gram_triplet(
    a: Float[Tensor, "n row_a d"], v: Float[Tensor, "n row_v d"], clip: Int[Tensor, "n"], margin: float
) -> Float[Tensor, ""]:
    """Mean over i, j of unlike clips of [|G(a_i)-G(v_i)|^2 - |G(a_i)-G(v_j)|^2 + m]_+."""
    D, unlike = _table(a, v), clip[:, None] != clip
    return (D.diagonal()[:, None] - D + margin).clamp_min(0)[unlike].mean()


def _grams(x, unit=True):
    x = F.normalize(x, dim=-1) if unit else x
    return x.mT @ x / x.shape[1]


def _table(a, v, unit=True):
    return (_grams(a, unit)[:, None] - _grams(v, unit)[None]).square().sum((2, 3))


def _triplet(D, unlike, margin):
    return (D.diagonal()[:, None] - D + margin).clamp_min(0)[unlike].mean()


def by_product(a, v, clip, margin):
    x, y = _grams(a).flatten(1), _grams(v).flatten(1)
    D = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
    return _triplet(D, clip[:, None] != clip, margin)


def by_loop(a, v, clip, margin):
    x, y, price = _grams(a), _grams(v), []
    for i in range(len(a)):
        for j in range(len(a)):
            if clip[i] != clip[j]:
                own, other = (x[i] - y[i]).square().sum(), (x[i] - y[j]).square().sum()
                price.append((own - other + margin).clamp_min(0))
    return torch.stack(price).mean()


def three_clips(g):
    return (torch.randn(6, 2, 3, generator=g), torch.randn(6, 4, 3, generator=g),
            torch.tensor([0, 0, 1, 1, 2, 2]), 0.3)  # fmt: skip


def long_rows(g):
    scale = 0.2 + 3 * torch.rand(5, 1, 1, generator=g)
    a = scale * torch.randn(5, 3, 2, generator=g)
    return a, torch.randn(5, 3, 2, generator=g), torch.tensor([3, 1, 1, 0, 3]), 0.1


def all_different(g):
    return torch.randn(4, 2, 4, generator=g), torch.randn(4, 5, 4, generator=g), torch.arange(4), 1.0


def rows_of_any_length(a, v, clip, margin):
    return _triplet(_table(a, v, unit=False), clip[:, None] != clip, margin)


def the_same_clip_pushed(a, v, clip, margin):
    return _triplet(_table(a, v), ~torch.eye(len(a), dtype=torch.bool), margin)


def turned_round(a, v, clip, margin):
    D = _table(a, v)
    return (D - D.diagonal()[:, None] + margin).clamp_min(0)[clip[:, None] != clip].mean()


def margin_forgotten(a, v, clip, margin):
    return _triplet(_table(a, v), clip[:, None] != clip, 0.0)


def not_squared(a, v, clip, margin):
    return _triplet(_table(a, v).clamp_min(1e-12).sqrt(), clip[:, None] != clip, margin)


def sums_not_means_of_rows(a, v, clip, margin):
    x, y = _grams(a) * a.shape[1], _grams(v) * v.shape[1]
    D = (x[:, None] - y[None]).square().sum((2, 3))
    return _triplet(D, clip[:, None] != clip, margin)


def means_not_grams(a, v, clip, margin):
    x, y = (F.normalize(z, dim=-1).mean(1) for z in (a, v))
    return _triplet((x[:, None] - y[None]).square().sum(2), clip[:, None] != clip, margin)


def clamped_after_the_mean(a, v, clip, margin):
    D = _table(a, v)
    return (D.diagonal()[:, None] - D + margin)[clip[:, None] != clip].mean().clamp_min(0)


def sounds_as_negatives(a, v, clip, margin):
    return _triplet(_table(a, v).T, clip[:, None] != clip, margin)


def over_all_pairs(a, v, clip, margin):
    price = (_table(a, v).diagonal()[:, None] - _table(a, v) + margin).clamp_min(0)
    return (price * (clip[:, None] != clip)).mean()


GRAMS = Exercise(
    name="events.gram_triplet",
    lesson="33",
    title="Compare which features fire together",
    stars=3,
    minutes=12,
    reference=gram_triplet,
    cases=(three_clips, long_rows, all_different),
    mistakes=(
        Mistake(
            rows_of_any_length, "Make a sound five times as loud. Should the distance change? Yours does."
        ),
        Mistake(
            the_same_clip_pushed,
            "The next second of a clip often shows the same thing. Is it a negative in yours?",
        ),
        Mistake(turned_round, "Should the loss fall when a sound nears its own picture? Yours rises."),
        Mistake(margin_forgotten, "Change the margin and nothing else. Does your loss change?"),
        Mistake(not_squared, "The formula squares the distance. Count the exponents in yours."),
        Mistake(
            sums_not_means_of_rows,
            "A picture has more rows than a sound. Can their matrices ever be alike in yours?",
        ),
        Mistake(means_not_grams, "How many numbers describe a set in yours: d, or d times d?"),
        Mistake(
            clamped_after_the_mean,
            "One easy pair can pay for a hard one in yours. What comes first, [ ]_+ or mean?",
        ),
        Mistake(sounds_as_negatives, "Who stands still, sound i or picture i, while the other changes?"),
        Mistake(over_all_pairs, "You divide by all pairs. How many of them can cost anything?"),
    ),
    alternatives=(by_product, by_loop),
    properties=(
        properties.bounded(three_clips, low=0, hint="[ ]_+ is never below 0, and neither is its mean."),
        properties.scale_invariant(three_clips, factor=3.0),
    ),
)
