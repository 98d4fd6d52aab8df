"""Exercise 3 of lesson 39: turn the listener in first-order ambisonics."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def turn_listener(
    w: Float[Tensor, "clip 4 sample"], yaw: Float[Tensor, "clip"]
) -> Float[Tensor, "clip 4 sample"]:
    """Four channels W, Y, Z, X after the listener turned by yaw to the right: theta becomes theta - yaw."""
    return _mixed(w, yaw.cos(), yaw.sin())


def by_matrices(w, yaw):
    c, s, one, zero = yaw.cos(), yaw.sin(), torch.ones_like(yaw), torch.zeros_like(yaw)
    rows = [[one, zero, zero, zero], [zero, c, zero, s], [zero, zero, one, zero], [zero, -s, zero, c]]
    return torch.stack([torch.stack(row, 1) for row in rows], 1) @ w


def any_sound(g):
    return torch.randn(3, 4, 5, generator=g), 6 * torch.rand(3, generator=g) - 3


def one_clip(g):
    return torch.randn(1, 4, 3, generator=g), torch.rand(1, generator=g) + 0.3


def quarter(g):
    return torch.randn(2, 4, 6, generator=g), torch.tensor([math.pi / 2, 0.0])


def other_way(w, yaw):
    return _mixed(w, yaw.cos(), -yaw.sin())


def in_degrees(w, yaw):
    return _mixed(w, yaw.deg2rad().cos(), yaw.deg2rad().sin())


def order_w_x_y_z(w, yaw):
    W, X, Y, Z = w.unbind(1)
    c, s = yaw.cos()[:, None], yaw.sin()[:, None]
    return torch.stack([W, X * c - Y * s, Y * c + X * s, Z], 1)


def height_turned(w, yaw):
    W, Y, Z, X = w.unbind(1)
    c, s = yaw.cos()[:, None], yaw.sin()[:, None]
    return torch.stack([W, Y * c + Z * s, Z * c - Y * s, X], 1)


def both_plus(w, yaw):
    W, Y, Z, X = w.unbind(1)
    c, s = yaw.cos()[:, None], yaw.sin()[:, None]
    return torch.stack([W, Y * c + X * s, Z, X * c + Y * s], 1)


def used_too_early(w, yaw):
    W, Y, Z, X = w.unbind(1)
    c, s = yaw.cos()[:, None], yaw.sin()[:, None]
    Y = Y * c + X * s
    return torch.stack([W, Y, Z, X * c - Y * s], 1)


def everywhere_too(w, yaw):
    out = _mixed(w, yaw.cos(), yaw.sin())
    return torch.cat([w[:, :1] * yaw.cos()[:, None, None], out[:, 1:]], 1)


def one_yaw_for_all(w, yaw):
    return _mixed(w, yaw[:1].cos().expand_as(yaw), yaw[:1].sin().expand_as(yaw))


def height_lost(w, yaw):
    out = _mixed(w, yaw.cos(), yaw.sin())
    return torch.cat([out[:, :2], 0 * out[:, 2:3], out[:, 3:]], 1)


def _mixed(w, c, s):
    W, Y, Z, X = w.unbind(1)
    c, s = c[:, None], s[:, None]
    return torch.stack([W, Y * c + X * s, Z, X * c - Y * s], 1)


def _source_ahead(fn, g):
    theta = 6 * torch.rand(3, generator=g) - 3
    s = torch.randn(3, 6, generator=g)
    Y, X = -s * theta.sin()[:, None], s * theta.cos()[:, None]
    out = fn(torch.stack([s, Y, 0 * s, X], 1), theta)
    return torch.allclose(out[:, 1], 0 * s, atol=1e-4) and torch.allclose(out[:, 3], s, atol=1e-4)


TURNS = Exercise(
    name="spatial.turn_listener",
    lesson="39",
    title="Turn the listener, not the sound",
    stars=2,
    minutes=8,
    reference=turn_listener,
    cases=(any_sound, one_clip, quarter),
    large_values=None,
    mistakes=(
        Mistake(
            other_way, "Turn to a source on your right. Is it ahead of you in yours, or behind your ear?"
        ),
        Mistake(in_degrees, "What unit does the yaw come in, and what unit does yours take it for?"),
        Mistake(order_w_x_y_z, "In which order do the channels come? There are two habits in the field."),
        Mistake(height_turned, "You turn about a vertical line. Which channel should not notice?"),
        Mistake(both_plus, "Turn by a and back by a: do you get your sound back? Look at the two signs."),
        Mistake(used_too_early, "Which Y does your second line read: the old one, or the new one?"),
        Mistake(everywhere_too, "What does a microphone that hears everywhere alike notice of a turn?"),
        Mistake(one_yaw_for_all, "Does each clip turn by its own angle in yours?"),
        Mistake(height_lost, "Nothing came from above so far. What if something does?"),
    ),
    alternatives=(by_matrices,),
    properties=(
        Property("ahead", _source_ahead, "Turn to a source: Y should vanish and X be the source itself."),
    ),
)
