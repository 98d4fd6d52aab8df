"""Exercise 4 of lesson 37: the power loss."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def power_loss(
    Y: Float[Tensor, "clip freq frame"], X: Float[Tensor, "clip freq frame"], eps: float
) -> Float[Tensor, ""]:
    """Mean absolute difference of ln(magnitude + eps), generated Y against true X."""
    return ((Y + eps).log() - (X + eps).log()).abs().mean()


def by_ratio(Y, X, eps):
    return ((Y + eps) / (X + eps)).log().abs().mean()


def by_max_over_min(Y, X, eps):
    a, b = Y + eps, X + eps
    return (torch.maximum(a, b) / torch.minimum(a, b)).log().sum() / Y.numel()


def two_eps(Y, X, eps):
    return ((Y + eps).log() - (X + eps / 100).log()).abs().mean()


def clamped_on_one_side(Y, X, eps):
    return ((Y + eps).log() - X.clamp_min(eps).log()).abs().mean()


def no_logarithm(Y, X, eps):
    return (Y - X).abs().mean()


def log_of_the_difference(Y, X, eps):
    return ((Y - X).abs() + eps).log().mean()


def squared(Y, X, eps):
    return ((Y + eps).log() - (X + eps).log()).square().mean()


def signs_cancel(Y, X, eps):
    return ((Y + eps).log() - (X + eps).log()).mean().abs()


def powers_for_magnitudes(Y, X, eps):
    return ((Y**2 + eps).log() - (X**2 + eps).log()).abs().mean()


def in_decibels(Y, X, eps):
    return 20 * ((Y + eps).log10() - (X + eps).log10()).abs().mean()


def summed_over_frequency(Y, X, eps):
    return ((Y + eps).log() - (X + eps).log()).abs().sum(1).mean()


def of_the_mean_spectrum(Y, X, eps):
    return ((Y.mean(2) + eps).log() - (X.mean(2) + eps).log()).abs().mean()


def held_still(Y, X, eps):
    return ((Y.detach() + eps).log() - (X + eps).log()).abs().mean()


def random_spectra(g):
    Y, X = torch.rand(2, 5, 4, generator=g), torch.rand(2, 5, 4, generator=g)
    return Y + 0.05, X + 0.05, 1e-2


def nearly_silent(g):
    Y, X = 1e-3 * torch.rand(1, 6, 3, generator=g), 1e-3 * torch.rand(1, 6, 3, generator=g)
    return Y, X, 1e-3


def one_moment(g):
    return torch.rand(3, 4, 1, generator=g) + 0.2, 2 * torch.rand(3, 4, 1, generator=g) + 0.2, 1e-4


SPECTRA = Exercise(
    name="speech.power_loss",
    lesson="37",
    title="Compare two log spectra",
    stars=1,
    minutes=6,
    reference=power_loss,
    cases=(random_spectra, nearly_silent, one_moment),
    mistakes=(
        Mistake(two_eps, "Silence against silence should cost nothing. What does it cost in yours?"),
        Mistake(clamped_on_one_side, "Are both sides kept from ln 0 in the same way?"),
        Mistake(no_logarithm, "A soft hiss twice too loud, a loud vowel twice too loud: equally wrong?"),
        Mistake(log_of_the_difference, "What is the loss of a perfect spectrum in yours?"),
        Mistake(squared, "The formula has bars, not squares."),
        Mistake(signs_cancel, "Half the bins too loud, half too soft: does yours notice?"),
        Mistake(powers_for_magnitudes, "Magnitudes come in. What did you take the logarithm of?"),
        Mistake(in_decibels, "The right shape, in another unit. Which logarithm does the formula name?"),
        Mistake(summed_over_frequency, "Is the mean over clips and frames, or over every entry?"),
        Mistake(of_the_mean_spectrum, "Reverse the sound in time: would yours notice?"),
        Mistake(held_still, "Whom should this loss teach? Does a gradient reach it?"),
    ),
    alternatives=(by_ratio, by_max_over_min),
    properties=(
        properties.symmetric(random_spectra),
        properties.bounded(random_spectra, low=0, hint="Every entry costs 0 or more."),
    ),
)
