"""Positions: closed forms, what depends on the distance only, and the inputs that are refused."""

import math

import pytest
import torch
from jaxtyping import TypeCheckError
from torch.testing import assert_close

from avcl_teach.encoders.multi_head import MultiHeadAttention
from avcl_teach.encoders.positions import (
    LearnedPositions,
    SeparablePositions,
    rotary,
    sinusoidal_positions,
)


def test_sinusoids_equal_their_formula():
    P = sinusoidal_positions(7, 6, base=50.0)
    for t in range(7):
        for k in range(3):
            angle = t * 50.0 ** (-2 * k / 6)
            assert P[t, 2 * k] == pytest.approx(math.sin(angle), abs=1e-5)
            assert P[t, 2 * k + 1] == pytest.approx(math.cos(angle), abs=1e-5)


def test_products_of_sinusoids_depend_on_the_distance_only():
    P = sinusoidal_positions(20, 16)
    S = P @ P.T
    for step in (0, 1, 7):
        diagonal = S.diagonal(step)
        assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=0)
    assert (S.diagonal(0) - S.diagonal(5)[:1]).min() > 0.1


def test_rotary_turns_pairs_as_complex_numbers_do():
    x = torch.randn(2, 3, 5, 8)
    at = torch.tensor([0, 2, 3, 11, 40])
    angle = at[:, None] * 10_000.0 ** (-torch.arange(4) / 4)
    z = torch.view_as_complex(x.unflatten(-1, (4, 2))) * torch.polar(torch.ones_like(angle), angle)
    assert_close(rotary(x, at), torch.view_as_real(z).flatten(-2))
    assert_close(rotary(x)[..., 0, :], x[..., 0, :])
    assert_close(rotary(x).norm(dim=-1), x.norm(dim=-1))


def test_rotary_scores_depend_on_the_distance_only():
    q, k = torch.randn(2, 6, 16)
    here, there = torch.arange(6), torch.tensor([4, 0, 9, 1, 7, 2])
    near = rotary(q, here) @ rotary(k, there).T
    far = rotary(q, here + 31) @ rotary(k, there + 31).T
    assert_close(near, far, atol=1e-4, rtol=1e-4)
    assert (near - q @ k.T).abs().max() > 0.1


def test_attention_with_rotary_ignores_a_move_and_notices_a_new_order():
    layer, x = MultiHeadAttention(16, 2), torch.randn(2, 6, 16)
    moved = torch.cat([torch.randn(2, 5, 16), x], 1)
    keep = torch.arange(11)[None, None, None] >= 5
    y = layer(x, rotate=rotary)
    assert_close(layer(moved, mask=keep, rotate=rotary)[:, 5:], y, atol=1e-5, rtol=1e-5)
    flipped = layer(x.flip(1), rotate=rotary).flip(1)
    assert (flipped - y).abs().max() > 1e-3


def test_rotary_keeps_the_kind_of_number_and_lets_gradients_through():
    x = torch.randn(3, 4, dtype=torch.bfloat16)
    assert rotary(x).dtype == torch.bfloat16
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotary, (x,), atol=1e-3)  # angles are float32


def test_learned_positions_add_their_rows_and_learn_the_rows_in_use():
    layer, x = LearnedPositions(6, 4), torch.randn(2, 3, 4)
    assert_close(layer(x), x + layer.weight[:3])
    layer(x).square().sum().backward()
    assert (layer.weight.grad[:3].abs().sum(1) > 0).all()
    assert (layer.weight.grad[3:] == 0).all()


def test_separable_positions_are_sums_over_the_axes():
    layer = SeparablePositions((2, 3, 4), 5)
    x = torch.zeros(1, 24, 5)
    P, Q, R = layer.axes
    for t, h, w in ((0, 0, 0), (1, 2, 3), (1, 0, 2)):
        assert_close(layer(x)[0, (t * 3 + h) * 4 + w], P[t] + Q[h] + R[w])
    layer(x + 1).square().sum().backward()
    assert all((p.grad.abs().sum(1) > 0).all() for p in layer.parameters())
    assert sum(len(p) for p in layer.parameters()) == 2 + 3 + 4


def test_stored_positions_give_the_same_answer(tmp_path):
    for make, x in (
        (lambda: LearnedPositions(6, 4), torch.randn(1, 5, 4)),
        (lambda: SeparablePositions((2, 3), 4), torch.randn(1, 6, 4)),
    ):
        first, second = make(), make()
        torch.save(first.state_dict(), tmp_path / "p.pt")
        second.load_state_dict(torch.load(tmp_path / "p.pt", weights_only=True))
        assert_close(first(x), second(x))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sinusoidal_positions(3, 5), "even dim of at least 2, got 5"),
        (lambda: sinusoidal_positions(-1, 4), "n >= 0"),
        (lambda: rotary(torch.ones(2, 3)), "even dim of at least 2, got 3"),
        (lambda: rotary(torch.ones(2, 4), torch.tensor([1])), "2 positions"),
        (lambda: LearnedPositions(0, 4), "n_max >= 1"),
        (lambda: LearnedPositions(3, 4)(torch.ones(1, 4, 4)), r"position <= 3, 4\], got \[1, 4, 4\]"),
        (lambda: SeparablePositions((), 4), "axes of at least 1"),
        (lambda: SeparablePositions((2, 0), 4), "axes of at least 1"),
        (lambda: SeparablePositions((2, 3), 4)(torch.ones(1, 5, 4)), r"\[batch, 6, 4\]"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises((ValueError, TypeCheckError), match=f"{words}|Type-check"):
        make()
