"""Exercise 5 of lesson 15: the gradient turned round."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake, call


def turn_gradient(x: Float[Tensor, "n d"], strength: float) -> Float[Tensor, "n d"]:
    """x as it is; backward, its gradient times -strength."""
    return x.detach() - strength * (x - x.detach())


def in_two_parts(x, strength):
    return (1 + strength) * x.detach() - strength * x


class _Turn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return -ctx.strength * grad, None


def by_a_function(x, strength):
    return _Turn.apply(x, strength)


def rows(g):
    return torch.randn(3, 2, generator=g), 0.5


def strong(g):
    return call(torch.randn(2, 4, generator=g), strength=2.0)


def switched_off(g):
    return torch.randn(1, 3, generator=g), 0.0


def identity(x, strength):
    return x * 1


def not_turned(x, strength):
    return x.detach() + strength * (x - x.detach())


def negated(x, strength):
    return -strength * x


def sign_forward(x, strength):
    return -x


def scaled_forward(x, strength):
    return strength * x.detach() - strength * (x - x.detach())


def strength_forgotten(x, strength):
    return x.detach() - (x - x.detach())


def stopped(x, strength):
    return x.detach()


def one_less(x, strength):
    return x - strength * (x - x.detach())


def one_more(x, strength):
    return x.detach() - (1 + strength) * (x - x.detach())


REVERSALS = Exercise(
    name="adversarial.turn_gradient",
    lesson="15",
    title="Turn a gradient round",
    stars=2,
    minutes=10,
    reference=turn_gradient,
    cases=(rows, strong, switched_off),
    mistakes=(
        Mistake(identity, "Forward is right. What comes back has to differ: by which factor?"),
        Mistake(not_turned, "The size of what comes back is right. And its direction?"),
        Mistake(negated, "D must see the embeddings as they are. Does it, in yours?"),
        Mistake(sign_forward, "The minus belongs to the way back. Where does it act in yours?"),
        Mistake(
            scaled_forward,
            "The way back is right. On the way there, x should not change, whatever the strength.",
        ),
        Mistake(strength_forgotten, "Turned, but always at full strength. What should strength 0 send back?"),
        Mistake(stopped, "Nothing comes back at all. Turned is not stopped."),
        Mistake(
            one_less, "Send back a gradient of 1 at strength 2. You get -1: where does the other 1 come from?"
        ),
        Mistake(one_more, "At strength 0 something still comes back. From which part?"),
    ),
    alternatives=(in_two_parts, by_a_function),
    properties=(properties.permutation_equivariant(rows, hint="Each row goes its own way."),),
    gradient="values",
    large_values=None,
)
