"""Exercise 1 of lesson 14: a draw that lets the gradient through."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.encoders.variational import reparametrise
from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def draw_through(
    mean: Float[Tensor, "n d"], log_variance: Float[Tensor, "n d"], eps: Float[Tensor, "n d"]
) -> Float[Tensor, "n d"]:
    """Turn standard normal noise eps into a draw from N(mean, exp(log_variance))."""
    return reparametrise(mean, log_variance, eps)


def by_square_root(mean, log_variance, eps):
    return torch.addcmul(mean, log_variance.exp().sqrt(), eps)


def a_batch(g):
    return tuple(torch.randn(3, 4, generator=g) for _ in range(3))


def narrow(g):
    m, l, eps = (torch.randn(2, 5, generator=g) for _ in range(3))
    return m, l - 6, eps


def one_number(g):
    return tuple(torch.randn(1, 1, generator=g) for _ in range(3))


def no_noise(g):
    return torch.randn(2, 3, generator=g), torch.randn(2, 3, generator=g), torch.zeros(2, 3)


def gradient_cut(mean, log_variance, eps):
    with torch.no_grad():
        return reparametrise(mean, log_variance, eps)


def only_sigma_cut(mean, log_variance, eps):
    return mean + (log_variance / 2).exp().detach() * eps


def log_variance_as_sigma(mean, log_variance, eps):
    return mean + log_variance * eps


def variance_as_sigma(mean, log_variance, eps):
    return mean + log_variance.exp() * eps


def noise_forgotten(mean, log_variance, eps):
    return mean + (log_variance / 2).exp()


def noise_unscaled(mean, log_variance, eps):
    return mean + eps


def mean_alone(mean, log_variance, eps):
    return mean + 0 * log_variance


def half_lost(mean, log_variance, eps):
    return mean + log_variance.exp() / 2 * eps


def mean_scaled_too(mean, log_variance, eps):
    return (log_variance / 2).exp() * (mean + eps)


def _undone(fn, g):
    m, l, eps = a_batch(g)
    return torch.allclose((fn(m, l, eps) - m) / (l / 2).exp(), eps, atol=1e-4)


DRAWS = Exercise(
    name="variational.draw_through",
    lesson="14",
    title="Draw so that the gradient goes through",
    stars=1,
    minutes=6,
    reference=draw_through,
    cases=(a_batch, narrow, one_number, no_noise),
    mistakes=(
        Mistake(gradient_cut, "The numbers are right. What does backward() find behind them?"),
        Mistake(only_sigma_cut, "Does the encoder learn from this how wide its posteriors should be?"),
        Mistake(log_variance_as_sigma, "What is the deviation of a Gaussian whose log variance is 0?"),
        Mistake(variance_as_sigma, "Is exp(log_variance) the variance or the deviation?"),
        Mistake(noise_forgotten, "Two draws from one posterior come out equal: what should differ?"),
        Mistake(noise_unscaled, "Give two posteriors of different width the same eps: how do they differ?"),
        Mistake(mean_alone, "That is the centre of the posterior. Where is the draw?"),
        Mistake(half_lost, "ln s^2 = 2 ln s: on which side of the exponential does the 2 belong?"),
        Mistake(mean_scaled_too, "With eps = 0 the draw should be the mean itself. Is it?"),
    ),
    alternatives=(by_square_root,),
    properties=(
        Property(
            "the noise comes back", _undone, "Take the mean off and divide by sigma: what should remain?"
        ),
    ),
)
