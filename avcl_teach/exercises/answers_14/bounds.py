"""Exercise 3 of lesson 14: the two terms of the bound on one scale."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def price(
    x: Float[Tensor, "n f"],
    x_hat: Float[Tensor, "n f"],
    kl: Float[Tensor, "n d"],
    beta: float,
    noise: float,
) -> Float[Tensor, ""]:
    """Mean over items of squared error / (2 noise^2), summed over features, plus beta times the KL."""
    fit = (x - x_hat).square().sum(1) / (2 * noise**2)
    return (fit + beta * kl.sum(1)).mean()


def by_means(x, x_hat, kl, beta, noise):
    fit = 0.5 * ((x - x_hat) / noise).square().mean() * x.shape[1]
    return fit + beta * kl.mean() * kl.shape[1]


def by_likelihood(x, x_hat, kl, beta, noise):
    normal = torch.distributions.Normal(x_hat, noise)
    gone = normal.log_prob(x_hat)  # the constant, and what noise adds to it
    return -(normal.log_prob(x) - gone).sum(1).mean() + beta * kl.sum(1).mean()


def _kl(g, n, d):
    m, l = torch.randn(n, d, generator=g), torch.randn(n, d, generator=g)
    return (l.exp() + m.square() - 1 - l) / 2


def a_batch(g):
    x, x_hat = torch.rand(4, 6, generator=g), torch.rand(4, 6, generator=g)
    return x, x_hat, _kl(g, 4, 3), 1.0, 1.0


def heavy_beta(g):
    x, x_hat = torch.rand(3, 5, generator=g), torch.rand(3, 5, generator=g)
    return x, x_hat, _kl(g, 3, 2), 4.0, 0.1


def beta_0(g):
    x, x_hat = torch.rand(2, 7, generator=g), torch.rand(2, 7, generator=g)
    return x, x_hat, _kl(g, 2, 4), 0.0, 0.5


def perfect(g):
    x = torch.rand(5, 2, generator=g)
    return x, x.clone(), _kl(g, 5, 3), 0.5, 0.2


def error_averaged(x, x_hat, kl, beta, noise):
    return price(x, x_hat, kl, beta, noise * x.shape[1] ** 0.5)


def divergence_averaged(x, x_hat, kl, beta, noise):
    return price(x, x_hat, kl, beta / kl.shape[1], noise)


def released(x, x_hat, kl, beta, noise):
    return (x - x_hat).square().mean() / (2 * noise**2) + beta * kl.sum()


def summed_over_the_batch(x, x_hat, kl, beta, noise):
    return price(x, x_hat, kl, beta, noise) * len(x)


def half_forgotten(x, x_hat, kl, beta, noise):
    return price(x, x_hat, kl, beta, noise / 2**0.5)


def noise_not_squared(x, x_hat, kl, beta, noise):
    return price(x, x_hat, kl, beta, noise**0.5)


def beta_on_the_error(x, x_hat, kl, beta, noise):
    return beta * (x - x_hat).square().sum(1).mean() / (2 * noise**2) + kl.sum(1).mean()


def divergence_rewarded(x, x_hat, kl, beta, noise):
    return price(x, x_hat, kl, -beta, noise)


def beta_ignored(x, x_hat, kl, beta, noise):
    return price(x, x_hat, kl, 1.0, noise)


def absolute_error(x, x_hat, kl, beta, noise):
    fit = (x - x_hat).abs().sum(1) / (2 * noise**2)
    return (fit + beta * kl.sum(1)).mean()


BOUNDS = Exercise(
    name="variational.price",
    lesson="14",
    title="Put error and divergence on one scale",
    stars=2,
    minutes=8,
    reference=price,
    cases=(a_batch, heavy_beta, beta_0, perfect),
    mistakes=(
        Mistake(
            error_averaged, "Ten features that all err tell ten times as much. Over what do you average?"
        ),
        Mistake(divergence_averaged, "Over what is the divergence of one item summed?"),
        Mistake(released, "Double the batch: which of your two terms grows, and what does that do to beta?"),
        Mistake(summed_over_the_batch, "Give every item twice: should the price of an item change?"),
        Mistake(half_forgotten, "Look at the exponent of a Gaussian: what stands before the square?"),
        Mistake(noise_not_squared, "Is noise a deviation or a variance?"),
        Mistake(beta_on_the_error, "Which of the two terms should a larger beta make more important?"),
        Mistake(divergence_rewarded, "This is to be minimised. Which way should a far posterior count?"),
        Mistake(beta_ignored, "With beta = 0 it should be an auto-encoder. Is it?"),
        Mistake(absolute_error, "Which power of the error stands in a Gaussian's logarithm?"),
    ),
    alternatives=(by_means, by_likelihood),
)
