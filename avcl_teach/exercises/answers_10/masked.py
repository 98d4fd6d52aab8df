"""Exercise 3 of lesson 10: a softmax over what may be seen."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def weigh(scores: Float[Tensor, "query key"], mask: Bool[Tensor, "query key"]) -> Float[Tensor, "query key"]:
    """Softmax over the keys where mask is True; 0 elsewhere; rows that see nothing: 0."""
    least = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, least).softmax(1) * mask


def by_infinity(scores, mask):
    return scores.masked_fill(~mask, -torch.inf).softmax(1).nan_to_num()


def by_row(scores, mask):
    rows = []
    for s, m in zip(scores, mask, strict=True):
        w = torch.zeros_like(s)
        rows.append(w.masked_scatter(m, s[m].softmax(0)) if bool(m.any()) else w + 0 * s)
    return torch.stack(rows)


def by_exponentials(scores, mask):
    peak = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).amax(1, keepdim=True)
    e = (scores - peak).masked_fill(~mask, -torch.inf).exp()
    return e / e.sum(1, keepdim=True).clamp_min(1e-30)


def _scores(g, n_q, n_k):
    return 1.5 * torch.randn(n_q, n_k, generator=g)


def some_hidden(g):
    mask = torch.rand(3, 6, generator=g) < 0.6
    mask[:, 1] = True
    return _scores(g, 3, 6), mask


def padding(g):
    return _scores(g, 4, 4), torch.arange(4) < torch.tensor([[4], [1], [2], [3]])


def a_blind_row(g):
    mask = torch.tensor(
        [[True, False, True], [False, False, False], [True, True, True], [False, True, False]]
    )
    return _scores(g, 4, 3), mask


def all_seen(g):
    return _scores(g, 2, 5), torch.ones(2, 5, dtype=torch.bool)


def huge(g):
    return 300 * _scores(g, 3, 5), torch.tensor([[True, True, False, True, False]]).repeat(3, 1)


def low_seen_and_high_hidden(g):
    mask = torch.tensor([[True, False, True, True], [False, True, True, False]])
    return _scores(g, 2, 4) + torch.where(mask, -3e4, 3e4), mask


def mask_after_softmax(scores, mask):
    return scores.softmax(1) * mask


def after_softmax_and_renormalised(scores, mask):
    w = scores.softmax(1) * mask
    return w / w.sum(1, keepdim=True)


def added_as_a_number(scores, mask):
    return (scores + mask).softmax(1)


def multiplied_before(scores, mask):
    return (scores * mask).softmax(1)


def multiplied_before_and_after(scores, mask):
    return (scores * mask).softmax(1) * mask


def mask_inverted(scores, mask):
    return weigh(scores, ~mask)


def mask_forgotten(scores, mask):
    return scores.softmax(1)


def softmax_over_queries(scores, mask):
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(0) * mask


def nothing_gives_nan(scores, mask):
    return scores.masked_fill(~mask, -torch.inf).softmax(1)


def nothing_gives_even_weights(scores, mask):
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(1)


def no_greatest_subtracted(scores, mask):
    e = scores.exp() * mask
    return e / e.sum(1, keepdim=True).clamp_min(1e-30)


def a_number_small_enough_today(scores, mask):
    return scores.masked_fill(~mask, -1e4).softmax(1) * mask


def even_among_the_seen(scores, mask):
    return mask / mask.sum(1, keepdim=True).clamp_min(1) + 0 * scores


def logarithms(scores, mask):
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).log_softmax(1) * mask


def hidden_scores_do_not_matter(fn, g):
    scores, mask = some_hidden(g)
    other = torch.where(mask, scores, 3 * torch.randn(scores.shape, generator=g))
    return torch.allclose(fn(scores, mask), fn(other, mask), atol=1e-5)


MASKED = Exercise(
    name="attention.weigh",
    lesson="10",
    title="Weigh only what may be seen",
    stars=2,
    minutes=10,
    reference=weigh,
    cases=(some_hidden, padding, a_blind_row, all_seen),
    stress=(huge, low_seen_and_high_hidden),
    mistakes=(
        Mistake(mask_after_softmax, "Sum your rows. Who holds the rest of the weight?"),
        Mistake(
            after_softmax_and_renormalised,
            "Right in exact numbers. What is left to divide by when a hidden score is by far the largest?",
        ),
        Mistake(
            added_as_a_number, "True is 1 and False is 0. How much less than before does a hidden key weigh?"
        ),
        Mistake(multiplied_before, "A hidden score is 0 in yours. What is the exponential of 0?"),
        Mistake(
            multiplied_before_and_after,
            "Hidden keys end at 0, but did they take part in the softmax? Sum your rows.",
        ),
        Mistake(mask_inverted, "True means: may look. Which keys weigh something in yours?"),
        Mistake(mask_forgotten, "Change the mask and nothing else. Do the weights change?"),
        Mistake(softmax_over_queries, "Should rows sum to 1, or columns? Rows are queries."),
        Mistake(nothing_gives_nan, "Try a row that may look nowhere. What is 0 divided by 0?"),
        Mistake(
            nothing_gives_even_weights,
            "A row that may look nowhere: on what does it put its weight in yours?",
        ),
        Mistake(no_greatest_subtracted, "What is the exponential of a score of 1000?"),
        Mistake(
            a_number_small_enough_today,
            "Is your stand-in for a hidden score below every score there may be? Try scores of -30000.",
        ),
        Mistake(even_among_the_seen, "Change the scores and nothing else. Do the weights change?"),
        Mistake(logarithms, "Can a weight be negative?"),
    ),
    alternatives=(by_infinity, by_row, by_exponentials),
    properties=(
        Property(
            "hidden scores",
            hidden_scores_do_not_matter,
            "Change the score of a hidden key: no weight should move.",
        ),
    ),
)
