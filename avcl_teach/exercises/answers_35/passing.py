"""Exercise 3 of lesson 35: what passes between sources leaves their sum alone."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def pass_on(
    logits: Float[Tensor, "source row frame"], r: Float[Tensor, "to from row frame"]
) -> Float[Tensor, "source row frame"]:
    """Final logits: each source receives r[n, m] from every other m and gives r[m, n] away."""
    return logits + (r - r.transpose(0, 1)).sum(1)


def by_loops(logits, r):
    out = list(logits)
    for n in range(len(out)):
        for m in range(len(out)):
            if m != n:
                out[n] = out[n] + r[n, m] - r[m, n]
    return torch.stack(out)


def duet(g):
    return torch.randn(2, 2, 3, generator=g), torch.randn(2, 2, 2, 3, generator=g)


def trio(g):
    return torch.randn(3, 2, 4, generator=g), torch.randn(3, 3, 2, 4, generator=g)


def alone(g):
    return torch.randn(1, 2, 2, generator=g), torch.randn(1, 1, 2, 2, generator=g)


def gifts_only(logits, r):
    return logits + (r * _others(r)).sum(1)


def losses_only(logits, r):
    return logits - (r * _others(r)).sum(0)


def sign_turned(logits, r):
    return logits - (r - r.transpose(0, 1)).sum(1)


def taken_from_both(logits, r):
    return logits - ((r + r.transpose(0, 1)) * _others(r)).sum(1)


def given_to_both(logits, r):
    return logits + ((r + r.transpose(0, 1)) * _others(r)).sum(1)


def keeps_its_own(logits, r):
    return logits + r.sum(1) - (r * _others(r)).sum(0)


def averaged(logits, r):
    return logits + (r - r.transpose(0, 1)).mean(1)


def first_stage_forgotten(logits, r):
    return (r - r.transpose(0, 1)).sum(1)


def passed_as_masks(logits, r):
    return logits.sigmoid() + (r - r.transpose(0, 1)).sum(1)


def stopped(logits, r):
    return logits + (r - r.transpose(0, 1)).detach().sum(1)


def _others(r):
    return (1 - torch.eye(len(r)))[..., None, None]


def _keeps_the_sum(fn, g):
    logits, r = trio(g)
    return torch.allclose(fn(logits, r).sum(0), logits.sum(0), atol=1e-4)


PASSING = Exercise(
    name="separation.pass_on",
    lesson="35",
    title="Move what the second look finds, and lose nothing",
    stars=2,
    minutes=8,
    reference=pass_on,
    cases=(duet, trio, alone),
    mistakes=(
        Mistake(
            gifts_only, "What source n receives must be missing somewhere. Where does yours take it from?"
        ),
        Mistake(losses_only, "What is taken away must arrive somewhere. Where does it in yours?"),
        Mistake(sign_turned, "r[n, m] is what n receives. Does your n gain it or lose it?"),
        Mistake(taken_from_both, "Add up the sources before and after. Which way did the sum go in yours?"),
        Mistake(given_to_both, "Add up the sources before and after. Is there more now than there was?"),
        Mistake(keeps_its_own, "What does a source pass to itself in yours, and is it also taken away?"),
        Mistake(averaged, "Each gift counts in full. Is yours smaller with three sources than with two?"),
        Mistake(
            first_stage_forgotten,
            "With r = 0 the second stage should change nothing. What does yours return?",
        ),
        Mistake(passed_as_masks, "Logits are added before the one sigmoid. Is there already one in yours?"),
        Mistake(stopped, "Right values. Can the second stage learn from them in yours?"),
    ),
    alternatives=(by_loops,),
    properties=(
        Property(
            "sum kept", _keeps_the_sum, "Add up the sources' logits: the sum should be what it was before."
        ),
    ),
)
