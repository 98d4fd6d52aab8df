"""Exercise 4 of lesson 39: negatives of other clips, and of one's own other views."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def align(
    a_hat: Float[Tensor, "clip view dim"], a: Float[Tensor, "clip view dim"], temperature: float = 0.07
) -> Float[Tensor, ""]:
    """Mean of -log of the share of a_ik among a_jk of all clips and a_il of its own other views."""
    easy, hard = _tables(a_hat, a, temperature)
    return (torch.cat([easy, _without_own(hard)], 2).logsumexp(2) - _own(a_hat, a, temperature)).mean()


def by_cross_entropy(a_hat, a, temperature=0.07):
    n, k = a.shape[:2]
    total = 0.0
    for view in range(k):
        others = [x for x in range(k) if x != view]
        easy = a_hat[:, view] @ a[:, view].T
        hard = (a_hat[:, view, None] * a[:, others]).sum(2)
        total = total + F.cross_entropy(
            torch.cat([easy, hard], 1) / temperature, torch.arange(n, device=a.device)
        )
    return total / k


def moments(g):
    return _units(4, 3, 5, g), _units(4, 3, 5, g)


def pair(g):
    return _units(2, 4, 3, g), _units(2, 4, 3, g)


def lone_clip(g):
    return _units(1, 3, 4, g), _units(1, 3, 4, g)


def one_view(g):
    return _units(3, 1, 4, g), _units(3, 1, 4, g)


def other_clips_alone(a_hat, a, temperature=0.07):
    easy, _ = _tables(a_hat, a, temperature)
    return (easy.logsumexp(2) - _own(a_hat, a, temperature)).mean()


def own_views_alone(a_hat, a, temperature=0.07):
    _, hard = _tables(a_hat, a, temperature)
    return (hard.logsumexp(2) - _own(a_hat, a, temperature)).mean()


def own_counted_twice(a_hat, a, temperature=0.07):
    both = torch.cat(_tables(a_hat, a, temperature), 2)
    return (both.logsumexp(2) - _own(a_hat, a, temperature)).mean()


def every_view_of_every_clip(a_hat, a, temperature=0.07):
    z = torch.einsum("ikd,jld->ikjl", a_hat, a).flatten(2) / temperature
    return (z.logsumexp(2) - _own(a_hat, a, temperature)).mean()


def own_left_out_below(a_hat, a, temperature=0.07):
    easy, hard = _tables(a_hat, a, temperature)
    mask = torch.eye(len(a), dtype=torch.bool)[:, None]
    both = torch.cat([easy.masked_fill(mask, -1e4), _without_own(hard)], 2)
    return (both.logsumexp(2) - _own(a_hat, a, temperature)).mean()


def temperature_forgotten(a_hat, a, temperature=0.07):
    return align(a_hat, a, 1.0)


def temperature_times(a_hat, a, temperature=0.07):
    return align(a_hat, a, 1 / temperature)


def two_losses_added(a_hat, a, temperature=0.07):
    return other_clips_alone(a_hat, a, temperature) + own_views_alone(a_hat, a, temperature)


def summed_over_views(a_hat, a, temperature=0.07):
    return align(a_hat, a, temperature) * a.shape[1]


def masked_with_zero(a_hat, a, temperature=0.07):
    easy, hard = _tables(a_hat, a, temperature)
    hard = hard.masked_fill(torch.eye(a.shape[1], dtype=torch.bool), 0.0)
    return (torch.cat([easy, hard], 2).logsumexp(2) - _own(a_hat, a, temperature)).mean()


def from_the_other_side(a_hat, a, temperature=0.07):
    return align(a, a_hat, temperature)


def _tables(a_hat, a, temperature):
    easy = torch.einsum("ikd,jkd->ikj", a_hat, a) / temperature
    return easy, torch.einsum("ikd,ild->ikl", a_hat, a) / temperature


def _own(a_hat, a, temperature):
    return (a_hat * a).sum(2) / temperature


def _without_own(hard):
    eye = torch.eye(hard.shape[1], dtype=torch.bool, device=hard.device)
    return hard.masked_fill(eye, -torch.inf)


def _units(n, k, d, g):
    return F.normalize(torch.randn(n, k, d, generator=g), dim=2)


ALIGN = Exercise(
    name="spatial.align",
    lesson="39",
    title="Choose among other clips, and among your own views",
    stars=3,
    minutes=12,
    reference=align,
    cases=(moments, pair, lone_clip, one_view),
    mistakes=(
        Mistake(other_clips_alone, "Two views of one moment: does yours ever have to tell them apart?"),
        Mistake(own_views_alone, "Are there other clips among your negatives?"),
        Mistake(
            own_counted_twice, "In how many of the two tables is the right answer? It counts once below."
        ),
        Mistake(every_view_of_every_clip, "Which view of another clip is a negative here: all of them?"),
        Mistake(own_left_out_below, "A share of a whole: is the right answer part of the whole in yours?"),
        Mistake(temperature_forgotten, "What does the temperature do in yours? Try another one."),
        Mistake(temperature_times, "A low temperature makes the choice sharper. Does it in yours?"),
        Mistake(two_losses_added, "One choice among all negatives, or two choices among half each?"),
        Mistake(summed_over_views, "Does your loss grow with the number of views? It is a mean over both."),
        Mistake(masked_with_zero, "What is exp(0)? A masked entry should add nothing to the sum."),
        Mistake(
            from_the_other_side, "Who chooses, and among whom? Compare the indices i, j, l in the formula."
        ),
    ),
    alternatives=(by_cross_entropy,),
    properties=(properties.bounded(moments, low=0, hint="-log of a share is never below 0."),),
)
