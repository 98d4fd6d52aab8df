"""Two vectors in, one out, by products: factorized bilinear pooling."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

ROOT_EPS = 1e-8


def sum_pool(x: Float[Tensor, "batch wide"], *, n_factors: int) -> Float[Tensor, "batch out"]:
    """Add up every run of n_factors neighbours: [batch, out * n_factors] -> [batch, out].

    Errors: ValueError for a width that does not divide. Lesson: 32.
    """
    if n_factors < 1 or x.shape[1] % n_factors:
        raise ValueError(f"expected a width that divides by {n_factors} factors, got {x.shape[1]}")
    return x.unflatten(1, (-1, n_factors)).sum(2)


def signed_root(x: Float[Tensor, "*shape"], *, eps: float = ROOT_EPS) -> Float[Tensor, "*shape"]:
    r"""Take the root and keep the sign: $x / \sqrt{|x| + \epsilon}$, about $\mathrm{sign}(x) \sqrt{|x|}$.

    Without eps the slope at 0 is infinite, and 0 times infinity is NaN in the gradient. Lesson: 32.
    """
    return x / (x.abs() + eps).sqrt()


class FactorizedBilinear(nn.Module):
    r"""Multiply what two vectors say: $n_\text{out}$ bilinear forms, each of rank $n_\text{factors}$.

    $$z = \mathrm{SumPool}_k(U^\top a \circ V^\top v),\qquad z_i = \sum_{j < k} (u_{ij}^\top a)(v_{ij}^\top v)
      = a^\top W_i v,\quad W_i = \sum_j u_{ij} v_{ij}^\top$$

    then $z \leftarrow \mathrm{sign}(z) \sqrt{|z|}$ and $z \leftarrow z / \|z\|$; dropout falls on the
    products, before the sum. With `bias` each factor is affine, $(u^\top a + b)(v^\top v + c)$, and the forms
    hold linear terms too. Shapes: a [batch, dim_a], v [batch, dim_v] -> [batch, n_out].
    Errors: ValueError for sizes below 1. Source: Zhang, Wang and Du 2019, after Yu et al. 2017. Lesson: 32.
    """

    def __init__(
        self,
        dim_a: int,
        dim_v: int,
        *,
        n_out: int = 32,
        n_factors: int = 4,
        dropout: float = 0.3,
        bias: bool = True,
    ) -> None:
        super().__init__()
        for name, size in {"dim_a": dim_a, "dim_v": dim_v, "n_out": n_out, "n_factors": n_factors}.items():
            if size < 1:
                raise ValueError(f"expected {name} >= 1, got {size}")
        self.n_factors = n_factors
        self.U = nn.Linear(dim_a, n_out * n_factors, bias=bias)
        self.V = nn.Linear(dim_v, n_out * n_factors, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def products(
        self, a: Float[Tensor, "batch dim_a"], v: Float[Tensor, "batch dim_v"]
    ) -> Float[Tensor, "batch out"]:
        """Return the bilinear forms, before root and norm."""
        return sum_pool(self.dropout(self.U(a) * self.V(v)), n_factors=self.n_factors)

    def forward(
        self, a: Float[Tensor, "batch dim_a"], v: Float[Tensor, "batch dim_v"]
    ) -> Float[Tensor, "batch out"]:
        """Return the fused vector, of length 1."""
        return F.normalize(signed_root(self.products(a, v)), dim=1)
