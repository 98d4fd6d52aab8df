"""Exercise 3 of lesson 11: one round of joint co-attention."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def joint_round(
    m: Float[Tensor, "n d"], J: Float[Tensor, "n d"], W: Float[Tensor, "d d"]
) -> Float[Tensor, "n d"]:
    """Return m + C J / n with C = tanh(m W J^T / sqrt(d))."""
    n, d = m.shape
    C = torch.tanh(m @ W @ J.T / d**0.5)
    return m + C @ J / n


def by_einsum(m, J, W):
    C = torch.einsum("td,de,se->ts", m, W, J).div(m.shape[1] ** 0.5).tanh()
    return m + torch.einsum("ts,se->te", C, J) / len(J)


def by_loop(m, J, W):
    n, d = m.shape
    rows = [m[t] + sum(torch.tanh(m[t] @ W @ J[s] / d**0.5) * J[s] for s in range(n)) / n for t in range(n)]
    return torch.stack(rows)


def some_steps(g):
    return tuple(torch.randn(*shape, generator=g) for shape in ((5, 3), (5, 3), (3, 3)))


def few_steps(g):
    return tuple(torch.randn(*shape, generator=g) for shape in ((2, 4), (2, 4), (4, 4)))


def one_step(g):
    return tuple(torch.randn(*shape, generator=g) for shape in ((1, 3), (1, 3), (3, 3)))


def _C(m, J, W):
    return torch.tanh(m @ W @ J.T / m.shape[1] ** 0.5)


def softmax_for_tanh(m, J, W):
    return m + (m @ W @ J.T / m.shape[1] ** 0.5).softmax(1) @ J


def no_residual(m, J, W):
    return _C(m, J, W) @ J / len(m)


def joint_kept(m, J, W):
    return J + _C(m, J, W) @ J / len(m)


def not_scaled(m, J, W):
    return m + torch.tanh(m @ W @ J.T) @ J / len(m)


def sum_for_mean(m, J, W):
    return m + _C(m, J, W) @ J


def own_values(m, J, W):
    return m + _C(m, J, W) @ m / len(m)


def other_way_round(m, J, W):
    return m + _C(m, J, W).T @ J / len(m)


def weights_turned(m, J, W):
    return m + _C(m, J, W.T) @ J / len(m)


def over_dimensions(m, J, W):
    C = torch.tanh((m @ W).T @ J / m.shape[1] ** 0.5)
    return m + J @ C.T / len(m)


def squashed_last(m, J, W):
    return m + torch.tanh((m @ W @ J.T / m.shape[1] ** 0.5) @ J / len(m))


JOINT = Exercise(
    name="co_attention.joint_round",
    lesson="11",
    title="Take one round with the joint code",
    stars=2,
    minutes=10,
    reference=joint_round,
    cases=(some_steps, few_steps, one_step),
    mistakes=(
        Mistake(
            softmax_for_tanh,
            "May a step disagree with another, and subtract it? In yours all weights are positive.",
        ),
        Mistake(no_residual, "What is left of m when J is zero?"),
        Mistake(joint_kept, "To what do you add: to the modality, or to the joint code?"),
        Mistake(not_scaled, "Where is the square root that keeps the tanh away from its flat ends?"),
        Mistake(sum_for_mean, "Twice as many steps: should the change be twice as large?"),
        Mistake(own_values, "From where comes what is added: from m itself?"),
        Mistake(other_way_round, "C[t, s]: which index is the step that asks, and over which do you sum?"),
        Mistake(weights_turned, "m W J^T: which side does W touch first, and does a turned W do the same?"),
        Mistake(over_dimensions, "What shape has your C: step by step, or dimension by dimension?"),
        Mistake(squashed_last, "What goes through the tanh: each score, or their sum?"),
    ),
    alternatives=(by_einsum, by_loop),
)
