"""Exercise 4 of lesson 13: one latent of two, either of which may be missing."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def joint_latent(
    z_a: Float[Tensor, "n p"],
    z_v: Float[Tensor, "n q"],
    present: Bool[Tensor, "n 2"],
    W: Float[Tensor, "d r"],
) -> Float[Tensor, "n d"]:
    """h = W [z_a; z_v], zeros in place of a missing side, whatever its rows hold."""
    z_a = torch.where(present[:, :1], z_a, torch.zeros_like(z_a))
    z_v = torch.where(present[:, 1:], z_v, torch.zeros_like(z_v))
    return torch.cat([z_a, z_v], 1) @ W.T


def by_filling(z_a, z_v, present, W):
    p = z_a.shape[1]
    a = z_a.masked_fill(~present[:, 0, None], 0.0)
    v = z_v.masked_fill(~present[:, 1, None], 0.0)
    return a @ W[:, :p].T + v @ W[:, p:].T


def row_by_row(z_a, z_v, present, W):
    rows = []
    for a, v, (a_there, v_there) in zip(z_a, z_v, present.tolist(), strict=True):
        z = torch.cat([a if a_there else torch.zeros_like(a), v if v_there else torch.zeros_like(v)])
        rows.append(W @ z)
    return torch.stack(rows)


def _draw(g, n, p, q, d):
    sizes = (n, p), (n, q), (d, p + q)
    return [torch.randn(s, generator=g) for s in sizes]


def some_missing(g):
    z_a, z_v, W = _draw(g, 6, 3, 2, 4)
    there = [[True, True], [True, False], [False, True], [False, False], [True, False], [True, True]]
    return z_a, z_v, torch.tensor(there), W


def all_there(g):
    z_a, z_v, W = _draw(g, 4, 2, 3, 5)
    return z_a, z_v, torch.ones(4, 2, dtype=torch.bool), W


def no_pictures(g):
    z_a, z_v, W = _draw(g, 5, 2, 2, 3)
    return z_a, z_v, torch.tensor([[True, False]]).repeat(5, 1), W


def rubbish_in_missing_rows(g):
    z_a, z_v, present, W = some_missing(g)
    z_a = torch.where(present[:, :1], z_a, torch.full_like(z_a, torch.nan))
    return z_a, torch.where(present[:, 1:], z_v, torch.full_like(z_v, torch.inf)), present, W


def one_row(g):
    z_a, z_v, W = _draw(g, 1, 1, 3, 2)
    return z_a, z_v, torch.tensor([[False, True]]), W


def multiplied_by_the_mask(z_a, z_v, present, W):
    return torch.cat([z_a * present[:, :1], z_v * present[:, 1:]], 1) @ W.T


def mask_not_used(z_a, z_v, present, W):
    return torch.cat([z_a, z_v], 1) @ W.T


def mask_turned_round(z_a, z_v, present, W):
    return joint_latent(z_a, z_v, ~present, W)


def columns_of_the_mask_swapped(z_a, z_v, present, W):
    return joint_latent(z_a, z_v, present.flip(1), W)


def sides_swapped(z_a, z_v, present, W):
    z_a = torch.where(present[:, :1], z_a, torch.zeros_like(z_a))
    z_v = torch.where(present[:, 1:], z_v, torch.zeros_like(z_v))
    return torch.cat([z_v, z_a], 1) @ W.T


def incomplete_rows_emptied(z_a, z_v, present, W):
    whole = present.all(1, keepdim=True)
    z = torch.cat([z_a, z_v], 1)
    return torch.where(whole, z, torch.zeros_like(z)) @ W.T


def scaled_like_dropout(z_a, z_v, present, W):
    h = joint_latent(z_a, z_v, present, W)
    return h * 2 / present.sum(1, keepdim=True).clamp_min(1)


def mean_of_the_others(z_a, z_v, present, W):
    def filled(z, there):
        z = torch.where(there, z, torch.zeros_like(z))
        mean = z.sum(0) / there.sum().clamp_min(1)
        return torch.where(there, z, mean)

    return torch.cat([filled(z_a, present[:, :1]), filled(z_v, present[:, 1:])], 1) @ W.T


def nan_to_num_only(z_a, z_v, present, W):
    return torch.cat([z_a, z_v], 1).nan_to_num(0.0, 0.0, 0.0) @ W.T


def ones_in_place(z_a, z_v, present, W):
    z_a = torch.where(present[:, :1], z_a, torch.ones_like(z_a))
    z_v = torch.where(present[:, 1:], z_v, torch.ones_like(z_v))
    return torch.cat([z_a, z_v], 1) @ W.T


def one_mask_for_both(z_a, z_v, present, W):
    z_a = torch.where(present[:, :1], z_a, torch.zeros_like(z_a))
    z_v = torch.where(present[:, :1], z_v, torch.zeros_like(z_v))
    return torch.cat([z_a, z_v], 1) @ W.T


JOINTS = Exercise(
    name="auto_encoders.joint_latent",
    lesson="13",
    title="Concatenate what is there",
    stars=2,
    minutes=10,
    reference=joint_latent,
    cases=(some_missing, all_there, no_pictures, rubbish_in_missing_rows, one_row),
    mistakes=(
        Mistake(
            multiplied_by_the_mask,
            "Right until a missing row holds NaN. What is 0 times NaN?",
        ),
        Mistake(mask_not_used, "Change what stands in a missing row. Does your latent change?"),
        Mistake(mask_turned_round, "With both sides there, what is your latent? True means there."),
        Mistake(columns_of_the_mask_swapped, "Which column of present speaks of the sound?"),
        Mistake(sides_swapped, "In which order do the columns of W expect the two sides?"),
        Mistake(incomplete_rows_emptied, "A row has its sound but no picture. Is its sound in your latent?"),
        Mistake(
            scaled_like_dropout,
            "A row with one side comes out larger than the formula says. Is it rescaled there?",
        ),
        Mistake(mean_of_the_others, "Does the latent of a row depend on who else is in the batch, in yours?"),
        Mistake(nan_to_num_only, "Missing rows may hold ordinary numbers too. Who says what is missing?"),
        Mistake(ones_in_place, "What stands in the place of a missing side?"),
        Mistake(one_mask_for_both, "Each side has its own column of present. How many do you read?"),
    ),
    alternatives=(by_filling, row_by_row),
    large_values=None,
    properties=(properties.batch_independent(some_missing, arg=(0, 1, 2)),),
)
