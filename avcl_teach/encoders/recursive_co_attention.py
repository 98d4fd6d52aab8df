"""Co-attention with the joint code of both modalities, again and again."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class JointCoAttention(nn.Module):
    r"""Fuse first, then let each modality look at the joint code, and repeat with the same weights.

    $$J = W [a; v],\quad C_m = \tanh\!\left(\frac{m W_m J^\top}{\sqrt d}\right),\quad
      H_m = \mathrm{relu}\!\left(W_1 m + W_2 \tfrac1n C_m J\right),\quad m \leftarrow m + W_3 H_m$$

    for $m \in \{a, v\}$, R times; each time J is made anew of the changed a and v. One unit serves all R
    rounds, so R changes no parameter. The mean over the n steps of J keeps the sum's size at any length. A
    tanh is no softmax: no fused kernel exists, and the table C of step x step is stored.
    Shapes: a, v [batch, step, dim] -> the same. present [batch, step] (True = there) keeps padding out.
    Errors: ValueError for unequal shapes or fewer than 1 round.
    Source: Duan et al. 2021; a reconstruction from its idea, with J as the values, so that the
    unit does not depend on the number of steps. Survey 3.1, i. Lesson: 11.
    """

    def __init__(self, dim: int, *, recursions: int = 2, residual: bool = True) -> None:
        super().__init__()
        if recursions < 1:
            raise ValueError(f"expected at least 1 recursion, got {recursions}")
        self.recursions, self.residual = recursions, residual
        self.joint = nn.Linear(2 * dim, dim)
        self.unit_a, self.unit_v = _Unit(dim), _Unit(dim)

    def forward(
        self,
        a: Float[Tensor, "batch step dim"],
        v: Float[Tensor, "batch step dim"],
        *,
        present: Bool[Tensor, "batch step"] | None = None,
    ) -> tuple[Float[Tensor, "batch step dim"], Float[Tensor, "batch step dim"]]:
        """Return both modalities after all rounds."""
        if a.ndim != 3 or a.shape != v.shape:
            raise ValueError(
                f"expected a and v of one shape [batch, step, dim], got {list(a.shape)} and {list(v.shape)}"
            )
        if present is not None and present.shape != a.shape[:2]:
            raise ValueError(f"expected present {list(a.shape[:2])}, got {list(present.shape)}")
        for _ in range(self.recursions):
            J = self.joint(torch.cat([a, v], dim=-1))
            changes = self.unit_a(a, J, present), self.unit_v(v, J, present)
            a, v = (a + changes[0], v + changes[1]) if self.residual else changes
        return a, v


class _Unit(nn.Module):
    """Change one modality by what it takes from the joint code."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.agree = nn.Linear(dim, dim, bias=False)  # W_m
        self.keep, self.take, self.out = (
            nn.Linear(dim, dim),
            nn.Linear(dim, dim, bias=False),
            nn.Linear(dim, dim),
        )

    def forward(self, m: Tensor, J: Tensor, present: Tensor | None) -> Tensor:
        C = torch.tanh(self.agree(m) @ J.mT / m.shape[-1] ** 0.5)
        n = J.shape[1]
        if present is not None:
            J = torch.where(present[..., None], J, 0)
            n = present.sum(1).clamp_min(1)[:, None, None]
            C = torch.where(present[:, None], C, 0)
        H = torch.relu(self.keep(m) + self.take(C @ J / n))
        return self.out(H)
