"""Exercise 1 of lesson 34: cIoU from annotators' masks."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake
from avcl_teach.metrics import localization


def consensus_iou(found: Bool[Tensor, "h w"], masks: Bool[Tensor, "annotator h w"]) -> Float[Tensor, ""]:
    """Compare a set of pixels with the consensus of annotators, of whom two are enough."""
    return localization.c_iou(found, localization.consensus_map(masks))


def by_loop(found, masks):
    above = below = torch.tensor(0.0)
    for y in range(found.shape[0]):
        for x in range(found.shape[1]):
            g = min(float(masks[:, y, x].sum()) / 2, 1.0)
            above = above + g * float(found[y, x])
            below = below + g + float(found[y, x] and g == 0)
    return above / max(below, torch.tensor(1e-12))


def boxes(g):
    n, h, w = 3, 5, 7
    masks = torch.zeros(n, h, w, dtype=torch.bool)
    for j in range(n):
        y, x = (int(torch.randint(0, 3, (1,), generator=g)) for _ in range(2))
        masks[j, y : y + 3, x : x + 3] = True
    return torch.rand(h, w, generator=g) < 0.45, masks


def one_annotator(g):
    found, masks = boxes(g)
    return found, masks[:1]


def nothing_found(g):
    found, masks = boxes(g)
    return torch.zeros_like(found), masks


def _g(masks, enough=2.0):
    return (masks.float().sum(0) / enough).clamp_max(1)


def not_capped(found, masks):
    g = masks.float().sum(0) / 2
    return (found * g).sum() / (g.sum() + (found & (g == 0)).sum()).clamp_min(1e-12)


def mean_of_annotators(found, masks):
    g = masks.float().mean(0)
    return (found * g).sum() / (g.sum() + (found & (g == 0)).sum()).clamp_min(1e-12)


def any_annotator(found, masks):
    g = masks.any(0).float()
    return (found * g).sum() / (g.sum() + (found & (g == 0)).sum()).clamp_min(1e-12)


def majority_only(found, masks):
    g = (masks.sum(0) >= 2).float()
    return (found * g).sum() / (g.sum() + (found & (g == 0)).sum()).clamp_min(1e-12)


def no_false_alarms(found, masks):
    g = _g(masks)
    return (found * g).sum() / g.sum().clamp_min(1e-12)


def over_found(found, masks):
    g = _g(masks)
    return (found * g).sum() / found.sum().clamp_min(1)


def plain_union(found, masks):
    g = _g(masks)
    return (found * g).sum() / (found | (g > 0)).sum().clamp_min(1)


def all_found_below(found, masks):
    g = _g(masks)
    return (found * g).sum() / (g.sum() + found.sum()).clamp_min(1e-12)


OVERLAP = Exercise(
    name="localization.consensus_iou",
    lesson="34",
    title="Compare a map with what annotators agree on",
    stars=1,
    minutes=8,
    reference=consensus_iou,
    cases=(boxes, one_annotator, nothing_found),
    mistakes=(
        Mistake(not_capped, "Three annotators agree on a pixel: how much should it count at most?"),
        Mistake(mean_of_annotators, "How many votes are enough for a pixel to count in full?"),
        Mistake(any_annotator, "What does a pixel weigh that only one of three boxed?"),
        Mistake(majority_only, "Does a pixel that one annotator boxed count for nothing?"),
        Mistake(no_false_alarms, "Mark the whole picture as found. What should that cost, and where?"),
        Mistake(over_found, "A single right pixel would score 1 here. What is missing below the line?"),
        Mistake(plain_union, "Below the line, do pixels of half a vote count as whole ones?"),
        Mistake(all_found_below, "Which of the found pixels are counted twice below the line?"),
    ),
    alternatives=(by_loop,),
    gradient="off",
    properties=(properties.permutation_invariant(boxes, arg=1, dim=0),),
)
