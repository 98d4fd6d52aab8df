"""Exercise of lesson 30: which epoch is reported."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def reported(val: Float[Tensor, "seed epoch"], test: Float[Tensor, "seed epoch"]) -> Float[Tensor, "seed"]:
    """Return each seed's test score at the epoch that is best on its validation cut, the first of equals."""
    best = (val == val.amax(1, keepdim=True)).int().argmax(1)
    return test.gather(1, best[:, None])[:, 0]


def with_loops(val, test):
    return torch.stack([t[v.tolist().index(max(v.tolist()))] for v, t in zip(val, test, strict=True)])


def scores(g):
    return torch.rand(4, 6, generator=g), torch.rand(4, 6, generator=g)


def ties(g):
    return torch.randint(0, 3, (5, 7), generator=g).float(), torch.rand(5, 7, generator=g)


def one_epoch(g):
    return torch.rand(3, 1, generator=g), torch.rand(3, 1, generator=g)


def one_seed(g):
    return torch.rand(1, 8, generator=g), torch.rand(1, 8, generator=g)


def best_on_test(val, test):
    return test.amax(1)


def the_last(val, test):
    return test[:, -1]


def the_validation_score(val, test):
    return val.amax(1)


def one_epoch_for_all(val, test):
    return test[:, val.mean(0).argmax()]


def the_last_of_equals(val, test):
    n = val.shape[1]
    best = n - 1 - (val == val.amax(1, keepdim=True)).flip(1).int().argmax(1)
    return test.gather(1, best[:, None])[:, 0]


def the_worst(val, test):
    return test.gather(1, val.argmin(1)[:, None])[:, 0]


def best_of_the_sum(val, test):
    return test.gather(1, (val + test).argmax(1)[:, None])[:, 0]


EPOCHS = Exercise(
    name="selection.reported",
    lesson="30",
    title="Report the epoch that validation picks",
    stars=1,
    minutes=5,
    reference=reported,
    cases=(scores, ties, one_epoch, one_seed),
    mistakes=(
        Mistake(best_on_test, "Which cut chose your epoch?"),
        Mistake(the_last, "Does your answer change when the validation scores do?"),
        Mistake(the_validation_score, "Whose scores are reported, and whose only choose?"),
        Mistake(one_epoch_for_all, "Must two runs of other starting weights stop at the same epoch?"),
        Mistake(the_last_of_equals, "Two epochs are equally good on validation: which of them came first?"),
        Mistake(the_worst, "Is a large score good or bad here?"),
        Mistake(best_of_the_sum, "May the test have any say in the choice?"),
    ),
    alternatives=(with_loops,),
    properties=(properties.permutation_equivariant(scores, arg=(0, 1)),),
    gradient="off",
    large_values=None,
)
