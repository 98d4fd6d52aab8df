"""Exercise 1 of lesson 10: the additive score."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def score_by_addition(
    q: Float[Tensor, "query dim_q"],
    k: Float[Tensor, "key dim_k"],
    W_q: Float[Tensor, "hidden dim_q"],
    W_k: Float[Tensor, "hidden dim_k"],
    u: Float[Tensor, "hidden"],
) -> Float[Tensor, "query key"]:
    """Return u . tanh(W_q q_i + W_k k_j) for every query i and key j."""
    a, b = q @ W_q.T, k @ W_k.T
    return torch.tanh(a[:, None] + b[None]) @ u


def by_loop(q, k, W_q, W_k, u):
    rows = [[u @ torch.tanh(W_q @ q_i + W_k @ k_j) for k_j in k] for q_i in q]
    return torch.stack([torch.stack(row) for row in rows])


def by_einsum(q, k, W_q, W_k, u):
    bent = (torch.einsum("id,hd->ih", q, W_q)[:, None] + torch.einsum("jd,hd->jh", k, W_k)).tanh()
    return torch.einsum("ijh,h->ij", bent, u)


def _case(g, n_q, n_k, d_q, d_k, h):
    shapes = (n_q, d_q), (n_k, d_k), (h, d_q), (h, d_k), (h,)
    return tuple(0.7 * torch.randn(*shape, generator=g) for shape in shapes)


def equal_widths(g):
    return _case(g, 3, 5, 4, 4, 6)


def square(g):
    return _case(g, 4, 4, 4, 4, 4)


def one_query(g):
    return _case(g, 1, 6, 3, 3, 2)


def unequal_widths(g):
    return _case(g, 4, 2, 3, 5, 6)


def tanh_missing(q, k, W_q, W_k, u):
    return ((q @ W_q.T)[:, None] + (k @ W_k.T)[None]) @ u


def shared_projection(q, k, W_q, W_k, u):
    return torch.tanh((q @ W_q.T)[:, None] + (k @ W_q.T)[None]) @ u


def projections_swapped(q, k, W_q, W_k, u):
    return torch.tanh((q @ W_k.T)[:, None] + (k @ W_q.T)[None]) @ u


def tanh_of_each(q, k, W_q, W_k, u):
    return (torch.tanh(q @ W_q.T)[:, None] + torch.tanh(k @ W_k.T)[None]) @ u


def tanh_outside(q, k, W_q, W_k, u):
    return torch.tanh(((q @ W_q.T)[:, None] + (k @ W_k.T)[None]) @ u)


def product_for_sum(q, k, W_q, W_k, u):
    return torch.tanh((q @ W_q.T)[:, None] * (k @ W_k.T)[None]) @ u


def difference_for_sum(q, k, W_q, W_k, u):
    return torch.tanh((q @ W_q.T)[:, None] - (k @ W_k.T)[None]) @ u


def u_missing(q, k, W_q, W_k, u):
    return torch.tanh((q @ W_q.T)[:, None] + (k @ W_k.T)[None]).sum(-1)


def keys_by_queries(q, k, W_q, W_k, u):
    return torch.tanh((k @ W_k.T)[:, None] + (q @ W_q.T)[None]) @ u


def relu_for_tanh(q, k, W_q, W_k, u):
    return torch.relu((q @ W_q.T)[:, None] + (k @ W_k.T)[None]) @ u


def sigmoid_for_tanh(q, k, W_q, W_k, u):
    return torch.sigmoid((q @ W_q.T)[:, None] + (k @ W_k.T)[None]) @ u


def already_softmaxed(q, k, W_q, W_k, u):
    return score_by_addition(q, k, W_q, W_k, u).softmax(-1)


def dot_product(q, k, W_q, W_k, u):
    return (q @ W_q.T) @ (k @ W_k.T).T


def pairs_in_step(q, k, W_q, W_k, u):
    n = min(len(q), len(k))
    return torch.tanh(q[:n] @ W_q.T + k[:n] @ W_k.T) @ u


ADDITION = Exercise(
    name="attention.score_by_addition",
    lesson="10",
    title="Score by addition",
    stars=2,
    minutes=10,
    reference=score_by_addition,
    cases=(equal_widths, square, one_query, unequal_widths),
    mistakes=(
        Mistake(
            tanh_missing,
            "Change the query and take a softmax of each row in yours: does anything change?",
        ),
        Mistake(
            shared_projection,
            "Queries and keys live in spaces of their own. How many matrices do you use?",
        ),
        Mistake(projections_swapped, "Which matrix is as wide as a query, and which as a key?"),
        Mistake(
            tanh_of_each,
            "Bend first and add then, or add first? In yours the query's part cancels in a softmax.",
        ),
        Mistake(tanh_outside, "Can a score of yours exceed 1? The weights in u should decide how large."),
        Mistake(product_for_sum, "What happens to a unit of yours when the query's projection is 0?"),
        Mistake(difference_for_sum, "A query that is the key's opposite: what enters the tanh in yours?"),
        Mistake(u_missing, "Every hidden unit counts alike in yours. Who says how much each should count?"),
        Mistake(
            keys_by_queries, "One row for each query, one column for each key. What is the shape of yours?"
        ),
        Mistake(relu_for_tanh, "Can a hidden unit of yours exceed 1? Look at which function bends."),
        Mistake(sigmoid_for_tanh, "A hidden unit whose sum is 0 should be 0. What is it in yours?"),
        Mistake(already_softmaxed, "Scores are asked for. Do yours sum to something along a row already?"),
        Mistake(dot_product, "Where does u enter, and where the tanh? Yours is another of the four scores."),
        Mistake(
            pairs_in_step,
            "Every query meets every key: how many scores should two queries and three keys give?",
        ),
    ),
    alternatives=(by_loop, by_einsum),
    properties=(
        properties.permutation_equivariant(
            equal_widths, arg=0, hint="Queries change places: the rows of scores should do the same."
        ),
        properties.permutation_equivariant(
            equal_widths,
            arg=1,
            dim_out=1,
            hint="Keys change places: the columns of scores should do the same.",
        ),
    ),
)
