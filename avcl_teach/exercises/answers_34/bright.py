"""Exercise 2 of lesson 34: the mean over bright places, without an eps that swallows it."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake
from avcl_teach.objectives import tri_maps


def bright_mean(
    S: Float[Tensor, "picture place"], threshold: float, softness: float
) -> Float[Tensor, "picture"]:
    """Average each row of S with weights sigmoid((S - threshold) / softness), however small they are."""
    return tri_maps.soft_mean(S, threshold, softness)


def by_shift(S, threshold, softness):
    log_m = F.logsigmoid((S - threshold) / softness)
    m = (log_m - log_m.amax(1, keepdim=True)).exp()
    return (m * S).sum(1) / m.sum(1)


def around(g):
    return 0.5 + 0.3 * torch.randn(4, 6, generator=g), 0.65, 0.1


def far_below(g):
    return 0.1 * torch.randn(3, 5, generator=g), 0.65, 0.03


def one_place(g):
    return torch.randn(4, 1, generator=g), 0.4, 0.2


def far_away(g):
    return torch.randn(3, 5, generator=g) - 30, 0.65, 0.1


def _m(S, threshold, softness):
    return ((S - threshold) / softness).sigmoid()


def swallowed(S, threshold, softness):
    m = _m(S, threshold, softness)
    return (m * S).sum(1) / (m.sum(1) + 1e-6)


def not_normalised(S, threshold, softness):
    return (_m(S, threshold, softness) * S).mean(1)


def dark(S, threshold, softness):
    m = ((threshold - S) / softness).sigmoid()
    return (m * S).sum(1) / m.sum(1).clamp_min(1e-30)


def hard(S, threshold, softness):
    m = (threshold < S).float()
    return (m * S).sum(1) / m.sum(1).clamp_min(1)


def multiplied(S, threshold, softness):
    m = ((S - threshold) * softness).sigmoid()
    return (m * S).sum(1) / m.sum(1)


def over_batch(S, threshold, softness):
    w = F.logsigmoid((S - threshold) / softness).flatten().softmax(0).view_as(S)
    return (w * S).sum(1)


def plain_softmax(S, threshold, softness):
    return ((S / softness).softmax(1) * S).sum(1)


def detached(S, threshold, softness):
    w = F.logsigmoid((S - threshold) / softness).softmax(1).detach()
    return (w * S).sum(1)


BRIGHT = Exercise(
    name="localization.bright_mean",
    lesson="34",
    title="Average the bright places, however faint",
    stars=2,
    minutes=12,
    reference=bright_mean,
    cases=(around, far_below, one_place),
    stress=(far_away,),
    mistakes=(
        Mistake(swallowed, "At the start all weights are near 1e-9. What is a millionth beside them?"),
        Mistake(not_normalised, "Two places of weight 1 and ninety-eight of weight 0: what is their mean?"),
        Mistake(dark, "Which places should weigh most, those above the threshold or below it?"),
        Mistake(hard, "What does a place just below the threshold weigh, and what is its slope?"),
        Mistake(multiplied, "Should a smaller softness make the edge steeper or flatter?"),
        Mistake(over_batch, "Do the weights of each picture sum to 1, or those of all pictures together?"),
        Mistake(plain_softmax, "Far above the threshold two places should weigh alike. Do they?"),
        Mistake(detached, "The values are right. Can the weights learn?"),
    ),
    alternatives=(by_shift,),
    gradient="values",
    large_values=None,
    properties=(properties.permutation_invariant(around, dim=1),),
)
