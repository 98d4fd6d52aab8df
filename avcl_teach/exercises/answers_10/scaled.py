"""Exercise 2 of lesson 10: attention by scaled dot products."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def attend_scaled(
    q: Float[Tensor, "batch query dim"],
    k: Float[Tensor, "batch key dim"],
    v: Float[Tensor, "batch key dim_v"],
) -> Float[Tensor, "batch query dim_v"]:
    """Weigh the values by a softmax over keys of q . k / sqrt(dim), and sum."""
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


def by_the_kernel(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def by_exponentials(q, k, v):
    S = torch.einsum("bid,bjd->bij", q, k) / torch.tensor(float(q.shape[2])).sqrt().to(q)
    e = (S - S.amax(2, keepdim=True)).exp()
    return torch.einsum("bij,bjd->bid", e / e.sum(2, keepdim=True), v)


def _case(g, b, n_q, n_k, d, d_v):
    return tuple(torch.randn(b, n, m, generator=g) for n, m in ((n_q, d), (n_k, d), (n_k, d_v)))


def unequal_sizes(g):
    return _case(g, 2, 3, 5, 7, 4)


def square(g):
    return _case(g, 4, 4, 4, 4, 4)


def one_key(g):
    return _case(g, 2, 3, 1, 6, 2)


def wide(g):
    return _case(g, 1, 2, 6, 9, 3)


def scale_missing(q, k, v):
    return (q @ k.mT).softmax(-1) @ v


def by_the_width(q, k, v):
    return (q @ k.mT / q.shape[-1]).softmax(-1) @ v


def by_root_of_keys(q, k, v):
    return (q @ k.mT / k.shape[-2] ** 0.5).softmax(-1) @ v


def by_root_of_queries(q, k, v):
    return (q @ k.mT / q.shape[-2] ** 0.5).softmax(-1) @ v


def by_root_of_value_width(q, k, v):
    return (q @ k.mT / v.shape[-1] ** 0.5).softmax(-1) @ v


def times_the_root(q, k, v):
    return (q @ k.mT * q.shape[-1] ** 0.5).softmax(-1) @ v


def scaled_after_softmax(q, k, v):
    return (q @ k.mT).softmax(-1) / q.shape[-1] ** 0.5 @ v


def softmax_over_queries(q, k, v):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-2) @ v


def softmax_over_batch(q, k, v):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(0) @ v


def softmax_of_everything(q, k, v):
    S = q @ k.mT / q.shape[-1] ** 0.5
    return S.flatten(1).softmax(1).view_as(S) @ v


def softmax_missing(q, k, v):
    return (q @ k.mT / q.shape[-1] ** 0.5) @ v


def divided_by_their_sum(q, k, v):
    S = q @ k.mT / q.shape[-1] ** 0.5
    return S / S.sum(-1, keepdim=True) @ v


def cosines(q, k, v):
    return (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT).softmax(-1) @ v


def the_best_only(q, k, v):
    best = (q @ k.mT).argmax(-1)
    return v.gather(1, best[..., None].expand(*best.shape, v.shape[-1])) + 0 * (q.sum() + k.sum())


SCALED = Exercise(
    name="attention.attend_scaled",
    lesson="10",
    title="Attend with scaled dot products",
    stars=2,
    minutes=8,
    reference=attend_scaled,
    cases=(unequal_sizes, square, one_key, wide),
    mistakes=(
        Mistake(
            scale_missing, "How does the spread of your scores grow with the width? See the table above."
        ),
        Mistake(
            by_the_width, "The variance grows with the width. With which power of it does the spread grow?"
        ),
        Mistake(
            by_root_of_keys, "What makes a dot product large: how many keys there are, or how wide one is?"
        ),
        Mistake(
            by_root_of_queries,
            "Ask the same question in a batch with more questions: should the answer change?",
        ),
        Mistake(
            by_root_of_value_width, "Do values take part in the scores? Look at whose width you scale by."
        ),
        Mistake(times_the_root, "Is the spread of your scores meant to shrink or to grow by the factor?"),
        Mistake(
            scaled_after_softmax, "Put all values to 1: the answer should be 1. At which moment do you scale?"
        ),
        Mistake(
            softmax_over_queries, "Whose weights should sum to 1: those a query gives, or those a key gets?"
        ),
        Mistake(softmax_over_batch, "Do items of a batch share attention in yours? Try a batch of one."),
        Mistake(softmax_of_everything, "Put all values to 1: the answer should be 1 for every query. Is it?"),
        Mistake(softmax_missing, "A weight can be negative in yours. What makes probabilities of scores?"),
        Mistake(
            divided_by_their_sum, "They sum to 1, but are they all positive? Try scores of opposite sign."
        ),
        Mistake(cosines, "Double the query: it should become surer. Does it, in yours?"),
        Mistake(
            the_best_only, "One key takes all in yours. How would a gradient tell it that another was better?"
        ),
    ),
    alternatives=(by_the_kernel, by_exponentials),
    properties=(
        properties.permutation_equivariant(unequal_sizes, arg=0, dim_in=1, dim_out=1),
        properties.permutation_invariant(
            unequal_sizes,
            arg=(1, 2),
            dim=1,
            hint="Keys change places with their values: nothing should change.",
        ),
        properties.batch_independent(unequal_sizes, arg=(0, 1, 2)),
    ),
)
