"""Exercise 3 of lesson 32: factorized bilinear pooling after the two linear maps."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.encoders.bilinear_fusion import signed_root, sum_pool
from avcl_teach.exercises.exercise import Exercise, Mistake


def multiply_and_pool(
    p: Float[Tensor, "batch wide"], q: Float[Tensor, "batch wide"], k: int
) -> Float[Tensor, "batch out"]:
    """Products, summed over runs of k neighbours, signed root (eps 1e-8), rows of length 1."""
    return F.normalize(signed_root(sum_pool(p * q, n_factors=k)), dim=1)


def with_reshape(p, q, k):
    n, wide = p.shape
    z = (p.reshape(n, wide // k, k) * q.reshape(n, wide // k, k)).sum(-1)
    z = torch.sign(z.detach()) * (z.abs() + 1e-8).sqrt()
    return z / z.norm(dim=1, keepdim=True).clamp_min(1e-12)


def wide_rows(g):
    return torch.randn(3, 12, generator=g), torch.randn(3, 12, generator=g), 4


def two_factors(g):
    return torch.randn(2, 10, generator=g), torch.randn(2, 10, generator=g), 2


def one_factor(g):
    return torch.randn(4, 3, generator=g), torch.randn(4, 3, generator=g), 1


def some_are_zero(g):
    p = torch.randn(2, 6, generator=g)
    p[0, :3] = 0.0
    return p, torch.randn(2, 6, generator=g), 3


def factors_and_outputs_swapped(p, q, k):
    return F.normalize(signed_root((p * q).unflatten(1, (k, -1)).sum(1)), dim=1)


def added(p, q, k):
    return F.normalize(signed_root(sum_pool(p + q, n_factors=k)), dim=1)


def pooled_before(p, q, k):
    return F.normalize(signed_root(sum_pool(p, n_factors=k) * sum_pool(q, n_factors=k)), dim=1)


def no_length(p, q, k):
    return signed_root(sum_pool(p * q, n_factors=k))


def no_root(p, q, k):
    return F.normalize(sum_pool(p * q, n_factors=k), dim=1)


def sign_lost(p, q, k):
    return F.normalize((sum_pool(p * q, n_factors=k).abs() + 1e-8).sqrt(), dim=1)


def root_without_eps(p, q, k):
    z = sum_pool(p * q, n_factors=k)
    return F.normalize(z.sign() * z.abs().sqrt(), dim=1)


def root_before_the_sum(p, q, k):
    return F.normalize(sum_pool(signed_root(p * q), n_factors=k), dim=1)


def root_after_the_length(p, q, k):
    return signed_root(F.normalize(sum_pool(p * q, n_factors=k), dim=1))


def length_down_the_batch(p, q, k):
    return F.normalize(signed_root(sum_pool(p * q, n_factors=k)), dim=0)


BILINEAR = Exercise(
    name="fusion.multiply_and_pool",
    lesson="32",
    title="Multiply what two vectors say",
    stars=2,
    minutes=10,
    reference=multiply_and_pool,
    cases=(wide_rows, two_factors, one_factor, some_are_zero),
    mistakes=(
        Mistake(factors_and_outputs_swapped, "Six columns, k = 2: which columns belong to the first output? "
                "Right shapes prove nothing when both numbers divide."),
        Mistake(added, "Set q to zero. A product would leave nothing of p."),
        Mistake(pooled_before, "With k = 2: p1 q1 + p2 q2. Does yours hold p1 q2 as well?"),
        Mistake(no_length, "How long is a row of your answer?"),
        Mistake(no_root, "Two outputs of 1 and 100 before the root: what is their ratio after it?"),
        Mistake(sign_lost, "Turn the sign of p. Should the answer stay the same?"),
        Mistake(root_without_eps, "The values are right. What is the slope of a root at 0?"),
        Mistake(root_before_the_sum, "Which comes first, the sum over k or the root?"),
        Mistake(root_after_the_length, "How long is a row of your answer, after its last step?"),
        Mistake(length_down_the_batch, "One row alone in a batch: does it look as it did in company?"),
    ),
    alternatives=(with_reshape,),
)  # fmt: skip
