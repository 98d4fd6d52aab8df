"""Scores that learn, and pools that turn a sequence into one vector: attention with weights of its own."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.encoders.attention import (
    additive_scores,
    attention_weights,
    bilinear_scores,
    dot_scores,
    scaled_dot_scores,
)


class DotScore(nn.Module):
    r"""Project queries and keys to one width, then take dot products: $s_{ij} = (W_q q_i)^\top W_k k_j$.

    Shapes: q [batch, query, dim_q], k [batch, key, dim_k] -> [batch, query, key]. Errors: ValueError for
    widths below 1. Lesson: 10.
    """

    def __init__(self, dim_q: int, dim_k: int, *, hidden: int = 32) -> None:
        super().__init__()
        _check_sizes(dim_q=dim_q, dim_k=dim_k, hidden=hidden)
        self.W_q, self.W_k = nn.Linear(dim_q, hidden, bias=False), nn.Linear(dim_k, hidden, bias=False)

    def forward(
        self, q: Float[Tensor, "batch query dim_q"], k: Float[Tensor, "batch key dim_k"]
    ) -> Float[Tensor, "batch query key"]:
        """Score every query against every key."""
        return dot_scores(self.W_q(q), self.W_k(k))


class ScaledDotScore(DotScore):
    r"""Project, take dot products, divide by the root of the width: $(W_q q_i)^\top W_k k_j / \sqrt d$.

    Shapes and errors: as `DotScore`. Lesson: 10.
    """

    def forward(
        self, q: Float[Tensor, "batch query dim_q"], k: Float[Tensor, "batch key dim_k"]
    ) -> Float[Tensor, "batch query key"]:
        """Score every query against every key."""
        return scaled_dot_scores(self.W_q(q), self.W_k(k))


class BilinearScore(nn.Module):
    r"""Learn the bilinear form itself: $s_{ij} = q_i^\top W k_j$, W [dim_q, dim_k].

    It starts with scores of variance 1 for entries of variance 1. Shapes and errors: as `DotScore`.
    Lesson: 10.
    """

    def __init__(self, dim_q: int, dim_k: int) -> None:
        super().__init__()
        _check_sizes(dim_q=dim_q, dim_k=dim_k)
        self.W = nn.Parameter(torch.randn(dim_q, dim_k) / (dim_q * dim_k) ** 0.5)

    def forward(
        self, q: Float[Tensor, "batch query dim_q"], k: Float[Tensor, "batch key dim_k"]
    ) -> Float[Tensor, "batch query key"]:
        """Score every query against every key."""
        return bilinear_scores(q, k, self.W)


class AdditiveScore(nn.Module):
    r"""Learn a small network of a sum: $s_{ij} = u^\top \tanh(W_q q_i + W_k k_j)$.

    Shapes and errors: as `DotScore`. Lesson: 10.
    """

    def __init__(self, dim_q: int, dim_k: int, *, hidden: int = 32) -> None:
        super().__init__()
        _check_sizes(dim_q=dim_q, dim_k=dim_k, hidden=hidden)
        self.W_q, self.W_k = nn.Linear(dim_q, hidden, bias=False), nn.Linear(dim_k, hidden, bias=False)
        self.u = nn.Parameter(torch.randn(hidden) / hidden**0.5)

    def forward(
        self, q: Float[Tensor, "batch query dim_q"], k: Float[Tensor, "batch key dim_k"]
    ) -> Float[Tensor, "batch query key"]:
        """Score every query against every key."""
        return additive_scores(q, k, self.W_q.weight, self.W_k.weight, self.u)


class AttentionPool(nn.Module):
    r"""Pool a sequence into one vector, with weights that it learns to give: dynamic pooling.

    $$\alpha_t = \mathrm{softmax}_t\big(\lambda\, u^\top \tanh(W h_t)\big),\qquad y = \sum_t \alpha_t h_t$$

    An additive score whose query is fixed: nothing but u and W says what matters. $\lambda$ (`sharpness`)
    bounds how sure it can be: no score exceeds $\lambda \sum |u|$. Shapes: x [batch, position, dim], mask
    [batch, position] or that of `padding_mask` -> [batch, dim]. Errors: ValueError for other shapes,
    TypeError for a mask that is not Bool. Source: Zhang, Wang and Du 2019 (pooling before the fusion; the
    form is from memory). Lesson: 10.
    """

    def __init__(self, dim: int, *, hidden: int = 32, sharpness: float = 1.0) -> None:
        super().__init__()
        _check_sizes(dim=dim, hidden=hidden)
        self.sharpness = sharpness
        self.W, self.u = nn.Linear(dim, hidden, bias=False), nn.Parameter(torch.randn(hidden) / hidden**0.5)

    def weights(
        self, x: Float[Tensor, "batch position dim"], mask: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, "batch position"]:
        """Return the weight of each position."""
        _check_sequence(x, self.W.in_features)
        return attention_weights(self.sharpness * (torch.tanh(self.W(x)) @ self.u), _flat(mask, x))

    def forward(
        self, x: Float[Tensor, "batch position dim"], mask: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """Return the weighted sum of all positions."""
        return _weighted_sum(self.weights(x, mask), x)


class QueryPool(nn.Module):
    r"""Pool a sequence as a query from elsewhere asks, say a picture of a sequence of sounds.

    $$\alpha_t = \mathrm{softmax}_t\, s(q, h_t),\qquad y = \sum_t \alpha_t h_t$$

    `score`: any module that maps q [batch, 1, dim_q] and k [batch, key, dim_k] to [batch, 1, key]. Shapes:
    query [batch, dim_q], x [batch, position, dim], values [batch, position, dim_v] (default: x), mask as in
    `AttentionPool` -> [batch, dim_v]. Errors: as `AttentionPool`. Source: survey 3.1. Lesson: 10.
    """

    def __init__(self, score: nn.Module) -> None:
        super().__init__()
        self.score = score

    def weights(
        self,
        query: Float[Tensor, "batch dim_q"],
        x: Float[Tensor, "batch position dim"],
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch position"]:
        """Return the weight of each position for its row's query."""
        if query.ndim != 2 or len(query) != len(x):
            raise ValueError(f"expected a query [{len(x)}, dim_q], got {list(query.shape)}")
        _check_sequence(x, x.shape[-1])
        return attention_weights(self.score(query[:, None], x)[:, 0], _flat(mask, x))

    def forward(
        self,
        query: Float[Tensor, "batch dim_q"],
        x: Float[Tensor, "batch position dim"],
        *,
        values: Float[Tensor, "batch position dim_v"] | None = None,
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch dim_v"]:
        """Return the weighted sum of the values."""
        return _weighted_sum(self.weights(query, x, mask), x if values is None else values)


def _weighted_sum(weights: Tensor, x: Tensor) -> Tensor:
    if x.shape[:2] != weights.shape:
        raise ValueError(f"expected values {list(weights.shape)} and a width, got {list(x.shape)}")
    return (weights[:, None].to(x.dtype) @ x)[:, 0]


def _flat(mask: Tensor | None, x: Tensor) -> Tensor | None:
    """Bring a mask [batch, position], or [batch, 1, 1, position], to the first of the two."""
    if mask is not None and mask.numel() != x.shape[0] * x.shape[1]:
        raise ValueError(f"expected a mask {list(x.shape[:2])}, got {list(mask.shape)}")
    return None if mask is None else mask.reshape(x.shape[:2])


def _check_sequence(x: Tensor, dim: int) -> None:
    if x.ndim != 3 or x.shape[2] != dim:
        raise ValueError(f"expected x [batch, position, {dim}], got {list(x.shape)}")


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"expected {name} >= 1, got {size}")
