"""Multi-head attention: h scaled dot products side by side, on the fused kernel."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.encoders.attention import attention_weights, scaled_dot_scores
from avcl_teach.encoders.masks import causal_mask, check_mask


class MultiHeadAttention(nn.Module):
    r"""Attend with h heads, of a sequence to itself or to a context from elsewhere.

    $$\mathrm{head}_k = \mathrm{softmax}\!\left(\frac{Q_k K_k^\top}{\sqrt{d/h}}\right) V_k,\qquad
      y = W_o\,[\mathrm{head}_1; \dots; \mathrm{head}_h] + b_o$$

    with $Q = x W_q^\top + b_q$, and K and V made of the context in the same way. Parameters bear the names of
    `nn.MultiheadAttention`: its `state_dict` loads here, and ours there. Without dropout the weights of
    attention are never stored, and memory grows with the length, not with its square;
    `attention_weights` computes them where they are wanted.
    Shapes: x [batch, query, dim], context [batch, key, dim_context] (default: x) -> [batch, query, dim].
    Errors: ValueError for a dim that the heads do not divide, for other shapes, and for `causal` with a
    context; TypeError for a mask that is not Bool. A query that may look nowhere gets b_o.
    Source: Vaswani et al. 2017, section 3.2; survey 3.1, ii. Lesson: 12.
    """

    def __init__(
        self,
        dim: int,
        n_heads: int,
        *,
        dim_context: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if n_heads < 1 or dim < 1 or dim % n_heads:
            raise ValueError(f"expected a dim that n_heads divides, got {dim} and {n_heads}")
        if not 0 <= dropout < 1:
            raise ValueError(f"expected dropout in [0, 1), got {dropout}")
        self.dim, self.n_heads, self.dropout = dim, n_heads, dropout
        self.dim_context = dim if dim_context is None else dim_context
        if self.dim_context == dim:
            self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        else:
            self.q_proj_weight = nn.Parameter(torch.empty(dim, dim))
            self.k_proj_weight = nn.Parameter(torch.empty(dim, self.dim_context))
            self.v_proj_weight = nn.Parameter(torch.empty(dim, self.dim_context))
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)
        self.register_parameter("in_proj_bias", nn.Parameter(torch.zeros(3 * dim)) if bias else None)
        self.out_proj = nn.Linear(dim, dim, bias=bias)
        if bias:
            nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        x: Float[Tensor, "batch query dim"],
        context: Float[Tensor, "batch key dim_context"] | None = None,
        *,
        mask: Bool[Tensor, "..."] | None = None,
        causal: bool = False,
        rotate: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "batch query dim"]:
        """Return the attended values; `rotate` turns queries and keys by their positions (rotary)."""
        q, k, v = self.project(x, context, rotate=rotate)
        mask, causal = self._visible(q, k, mask, causal, context)
        p = self.dropout if self.training else 0.0
        if p and not q.is_cuda:  # no fused kernel drops weights on a CPU; what stands in for it is slower
            y = F.dropout(_weights(q, k, mask, causal), p) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p, is_causal=causal)
        return self.out_proj(y.transpose(1, 2).flatten(2))

    def attention_weights(
        self,
        x: Float[Tensor, "batch query dim"],
        context: Float[Tensor, "batch key dim_context"] | None = None,
        *,
        mask: Bool[Tensor, "..."] | None = None,
        causal: bool = False,
        rotate: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "batch head query key"]:
        """Return what `forward` weighs the values with: rows sum to 1, or to 0 where nothing may be seen."""
        q, k, _ = self.project(x, context, rotate=rotate)
        return _weights(q, k, *self._visible(q, k, mask, causal, context))

    def project(
        self,
        x: Float[Tensor, "batch query dim"],
        context: Float[Tensor, "batch key dim_context"] | None = None,
        *,
        rotate: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries [batch, head, query, dim/head], keys and values [batch, head, key, dim/head]."""
        self.check(x, context)
        b, d = self.in_proj_bias, self.dim
        if self.dim_context != d:
            b_q, b_k, b_v = (None, None, None) if b is None else b.chunk(3)
            q = F.linear(x, self.q_proj_weight, b_q)
            k, v = F.linear(context, self.k_proj_weight, b_k), F.linear(context, self.v_proj_weight, b_v)
        elif context is None or context is x:
            q, k, v = F.linear(x, self.in_proj_weight, b).chunk(3, dim=-1)
        else:
            b_q, b_kv = (None, None) if b is None else (b[:d], b[d:])
            q = F.linear(x, self.in_proj_weight[:d], b_q)
            k, v = F.linear(context, self.in_proj_weight[d:], b_kv).chunk(2, dim=-1)
        q, k, v = (t.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for t in (q, k, v))
        return (q, k, v) if rotate is None else (rotate(q), rotate(k), v)

    def _visible(self, q: Tensor, k: Tensor, mask: Tensor | None, causal: bool, context: Tensor | None):
        """Join mask and causality: the kernel takes one of the two."""
        check_mask(mask, (*q.shape[:3], k.shape[2]))
        if causal and context is not None:
            raise ValueError("expected a sequence that attends to itself with causal=True, got a context")
        if causal and mask is not None:
            return mask & causal_mask(q.shape[2], device=q.device), False
        return mask, causal

    def check(self, x: Tensor, context: Tensor | None = None) -> None:
        """Raise ValueError unless x and the context have the shapes that `forward` wants."""
        if x.ndim != 3 or x.shape[2] != self.dim:
            raise ValueError(f"expected x [batch, query, {self.dim}], got {list(x.shape)}")
        if context is None:
            if self.dim_context != self.dim:
                raise ValueError(f"expected a context [batch, key, {self.dim_context}], got none")
        elif context.ndim != 3 or context.shape[2] != self.dim_context or len(context) != len(x):
            raise ValueError(
                f"expected a context [{len(x)}, key, {self.dim_context}], got {list(context.shape)}"
            )


def _weights(
    q: Tensor, k: Tensor, mask: Tensor | None, causal: bool
) -> Float[Tensor, "batch head query key"]:
    """Return the weights of every head; `causal` comes without a mask."""
    mask = causal_mask(q.shape[2], device=q.device) if causal else mask
    return attention_weights(scaled_dot_scores(q, k), mask)
