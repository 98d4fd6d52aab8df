"""Exercise 7 of lesson 13: own and cross-reconstruction, each decoder with its own target."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def cross_loss(
    h_a: Float[Tensor, "n d"],
    h_v: Float[Tensor, "n d"],
    x_a: Float[Tensor, "n p"],
    x_v: Float[Tensor, "n q"],
    D_a: Float[Tensor, "d p"],
    D_v: Float[Tensor, "d q"],
) -> Float[Tensor, ""]:
    """Sum of the mean squared errors of both modalities drawn from both latents."""
    return sum(_error(h, D, x) for h in (h_a, h_v) for D, x in ((D_a, x_a), (D_v, x_v)))


def _error(h, D, x):
    return (h @ D - x).square().mean()


def by_stacking(h_a, h_v, x_a, x_v, D_a, D_v):
    h = torch.stack([h_a, h_v])
    return 2 * ((h @ D_a - x_a).square().mean() + (h @ D_v - x_v).square().mean())


def one_after_the_other(h_a, h_v, x_a, x_v, D_a, D_v):
    own = torch.nn.functional.mse_loss(h_a @ D_a, x_a) + torch.nn.functional.mse_loss(h_v @ D_v, x_v)
    cross = torch.nn.functional.mse_loss(h_v @ D_a, x_a) + torch.nn.functional.mse_loss(h_a @ D_v, x_v)
    return own + cross


def _draw(g, n, d, p, q):
    return tuple(torch.randn(s, generator=g) for s in ((n, d), (n, d), (n, p), (n, q), (d, p), (d, q)))


def two_sizes(g):
    return _draw(g, 5, 3, 4, 2)


def one_size(g):
    return _draw(g, 4, 2, 3, 3)


def one_pair(g):
    return _draw(g, 1, 3, 2, 4)


def own_only(h_a, h_v, x_a, x_v, D_a, D_v):
    return _error(h_a, D_a, x_a) + _error(h_v, D_v, x_v)


def own_twice(h_a, h_v, x_a, x_v, D_a, D_v):
    return 2 * own_only(h_a, h_v, x_a, x_v, D_a, D_v)


def cross_only(h_a, h_v, x_a, x_v, D_a, D_v):
    return _error(h_v, D_a, x_a) + _error(h_a, D_v, x_v)


def one_direction(h_a, h_v, x_a, x_v, D_a, D_v):
    return own_only(h_a, h_v, x_a, x_v, D_a, D_v) + _error(h_v, D_a, x_a)


def reconstruction_as_target(h_a, h_v, x_a, x_v, D_a, D_v):
    own = own_only(h_a, h_v, x_a, x_v, D_a, D_v)
    return own + (h_v @ D_a - h_a @ D_a).square().mean() + (h_a @ D_v - h_v @ D_v).square().mean()


def latents_held_still(h_a, h_v, x_a, x_v, D_a, D_v):
    cross = _error(h_v.detach(), D_a, x_a) + _error(h_a.detach(), D_v, x_v)
    return own_only(h_a, h_v, x_a, x_v, D_a, D_v) + cross


def decoders_held_still(h_a, h_v, x_a, x_v, D_a, D_v):
    cross = _error(h_v, D_a.detach(), x_a) + _error(h_a, D_v.detach(), x_v)
    return own_only(h_a, h_v, x_a, x_v, D_a, D_v) + cross


def sums_of_squares(h_a, h_v, x_a, x_v, D_a, D_v):
    return sum((h @ D - x).square().sum() for h in (h_a, h_v) for D, x in ((D_a, x_a), (D_v, x_v)))


def mean_of_four(h_a, h_v, x_a, x_v, D_a, D_v):
    return cross_loss(h_a, h_v, x_a, x_v, D_a, D_v) / 4


def one_mean_of_all_numbers(h_a, h_v, x_a, x_v, D_a, D_v):
    parts = [(h @ D - x).flatten() for h in (h_a, h_v) for D, x in ((D_a, x_a), (D_v, x_v))]
    return 4 * torch.cat(parts).square().mean()


def lengths_for_squares(h_a, h_v, x_a, x_v, D_a, D_v):
    return sum((h @ D - x).abs().mean() for h in (h_a, h_v) for D, x in ((D_a, x_a), (D_v, x_v)))


def joint_latent_decoded(h_a, h_v, x_a, x_v, D_a, D_v):
    h = (h_a + h_v) / 2
    return 2 * (_error(h, D_a, x_a) + _error(h, D_v, x_v))


def neighbour_as_target(h_a, h_v, x_a, x_v, D_a, D_v):
    cross = _error(h_v, D_a, x_a.roll(1, 0)) + _error(h_a, D_v, x_v.roll(1, 0))
    return own_only(h_a, h_v, x_a, x_v, D_a, D_v) + cross


CROSSES = Exercise(
    name="auto_encoders.cross_loss",
    lesson="13",
    title="Aim at the other side",
    stars=2,
    minutes=10,
    reference=cross_loss,
    cases=(two_sizes, one_size, one_pair),
    gradient="values",
    mistakes=(
        Mistake(
            own_only,
            "Swap the latents of sound and picture: do two of your errors notice? Which are missing?",
        ),
        Mistake(own_twice, "Each latent meets one decoder in yours, twice. How many decoders are there?"),
        Mistake(cross_only, "Does anything ask that a sound can be drawn from its own latent?"),
        Mistake(one_direction, "You draw sounds from pictures. And the other way?"),
        Mistake(
            reconstruction_as_target,
            "Your cross terms aim at what the network says, not at what was there. What if it says nothing?",
        ),
        Mistake(
            latents_held_still,
            "Right value, but cross errors cannot change the encoders. What would make latents alike?",
        ),
        Mistake(
            decoders_held_still,
            "Right value. Who has to learn to read the other modality's latent, beside the encoders?",
        ),
        Mistake(sums_of_squares, "Put the batch in twice over. Does your loss double?"),
        Mistake(mean_of_four, "Everything is there; it is to be the sum of the four."),
        Mistake(
            one_mean_of_all_numbers,
            "A modality with more features counts for more in yours. Four means, or one mean?",
        ),
        Mistake(lengths_for_squares, "Double an error: how much more should it cost?"),
        Mistake(joint_latent_decoded, "Your decoders never see one modality alone. What if one is missing?"),
        Mistake(neighbour_as_target, "Whose sound should be drawn from picture i?"),
    ),
    alternatives=(by_stacking, one_after_the_other),
    properties=(
        properties.bounded(two_sizes, low=0, hint="Four means of squares: can the sum be negative?"),
    ),
)
