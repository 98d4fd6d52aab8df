"""Exercise 4 of lesson 14: how far one Gaussian must be carried to become the other."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def carry(
    mean_a: Float[Tensor, "n d"],
    log_variance_a: Float[Tensor, "n d"],
    mean_v: Float[Tensor, "n d"],
    log_variance_v: Float[Tensor, "n d"],
) -> Float[Tensor, "n"]:
    """W_2^2 of each pair of diagonal Gaussians: |m_a - m_v|^2 + |sigma_a - sigma_v|^2."""
    s_a, s_v = (log_variance_a / 2).exp(), (log_variance_v / 2).exp()
    return ((mean_a - mean_v).square() + (s_a - s_v).square()).sum(1)


def as_one_vector(mean_a, log_variance_a, mean_v, log_variance_v):
    a = torch.cat([mean_a, log_variance_a.exp().sqrt()], 1)
    v = torch.cat([mean_v, log_variance_v.exp().sqrt()], 1)
    return (a - v).square().sum(1)


def by_covariances(mean_a, log_variance_a, mean_v, log_variance_v):
    """The general formula tr(A + V - 2 (A^1/2 V A^1/2)^1/2), which a diagonal makes easy."""
    root = (log_variance_a / 2 + log_variance_v / 2).exp()
    trace = (log_variance_a.exp() + log_variance_v.exp() - 2 * root).sum(1)
    return (mean_a - mean_v).square().sum(1) + trace


def pairs(g):
    return tuple(torch.randn(4, 3, generator=g) for _ in range(4))


def same_place(g):
    m = torch.randn(3, 2, generator=g)
    return m, torch.randn(3, 2, generator=g), m.clone(), torch.randn(3, 2, generator=g)


def same_width(g):
    l = torch.randn(2, 5, generator=g)
    return torch.randn(2, 5, generator=g), l, torch.randn(2, 5, generator=g), l.clone()


def one_pair(g):
    return tuple(torch.randn(1, 1, generator=g) for _ in range(4))


def variances_for_sigmas(mean_a, log_variance_a, mean_v, log_variance_v):
    return carry(mean_a, 2 * log_variance_a, mean_v, 2 * log_variance_v)


def logs_for_sigmas(mean_a, log_variance_a, mean_v, log_variance_v):
    width = (log_variance_a - log_variance_v).square().sum(1)
    return (mean_a - mean_v).square().sum(1) + width


def root_taken(*q):
    return carry(*q).clamp_min(1e-12).sqrt()


def widths_not_squared(mean_a, log_variance_a, mean_v, log_variance_v):
    s_a, s_v = (log_variance_a / 2).exp(), (log_variance_v / 2).exp()
    return ((mean_a - mean_v).square() + (s_a - s_v).abs()).sum(1)


def means_not_squared(mean_a, log_variance_a, mean_v, log_variance_v):
    s_a, s_v = (log_variance_a / 2).exp(), (log_variance_v / 2).exp()
    return ((mean_a - mean_v).abs() + (s_a - s_v).square()).sum(1)


def means_alone(mean_a, log_variance_a, mean_v, log_variance_v):
    return (mean_a - mean_v).square().sum(1) + 0 * (log_variance_a + log_variance_v).sum(1)


def distance_of_draws(mean_a, log_variance_a, mean_v, log_variance_v):
    spread = log_variance_a.exp() + log_variance_v.exp()
    return ((mean_a - mean_v).square() + spread).sum(1)


def averaged_over_dimensions(*q):
    return carry(*q) / q[0].shape[1]


def averaged_over_the_batch(*q):
    return carry(*q).mean()


def _between(mean_a, log_variance_a, mean_v, log_variance_v):
    """KL, the other measure of the lesson."""
    l_a, l_v = log_variance_a, log_variance_v
    terms = l_v - l_a - 1 + (l_a - l_v).exp() + (mean_a - mean_v).square() * (-l_v).exp()
    return terms.sum(1) / 2


CARRIES = Exercise(
    name="variational.carry",
    lesson="14",
    title="Carry one posterior to the other",
    stars=1,
    minutes=7,
    reference=carry,
    cases=(pairs, same_place, same_width, one_pair),
    large_values=10.0,  # the exponential of a larger log variance has no float32
    mistakes=(
        Mistake(variances_for_sigmas, "Deviations 1 and 3, means equal, cost 4. What do you get?"),
        Mistake(
            logs_for_sigmas, "Which quantity of the two Gaussians is compared, the width or its logarithm?"
        ),
        Mistake(root_taken, "Is W_2 asked for, or its square?"),
        Mistake(widths_not_squared, "Is the width's part as large as for deviations 1 and 3 it must be: 4?"),
        Mistake(means_not_squared, "Means 3 apart, widths equal, cost 9. What do you get?"),
        Mistake(means_alone, "A wide and a narrow Gaussian at one place: are they equal?"),
        Mistake(distance_of_draws, "What does a Gaussian cost that is compared with itself?"),
        Mistake(averaged_over_dimensions, "Squares of independent dimensions add up. Do yours?"),
        Mistake(averaged_over_the_batch, "One number a pair is asked for."),
        Mistake(_between, "That is a divergence: exchange the two sides. Should the answer change?"),
    ),
    alternatives=(as_one_vector, by_covariances),
    properties=(properties.permutation_equivariant(pairs, arg=(0, 1, 2, 3)),),
)
