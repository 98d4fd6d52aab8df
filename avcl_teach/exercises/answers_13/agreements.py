"""Exercise 6 of lesson 13: two reconstructions, and latents of a pair that must agree."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake


def agreeing_loss(
    h_a: Float[Tensor, "n d"],
    h_v: Float[Tensor, "n d"],
    x_hat_a: Float[Tensor, "n p"],
    x_a: Float[Tensor, "n p"],
    x_hat_v: Float[Tensor, "n q"],
    x_v: Float[Tensor, "n q"],
    weight: float,
) -> Float[Tensor, ""]:
    """Both mean squared errors plus weight times the mean over pairs of |h_a - h_v|^2."""
    own = F.mse_loss(x_hat_a, x_a) + F.mse_loss(x_hat_v, x_v)
    return own + weight * (h_a - h_v).square().sum(1).mean()


def _with(apart):
    """Return the loss whose last term is `apart(h_a, h_v)`."""

    def loss(h_a, h_v, x_hat_a, x_a, x_hat_v, x_v, weight):
        return F.mse_loss(x_hat_a, x_a) + F.mse_loss(x_hat_v, x_v) + weight * apart(h_a, h_v)

    return loss


def _named(name, apart):
    loss = _with(apart)
    loss.__name__ = loss.__qualname__ = name
    return loss


by_products = _named(
    "by_products", lambda a, v: ((a * a).sum(1) + (v * v).sum(1) - 2 * (a * v).sum(1)).mean()
)
by_mean_times_size = _named("by_mean_times_size", lambda a, v: a.shape[1] * F.mse_loss(a, v))


def _draw(g, n, d, p, q, weight):
    sizes = (n, d), (n, d), (n, p), (n, p), (n, q), (n, q)
    return *(torch.randn(s, generator=g) for s in sizes), weight


def two_widths(g):
    return _draw(g, 5, 3, 4, 2, 0.3)


def a_large_weight(g):
    return _draw(g, 4, 2, 3, 3, 2.5)


def one_pair(g):
    return _draw(g, 1, 4, 2, 3, 0.5)


def far_apart(g):
    h_a, *rest = _draw(g, 6, 3, 2, 5, 0.7)
    return h_a + 2, *rest


length_not_squared = _named("length_not_squared", lambda a, v: (a - v).norm(dim=1).mean())
mean_over_numbers = _named("mean_over_numbers", lambda a, v: (a - v).square().mean())
sum_over_pairs = _named("sum_over_pairs", lambda a, v: (a - v).square().sum())
neighbour = _named("neighbour", lambda a, v: (a - v.roll(1, 0)).square().sum(1).mean())
everyone = _named("everyone", lambda a, v: (a[:, None] - v).square().sum(2).mean())
means_alone = _named("means_alone", lambda a, v: (a.mean(0) - v.mean(0)).square().sum())
pushed_apart = _named("pushed_apart", lambda a, v: -(a - v).square().sum(1).mean())
picture_held_still = _named(
    "picture_held_still", lambda a, v: (a - v.detach()).square().sum(1).mean() + 0 * v.sum()
)
added = _named("added", lambda a, v: (a + v).square().sum(1).mean())


def unweighted(h_a, h_v, x_hat_a, x_a, x_hat_v, x_v, weight):
    return agreeing_loss(h_a, h_v, x_hat_a, x_a, x_hat_v, x_v, 1.0)


def agreement_alone(h_a, h_v, x_hat_a, x_a, x_hat_v, x_v, weight):
    return agreeing_loss(h_a, h_v, x_a, x_a, x_v, x_v, weight)


def one_reconstruction(h_a, h_v, x_hat_a, x_a, x_hat_v, x_v, weight):
    return agreeing_loss(h_a, h_v, x_hat_a, x_a, x_v, x_v, weight)


AGREEMENTS = Exercise(
    name="auto_encoders.agreeing_loss",
    lesson="13",
    title="Pull the latents of a pair together",
    stars=1,
    minutes=8,
    reference=agreeing_loss,
    cases=(two_widths, a_large_weight, one_pair, far_apart),
    gradient="values",
    mistakes=(
        Mistake(
            length_not_squared, "Move two latents twice as far apart: by which factor should the term grow?"
        ),
        Mistake(mean_over_numbers, "Read the docstring again: over what is added up, over what averaged?"),
        Mistake(sum_over_pairs, "Put every pair in twice. Does your loss stay?"),
        Mistake(neighbour, "Let each sound's latent equal its picture's. Does your term vanish?"),
        Mistake(everyone, "Should a flute's sound be pulled towards a drum's picture as well?"),
        Mistake(
            means_alone,
            "Mix up the pictures. Does your term notice that sounds now stand beside strangers?",
        ),
        Mistake(pushed_apart, "Training lowers the loss. Where do the latents of a pair go in yours?"),
        Mistake(picture_held_still, "Right value. Who moves: the sound's latent, the picture's, or both?"),
        Mistake(added, "Let both latents be the same. What does your term say?"),
        Mistake(unweighted, "Set the weight to 0. What should be left?"),
        Mistake(
            agreement_alone,
            "Let both encoders answer 0 always. What keeps the loss from being content with that?",
        ),
        Mistake(one_reconstruction, "How many decoders are there, and how many does your loss train?"),
    ),
    alternatives=(by_products, by_mean_times_size),
)
