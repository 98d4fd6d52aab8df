"""The blocks transformers are stacked from: attention and a small network a position, each with a detour."""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.encoders.multi_head import MultiHeadAttention


class _FeedForward(nn.Module):
    """Hold what both blocks share: the network of each position and where the norms stand."""

    def __init__(
        self,
        dim: int,
        n_heads: int,
        hidden: int | None,
        dropout: float,
        norm_first: bool,
        activation: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.norm_first, self.activation = norm_first, activation
        self.self_attn = MultiHeadAttention(dim, n_heads, dropout=dropout)
        hidden = 4 * dim if hidden is None else hidden
        self.linear1, self.linear2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def feed(self, x: Float[Tensor, "batch position dim"]) -> Float[Tensor, "batch position dim"]:
        """Apply the same small network to every position: W_2 act(W_1 x + b_1) + b_2."""
        return self.dropout(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def residual(self, x: Tensor, change: Callable[[Tensor], Tensor], norm: nn.Module) -> Tensor:
        """Add a change to x, with the norm before it (pre-norm) or after the sum (post-norm)."""
        return x + change(norm(x)) if self.norm_first else norm(x + change(x))


class TransformerBlock(_FeedForward):
    r"""Mix positions by attention, then change each position by a small network.

    $$x \leftarrow x + \mathrm{MHA}(\mathrm{LN}(x)),\qquad x \leftarrow x + \mathrm{FF}(\mathrm{LN}(x))$$

    with `norm_first` (pre-norm, the default; deep stacks train without warm-up, Xiong et al. 2020); without
    it the norm follows the sum, as in Vaswani et al. 2017. Parameters bear the names of
    `nn.TransformerEncoderLayer`: its `state_dict` loads here, and ours there.
    Shapes: x [batch, position, dim] -> the same. Errors: as `MultiHeadAttention`. Lesson: 12.
    """

    def __init__(
        self,
        dim: int,
        n_heads: int,
        *,
        hidden: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        activation: Callable[[Tensor], Tensor] = F.gelu,
    ) -> None:
        super().__init__(dim, n_heads, hidden, dropout, norm_first, activation)

    def forward(
        self,
        x: Float[Tensor, "batch position dim"],
        *,
        mask: Bool[Tensor, "..."] | None = None,
        causal: bool = False,
        rotate: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "batch position dim"]:
        """Return the sequence after one block; masks as in `MultiHeadAttention`."""
        self.self_attn.check(x)

        def look(x: Tensor) -> Tensor:
            return self.dropout(self.self_attn(x, mask=mask, causal=causal, rotate=rotate))

        return self.residual(self.residual(x, look, self.norm1), self.feed, self.norm2)


class DecoderBlock(_FeedForward):
    r"""Mix the past of a sequence, look up a memory from elsewhere, then change each position.

    $$x \leftarrow x + \mathrm{MHA}_{causal}(\mathrm{LN}(x)),\quad
      x \leftarrow x + \mathrm{MHA}(\mathrm{LN}(x), m),\quad x \leftarrow x + \mathrm{FF}(\mathrm{LN}(x))$$

    Queries come from the decoder, keys and values from the memory m, the encoder's output (the survey words
    it the other way round). Parameters bear the names of `nn.TransformerDecoderLayer`.
    Shapes: x [batch, position, dim], memory [batch, key, dim_memory] -> [batch, position, dim].
    Errors: as `MultiHeadAttention`. Source: Vaswani et al. 2017; survey 3.1, iii. Lesson: 12.
    """

    def __init__(
        self,
        dim: int,
        n_heads: int,
        *,
        dim_memory: int | None = None,
        hidden: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        activation: Callable[[Tensor], Tensor] = F.gelu,
    ) -> None:
        super().__init__(dim, n_heads, hidden, dropout, norm_first, activation)
        self.multihead_attn = MultiHeadAttention(dim, n_heads, dim_context=dim_memory, dropout=dropout)
        self.norm3 = nn.LayerNorm(dim)

    def forward(
        self,
        x: Float[Tensor, "batch position dim"],
        memory: Float[Tensor, "batch key dim_memory"],
        *,
        mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        causal: bool = True,
        rotate: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "batch position dim"]:
        """Return the sequence after one block; `mask` is over x, `memory_mask` over the memory."""
        self.self_attn.check(x)

        def past(x: Tensor) -> Tensor:
            return self.dropout(self.self_attn(x, mask=mask, causal=causal, rotate=rotate))

        def look_up(x: Tensor) -> Tensor:
            return self.dropout(self.multihead_attn(x, memory, mask=memory_mask))

        x = self.residual(self.residual(x, past, self.norm1), look_up, self.norm2)
        return self.residual(x, self.feed, self.norm3)
