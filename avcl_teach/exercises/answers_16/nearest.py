"""Exercise 4 of lesson 16: answer from the nearest stored keys."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def nearest_answer(
    q: Float[Tensor, "query d"],
    keys: Float[Tensor, "n d"],
    values: Float[Tensor, "n m"],
    k: int,
    tau: float,
) -> Float[Tensor, "query m"]:
    """Softmax of the k largest cosines over tau, weighing their values."""
    best, index = _cosines(q, keys).topk(min(k, len(keys)), dim=-1)
    return ((best / tau).softmax(-1)[..., None] * values[index]).sum(1)


def _cosines(q, keys):
    return F.normalize(q, dim=-1) @ F.normalize(keys, dim=-1).T


def _from(S, values, k, tau):
    best, index = S.topk(min(k, S.shape[1]), dim=-1)
    return ((best / tau).softmax(-1)[..., None] * values[index]).sum(1)


def by_filling(q, keys, values, k, tau):
    S = _cosines(q, keys)
    least = S.topk(min(k, len(keys)), dim=-1).values[:, -1:]
    return S.masked_fill(least > S, -torch.inf).div(tau).softmax(-1) @ values


def by_sorting(q, keys, values, k, tau):
    S = _cosines(q, keys)
    index = S.argsort(dim=-1, descending=True)[:, :k]
    e = torch.exp((S.gather(1, index) - 1) / tau)
    return torch.einsum("qk,qkm->qm", e / e.sum(1, keepdim=True), values[index])


def usual(g):
    return (
        torch.randn(3, 4, generator=g),
        torch.randn(7, 4, generator=g),
        torch.randn(7, 2, generator=g),
        3,
        0.3,
    )


def fewer_keys_than_k(g):
    return (
        torch.randn(4, 3, generator=g),
        torch.randn(2, 3, generator=g),
        torch.randn(2, 5, generator=g),
        5,
        0.5,
    )


def only_one(g):
    return (
        torch.randn(2, 3, generator=g),
        torch.randn(6, 3, generator=g),
        torch.randn(6, 3, generator=g),
        1,
        0.2,
    )


def keys_of_unlike_length(g):
    keys = torch.randn(6, 4, generator=g) * torch.tensor([0.2, 5.0, 1.0, 0.5, 3.0, 1.0])[:, None]
    return 2 * torch.randn(3, 4, generator=g), keys, torch.randn(6, 3, generator=g), 2, 0.4


def dot_products(q, keys, values, k, tau):
    return _from(q @ keys.T, values, k, tau)


def only_keys_normalised(q, keys, values, k, tau):
    return _from(q @ F.normalize(keys, dim=-1).T, values, k, tau)


def the_farthest(q, keys, values, k, tau):
    return _from(-_cosines(q, keys), values, k, tau)


def all_of_them(q, keys, values, k, tau):
    return (_cosines(q, keys) / tau).softmax(-1) @ values


def not_normalised_again(q, keys, values, k, tau):
    w = (_cosines(q, keys) / tau).softmax(-1)
    best, index = w.topk(min(k, len(keys)), dim=-1)
    return (best[..., None] * values[index]).sum(1)


def zeros_compete(q, keys, values, k, tau):
    S = _cosines(q, keys)
    least = S.topk(min(k, len(keys)), dim=-1).values[:, -1:]
    return torch.where(least <= S, S / tau, 0.0).softmax(-1) @ values


def plain_mean(q, keys, values, k, tau):
    S = _cosines(q, keys)
    return values[S.topk(min(k, len(keys)), dim=-1).indices].mean(1) + 0 * S.sum()


def without_temperature(q, keys, values, k, tau):
    return _from(_cosines(q, keys), values, k, 1.0)


def times_temperature(q, keys, values, k, tau):
    return _from(_cosines(q, keys), values, k, 1 / tau)


def nearest_query_of_a_key(q, keys, values, k, tau):
    S = _cosines(q, keys)
    w = (S / tau).softmax(0)
    best, index = S.topk(min(k, len(keys)), dim=-1)
    return (w.gather(1, index)[..., None] * values[index]).sum(1)


def the_newest(q, keys, values, k, tau):
    keys, values = keys[-k:], values[-k:]
    return _from(_cosines(q, keys), values, k, tau)


NEAREST = Exercise(
    name="memory.nearest_answer",
    lesson="16",
    title="Answer from the nearest",
    stars=2,
    minutes=12,
    reference=nearest_answer,
    cases=(usual, fewer_keys_than_k, only_one, keys_of_unlike_length),
    mistakes=(
        Mistake(dot_products, "Make one stored key ten times as long. Should it win more often?"),
        Mistake(only_keys_normalised, "Double the query: nothing should change, for a cosine has no length."),
        Mistake(the_farthest, "Ask with a key that is stored. Is it among those you found?"),
        Mistake(all_of_them, "Store a thousand far keys more: the answer should stay. Does it in yours?"),
        Mistake(not_normalised_again, "Let every value be 1. Then every answer should be 1. What is yours?"),
        Mistake(zeros_compete, "Let every value of the keys that are not found be huge. Do they leak in?"),
        Mistake(plain_mean, "Of the k found, does the nearest count more in yours?"),
        Mistake(without_temperature, "Try a very small tau. Does the answer come near the nearest value?"),
        Mistake(times_temperature, "A small tau should sharpen the weights. Does it flatten yours?"),
        Mistake(
            nearest_query_of_a_key,
            "Add a second query: does the answer to the first one change? Over which axis do weights add up?",
        ),
        Mistake(the_newest, "Nearest in time, or nearest in content?"),
    ),
    alternatives=(by_filling, by_sorting),
    properties=(
        properties.scale_invariant(usual, arg=0, factor=3.0, hint="A cosine does not know a query's length."),
        properties.permutation_invariant(
            usual, arg=(1, 2), dim=0, hint="The order in which things were stored should not matter here."
        ),
    ),
)
