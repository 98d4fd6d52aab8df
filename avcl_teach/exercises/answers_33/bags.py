"""Exercise 3 of lesson 33: learn from a clip's label."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def weak_loss(
    scores: Float[Tensor, "clip segment class"],
    labels: Float[Tensor, "clip class"],
    present: Bool[Tensor, "clip segment"],
) -> Float[Tensor, ""]:
    """Binary cross-entropy of the highest score over time, against the clip's labels."""
    z = scores.masked_fill(~present[..., None], float("-inf")).amax(1)
    return F.binary_cross_entropy_with_logits(z, labels)


def by_softplus(scores, labels, present):
    z = torch.where(present[..., None], scores, torch.tensor(-1e30)).max(1).values
    return (F.softplus(z) - labels * z).mean()


def by_loop(scores, labels, present):
    losses = []
    for s, y, there in zip(scores, labels, present, strict=True):
        z = s[there].amax(0)
        losses.append(-(y * F.logsigmoid(z) + (1 - y) * F.logsigmoid(-z)))
    return torch.stack(losses).mean()


def _labels(g, n, c):
    return (torch.rand(n, c, generator=g) < 0.4).float()


def whole_clips(g):
    return 2 * torch.randn(3, 5, 4, generator=g), _labels(g, 3, 4), torch.ones(3, 5, dtype=torch.bool)


def unequal_clips(g):
    n = torch.tensor([6, 3, 1])
    present = torch.arange(6) < n[:, None]
    scores = 2 * torch.randn(3, 6, 2, generator=g)
    return torch.where(present[..., None], scores, scores + 3), _labels(g, 3, 2), present


def padded_with_zeros(g):
    present = torch.arange(5) < torch.tensor([2, 5, 4])[:, None]
    scores = -1 - 2 * torch.rand(3, 5, 3, generator=g)
    return torch.where(present[..., None], scores, 0.0), _labels(g, 3, 3), present


def padding_speaks(scores, labels, present):
    return F.binary_cross_entropy_with_logits(scores.amax(1), labels)


def padding_as_zero(scores, labels, present):
    return F.binary_cross_entropy_with_logits((scores * present[..., None]).amax(1), labels)


def mean_over_time(scores, labels, present):
    there = present[..., None].float()
    return F.binary_cross_entropy_with_logits((scores * there).sum(1) / there.sum(1), labels)


def softmax_before_the_maximum(scores, labels, present):
    p = scores.softmax(-1).masked_fill(~present[..., None], 0).amax(1)
    return F.binary_cross_entropy(p.clamp(1e-6, 1 - 1e-6), labels)


def sigmoid_twice(scores, labels, present):
    p = scores.sigmoid().masked_fill(~present[..., None], 0).amax(1)
    return F.binary_cross_entropy_with_logits(p, labels)


def label_given_to_every_segment(scores, labels, present):
    price = F.binary_cross_entropy_with_logits(scores, labels[:, None].expand_as(scores), reduction="none")
    return price[present].mean()


def one_class_a_clip(scores, labels, present):
    z = scores.masked_fill(~present[..., None], float("-inf")).amax(1)
    return -(z.log_softmax(1) * labels).sum(1).mean()


def summed(scores, labels, present):
    z = scores.masked_fill(~present[..., None], float("-inf")).amax(1)
    return F.binary_cross_entropy_with_logits(z, labels, reduction="sum")


def only_what_is_there(scores, labels, present):
    z = scores.masked_fill(~present[..., None], float("-inf")).amax(1)
    return -(labels * F.logsigmoid(z)).mean()


BAGS = Exercise(
    name="events.weak_loss",
    lesson="33",
    title="Learn from a clip's label",
    stars=2,
    minutes=10,
    reference=weak_loss,
    cases=(whole_clips, unequal_clips, padded_with_zeros),
    mistakes=(
        Mistake(padding_speaks, "The last clip has ended after one segment. Who speaks for it in yours?"),
        Mistake(
            padding_as_zero, "All real scores may be below 0. What does a padded segment score in yours?"
        ),
        Mistake(mean_over_time, "One segment is enough for the label. Must all of them agree in yours?"),
        Mistake(
            softmax_before_the_maximum,
            "A clip may hold two classes at once. Do your classes compete within a segment?",
        ),
        Mistake(
            sigmoid_twice,
            "What range has a score when it reaches the loss? The loss has a sigmoid of its own.",
        ),
        Mistake(
            label_given_to_every_segment,
            "You tell every segment what only the clip is known to hold somewhere.",
        ),
        Mistake(
            one_class_a_clip, "A clip without any event, with a row of zeros: does it cost anything in yours?"
        ),
        Mistake(summed, "Does a larger batch cost more in yours?"),
        Mistake(only_what_is_there, "Raise all scores without end. Does yours ever object?"),
    ),
    alternatives=(by_softplus, by_loop),
    properties=(
        properties.bounded(
            whole_clips, low=0, hint="A probability is at most 1: this loss is never below 0."
        ),
    ),
)
