"""Exercise of lesson 30: average precision at k by both definitions."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def two_precisions(
    hits: Bool[Tensor, "query rank"], k: int
) -> tuple[Float[Tensor, "query"], Float[Tensor, "query"]]:
    """Return AP at k over min(R, k), and over the relevant items found (0 where there is none)."""
    top = hits[:, :k].float()
    n = torch.arange(1, top.shape[1] + 1, device=hits.device)
    total = (top * top.cumsum(1) / n).sum(1)
    R = hits.sum(1)
    return total / R.clamp(1, k), total / top.sum(1).clamp_min(1)


def with_loops(hits, k):
    capped, found = [], []
    for row in hits.tolist():
        total, seen = 0.0, 0
        for rank, hit in enumerate(row[:k], start=1):
            seen += hit
            total += seen / rank if hit else 0.0
        capped.append(total / max(min(sum(row), k), 1))
        found.append(total / max(seen, 1))
    return torch.tensor(capped), torch.tensor(found)


def some_hits(g):
    return torch.rand(5, 9, generator=g) < 0.35, 4


def many_relevant(g):
    return torch.rand(4, 10, generator=g) < 0.8, 3


def nothing_found(g):
    hits = torch.zeros(3, 6, dtype=torch.bool)
    hits[0, 5] = hits[1, 0] = True
    return hits, 3


def k_beyond_the_gallery(g):
    return torch.rand(3, 5, generator=g) < 0.5, 8


def _total(hits, k):
    top = hits[:, :k].float()
    return top, (top * top.cumsum(1) / torch.arange(1, top.shape[1] + 1)).sum(1)


def never_capped(hits, k):
    return _total(hits, k)[1] / hits.sum(1).clamp_min(1), two_precisions(hits, k)[1]


def swapped(hits, k):
    return two_precisions(hits, k)[::-1]


def by_k(hits, k):
    return _total(hits, k)[1] / k, two_precisions(hits, k)[1]


def precision_alone(hits, k):
    share = hits[:, :k].float().mean(1)
    return share, share


def misses_count_too(hits, k):
    top = hits[:, :k].float()
    n = torch.arange(1, top.shape[1] + 1)
    total = (top.cumsum(1) / n).sum(1)
    return total / hits.sum(1).clamp(1, k), total / top.sum(1).clamp_min(1)


def reciprocal_ranks(hits, k):
    top = hits[:, :k].float()
    total = (top / torch.arange(1, top.shape[1] + 1)).sum(1)
    return total / hits.sum(1).clamp(1, k), total / top.sum(1).clamp_min(1)


def nothing_over_nothing(hits, k):
    top, total = _total(hits, k)
    return total / hits.sum(1).clamp_max(k), total / top.sum(1)


def hides_what_is_missed(hits, k):
    found = two_precisions(hits, k)[1]
    return found, found


def _perfect(fn, g):
    hits = torch.zeros(3, 12, dtype=torch.bool)
    hits[0, :2], hits[1, :5], hits[2, :9] = True, True, True
    return all(torch.allclose(x, torch.ones(3)) for x in fn(hits, 5))


def _never_above(fn, g):
    capped, found = fn(torch.rand(20, 15, generator=g) < 0.3, 6)
    return bool((capped <= found + 1e-6).all())


PRECISIONS = Exercise(
    name="ranking.two_precisions",
    lesson="30",
    title="Divide average precision at k in two ways",
    stars=2,
    minutes=8,
    reference=two_precisions,
    cases=(some_hits, many_relevant, nothing_found, k_beyond_the_gallery),
    mistakes=(
        Mistake(never_capped, "Ten relevant items, k = 3, a perfect order: does your first value reach 1?"),
        Mistake(swapped, "Which of the two is asked for first?"),
        Mistake(by_k, "One relevant item in the gallery, ranked first: what should the first value be?"),
        Mistake(precision_alone, "Does it matter to yours at which of the first k ranks the hits stand?"),
        Mistake(
            misses_count_too, "At which ranks is a precision taken: at all, or where something is found?"
        ),
        Mistake(reciprocal_ranks, "The second hit, at rank 2: how many of the first two are relevant?"),
        Mistake(nothing_over_nothing, "A query that finds nothing in its first k: what comes out of yours?"),
        Mistake(
            hides_what_is_missed,
            "One hit at rank 1, and nine relevant items missed: what do both values say?",
        ),
    ),
    alternatives=(with_loops,),
    properties=(
        Property(
            "a perfect order scores 1 in both",
            _perfect,
            "With nothing but hits in front: what remains to be won?",
        ),
        Property(
            "the first never exceeds the second", _never_above, "Which of the two divisors is the larger?"
        ),
    ),
    gradient="off",
    large_values=None,
)
