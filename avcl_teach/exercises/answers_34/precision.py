"""Exercise 3 of lesson 34: average precision of boxes that were matched."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake
from avcl_teach.metrics import detection


def average_precision(right: Int[Tensor, "n"], scores: Float[Tensor, "n"], n_true: int) -> Float[Tensor, ""]:
    """Return the area under precision over recall, with precision made to fall."""
    return detection.average_precision(right, scores, n_true)


def by_loop(right, scores, n_true):
    hits = right[scores.argsort(descending=True, stable=True)].tolist()
    precision = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
    area = sum(max(precision[i:]) for i, hit in enumerate(hits) if hit)
    return torch.tensor(area / n_true)


def some(g):
    n = int(torch.randint(5, 10, (1,), generator=g))
    right = (torch.rand(n, generator=g) < 0.5).long()
    right[0] = 1
    return right, torch.rand(n, generator=g), int(right.sum()) + 2


def all_found(g):
    right = torch.tensor([0, 1, 0, 1, 1])
    return right, torch.rand(5, generator=g), 3


def rising(g):
    return torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5]), 4


def _sorted(right, scores):
    hit = right[scores.argsort(descending=True, stable=True)].float()
    return hit, hit.cumsum(0) / torch.arange(1, len(hit) + 1)


def unsorted(right, scores, n_true):
    hit = right.float()
    p = hit.cumsum(0) / torch.arange(1, len(hit) + 1)
    return (p.flip(0).cummax(0).values.flip(0) * hit).sum() / n_true


def lowest_first(right, scores, n_true):
    return by_loop(right, -scores, n_true)


def over_found(right, scores, n_true):
    hit, p = _sorted(right, scores)
    return (p.flip(0).cummax(0).values.flip(0) * hit).sum() / hit.sum().clamp_min(1)


def jagged(right, scores, n_true):
    hit, p = _sorted(right, scores)
    return (p * hit).sum() / n_true


def from_the_left(right, scores, n_true):
    hit, p = _sorted(right, scores)
    return (p.cummax(0).values * hit).sum() / n_true


def mean_precision(right, scores, n_true):
    _, p = _sorted(right, scores)
    return p.flip(0).cummax(0).values.flip(0).mean()


def last_point(right, scores, n_true):
    return right.float().mean()


def eleven_points(right, scores, n_true):
    hit, p = _sorted(right, scores)
    recall = hit.cumsum(0) / n_true
    best = [p[recall >= r - 1e-6].amax() if (recall >= r - 1e-6).any() else torch.tensor(0.0)
            for r in torch.linspace(0, 1, 11)]  # fmt: skip
    return torch.stack(best).mean()


PRECISION = Exercise(
    name="localization.average_precision",
    lesson="34",
    title="Turn matched boxes into an average precision",
    stars=2,
    minutes=12,
    reference=average_precision,
    cases=(some, all_found, rising),
    mistakes=(
        Mistake(unsorted, "Which detection comes first?"),
        Mistake(lowest_first, "Is the surest detection the first one or the last?"),
        Mistake(over_found, "Boxes that nobody found: where do they count?"),
        Mistake(
            jagged, "Precision may rise again further down the list. What does the field do with such a dip?"
        ),
        Mistake(from_the_left, "The best precision at this recall or at a higher one: look which way?"),
        Mistake(mean_precision, "At which rows of the list does recall grow?"),
        Mistake(last_point, "That is the precision of the whole list. Where does the order enter?"),
        Mistake(eleven_points, "Eleven points of recall were the rule until 2009. What replaced them?"),
    ),
    alternatives=(by_loop,),
    gradient="off",
    large_values=None,
)
