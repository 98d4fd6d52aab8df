"""Exercise 2 of lesson 32: unweighted average recall."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def average_recall(
    said: Int[Tensor, "item"], labels: Int[Tensor, "item"], n_classes: int
) -> Float[Tensor, ""]:
    """Mean over the classes that occur of the share of their items that were found."""
    n = torch.bincount(labels, minlength=n_classes)
    found = torch.bincount(labels[said == labels], minlength=n_classes)
    there = n > 0
    return (found[there] / n[there]).mean()


def class_by_class(said, labels, n_classes):
    shares = [(said[labels == c] == c).float().mean() for c in labels.unique()]
    return torch.stack(shares).mean()


def from_a_table(said, labels, n_classes):
    table = torch.zeros(n_classes, n_classes, device=labels.device)
    table.index_put_((labels, said), torch.ones(len(said), device=labels.device), accumulate=True)
    n = table.sum(1)
    return (table.diagonal()[n > 0] / n[n > 0]).mean()


def uneven(g):
    labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])
    return torch.randint(0, 3, (8,), generator=g), labels, 3


def one_missing(g):
    labels = torch.tensor([0, 0, 3, 3, 3, 1])
    said = torch.where(torch.rand(6, generator=g) < 0.6, labels, torch.randint(0, 4, (6,), generator=g))
    return said, labels, 4


def always_the_same(g):
    return torch.zeros(7, dtype=torch.long), torch.tensor([0, 0, 0, 0, 1, 1, 2]), 3


def accuracy(said, labels, n_classes):
    return (said == labels).float().mean()


def counts_absent_classes(said, labels, n_classes):
    n = torch.bincount(labels, minlength=n_classes)
    found = torch.bincount(labels[said == labels], minlength=n_classes)
    return (found / n.clamp_min(1)).mean()


def nothing_by_nothing(said, labels, n_classes):
    n = torch.bincount(labels, minlength=n_classes)
    return (torch.bincount(labels[said == labels], minlength=n_classes) / n).mean()


def precision(said, labels, n_classes):
    n = torch.bincount(said, minlength=n_classes)
    found = torch.bincount(labels[said == labels], minlength=n_classes)
    return (found[n > 0] / n[n > 0]).mean()


def sum_of_recalls(said, labels, n_classes):
    return average_recall(said, labels, n_classes) * len(labels.unique())


def both_ways(said, labels, n_classes):
    hits = [((said == c) == (labels == c)).float().mean() for c in labels.unique()]
    return torch.stack(hits).mean()


RECALLS = Exercise(
    name="affect.average_recall",
    lesson="32",
    title="Let every emotion count alike",
    stars=1,
    minutes=8,
    reference=average_recall,
    cases=(uneven, one_missing, always_the_same),
    mistakes=(
        Mistake(accuracy, "Say the commonest class every time: three classes should pay 1/3."),
        Mistake(counts_absent_classes, "No item has class 2. What is its recall, and does it count?"),
        Mistake(nothing_by_nothing, "A class without items gives 0 / 0. Which classes belong in the mean?"),
        Mistake(precision, "Of those that you called angry, or of those that are?"),
        Mistake(sum_of_recalls, "Everything right should score 1. What does it score in yours?"),
        Mistake(both_ways, "Not sad, and not called sad: does that show that sadness is found?"),
    ),
    alternatives=(class_by_class, from_a_table),
)  # fmt: skip
