"""Exercise 1 of lesson 35: the mask of the dominant source, and its price."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def price_masks(
    logits: Float[Tensor, "source row frame"],
    S: Float[Tensor, "source row frame"],
    x: Float[Tensor, "row frame"],
) -> Float[Tensor, ""]:
    """Weighted cross-entropy of the masks of the dominant source: sum of w BCE over sum of w."""
    M = (S.amax(0) <= S).to(S.dtype)
    w = x.log1p().clamp(1e-3, 10).expand_as(S)
    cost = F.binary_cross_entropy_with_logits(logits, M, reduction="none")
    return (w * cost).sum() / w.sum()


def by_softplus(logits, S, x):
    M = torch.stack([(s >= S).all(0) for s in S])
    w = torch.log(1 + x).clamp(1e-3, 10)[None]
    return ((F.softplus(logits) - logits * M) * w).sum() / (w.sum() * len(S))


def two_sources(g):
    S = 3 * torch.rand(2, 3, 4, generator=g)
    return torch.randn(2, 3, 4, generator=g), S, S.sum(0) * (0.4 + 0.6 * torch.rand(3, 4, generator=g))


def three_sources(g):
    S = 3 * torch.rand(3, 2, 5, generator=g)
    return torch.randn(3, 2, 5, generator=g), S, S.sum(0) * (0.4 + 0.6 * torch.rand(2, 5, generator=g))


def loud_and_silent(g):
    S = torch.rand(2, 2, 3, generator=g) + torch.tensor([[[0.0], [60000.0]], [[0.0], [10.0]]])
    x = S.sum(0) * 0.9
    x[0, 0] = 0.0
    return torch.randn(2, 2, 3, generator=g), S, x


def ties(g):
    S = torch.randint(1, 3, (2, 3, 3), generator=g).float()
    return torch.randn(2, 3, 3, generator=g), S, S.sum(0)


def half_of_the_mixture(logits, S, x):
    return _priced(logits, (x / 2 < S).to(S.dtype), x)


def louder_than_the_mixture(logits, S, x):
    return _priced(logits, (x <= S).to(S.dtype), x)


def quietest(logits, S, x):
    return _priced(logits, (S.amin(0) >= S).to(S.dtype), x)


def loudest_row(logits, S, x):
    return _priced(logits, (S.amax(1, keepdim=True) <= S).to(S.dtype), x)


def shares(logits, S, x):
    return _priced(logits, S / S.sum(0), x)


def unweighted(logits, S, x):
    return F.binary_cross_entropy_with_logits(logits, (S.amax(0) <= S).to(S.dtype))


def weighed_by_magnitude(logits, S, x):
    return _priced(logits, (S.amax(0) <= S).to(S.dtype), x, w=x)


def weight_not_clamped(logits, S, x):
    return _priced(logits, (S.amax(0) <= S).to(S.dtype), x, w=x.log1p())


def mean_of_weighted(logits, S, x):
    w = x.log1p().clamp(1e-3, 10).expand_as(S)
    cost = F.binary_cross_entropy_with_logits(logits, (S.amax(0) <= S).to(S.dtype), reduction="none")
    return (w * cost).mean()


def weights_of_one_source_below(logits, S, x):
    return price_masks(logits, S, x) * len(S)


def first_of_those_that_tie(logits, S, x):
    M = F.one_hot(S.argmax(0), len(S)).movedim(-1, 0).to(S.dtype)
    return _priced(logits, M, x)


def softmax_over_sources(logits, S, x):
    M = (S.amax(0) <= S).to(S.dtype)
    w = x.log1p().clamp(1e-3, 10)
    return (-(logits.log_softmax(0) * M).sum(0) * w).sum() / (w.sum() * len(S))


def softmax_with_one_weight_a_cell(logits, S, x):
    return softmax_over_sources(logits, S, x) * len(S)


def softmax_of_the_first(logits, S, x):
    w = x.log1p().clamp(1e-3, 10)
    return (w * F.cross_entropy(logits[None], S.argmax(0)[None], reduction="none")[0]).sum() / w.sum()


def nobody_wins_a_tie(logits, S, x):
    alone = (S.amax(0) == S).sum(0) == 1
    return _priced(logits, ((S.amax(0) == S) & alone).to(S.dtype), x)


def louder_than_the_mean(logits, S, x):
    return _priced(logits, (S.mean(0) <= S).to(S.dtype), x)


def _priced(logits, M, x, w=None):
    w = (x.log1p().clamp(1e-3, 10) if w is None else w).expand_as(M)
    return (w * F.binary_cross_entropy_with_logits(logits, M, reduction="none")).sum() / w.sum()


CELLS = Exercise(
    name="separation.price_masks",
    lesson="35",
    title="Give each cell to its loudest source, and price a guess",
    stars=2,
    minutes=10,
    reference=price_masks,
    cases=(two_sources, three_sources, ties, loud_and_silent),
    mistakes=(
        Mistake(
            half_of_the_mixture, "Yours asks each source alone. Can two sources win one cell in it, or none?"
        ),
        Mistake(
            louder_than_the_mixture,
            "When is one source louder than the sum of all? Compare with the other sources, not with x.",
        ),
        Mistake(quietest, "Who gets the cells in yours: the loudest, or the softest?"),
        Mistake(loudest_row, "Compare sources in one cell. Along which axis does yours compare?"),
        Mistake(shares, "The target is yes or no. What does yours hold where one source has two thirds?"),
        Mistake(unweighted, "Does a silent cell count as much as a loud one in yours?"),
        Mistake(
            weighed_by_magnitude, "Loud cells should count more, but not in proportion: see the formula of w."
        ),
        Mistake(weight_not_clamped, "What is the weight where the mixture is silent, or extremely loud?"),
        Mistake(mean_of_weighted, "You divide by the number of cells. By what does a weighted mean divide?"),
        Mistake(
            weights_of_one_source_below,
            "How many cells does the numerator hold, and how many weights are in your denominator?",
        ),
        Mistake(
            softmax_with_one_weight_a_cell,
            "In a softmax the sources compete. Is each cell of each source a question of its own?",
        ),
        Mistake(
            softmax_of_the_first,
            "A class a cell allows one winner. What does the formula ask of each source, and of a tie?",
        ),
        Mistake(
            nobody_wins_a_tie, "What does yours give two sources that are equally loud? See the formula."
        ),
        Mistake(
            louder_than_the_mean, "Of three sources, how many can lie above their mean? How many may win?"
        ),
        Mistake(
            first_of_those_that_tie,
            "Who gets a cell in which two are equally loud? See the sign in the formula.",
        ),
        Mistake(
            softmax_over_sources, "Each mask is a yes or no of its own here. Do yours compete for one whole?"
        ),
    ),
    alternatives=(by_softplus,),
    properties=(properties.bounded(two_sources, low=0, hint="A cross-entropy is never below 0."),),
)
