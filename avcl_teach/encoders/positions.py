"""Positions: what tells attention where in a sequence a feature stands. Without them order is invisible."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def sinusoidal_positions(
    n: int, dim: int, *, base: float = 10_000.0, device: torch.device | str | None = None
) -> Float[Tensor, "n dim"]:
    r"""Return fixed positions: a clock with dim/2 pairs of hands, each slower than the one before.

    $$P_{t,2k} = \sin(\omega_k t),\quad P_{t,2k+1} = \cos(\omega_k t),\quad \omega_k = base^{-2k/dim}$$

    Moving on by s steps turns each pair by the same angle $\omega_k s$, wherever one starts. Errors:
    ValueError for an odd or empty dim, or a negative n. Source: Vaswani et al. 2017, section 3.5. Lesson: 12.

    >>> sinusoidal_positions(2, 2).round(decimals=2).tolist()
    [[0.0, 1.0], [0.8399999737739563, 0.5400000214576721]]
    """
    if n < 0:
        raise ValueError(f"expected n >= 0 positions, got {n}")
    angle = _angles(torch.arange(n, device=device), dim, base)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def rotary(
    x: Float[Tensor, "*batch position dim"],
    positions: Int[Tensor, "position"] | None = None,
    *,
    base: float = 10_000.0,
) -> Float[Tensor, "*batch position dim"]:
    r"""Turn pairs of features by an angle that grows with the position.

    $$(x_{2k},\ x_{2k+1}) \leftarrow R(\omega_k t)\,(x_{2k},\ x_{2k+1}),\qquad \omega_k = base^{-2k/dim}$$

    with R a rotation. Turned queries and keys meet in $q_s^\top R(\omega (t - s))\, k_t$: only the distance
    of two positions counts. Hand it to attention as `rotate=rotary`; values are not turned. Neighbours (2k,
    2k+1) form a pair, as in the paper; some libraries pair k with k + dim/2. `positions` are 0 ... n - 1
    unless given. Errors: ValueError for an odd dim or another number of positions.
    Source: Su et al. 2021 (RoFormer). Lesson: 12.

    >>> rotary(torch.tensor([[1.0, 0.0], [1.0, 0.0]])).round(decimals=2).tolist()[1]
    [0.5400000214576721, 0.8399999737739563]
    """
    n, dim = x.shape[-2:]
    positions = torch.arange(n, device=x.device) if positions is None else positions
    if len(positions) != n:
        raise ValueError(f"expected {n} positions, one for each feature vector, got {len(positions)}")
    angle = _angles(positions, dim, base)
    c, s = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * c - odd * s, even * s + odd * c], dim=-1).flatten(-2)


class LearnedPositions(nn.Module):
    r"""Add a learned vector to each position: $x_t \leftarrow x_t + P_t$, t < n_max.

    Shapes: x [batch, position, dim] -> the same. Nothing is known beyond n_max. Errors: ValueError for a
    longer sequence, another dim, or sizes below 1. Source: Gehring et al. 2017. Lesson: 12.
    """

    def __init__(self, n_max: int, dim: int) -> None:
        super().__init__()
        if n_max < 1 or dim < 1:
            raise ValueError(f"expected n_max >= 1 and dim >= 1, got {n_max} and {dim}")
        self.weight = nn.Parameter(0.02 * torch.randn(n_max, dim))

    def forward(self, x: Float[Tensor, "batch position dim"]) -> Float[Tensor, "batch position dim"]:
        """Add the vectors of the first positions."""
        n_max, dim = self.weight.shape
        if x.ndim != 3 or x.shape[1] > n_max or x.shape[2] != dim:
            raise ValueError(f"expected x [batch, position <= {n_max}, {dim}], got {list(x.shape)}")
        return x + self.weight[: x.shape[1]]


class SeparablePositions(nn.Module):
    r"""Add one learned vector an axis: $x_{t,h,w} \leftarrow x_{t,h,w} + P_t + Q_h + R_w$.

    A grid of T x H x W tokens needs T + H + W vectors, not T H W. Tokens run with the last axis fastest.
    Shapes: x [batch, T H W, dim] -> the same. Errors: ValueError for another number of tokens, another dim,
    or an empty axis. Source: Akbari et al. 2021 (VATT), section 3.1. Lesson: 12.
    """

    def __init__(self, shape: tuple[int, ...], dim: int) -> None:
        super().__init__()
        if not shape or min(shape) < 1 or dim < 1:
            raise ValueError(f"expected axes of at least 1 and dim >= 1, got {shape} and {dim}")
        self.shape = tuple(shape)
        self.axes = nn.ParameterList(nn.Parameter(0.02 * torch.randn(n, dim)) for n in shape)

    def grid(self) -> Float[Tensor, "position dim"]:
        """Return the sum of the axes' vectors at every place of the grid."""
        total = self.axes[0]
        for axis in list(self.axes)[1:]:
            total = total.unsqueeze(-2) + axis
        return total.reshape(-1, total.shape[-1])

    def forward(self, x: Float[Tensor, "batch position dim"]) -> Float[Tensor, "batch position dim"]:
        """Add the positions of the grid."""
        n, dim = torch.Size(self.shape).numel(), self.axes[0].shape[1]
        if x.ndim != 3 or tuple(x.shape[1:]) != (n, dim):
            raise ValueError(f"expected x [batch, {n}, {dim}] for a grid {self.shape}, got {list(x.shape)}")
        return x + self.grid()


def _angles(positions: Tensor, dim: int, base: float) -> Float[Tensor, "position half"]:
    """Return position times frequency, in float32 whatever else is computed in bf16."""
    if dim < 2 or dim % 2:
        raise ValueError(f"expected an even dim of at least 2, got {dim}")
    k = torch.arange(dim // 2, device=positions.device, dtype=torch.float32)
    return positions.float()[:, None] * base ** (-2 * k / dim)
