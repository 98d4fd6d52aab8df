"""Exercise 2 of lesson 14: the divergence from the prior."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake
from avcl_teach.objectives import gaussian_kl


def kl_to_prior(mean: Float[Tensor, "n d"], log_variance: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Mean over the batch of KL(N(mean, exp(log_variance)) || N(0, I)), summed over dimensions."""
    return gaussian_kl(mean, log_variance)


def by_distributions(mean, log_variance):
    q = Normal(mean, (log_variance / 2).exp())
    return kl_divergence(q, Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1).mean()


def by_parts(mean, log_variance):
    where, width = mean.square().sum(1), (log_variance.exp() - log_variance - 1).sum(1)
    return 0.5 * (where + width).mean()


def a_batch(g):
    return torch.randn(5, 3, generator=g), torch.randn(5, 3, generator=g)


def one_item(g):
    return torch.randn(1, 4, generator=g), torch.randn(1, 4, generator=g) - 2


def the_prior_itself(g):
    return torch.zeros(3, 2), torch.zeros(3, 2)


def wide(g):
    return torch.zeros(2, 3), 2 + torch.rand(2, 3, generator=g)


def sign_turned(mean, log_variance):
    return -gaussian_kl(mean, log_variance)


def half_forgotten(mean, log_variance):
    return 2 * gaussian_kl(mean, log_variance)


def log_sigma_for_log_variance(mean, log_variance):
    return gaussian_kl(mean, 2 * log_variance)


def sigma_for_variance(mean, log_variance):
    terms = (log_variance / 2).exp() + mean.square() - 1 - log_variance
    return terms.sum(1).mean() / 2


def mean_over_dimensions(mean, log_variance):
    return gaussian_kl(mean, log_variance) / mean.shape[1]


def summed_over_the_batch(mean, log_variance):
    return gaussian_kl(mean, log_variance) * len(mean)


def one_forgotten(mean, log_variance):
    return gaussian_kl(mean, log_variance) + mean.shape[1] / 2


def width_forgotten(mean, log_variance):
    return mean.square().sum(1).mean() / 2 + 0 * log_variance.sum()


def mean_not_squared(mean, log_variance):
    return (log_variance.exp() + mean - 1 - log_variance).sum(1).mean() / 2


def other_way_round(mean, log_variance):
    zero = torch.zeros_like(mean)
    return gaussian_kl(zero, zero, mean, log_variance)


def log_term_added(mean, log_variance):
    return (log_variance.exp() + mean.square() - 1 + log_variance).sum(1).mean() / 2


DIVERGENCES = Exercise(
    name="variational.kl_to_prior",
    lesson="14",
    title="Price a posterior in closed form",
    stars=2,
    minutes=8,
    reference=kl_to_prior,
    cases=(a_batch, one_item, the_prior_itself, wide),
    large_values=10.0,  # the exponential of a larger log variance has no float32
    mistakes=(
        Mistake(sign_turned, "A divergence is never below 0. Is yours?"),
        Mistake(half_forgotten, "Mean 1 and variance 1 in one dimension cost 1/2. What do you get?"),
        Mistake(
            log_sigma_for_log_variance,
            "Put in the log variance of sigma = 2, that is 2 ln 2: which variance does your formula use?",
        ),
        Mistake(sigma_for_variance, "The first term is the variance. Which power of sigma is in yours?"),
        Mistake(mean_over_dimensions, "Nats of independent dimensions add up. Do yours?"),
        Mistake(summed_over_the_batch, "Give every item twice: should the price of an item change?"),
        Mistake(one_forgotten, "What should the prior itself cost?"),
        Mistake(
            width_forgotten, "Two posteriors at 0, one wide and one narrow: is only one of them the prior?"
        ),
        Mistake(mean_not_squared, "Posteriors at +3 and at -3 lie equally far from the prior. In yours too?"),
        Mistake(other_way_round, "KL(p || q) is not KL(q || p): over which of the two is the mean taken?"),
        Mistake(log_term_added, "A posterior that shrinks to a point should cost more and more. Does it?"),
    ),
    alternatives=(by_distributions, by_parts),
    properties=(properties.permutation_invariant(a_batch, arg=(0, 1)),),
)
