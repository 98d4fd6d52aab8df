"""Exercise 1 of lesson 31: top-1 in which classes that tie share the credit."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def top1(scores: Float[Tensor, "clip class"], labels: Int[Tensor, "clip"]) -> Float[Tensor, ""]:
    """Mean over clips of [own class has the highest score] / number of classes that have it."""
    best = scores == scores.amax(1, keepdim=True)
    own = best.gather(1, labels[:, None])[:, 0]
    return (own / best.sum(1)).mean()


def by_loop(scores, labels):
    credit = [
        float(row[y] == row.max()) / int((row == row.max()).sum())
        for row, y in zip(scores, labels.tolist(), strict=True)
    ]
    return torch.tensor(credit).mean()


def by_ranks(scores, labels):
    own = scores.gather(1, labels[:, None])
    above, ties = (scores > own).sum(1), (scores == own).sum(1)
    return torch.where(above == 0, 1 / ties, 0.0).mean()


def clear(g):
    return torch.randn(7, 4, generator=g), torch.randint(4, (7,), generator=g)


def ties(g):
    return torch.randint(0, 3, (9, 5), generator=g).float(), torch.randint(5, (9,), generator=g)


def nothing_known(g):
    return torch.zeros(6, 4), torch.randint(4, (6,), generator=g)


def one_clip(g):
    return torch.randn(1, 3, generator=g), torch.randint(3, (1,), generator=g)


def more_classes_than_clips(g):
    return torch.randint(0, 4, (3, 8), generator=g).float(), torch.randint(8, (3,), generator=g)


def argmax_only(scores, labels):
    return (scores.argmax(1) == labels).float().mean()


def ties_count_in_full(scores, labels):
    own = scores.gather(1, labels[:, None])[:, 0]
    return (own >= scores.amax(1)).float().mean()


def ties_count_for_nothing(scores, labels):
    own = scores.gather(1, labels[:, None])
    return ((scores >= own).sum(1) == 1).float().mean()


def over_clips(scores, labels):
    best = scores == scores.amax(0, keepdim=True)
    own = best.gather(1, labels[:, None])[:, 0]
    return (own / best.sum(1).clamp_min(1)).mean()


def counted(scores, labels):
    return top1(scores, labels) * len(labels)


def lowest_wins(scores, labels):
    return top1(-scores, labels)


def per_class(scores, labels):
    best = scores == scores.amax(1, keepdim=True)
    own = best.gather(1, labels[:, None])[:, 0] / best.sum(1)
    return torch.stack([own[labels == c].mean() for c in labels.unique()]).mean()


def tied_with_anyone(scores, labels):
    own = scores.gather(1, labels[:, None])
    return (1 / (scores >= own).sum(1)).mean()


TIES = Exercise(
    name="transfer.top1",
    lesson="31",
    title="Count the right answers, ties shared",
    stars=1,
    minutes=6,
    reference=top1,
    cases=(clear, ties, nothing_known, one_clip, more_classes_than_clips),
    mistakes=(
        Mistake(argmax_only, "Give every class the same score. Which class does yours then name?"),
        Mistake(
            ties_count_in_full,
            "A model that says the same of all classes: is it always right?",
        ),
        Mistake(ties_count_for_nothing, "Two classes tie at the top, one is right. Is that worth nothing?"),
        Mistake(over_clips, "Highest among what: the classes of one clip, or the clips of one class?"),
        Mistake(counted, "A share of the clips lies between 0 and 1. What does yours count up to?"),
        Mistake(lowest_wins, "Is a high score a good one here?"),
        Mistake(per_class, "Every clip weighs the same here. Does one of a rare class in yours?"),
        Mistake(tied_with_anyone, "Own class second of five: is any credit due? Look at who is above it."),
    ),
    alternatives=(by_loop, by_ranks),
    properties=(
        properties.scale_invariant(clear, factor=3.0, arg=0, hint="Only the order of the scores counts."),
        properties.bounded(ties, low=0, high=1, hint="A share lies between 0 and 1."),
    ),
    gradient="off",
)
