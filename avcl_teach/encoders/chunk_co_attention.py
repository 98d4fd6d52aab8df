"""Co-attention between chunks of two views that singles out the chunks that agree."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class ChunkCoAttention(nn.Module):
    r"""Weigh the chunks of each view by how they agree with the other view's, and sum them to one code.

    $$A = \tanh(z_1 W z_2^\top),\quad H_1 = \tanh(z_1 W_1 + A\, z_2 W_2),\quad
      H_2 = \tanh(z_2 W_2 + A^\top z_1 W_1),\quad s_m = \mathrm{softmax}(H_m w_m)$$

    and the code of view m is $\sum_k s_{m,k} z_{m,k}$. One affinity table serves both views.
    Shapes: z_1 [batch, chunk_1, dim_1], z_2 [batch, chunk_2, dim_2] -> codes [batch, dim_1], [batch, dim_2]
    and weights s_1 [batch, chunk_1], s_2 [batch, chunk_2]. present_m [batch, chunk_m]: True = there.
    Errors: ValueError for other shapes. Source: Zheng et al. 2021b (ANTS), after its released module; the
    form is that of Lu et al. 2016 for questions about images. Survey 3.1, i ("multiple pairs"). Lesson: 11.
    """

    def __init__(self, dim_1: int, dim_2: int, *, hidden: int = 32) -> None:
        super().__init__()
        self.dim_1, self.dim_2 = dim_1, dim_2
        self.affinity = nn.Linear(dim_1, dim_2, bias=False)
        self.to_1, self.to_2 = nn.Linear(dim_1, hidden, bias=False), nn.Linear(dim_2, hidden, bias=False)
        self.score_1, self.score_2 = nn.Linear(hidden, 1, bias=False), nn.Linear(hidden, 1, bias=False)

    def forward(
        self,
        z_1: Float[Tensor, "batch chunk_1 dim_1"],
        z_2: Float[Tensor, "batch chunk_2 dim_2"],
        *,
        present_1: Bool[Tensor, "batch chunk_1"] | None = None,
        present_2: Bool[Tensor, "batch chunk_2"] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return (code_1, code_2, s_1, s_2)."""
        self._check(z_1, z_2)
        z_1, z_2 = _blank(z_1, present_1), _blank(z_2, present_2)
        A = torch.tanh(self.affinity(z_1) @ z_2.mT)
        h_1, h_2 = self.to_1(z_1), self.to_2(z_2)
        e_1 = self.score_1(torch.tanh(h_1 + A @ h_2))[..., 0]
        e_2 = self.score_2(torch.tanh(h_2 + A.mT @ h_1))[..., 0]
        s_1, s_2 = _softmax(e_1, present_1), _softmax(e_2, present_2)
        return (s_1[:, None] @ z_1)[:, 0], (s_2[:, None] @ z_2)[:, 0], s_1, s_2

    def _check(self, z_1: Tensor, z_2: Tensor) -> None:
        right = z_1.ndim == z_2.ndim == 3 and len(z_1) == len(z_2)
        if not right or (z_1.shape[2], z_2.shape[2]) != (self.dim_1, self.dim_2):
            raise ValueError(
                f"expected [batch, chunk, {self.dim_1}] and [batch, chunk, {self.dim_2}], "
                f"got {list(z_1.shape)} and {list(z_2.shape)}"
            )


def _blank(z: Tensor, present: Tensor | None) -> Tensor:
    """Put zeros where no chunk is, so that it adds nothing to the other view's affinities."""
    if present is None:
        return z
    if present.shape != z.shape[:2]:
        raise ValueError(f"expected present {list(z.shape[:2])}, got {list(present.shape)}")
    return torch.where(present[..., None], z, 0)


def _softmax(e: Tensor, present: Tensor | None) -> Tensor:
    if present is None:
        return e.softmax(1)
    return e.masked_fill(~present, -torch.inf).softmax(1).nan_to_num()
