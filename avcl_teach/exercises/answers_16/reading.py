"""Exercise 1 of lesson 16: read a memory by content."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def read_by_content(
    q: Float[Tensor, "query d"], keys: Float[Tensor, "slot d"], values: Float[Tensor, "slot m"]
) -> Float[Tensor, "query m"]:
    """Mean of the values, weighted by softmax(q k / sqrt d) over the slots."""
    return (q @ keys.T / keys.shape[1] ** 0.5).softmax(-1) @ values


def by_fused_attention(q, keys, values):
    return F.scaled_dot_product_attention(q[None], keys[None], values[None])[0]


def by_loop(q, keys, values):
    reads = []
    for one in q:
        s = (keys * one).sum(1) / keys.shape[1] ** 0.5
        reads.append((torch.exp(s - s.logsumexp(0))[:, None] * values).sum(0))
    return torch.stack(reads)


def several_queries(g):
    return torch.randn(3, 4, generator=g), torch.randn(5, 4, generator=g), torch.randn(5, 2, generator=g)


def more_queries_than_slots(g):
    return torch.randn(6, 3, generator=g), torch.randn(2, 3, generator=g), torch.randn(2, 5, generator=g)


def one_slot(g):
    return torch.randn(2, 3, generator=g), torch.randn(1, 3, generator=g), torch.randn(1, 4, generator=g)


def far_apart(g):
    return (
        6 * torch.randn(2, 4, generator=g),
        6 * torch.randn(3, 4, generator=g),
        torch.randn(3, 3, generator=g),
    )


def _scores(q, keys):
    return q @ keys.T / keys.shape[1] ** 0.5


def queries_share_a_slot(q, keys, values):
    return _scores(q, keys).softmax(0) @ values


def without_the_root(q, keys, values):
    return (q @ keys.T).softmax(-1) @ values


def divided_by_d(q, keys, values):
    return (q @ keys.T / keys.shape[1]).softmax(-1) @ values


def root_of_the_slots(q, keys, values):
    return (q @ keys.T / len(keys) ** 0.5).softmax(-1) @ values


def root_of_the_values(q, keys, values):
    return (q @ keys.T / values.shape[1] ** 0.5).softmax(-1) @ values


def weights_that_do_not_add_up(q, keys, values):
    return _scores(q, keys) @ values


def sigmoid_weights(q, keys, values):
    return _scores(q, keys).sigmoid() @ values


def only_the_best(q, keys, values):
    return values[_scores(q, keys).argmax(-1)]


def by_cosine(q, keys, values):
    return _scores(F.normalize(q, dim=-1), F.normalize(keys, dim=-1)).softmax(-1) @ values


def the_farthest(q, keys, values):
    return (-_scores(q, keys)).softmax(-1) @ values


def the_plain_mean(q, keys, values):
    return values.mean(0).expand(len(q), -1) + 0 * q.sum() + 0 * keys.sum()


def one_softmax_over_the_table(q, keys, values):
    s = _scores(q, keys)
    return s.flatten().softmax(0).view_as(s) @ values


READING = Exercise(
    name="memory.read_by_content",
    lesson="16",
    title="Read a memory by content",
    stars=1,
    minutes=8,
    reference=read_by_content,
    cases=(several_queries, more_queries_than_slots, one_slot, far_apart),
    mistakes=(
        Mistake(
            queries_share_a_slot,
            "Ask a second question: does the answer to the first one change? Which axis of the table should "
            "add up to 1?",
        ),
        Mistake(without_the_root, "The scores grow with the length of a key. What takes that out again?"),
        Mistake(divided_by_d, "A sum of d products of independent numbers spreads like which power of d?"),
        Mistake(
            root_of_the_slots, "You scale by the number of slots. Which length made the dot product large?"
        ),
        Mistake(root_of_the_values, "Does a score know how long a value is?"),
        Mistake(weights_that_do_not_add_up, "Store one value in every slot. What should any query read?"),
        Mistake(sigmoid_weights, "Store the same value in all slots, then add a slot. Does your read grow?"),
        Mistake(
            only_the_best, "A query between two keys: one value, or some of both? Where is the gradient?"
        ),
        Mistake(by_cosine, "Double the query: the formula reads more sharply then. Does yours?"),
        Mistake(the_farthest, "Ask for a key that is stored. Which slot has most to say in yours?"),
        Mistake(the_plain_mean, "Ask two different questions. Do you get two answers?"),
        Mistake(one_softmax_over_the_table, "Take one row of your weights alone. What does it add up to?"),
    ),
    alternatives=(by_fused_attention, by_loop),
    properties=(
        properties.permutation_equivariant(
            several_queries, hint="Queries do not see each other: their order is that of the answers."
        ),
    ),
)
