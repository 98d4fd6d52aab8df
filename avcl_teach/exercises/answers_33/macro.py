"""Exercise 1 of lesson 33: macro accuracy of segments."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def macro_accuracy(
    answer: Int[Tensor, "clip segment"], target: Int[Tensor, "clip segment"]
) -> Float[Tensor, ""]:
    """Mean, over the answers that occur in target, of the share of them found."""
    right = (answer == target).float()
    return torch.stack([right[target == c].mean() for c in target.unique()]).mean()


def by_weights(answer, target):
    values, which, counts = target.flatten().unique(return_inverse=True, return_counts=True)
    weight = 1 / counts[which].float()
    return (weight * (answer == target).flatten()).sum() / len(values)


def by_loop(answer, target):
    found, total = {}, {}
    for a, y in zip(answer.flatten().tolist(), target.flatten().tolist(), strict=True):
        total[y] = total.get(y, 0) + 1
        found[y] = found.get(y, 0) + (a == y)
    return torch.tensor([found[y] / total[y] for y in total]).mean()


def some_clips(g):
    target = torch.randint(0, 5, (3, 7), generator=g)
    keep = torch.rand(3, 7, generator=g) < 0.6
    return torch.where(keep, target, torch.randint(0, 6, (3, 7), generator=g)), target


def mostly_none(g):
    target = torch.where(torch.rand(4, 5, generator=g) < 0.7, 3, torch.randint(0, 3, (4, 5), generator=g))
    return torch.where(torch.rand(4, 5, generator=g) < 0.7, target, 3), target


def a_class_never_wanted(g):
    return torch.tensor([[0, 4, 4, 2, 2, 0]]), torch.tensor([[0, 0, 4, 2, 4, 4]])


def plain_accuracy(answer, target):
    return (answer == target).float().mean()


def none_left_out(answer, target):
    kept = target != target.max()
    if not kept.any():
        return torch.tensor(0.0)
    return macro_accuracy(answer[kept][None], target[kept][None])


def precision_instead(answer, target):
    right = (answer == target).float()
    return torch.stack([right[answer == c].mean() for c in answer.unique()]).mean()


def absent_classes_count_zero(answer, target):
    both = torch.cat([answer.flatten(), target.flatten()])
    n = int(both.max()) + 1
    found = [((answer == c) & (target == c)).sum() / (target == c).sum().clamp_min(1) for c in range(n)]
    return torch.stack(found).mean()


def clip_by_clip(answer, target):
    return torch.stack([macro_accuracy(a[None], y[None]) for a, y in zip(answer, target, strict=True)]).mean()


def summed(answer, target):
    right = (answer == target).float()
    return torch.stack([right[target == c].mean() for c in target.unique()]).sum()


def best_only(answer, target):
    right = (answer == target).float()
    return torch.stack([right[target == c].mean() for c in target.unique()]).amax()


MACRO = Exercise(
    name="events.macro_accuracy",
    lesson="33",
    title="Let every answer count alike",
    stars=1,
    minutes=8,
    reference=macro_accuracy,
    cases=(some_clips, mostly_none, a_class_never_wanted),
    mistakes=(
        Mistake(plain_accuracy, "Always 'none' would score high in yours. Who outweighs whom?"),
        Mistake(none_left_out, "'None' is one of the answers too. Is it among yours?"),
        Mistake(
            precision_instead,
            "Of the segments that ARE a drum, how many were found? You group by another table.",
        ),
        Mistake(
            absent_classes_count_zero,
            "An answer that the target never holds cannot be found. Should it pull the mean down?",
        ),
        Mistake(clip_by_clip, "A clip holds few classes. Over what are the shares of one class to be taken?"),
        Mistake(summed, "Can yours exceed 1?"),
        Mistake(best_only, "Does a class that is never found change your number?"),
    ),
    alternatives=(by_weights, by_loop),
)
