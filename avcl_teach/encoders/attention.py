r"""Attention: scores of queries against keys, a softmax over the keys, a weighted sum of values.

Sequences of any two lengths go together; widths must agree where a score says so. Masks are Bool, True = may
look, and broadcast to the scores [..., query, key]: `padding_mask(lengths, n)[:, 0]` for [batch, query, key].
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.encoders.masks import check_mask


def dot_scores(
    q: Float[Tensor, "*batch query dim"], k: Float[Tensor, "*batch key dim"]
) -> Float[Tensor, "*batch query key"]:
    r"""Score by the dot product: $s_{ij} = q_i^\top k_j$.

    Of unit-variance entries its variance is the width: the wider, the harder the softmax. Errors: ValueError
    for unequal widths. Source: Luong et al. 2015; survey 3.1. Lesson: 10.
    """
    _check_widths((q.shape[-1],), (k.shape[-1],), "queries and keys of one width")
    return q @ k.mT


def scaled_dot_scores(
    q: Float[Tensor, "*batch query dim"], k: Float[Tensor, "*batch key dim"]
) -> Float[Tensor, "*batch query key"]:
    r"""Score by the scaled dot product: $s_{ij} = q_i^\top k_j / \sqrt d$, d the width.

    Errors: as `dot_scores`. Source: Vaswani et al. 2017, section 3.2.1; survey 3.1. Lesson: 10.
    """
    return dot_scores(q, k) / q.shape[-1] ** 0.5


def bilinear_scores(
    q: Float[Tensor, "*batch query dim_q"],
    k: Float[Tensor, "*batch key dim_k"],
    W: Float[Tensor, "dim_q dim_k"],
) -> Float[Tensor, "*batch query key"]:
    r"""Score by a bilinear form: $s_{ij} = q_i^\top W k_j$; the widths may differ.

    Errors: ValueError for a W of other widths. Source: Luong et al. 2015 ("general"). Lesson: 10.
    """
    _check_widths(W.shape, (q.shape[-1], k.shape[-1]), "W [dim_q, dim_k] for the widths of q and k")
    return q @ W @ k.mT


def additive_scores(
    q: Float[Tensor, "*batch query dim_q"],
    k: Float[Tensor, "*batch key dim_k"],
    W_q: Float[Tensor, "hidden dim_q"],
    W_k: Float[Tensor, "hidden dim_k"],
    u: Float[Tensor, "hidden"],
) -> Float[Tensor, "*batch query key"]:
    r"""Score by a small network of a sum: $s_{ij} = u^\top \tanh(W_q q_i + W_k k_j)$.

    The widths may differ, as may the lengths (the survey: "addition requires inputs with equal length"; what
    must be equal is the width after projection, and a dot product needs that too). No score exceeds
    $\sum_h |u_h|$. Makes a tensor [..., query, key, hidden]. Errors: ValueError for projections of other
    widths. Source: Bahdanau et al. 2015; survey 3.1. Lesson: 10.
    """
    h = u.shape[0]
    _check_widths(W_q.shape, (h, q.shape[-1]), "W_q [hidden, dim_q] for the widths of u and q")
    _check_widths(W_k.shape, (h, k.shape[-1]), "W_k [hidden, dim_k] for the widths of u and k")
    return torch.tanh((q @ W_q.mT)[..., :, None, :] + (k @ W_k.mT)[..., None, :, :]) @ u


def attention_weights(
    scores: Float[Tensor, "*batch query key"], mask: Bool[Tensor, "..."] | None = None
) -> Float[Tensor, "*batch query key"]:
    r"""Turn scores into weights by a softmax over the keys that a query may look at.

    $$\alpha_{ij} = e^{s_{ij}} \Big/ \sum_{j' \in J_i} e^{s_{ij'}}\ \text{ for } j \in J_i,\ \text{ else } 0$$

    $J_i$: the keys that query i may look at. Rows sum to 1, or to 0 where nothing may be seen. Errors:
    ValueError for a mask that does not broadcast to the scores, TypeError for one that is not Bool.
    Lesson: 10.

    >>> attention_weights(torch.zeros(1, 4), torch.tensor([True, True, False, False])).tolist()
    [[0.5, 0.5, 0.0, 0.0]]
    """
    if mask is None:
        return scores.softmax(-1)
    check_mask(mask, tuple(scores.shape))
    # the least number in place of -inf: a row without keys gives 0 times a finite number, not NaN
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask


def attend(
    scores: Float[Tensor, "*batch query key"],
    values: Float[Tensor, "*batch key dim_v"],
    mask: Bool[Tensor, "..."] | None = None,
) -> Float[Tensor, "*batch query dim_v"]:
    r"""Pool the values as the scores say: $y_i = \sum_j \alpha_{ij} v_j$, the survey's dynamic weighted sum.

    A query that may look nowhere gets zeros. Errors: as `attention_weights`, and ValueError for another
    number of values than keys. Source: survey 3.1. Lesson: 10.
    """
    _check_widths((scores.shape[-1],), (values.shape[-2],), "one value a key")
    return attention_weights(scores, mask).to(values.dtype) @ values


def attend_fused(
    q: Float[Tensor, "*batch query dim"],
    k: Float[Tensor, "*batch key dim"],
    values: Float[Tensor, "*batch key dim_v"],
    mask: Bool[Tensor, "..."] | None = None,
    *,
    scale: float | None = None,
) -> Float[Tensor, "*batch query dim_v"]:
    r"""Return `attend(scaled_dot_scores(q, k), values, mask)` by PyTorch's fused kernel.

    No [query, key] matrix is stored, whatever the width of the values. `scale` stands in for $1/\sqrt d$: 1
    gives dot scores, and with q W for q bilinear ones; additive scores have no such path. Shapes: q [query,
    dim], [batch, query, dim] or [batch, head, query, dim]. Errors: as `attend`. Lesson: 10.
    """
    _check_widths((q.shape[-1],), (k.shape[-1],), "queries and keys of one width")
    _check_widths((k.shape[-2],), (values.shape[-2],), "one value a key")
    check_mask(mask, (*q.shape[:-1], k.shape[-2]))
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    n_dims, dim_v, width = q.ndim, values.shape[-1], max(q.shape[-1], values.shape[-1])
    shape = (*q.shape[:-1], dim_v)
    # the kernels that store no matrix ask for [batch, head, position, width], all of one width
    q, k, values = (_four(F.pad(x, (0, width - x.shape[-1])), n_dims) for x in (q, k, values))
    mask = None if mask is None else _four(mask, n_dims)
    y = F.scaled_dot_product_attention(q, k, values, attn_mask=mask, scale=scale)
    return y[..., :dim_v].reshape(shape)


def _check_widths(one: tuple[int, ...], other: tuple[int, ...], wanted: str) -> None:
    if tuple(one) != tuple(other):
        raise ValueError(f"expected {wanted}, got {list(one)} and {list(other)}")


def _four(x: Tensor, n_dims: int) -> Tensor:
    """View a tensor of n_dims dimensions (leading ones may be left out) as [batch, head, row, column]."""
    x = x[(None,) * (n_dims - x.ndim)]
    return x[None, None] if n_dims == 2 else x[:, None] if n_dims == 3 else x
