"""Exercise 5 of lesson 11: pull one map towards another, and not both together."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.encoders import map_consistency
from avcl_teach.exercises.exercise import Exercise, Mistake


def follow_the_guide(
    own: Float[Tensor, "n position"], guided: Float[Tensor, "n position"]
) -> Float[Tensor, ""]:
    """Return the mean over maps of the squared distance to the guided map, which is a fixed target."""
    return (own - guided.detach()).square().sum(1).mean()


def by_the_package(own, guided):
    return map_consistency(own, guided)


def by_norm(own, guided):
    with torch.no_grad():
        target = guided.clone()
    return torch.einsum("np,np->n", own - target, own - target).mean()


def _scores(g, n, p):
    return torch.randn(n, p, generator=g).softmax(1), torch.randn(n, p, generator=g).softmax(1)


def some_maps(g):
    return _scores(g, 4, 6)


def one_map(g):
    return _scores(g, 1, 3)


def many_small(g):
    return _scores(g, 7, 2)


def both_move(own, guided):
    return (own - guided).square().sum(1).mean()


def the_guide_follows(own, guided):
    return (own.detach() - guided).square().sum(1).mean()


def nobody_moves(own, guided):
    return (own - guided).square().sum(1).mean().detach() + 0 * own.sum()


def mean_over_positions(own, guided):
    return (own - guided.detach()).square().mean()


def sum_over_maps(own, guided):
    return (own - guided.detach()).square().sum()


def not_squared(own, guided):
    return (own - guided.detach()).abs().sum(1).mean()


def a_norm(own, guided):
    return (own - guided.detach()).square().sum(1).add(1e-12).sqrt().mean()


def products(own, guided):
    return -(own * guided.detach()).sum(1).mean()


def one_mean_map(own, guided):
    return (own.mean(0) - guided.detach().mean(0)).square().sum()


AGREEMENT = Exercise(
    name="co_attention.follow_the_guide",
    lesson="11",
    title="Pull a map towards the guided one",
    stars=2,
    minutes=8,
    reference=follow_the_guide,
    cases=(some_maps, one_map, many_small),
    gradient="values",
    mistakes=(
        Mistake(both_move, "Which map should give way? Look at the gradient of the guided one."),
        Mistake(the_guide_follows, "You hold one of the two fixed. Is it the one that knows more?"),
        Mistake(nobody_moves, "Does any gradient reach the own map?"),
        Mistake(mean_over_positions, "Over what is the mean taken, and over what the sum?"),
        Mistake(sum_over_maps, "Would a batch twice as large cost twice as much?"),
        Mistake(not_squared, "A small disagreement should cost little. What is its slope in yours?"),
        Mistake(a_norm, "The squared distance is asked for; what have you taken of it?"),
        Mistake(products, "Two equal maps should cost nothing. What do they cost in yours?"),
        Mistake(one_mean_map, "Each map has its own target. When do you take the mean?"),
    ),
    alternatives=(by_the_package, by_norm),
)
