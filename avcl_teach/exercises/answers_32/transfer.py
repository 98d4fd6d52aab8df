"""Exercise 4 of lesson 32: what the student of a text pays."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake


def student_pays(
    guess: Float[Tensor, "batch dim"],
    h: Float[Tensor, "batch dim"],
    logit: Float[Tensor, "batch"],
    alpha: float,
    beta: float,
) -> Float[Tensor, ""]:
    """Alpha times the mean squared error to h, which stands still, plus beta times -ln D, D = 1 for text."""
    return alpha * F.mse_loss(guess, h.detach()) + beta * F.softplus(-logit).mean()


def by_cross_entropy(guess, h, logit, alpha, beta):
    fooled = F.binary_cross_entropy_with_logits(logit, torch.ones_like(logit))
    return alpha * (guess - h.detach()).square().mean() + beta * fooled


def codes(g):
    return (
        torch.randn(4, 3, generator=g),
        torch.randn(4, 3, generator=g),
        torch.randn(4, generator=g),
        1.0,
        0.3,
    )


def sure_judge(g):
    return (
        torch.randn(2, 5, generator=g),
        torch.randn(2, 5, generator=g),
        torch.tensor([-30.0, 2.0]),
        0.5,
        2.0,
    )


def one_row(g):
    return (
        torch.randn(1, 4, generator=g),
        torch.randn(1, 4, generator=g),
        torch.randn(1, generator=g),
        2.0,
        1.0,
    )


def takes_the_judges_side(guess, h, logit, alpha, beta):
    return alpha * F.mse_loss(guess, h.detach()) + beta * F.softplus(logit).mean()


def saturating(guess, h, logit, alpha, beta):
    return alpha * F.mse_loss(guess, h.detach()) - beta * F.softplus(logit).mean()


def teacher_moves(guess, h, logit, alpha, beta):
    return alpha * F.mse_loss(guess, h) + beta * F.softplus(-logit).mean()


def student_detached(guess, h, logit, alpha, beta):
    return alpha * F.mse_loss(guess.detach(), h) + beta * F.softplus(-logit).mean()


def weights_swapped(guess, h, logit, alpha, beta):
    return student_pays(guess, h, logit, beta, alpha)


def squashed_twice(guess, h, logit, alpha, beta):
    return alpha * F.mse_loss(guess, h.detach()) + beta * F.softplus(-logit.sigmoid()).mean()


def summed_over_features(guess, h, logit, alpha, beta):
    near = (guess - h.detach()).square().sum(1).mean()
    return alpha * near + beta * F.softplus(-logit).mean()


def decoder_alone(guess, h, logit, alpha, beta):
    return alpha * F.mse_loss(guess, h.detach()) + 0 * logit.sum()


TRANSFER = Exercise(
    name="transfer.student_pays",
    lesson="32",
    title="Let the text teach, and stand still",
    stars=2,
    minutes=8,
    reference=student_pays,
    cases=(codes, sure_judge, one_row),
    mistakes=(
        Mistake(takes_the_judges_side, "D says 1 for text. What makes your student content, 1 or 0?"),
        Mistake(saturating, "Where D is sure that it is no text (logit -30), how steep is your loss?"),
        Mistake(teacher_moves, "Whose code moves in yours? The teacher was there first."),
        Mistake(student_detached, "Which of the two codes should get a gradient?"),
        Mistake(weights_swapped, "Set alpha to 0. Which of the two terms goes?"),
        Mistake(squashed_twice, "Is what you are given a probability, or a logit?"),
        Mistake(summed_over_features, "Twice as many features of one kind: should the price double?"),
        Mistake(decoder_alone, "What does the judge's opinion change in yours?"),
    ),
    alternatives=(by_cross_entropy,),
    gradient="values",
)  # fmt: skip
