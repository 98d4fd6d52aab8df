"""Exercise 2 of lesson 12: rotary positions."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def turn(x: Float[Tensor, "n dim"], t: Int[Tensor, "n"], base: float = 100.0) -> Float[Tensor, "n dim"]:
    """Turn each pair (x_2k, x_2k+1) of row i by the angle t_i base^(-2k/dim)."""
    return _turn(x, _angles(x, t, base))


def _angles(x, t, base):
    k = torch.arange(x.shape[1] // 2, device=x.device)
    return t[:, None] * base ** (-2 * k / x.shape[1])


def _turn(x, angle):
    c, s = angle.cos(), angle.sin()
    even, odd = x[:, 0::2], x[:, 1::2]
    return torch.stack([even * c - odd * s, even * s + odd * c], dim=-1).flatten(1)


def by_complex_numbers(x, t, base=100.0):
    z = torch.view_as_complex(x.unflatten(1, (-1, 2)).contiguous())
    angle = _angles(x, t, base)
    return torch.view_as_real(z * torch.polar(torch.ones_like(angle), angle)).flatten(1)


def by_loop(x, t, base=100.0):
    columns = []
    for k in range(x.shape[1] // 2):
        angle = t * base ** (-2 * k / x.shape[1])
        a, b = x[:, 2 * k], x[:, 2 * k + 1]
        columns += [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()]
    return torch.stack(columns, dim=1)


def in_order(g):
    return torch.randn(5, 6, generator=g), torch.arange(5)


def anywhere(g):
    return torch.randn(4, 8, generator=g), torch.randint(0, 50, (4,), generator=g)


def one_pair(g):
    return torch.randn(3, 2, generator=g), torch.tensor([2, 0, 7])


def slower(g):
    return torch.randn(4, 4, generator=g), torch.tensor([3, 1, 4, 11]), 1000.0


def other_way_round(x, t, base=100.0):
    return turn(x, -t, base)


def halves_as_pairs(x, t, base=100.0):
    (a, b), angle = x.chunk(2, dim=1), _angles(x, t, base)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], dim=1)


def exponent_halved(x, t, base=100.0):
    return turn(x, t, base**0.5)


def faster_and_faster(x, t, base=100.0):
    return turn(x, t, 1 / base)


def one_speed(x, t, base=100.0):
    return turn(x, t, 1.0)


def row_number_for_position(x, t, base=100.0):
    return turn(x, torch.arange(len(x), device=x.device), base)


def counted_from_one(x, t, base=100.0):
    return turn(x, t + 1, base)


def sine_and_cosine_swapped(x, t, base=100.0):
    angle = _angles(x, t, base)
    return _turn(x, torch.pi / 2 - angle)


def no_minus(x, t, base=100.0):
    angle = _angles(x, t, base)
    c, s = angle.cos(), angle.sin()
    even, odd = x[:, 0::2], x[:, 1::2]
    return torch.stack([even * c + odd * s, even * s + odd * c], dim=-1).flatten(1)


def added_like_sinusoidal(x, t, base=100.0):
    angle = _angles(x, t, base)
    return x + torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def base_ignored(x, t, base=100.0):
    return turn(x, t, 100.0)


def _only_distance_counts(fn, g):
    q, k = torch.randn(2, 1, 6, generator=g)
    here, there = torch.tensor([3]), torch.tensor([7])
    near = (fn(q, here) * fn(k, there)).sum()
    far = (fn(q, here + 20) * fn(k, there + 20)).sum()
    return bool((near - far).abs() < 1e-3)


def _keeps_length(fn, g):
    x = torch.randn(4, 6, generator=g)
    return bool((fn(x, torch.arange(4)).norm(dim=1) - x.norm(dim=1)).abs().max() < 1e-4)


TURNS = Exercise(
    name="transformers.turn",
    lesson="12",
    title="Turn features by their position",
    stars=2,
    minutes=12,
    reference=turn,
    cases=(in_order, anywhere, one_pair, slower),
    mistakes=(
        Mistake(other_way_round, "Your pairs turn clockwise. Where does the minus of a rotation stand?"),
        Mistake(halves_as_pairs, "Some libraries pair like that. Which two features form a pair here?"),
        Mistake(
            exponent_halved, "Yours slows down half as fast from pair to pair. Which factor stands by k?"
        ),
        Mistake(faster_and_faster, "Should later pairs turn faster or slower? Look at the exponent's sign."),
        Mistake(one_speed, "All your pairs turn at one speed. What tells far positions apart then?"),
        Mistake(
            row_number_for_position, "Rows need not stand at 0, 1, 2. Who says at which position a row is?"
        ),
        Mistake(counted_from_one, "By which angle should a row at position 0 turn?"),
        Mistake(sine_and_cosine_swapped, "A row at position 0 should stay as it is. Does it in yours?"),
        Mistake(no_minus, "Does your map keep the length of a vector? A rotation does."),
        Mistake(added_like_sinusoidal, "You add positions. Here they turn what is there."),
        Mistake(base_ignored, "Change the base. Does your answer change?"),
    ),
    alternatives=(by_complex_numbers, by_loop),
    properties=(
        Property("length", _keeps_length, "A rotation keeps the length of every row. Does yours?"),
        Property(
            "only distance counts",
            _only_distance_counts,
            "Move query and key on by 20 positions: their product should not change.",
        ),
    ),
    large_values=None,
)
