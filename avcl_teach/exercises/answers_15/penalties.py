"""Exercise 3 of lesson 15: the gradient penalty."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def penalise_slope(
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "n d"],
    u: Float[Tensor, "n"],
    W: Float[Tensor, "d h"],
    w: Float[Tensor, "h"],
) -> Float[Tensor, ""]:
    """Mean of (|grad_x D(x)| - 1)^2 at x_i = u_i real_i + (1 - u_i) fake_i, D(x) = tanh(x W).w."""
    return (_slopes(_between(real, fake, u), W, w) - 1).square().mean()


def _between(real, fake, u):
    return (u[:, None] * real + (1 - u[:, None]) * fake).detach()


def _slopes(x, W, w, *, create_graph=True):
    x = x.detach().requires_grad_()
    (grad,) = torch.autograd.grad((torch.tanh(x @ W) @ w).sum(), x, create_graph=create_graph)
    return grad.norm(dim=1)


def by_hand(real, fake, u, W, w):
    x = torch.lerp(fake, real, u[:, None]).detach()
    grad = ((1 - torch.tanh(x @ W).square()) * w) @ W.T
    return (grad.norm(dim=1) - 1).square().mean()


def one_by_one(real, fake, u, W, w):
    total = 0.0
    for x in _between(real, fake, u):
        x = x.clone().requires_grad_()
        (grad,) = torch.autograd.grad(torch.tanh(x @ W) @ w, x, create_graph=True)
        total = total + (grad.square().sum().sqrt() - 1) ** 2
    return total / len(real)


def five(g):
    return (
        torch.randn(5, 3, generator=g), torch.randn(5, 3, generator=g), torch.rand(5, generator=g),
        torch.randn(3, 4, generator=g), torch.randn(4, generator=g),
    )  # fmt: skip


def one_sample(g):
    return (
        torch.randn(1, 2, generator=g), torch.randn(1, 2, generator=g), torch.rand(1, generator=g),
        torch.randn(2, 3, generator=g), torch.randn(3, generator=g),
    )  # fmt: skip


def nearly_flat(g):
    real, fake, u, W, w = five(g)
    return real, fake, u, W, 0.1 * w


def no_graph(real, fake, u, W, w):
    return (_slopes(_between(real, fake, u), W, w, create_graph=False) - 1).square().mean()


def graph_cut_later(real, fake, u, W, w):
    return (_slopes(_between(real, fake, u), W, w).detach() - 1).square().mean() + 0 * w.sum()


def squared_before(real, fake, u, W, w):
    return (_slopes(_between(real, fake, u), W, w).square() - 1).square().mean()


def not_squared(real, fake, u, W, w):
    return (_slopes(_between(real, fake, u), W, w) - 1).abs().mean()


def one_sided(real, fake, u, W, w):
    return (_slopes(_between(real, fake, u), W, w) - 1).clamp_min(0).square().mean()


def centred_at_zero(real, fake, u, W, w):
    return _slopes(_between(real, fake, u), W, w).square().mean()


def at_real(real, fake, u, W, w):
    return (_slopes(real, W, w) - 1).square().mean()


def at_fake(real, fake, u, W, w):
    return (_slopes(fake, W, w) - 1).square().mean()


def ends_swapped(real, fake, u, W, w):
    return (_slopes(_between(fake, real, u), W, w) - 1).square().mean()


def mean_logit(real, fake, u, W, w):
    x = _between(real, fake, u).requires_grad_()
    (grad,) = torch.autograd.grad((torch.tanh(x @ W) @ w).mean(), x, create_graph=True)
    return (grad.norm(dim=1) - 1).square().mean()


def one_norm_for_all(real, fake, u, W, w):
    x = _between(real, fake, u).requires_grad_()
    (grad,) = torch.autograd.grad((torch.tanh(x @ W) @ w).sum(), x, create_graph=True)
    return (grad.norm() - 1).square()


def mean_of_norms(real, fake, u, W, w):
    return (_slopes(_between(real, fake, u), W, w).mean() - 1).square()


def of_the_weights(real, fake, u, W, w):
    h = torch.tanh(_between(real, fake, u) @ W)
    (grad,) = torch.autograd.grad((h @ w).sum(), w, create_graph=True)
    return (grad.norm() - 1).square() + 0 * w.sum()


def one_u(real, fake, u, W, w):
    return (_slopes(_between(real, fake, u[:1].expand(len(u))), W, w) - 1).square().mean()


PENALTIES = Exercise(
    name="adversarial.penalise_slope",
    lesson="15",
    title="Penalise the slope of the judge",
    stars=3,
    minutes=15,
    reference=penalise_slope,
    cases=(five, one_sample, nearly_flat),
    mistakes=(
        Mistake(
            no_graph,
            "The value is right. Call backward on it: what reaches W? This gradient is differentiated again.",
        ),
        Mistake(
            graph_cut_later,
            "The value is right, and D learns nothing from it. Where does the way back to W end?",
        ),
        Mistake(squared_before, "A slope of 2 should cost 1. What does it cost in yours?"),
        Mistake(not_squared, "Slopes of 2 and of 3: how much more should the second cost?"),
        Mistake(one_sided, "A slope of 0 costs nothing in yours. Here it should."),
        Mistake(centred_at_zero, "You ask for a flat D. Which slope was asked for?"),
        Mistake(at_real, "Does your penalty look between the two kinds of samples?"),
        Mistake(at_fake, "You look at generated samples only. Where do u and the real ones come in?"),
        Mistake(ends_swapped, "u = 1 is one of the two ends. Which one, by the formula?"),
        Mistake(mean_logit, "Your slopes shrink as the batch grows. Of what is the gradient taken?"),
        Mistake(one_norm_for_all, "Each sample has a slope of its own. How many norms do you take?"),
        Mistake(mean_of_norms, "A slope of 0 and one of 2 cost nothing in yours, taken together."),
        Mistake(of_the_weights, "Slope with respect to what: D's weights, or the samples?"),
        Mistake(one_u, "Every sample has its own u. How many do you use?"),
    ),
    alternatives=(by_hand, one_by_one),
    gradient="values",
    large_values=None,
)
