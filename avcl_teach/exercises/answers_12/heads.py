"""Exercise 1 of lesson 12: several heads of masked attention."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def multi_head(
    q: Float[Tensor, "batch query dim"],
    k: Float[Tensor, "batch key dim"],
    v: Float[Tensor, "batch key dim"],
    mask: Bool[Tensor, "query key"],
    n_heads: int,
) -> Float[Tensor, "batch query dim"]:
    """Attend in n_heads slices of the width, side by side; mask: True = may look."""
    q, k, v = (_heads(x, n_heads) for x in (q, k, v))
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf)
    return _join(scores.softmax(-1) @ v)


def _heads(x, n_heads):
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)


def _join(y):
    return y.transpose(1, 2).flatten(2)


def _scores(q, k, mask):
    return (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf)


def by_loop(q, k, v, mask, n_heads):
    out = []
    for parts in zip(*(x.chunk(n_heads, dim=-1) for x in (q, k, v)), strict=True):
        a, b, c = parts
        scores = torch.einsum("bqd,bkd->bqk", a, b) / a.shape[-1] ** 0.5
        out.append(torch.where(mask, scores, -torch.inf).softmax(-1) @ c)
    return torch.cat(out, dim=-1)


def by_fused_kernel(q, k, v, mask, n_heads):
    q, k, v = (_heads(x, n_heads) for x in (q, k, v))
    return _join(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))


def _case(g, b, n, m, dim, h):
    mask = torch.rand(n, m, generator=g) < 0.6
    mask[:, 0] = True
    q, k, v = (2 * torch.randn(b, size, dim, generator=g) for size in (n, m, m))
    return q, k, v, mask, h


def a_context_of_another_length(g):
    return _case(g, 2, 3, 5, 6, 2)


def causal(g):
    q, k, v, _, h = _case(g, 2, 4, 4, 12, 3)
    return q, k, v, torch.ones(4, 4).tril().bool(), h


def one_head(g):
    return _case(g, 1, 3, 4, 4, 1)


def nothing_hidden(g):
    q, k, v, mask, h = _case(g, 2, 4, 6, 8, 4)
    return q, k, v, torch.ones_like(mask), h


def scaled_by_the_whole_width(q, k, v, mask, n_heads):
    return multi_head(q / n_heads**0.5, k, v, mask, n_heads)


def no_scale(q, k, v, mask, n_heads):
    return multi_head(q * (q.shape[-1] / n_heads) ** 0.5, k, v, mask, n_heads)


def divided_by_the_width(q, k, v, mask, n_heads):
    return multi_head(q / (q.shape[-1] / n_heads) ** 0.5, k, v, mask, n_heads)


def softmax_over_queries(q, k, v, mask, n_heads):
    q, k, v = (_heads(x, n_heads) for x in (q, k, v))
    return _join(_scores(q, k, mask).softmax(-2).nan_to_num() @ v)


def softmax_over_heads(q, k, v, mask, n_heads):
    q, k, v = (_heads(x, n_heads) for x in (q, k, v))
    return _join(_scores(q, k, mask).softmax(1).nan_to_num() @ v)


def masked_after_the_softmax(q, k, v, mask, n_heads):
    q, k, v = (_heads(x, n_heads) for x in (q, k, v))
    return _join((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * mask @ v)


def masked_with_zero(q, k, v, mask, n_heads):
    q, k, v = (_heads(x, n_heads) for x in (q, k, v))
    return _join((q @ k.mT / q.shape[-1] ** 0.5 * mask).softmax(-1) @ v)


def mask_upside_down(q, k, v, mask, n_heads):
    q, k, v = (_heads(x, n_heads) for x in (q, k, v))
    return _join(_scores(q, k, ~mask).softmax(-1).nan_to_num() @ v)


def no_mask(q, k, v, mask, n_heads):
    return multi_head(q, k, v, torch.ones_like(mask), n_heads)


def reshaped_without_transposing(q, k, v, mask, n_heads):
    q, k, v = (x.reshape(len(x), n_heads, x.shape[1], -1) for x in (q, k, v))
    return _join(_scores(q, k, mask).softmax(-1) @ v)


def joined_without_transposing(q, k, v, mask, n_heads):
    shape = q.shape
    q, k, v = (_heads(x, n_heads) for x in (q, k, v))
    return (_scores(q, k, mask).softmax(-1) @ v).reshape(shape)


def every_nth_feature(q, k, v, mask, n_heads):
    q, k, v = (x.unflatten(-1, (-1, n_heads)).permute(0, 3, 1, 2) for x in (q, k, v))
    return (_scores(q, k, mask).softmax(-1) @ v).permute(0, 2, 3, 1).flatten(2)


def one_head_only(q, k, v, mask, n_heads):
    return multi_head(q, k, v, mask, 1)


HEADS = Exercise(
    name="transformers.multi_head",
    lesson="12",
    title="Split attention into heads",
    stars=2,
    minutes=12,
    reference=multi_head,
    cases=(a_context_of_another_length, causal, one_head, nothing_hidden),
    mistakes=(
        Mistake(
            scaled_by_the_whole_width,
            "How many products are summed in one score of one head? Is it that number whose root you take?",
        ),
        Mistake(no_scale, "Your scores grow with the width of a head. What keeps them near size 1?"),
        Mistake(divided_by_the_width, "Scores are scaled once too often: by the width, or by its root?"),
        Mistake(softmax_over_queries, "What sums to 1 in yours: a query's weights, or a key's?"),
        Mistake(softmax_over_heads, "Do the heads share one whole in yours? Each should spend its own."),
        Mistake(
            masked_after_the_softmax,
            "Add up a query's weights after your mask. What has become of the share of the hidden keys?",
        ),
        Mistake(
            masked_with_zero, "A score of 0 is no refusal: what weight does e to the power of 0 still get?"
        ),
        Mistake(mask_upside_down, "True means: may look. Who may look in yours?"),
        Mistake(no_mask, "Change the mask and nothing else. Does your answer change?"),
        Mistake(
            reshaped_without_transposing,
            "Which numbers make up your first head: features of every position, or the first positions?",
        ),
        Mistake(
            joined_without_transposing,
            "The heads are right. In which order do the axes lie when you flatten them into one width?",
        ),
        Mistake(
            every_nth_feature,
            "Head 1 owns the first slice of the features. Yours takes every n-th feature instead.",
        ),
        Mistake(one_head_only, "Change the number of heads. Does your answer change?"),
    ),
    alternatives=(by_loop, by_fused_kernel),
    properties=(
        properties.permutation_equivariant(
            nothing_hidden, dim_in=1, dim_out=1, hint="Where nothing is hidden, order must not matter."
        ),
        properties.batch_independent(nothing_hidden, arg=(0, 1, 2)),
    ),
)
