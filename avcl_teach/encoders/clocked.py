"""A decoder that knows what time it is: cross-attention by distance in time, for events that carry time."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from avcl_teach.encoders.blocks import DecoderBlock


class ClockedAttention(nn.Module):
    r"""Attend to a memory by content and by distance from one's own time (relative keys and values).

    $$s_{ij} = \frac{q_i^\top (k_j + r^K_{j - t_i})}{\sqrt{d/h}} + b_{j - t_i},\qquad
      y_i = \sum_j \mathrm{softmax}_j(s_i)\,(v_j + r^V_{j - t_i})$$

    t_i is the step of the memory at which query i stands; distances beyond `reach` count as `reach`. The bias
    b is -slope |j - t_i| at first: one looks where one is, before anything is learnt. Shapes: x [batch,
    query, dim], memory [batch, key, dim], now Int [batch, query] -> [batch, query, dim]. Errors: ValueError
    for a dim that the heads do not divide, or other shapes. Source: Shaw et al. 2018 (relative keys and
    values), Press et al. 2022 (the slope), here across two sequences. Lesson: 38.
    """

    def __init__(self, dim: int, n_heads: int, *, reach: int = 20, slope: float = 0.3) -> None:
        super().__init__()
        if n_heads < 1 or dim % n_heads or reach < 1:
            raise ValueError(
                f"expected heads that divide dim and a reach of at least 1, got {dim}, {n_heads}"
            )
        self.n_heads, self.reach = n_heads, reach
        self.q, self.kv, self.out = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        distance = torch.arange(-reach, reach + 1)
        self.r_k = nn.Parameter(0.25 * torch.randn(n_heads, len(distance), dim // n_heads))
        self.r_v = nn.Parameter(0.5 * torch.randn(n_heads, len(distance), dim // n_heads))
        self.bias = nn.Parameter(-slope * distance.abs().float().repeat(n_heads, 1))

    def attention_weights(
        self, x: Float[Tensor, "batch query dim"], memory: Tensor, now: Int[Tensor, "batch query"]
    ) -> Float[Tensor, "batch head query key"]:
        """Return how much each query takes from each step of the memory."""
        q, k = self._heads(self.q(x)), self._heads(self.kv(memory).chunk(2, -1)[0])
        near = (q @ self.r_k.mT) * q.shape[-1] ** -0.5 + self.bias[:, None]
        place = self.place(now, memory.shape[1])[:, None].expand(-1, self.n_heads, -1, -1)
        return ((q @ k.mT) * q.shape[-1] ** -0.5 + near.gather(-1, place)).softmax(-1)

    def forward(
        self, x: Float[Tensor, "batch query dim"], memory: Tensor, now: Int[Tensor, "batch query"]
    ) -> Float[Tensor, "batch query dim"]:
        """Return what was attended to: contents, and how far away they were."""
        if x.shape[:2] != now.shape or memory.shape[::2] != x.shape[::2]:
            raise ValueError(
                f"expected a time for each query and one dim, got {list(x.shape)}, {list(memory.shape)} and "
                f"times {list(now.shape)}"
            )
        A = self.attention_weights(x, memory, now)
        place = self.place(now, memory.shape[1])[:, None].expand_as(A)
        far = A.new_zeros(*A.shape[:3], 2 * self.reach + 1).scatter_add(-1, place, A)
        y = A @ self._heads(self.kv(memory).chunk(2, -1)[1]) + far @ self.r_v
        return self.out(y.transpose(1, 2).flatten(2))

    def place(self, now: Int[Tensor, "batch query"], n_keys: int) -> Int[Tensor, "batch query key"]:
        """Return which row of the tables each distance has: 0 ... 2 reach."""
        distance = torch.arange(n_keys, device=now.device) - now[..., None]
        return distance.clamp(-self.reach, self.reach) + self.reach

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)


class ClockedBlock(DecoderBlock):
    r"""Mix the past of a sequence, look up a memory around one's own time, then change each position.

    As `DecoderBlock`, with `ClockedAttention` in place of its cross-attention. Lesson: 38.
    """

    def __init__(self, dim: int, n_heads: int, *, reach: int = 20, **block) -> None:
        super().__init__(dim, n_heads, **block)
        self.multihead_attn = ClockedAttention(dim, n_heads, reach=reach)

    def forward(
        self,
        x: Float[Tensor, "batch position dim"],
        memory: Float[Tensor, "batch key dim"],
        now: Int[Tensor, "batch position"],
        *,
        rotate: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "batch position dim"]:
        """Return the sequence after one block; position i stands at step now[:, i] of the memory."""
        x = self.residual(x, lambda y: self.self_attn(y, causal=True, rotate=rotate), self.norm1)
        x = self.residual(x, lambda y: self.multihead_attn(y, memory, now), self.norm2)
        return self.residual(x, self.feed, self.norm3)
