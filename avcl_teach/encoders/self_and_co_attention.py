"""Self-attention within each modality and co-attention between them, in one block."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.encoders.co_attention import CoAttention, check_pair
from avcl_teach.encoders.multi_head import MultiHeadAttention


class SelfAndCoAttention(nn.Module):
    r"""Look within each modality, then across: intra-modal relations first, inter-modal ones after.

    $$m \leftarrow m + \mathrm{MHA}_{mm}(\mathrm{LN}(m)),\qquad
      (a, v) \leftarrow (a, v) + \mathrm{CoMHA}(\mathrm{LN}(a), \mathrm{LN}(v))$$

    for $m \in \{a, v\}$. (The survey calls self-attention "inter-modal"; it is intra-modal.)
    Shapes: a [batch, step_a, dim], v [batch, step_v, dim] -> the same. mask_a and mask_v say which steps of
    a and of v may be looked at, by both modalities; they broadcast to [batch, head, query, key] of all four
    attentions, [batch, 1, 1, step] for padding. Errors: as `CoAttention`.
    Source: Cheng et al. 2020, whose three modules are known by name; layers are a reconstruction. Survey
    3.1, ii. Lesson: 11.
    """

    def __init__(self, dim: int, n_heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.within_a = MultiHeadAttention(dim, n_heads, dropout=dropout)
        self.within_v = MultiHeadAttention(dim, n_heads, dropout=dropout)
        self.across = CoAttention(dim, n_heads, residual=False, dropout=dropout)
        self.norm_a, self.norm_v = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.norm_across_a, self.norm_across_v = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(
        self,
        a: Float[Tensor, "batch step_a dim"],
        v: Float[Tensor, "batch step_v dim"],
        *,
        mask_a: Bool[Tensor, "..."] | None = None,
        mask_v: Bool[Tensor, "..."] | None = None,
    ) -> tuple[Float[Tensor, "batch step_a dim"], Float[Tensor, "batch step_v dim"]]:
        """Return both modalities after one block."""
        check_pair(a, v)
        a = a + self.within_a(self.norm_a(a), mask=mask_a)
        v = v + self.within_v(self.norm_v(v), mask=mask_v)
        to_a, to_v = self.across(self.norm_across_a(a), self.norm_across_v(v), mask_a=mask_a, mask_v=mask_v)
        return a + to_a, v + to_v
