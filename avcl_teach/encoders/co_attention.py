"""Co-attention: each sequence looks at the other and adds what it sees to itself."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.encoders.masks import check_mask
from avcl_teach.encoders.multi_head import MultiHeadAttention

Pair = tuple[Float[Tensor, "batch step_a dim"], Float[Tensor, "batch step_v dim"]]


def co_attend(
    a: Float[Tensor, "batch step_a dim"],
    v: Float[Tensor, "batch step_v dim"],
    *,
    mask_a: Bool[Tensor, "..."] | None = None,
    mask_v: Bool[Tensor, "..."] | None = None,
) -> Pair:
    r"""Add to each step of one sequence the mean of the other's steps, weighted by how well they agree.

    $$S = \frac{a v^\top}{\sqrt d},\qquad a' = a + \mathrm{softmax}_v(S)\, v,\qquad
      v' = v + \mathrm{softmax}_a(S)^\top a$$

    One table of scores read twice: along its rows and along its columns. On the fused kernel; the table is
    never stored. mask_a says which steps of a may be looked at, mask_v which of v (True = may); both
    broadcast to [batch, query, key]. A step that may look nowhere is left as it is.
    Shapes: a [batch, step_a, dim], v [batch, step_v, dim] -> the same. Errors: ValueError for other shapes,
    TypeError for a mask that is not Bool. Source: survey 3.1, i; without weights of its own. Lesson: 11.
    """
    check_pair(a, v)
    if a.shape[2] != v.shape[2]:
        raise ValueError(f"expected one dim on both sides, got {a.shape[2]} and {v.shape[2]}")
    check_mask(mask_v, (len(a), a.shape[1], v.shape[1]))
    check_mask(mask_a, (len(a), v.shape[1], a.shape[1]))
    seen = F.scaled_dot_product_attention(a, v, v, attn_mask=mask_v)
    heard = F.scaled_dot_product_attention(v, a, a, attn_mask=mask_a)
    return a + seen, v + heard


class CoAttention(nn.Module):
    r"""Let sound look at picture and picture at sound, both with their own projections, and add it.

    $$a' = a + \mathrm{MHA}_{av}(a, v),\qquad v' = v + \mathrm{MHA}_{va}(v, a)$$

    Queries come from the sequence that is encoded, keys and values from its context. With residual=False a'
    holds nothing but context. Two `MultiHeadAttention`, so the weights of two `nn.MultiheadAttention` load
    here, and no table of scores is stored.
    Shapes: a [batch, step_a, dim], v [batch, step_v, dim_v] -> the same; dim_v is dim unless it is given.
    mask_v (which steps of v each step of a may look at) broadcasts to [batch, head, step_a, step_v], mask_a
    the other way round. Errors: as `MultiHeadAttention`. Source: survey 3.1, i. Lesson: 11.
    """

    def __init__(
        self,
        dim: int,
        n_heads: int,
        *,
        dim_v: int | None = None,
        residual: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        dim_v = dim if dim_v is None else dim_v
        self.residual = residual
        self.to_a = MultiHeadAttention(dim, n_heads, dim_context=dim_v, dropout=dropout)
        self.to_v = MultiHeadAttention(dim_v, n_heads, dim_context=dim, dropout=dropout)

    def forward(
        self,
        a: Float[Tensor, "batch step_a dim"],
        v: Float[Tensor, "batch step_v dim_v"],
        *,
        mask_a: Bool[Tensor, "..."] | None = None,
        mask_v: Bool[Tensor, "..."] | None = None,
    ) -> tuple[Float[Tensor, "batch step_a dim"], Float[Tensor, "batch step_v dim_v"]]:
        """Return both sequences, each with what it took from the other as it was before."""
        from_v, from_a = self.to_a(a, v, mask=mask_v), self.to_v(v, a, mask=mask_a)
        return (a + from_v, v + from_a) if self.residual else (from_v, from_a)

    def attention_weights(
        self,
        a: Float[Tensor, "batch step_a dim"],
        v: Float[Tensor, "batch step_v dim_v"],
        *,
        mask_a: Bool[Tensor, "..."] | None = None,
        mask_v: Bool[Tensor, "..."] | None = None,
    ) -> tuple[Float[Tensor, "batch head step_a step_v"], Float[Tensor, "batch head step_v step_a"]]:
        """Return where a looks in v, and where v looks in a; rows sum to 1."""
        return (
            self.to_a.attention_weights(a, v, mask=mask_v),
            self.to_v.attention_weights(v, a, mask=mask_a),
        )


class ManyCoAttention(nn.Module):
    r"""Let each of many sequences look at every other one: one attention for each ordered pair.

    $$x_i' = x_i + \frac{1}{m - 1} \sum_{j \neq i} \mathrm{MHA}_{ij}(x_i, x_j)$$

    For two sequences this is `CoAttention`. m (m - 1) attentions: parameters and time grow with the square of
    the number of sequences. masks[j] says which steps of sequence j may be looked at, by anyone.
    Shapes: m sequences [batch, step_i, dim] -> the same. Errors: ValueError for fewer than 2 sequences or
    another number than was built, and as `MultiHeadAttention`. Source: survey 3.1, i ("multiple pairs of
    data"). Lesson: 11.
    """

    def __init__(self, dim: int, n_heads: int, *, n_sequences: int, dropout: float = 0.0) -> None:
        super().__init__()
        if n_sequences < 2:
            raise ValueError(f"expected at least 2 sequences, got {n_sequences}")
        self.n_sequences = n_sequences
        self.pairs = nn.ModuleDict(
            {
                f"{i}_{j}": MultiHeadAttention(dim, n_heads, dropout=dropout)
                for i in range(n_sequences)
                for j in range(n_sequences)
                if i != j
            }
        )

    def forward(
        self,
        sequences: Sequence[Float[Tensor, "batch _ dim"]],
        *,
        masks: Sequence[Bool[Tensor, "..."] | None] | None = None,
    ) -> tuple[Float[Tensor, "batch _ dim"], ...]:
        """Return all sequences, each with the mean of what it took from the others."""
        masks = [None] * self.n_sequences if masks is None else masks
        if len(sequences) != self.n_sequences or len(masks) != self.n_sequences:
            raise ValueError(
                f"expected {self.n_sequences} sequences, each with a mask or None, "
                f"got {len(sequences)} and {len(masks)}"
            )
        out = []
        for i, x in enumerate(sequences):
            others = [j for j in range(self.n_sequences) if j != i]
            taken = [self.pairs[f"{i}_{j}"](x, sequences[j], mask=masks[j]) for j in others]
            out.append(x + sum(taken[1:], taken[0]) / len(taken))
        return tuple(out)


def check_pair(a: Tensor, v: Tensor) -> None:
    """Raise ValueError unless a and v are sequences of one batch: [batch, step, dim] each."""
    if a.ndim != 3 or v.ndim != 3 or len(a) != len(v):
        raise ValueError(f"expected a and v [batch, step, dim], got {list(a.shape)} and {list(v.shape)}")
