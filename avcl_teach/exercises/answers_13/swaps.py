"""Exercise 3 of lesson 13: the p value of a squared MMD when pairs are swapped."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def swap_test(K: Float[Tensor, "rows rows"], swaps: Bool[Tensor, "trial pair"]) -> Float[Tensor, ""]:
    """p = (1 + trials that reach the MMD^2 found) / (1 + trials), partners swapped together."""
    found, trials = _values(K, swaps)
    return (1 + (trials >= found - 1e-6).sum()) / (1 + len(swaps))


def _values(K, swaps):
    n = swaps.shape[1]
    flip = 1 - 2 * swaps.to(K.dtype)
    S = torch.cat([flip, -flip], 1)
    s = torch.cat([K.new_ones(n), -K.new_ones(n)])
    return s @ K @ s / n**2, (S @ K * S).sum(1) / n**2


def _mmd2(K, n):
    return K[:n, :n].mean() + K[n:, n:].mean() - 2 * K[:n, n:].mean()


def by_moving_rows(K, swaps):
    n = swaps.shape[1]
    found, reached = _mmd2(K, n), 1
    for row in swaps:
        i = torch.arange(n, device=K.device)
        order = torch.cat([torch.where(row, i + n, i), torch.where(row, i, i + n)])
        reached = reached + (_mmd2(K[order][:, order], n) >= found - 1e-6)
    return reached / (1 + len(swaps))


def by_einsum(K, swaps):
    S = torch.where(swaps, -1.0, 1.0).to(K)
    S = torch.cat([torch.ones_like(S[:1]), S])
    S = torch.cat([S, -S], 1)
    values = torch.einsum("ti,ij,tj->t", S, K, S) / swaps.shape[1] ** 2
    return (values >= values[0] - 1e-6).sum() / len(values)


def _kernel(a, v):
    x = torch.cat([a, v])
    return torch.exp(-torch.cdist(x, x).square() / 4)


def a_small_gap(g):
    n = int(torch.randint(5, 8, (1,), generator=g))
    a, shared = torch.randn(2, n, 2, generator=g)
    swaps = torch.rand(19, n, generator=g) < 0.5
    return _kernel(0.5 * a + shared + 0.25, torch.randn(n, 2, generator=g) + shared), swaps


def a_large_gap(g):
    a, v = torch.randn(2, 6, 2, generator=g)
    return _kernel(a + 2, v), torch.rand(24, 6, generator=g) < 0.5


def no_gap(g):
    a, v = torch.randn(2, 7, 3, generator=g)
    return _kernel(a, v), torch.rand(30, 7, generator=g) < 0.5


def trials_that_swap_nothing(g):
    a, v = torch.randn(2, 5, 2, generator=g)
    swaps = torch.rand(12, 5, generator=g) < 0.5
    swaps[::3] = False
    return _kernel(a + 1, v), swaps


def rarely_swapped(g):
    a, v = torch.randn(2, 6, 2, generator=g)
    return _kernel(a + 0.6, v), torch.rand(15, 6, generator=g) < 0.2


def not_counting_itself(K, swaps):
    found, trials = _values(K, swaps)
    return (trials >= found - 1e-6).sum() / len(swaps)


def one_added_above_only(K, swaps):
    found, trials = _values(K, swaps)
    return (1 + (trials >= found - 1e-6).sum()) / len(swaps)


def one_added_below_only(K, swaps):
    found, trials = _values(K, swaps)
    return (trials >= found - 1e-6).sum() / (1 + len(swaps))


def ties_left_out(K, swaps):
    found, trials = _values(K, swaps)
    return (1 + (trials > found + 1e-6).sum()) / (1 + len(swaps))


def wrong_tail(K, swaps):
    found, trials = _values(K, swaps)
    return (1 + (trials <= found + 1e-6).sum()) / (1 + len(swaps))


def confidence(K, swaps):
    return 1 - swap_test(K, swaps)


def one_of_the_pair_moves(K, swaps):
    n = swaps.shape[1]
    flip = 1 - 2 * swaps.to(K.dtype)
    S = torch.cat([flip, -torch.ones_like(flip)], 1)
    s = torch.cat([K.new_ones(n), -K.new_ones(n)])
    return (1 + ((S @ K * S).sum(1) >= s @ K @ s - 1e-6).sum()) / (1 + len(swaps))


def both_get_one_sign(K, swaps):
    n = swaps.shape[1]
    flip = 1 - 2 * swaps.to(K.dtype)
    S = torch.cat([flip, flip], 1)
    s = torch.cat([K.new_ones(n), -K.new_ones(n)])
    return (1 + ((S @ K * S).sum(1) >= s @ K @ s - 1e-6).sum()) / (1 + len(swaps))


def pairs_side_by_side(K, swaps):
    n = swaps.shape[1]
    flip = 1 - 2 * swaps.to(K.dtype)
    S = torch.stack([flip, -flip], 2).flatten(1)
    s = torch.tensor([1.0, -1.0]).to(K).repeat(n)
    return (1 + ((S @ K * S).sum(1) >= s @ K @ s - 1e-6).sum()) / (1 + len(swaps))


def cross_block_only(K, swaps):
    n = swaps.shape[1]
    flip = 1 - 2 * swaps.to(K.dtype)
    trials = -torch.einsum("ti,ij,tj->t", flip, K[:n, n:], flip)
    return (1 + (trials >= -K[:n, n:].sum() - 1e-6).sum()) / (1 + len(swaps))


def zeros_for_minus_ones(K, swaps):
    S = torch.cat([(~swaps).to(K.dtype), swaps.to(K.dtype)], 1)
    n = swaps.shape[1]
    s = torch.cat([K.new_ones(n), K.new_zeros(n)])
    return (1 + ((S @ K * S).sum(1) >= s @ K @ s - 1e-6).sum()) / (1 + len(swaps))


def kernel_of_the_first_row(K, swaps):
    found, trials = _values(K, swaps)
    return (1 + (trials >= trials[0] - 1e-6).sum()) / (1 + len(swaps))


SWAPS = Exercise(
    name="auto_encoders.swap_test",
    lesson="13",
    title="Swap within pairs",
    stars=3,
    minutes=12,
    reference=swap_test,
    cases=(a_small_gap, a_large_gap, no_gap, trials_that_swap_nothing, rarely_swapped),
    gradient="off",
    large_values=None,
    mistakes=(
        Mistake(
            not_counting_itself, "Can your p be 0? What stands in numerator and denominator beside trials?"
        ),
        Mistake(one_added_above_only, "If every trial reaches the value, p is 1. Is yours?"),
        Mistake(one_added_below_only, "What is the smallest p with 99 trials, and what is yours then?"),
        Mistake(
            ties_left_out, "A trial that swaps nothing has the very value that was found. Has it reached it?"
        ),
        Mistake(wrong_tail, "A large gap: do many trials reach it, or few? Which do you count?"),
        Mistake(confidence, "A small p speaks for a gap. Is yours small where the clouds lie apart?"),
        Mistake(one_of_the_pair_moves, "When a sound is called a picture, what becomes of its partner?"),
        Mistake(both_get_one_sign, "Swap all pairs: the value should be the one found. Is it, in yours?"),
        Mistake(pairs_side_by_side, "In which order do sounds and pictures stand in K?"),
        Mistake(cross_block_only, "Three blocks of K make the MMD. A swap changes which of them?"),
        Mistake(zeros_for_minus_ones, "What does a picture weigh in your sum? And with which sign?"),
        Mistake(kernel_of_the_first_row, "With what do you compare the trials: with the labels as they are?"),
    ),
    alternatives=(by_moving_rows, by_einsum),
    properties=(properties.permutation_invariant(a_small_gap, arg=1, dim=0),),
)
