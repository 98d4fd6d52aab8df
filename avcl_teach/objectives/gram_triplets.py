"""A triplet over Gram matrices: compare which features fire together, in sound and in picture."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def gram(x: Float[Tensor, "*batch row dim"]) -> Float[Tensor, "*batch dim dim"]:
    r"""Return the Gram matrix of a set of rows, each scaled to length 1: $G = X^\top X / n$.

    It is a mean over rows, so that sets of different size compare, and it does not know their order. Its
    trace is 1. Lesson: 33.

    >>> gram(torch.tensor([[3.0, 0.0], [0.0, 2.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    if x.ndim < 2 or x.shape[-2] == 0:
        raise ValueError(f"expected rows [..., row, dim], got {list(x.shape)}")
    x = F.normalize(x, dim=-1)
    return x.mT @ x / x.shape[-2]


def gram_distance(
    a: Float[Tensor, "*batch row_a dim"], v: Float[Tensor, "*batch row_v dim"]
) -> Float[Tensor, "*batch"]:
    r"""Return how far the Gram matrices of two sets lie apart: $\|G(a) - G(v)\|_F^2$, 0 to 2.

    Errors: ValueError for another dim. Lesson: 33.
    """
    _check(a, v)
    return (gram(a) - gram(v)).square().sum((-2, -1))


def gram_triplet(
    a: Float[Tensor, "batch row_a dim"],
    v: Float[Tensor, "batch row_v dim"],
    labels: Int[Tensor, "batch"] | None = None,
    *,
    margin: float | int = 0.2,
) -> Float[Tensor, ""]:
    r"""Want each sound's Gram matrix nearer to its own picture's than to any other's, by a margin.

    $$L = \mathrm{mean}_{(i,j):\, y_i \ne y_j} \big[ \|G(a_i) - G(v_i)\|_F^2 - \|G(a_i) - G(v_j)\|_F^2
      + m \big]_+$$

    labels keep rows of one kind from being each other's negatives (default: every other row is one). Given
    the clip of each segment, another second of the same clip is no negative. 0 where no negative is left.
    Errors: ValueError for shapes that do not fit or a negative margin.
    Source: Ramaswamy and Das 2020; a reconstruction from its idea. Lesson: 33.
    """
    _check(a, v)
    if a.ndim != 3 or len(a) == 0 or margin < 0:
        raise ValueError(f"expected sets [batch, row, dim] and a margin of at least 0, got {list(a.shape)}")
    ga, gv = gram(a).flatten(1), gram(v).flatten(1)
    return triplet_of_distances(squared_distances(ga, gv), labels, margin=margin)


def squared_distances(a: Float[Tensor, "n dim"], v: Float[Tensor, "m dim"]) -> Float[Tensor, "n m"]:
    """Return the table of squared distances, by one product: |a|^2 + |v|^2 - 2 a v. Lesson: 33."""
    return (a.square().sum(1)[:, None] + v.square().sum(1) - 2 * a @ v.T).clamp_min(0)


def triplet_of_distances(
    D: Float[Tensor, "batch batch"], labels: Int[Tensor, "batch"] | None = None, *, margin: float | int = 0.2
) -> Float[Tensor, ""]:
    """Take the mean of [D_ii - D_ij + margin]_+ over all j whose label differs from i's (default: j != i).

    Only the diagonal holds positives; labels forbid negatives, they make no positives. Errors: ValueError for
    a table that is not square, or other labels. Lesson: 33.

    >>> triplet_of_distances(torch.tensor([[0.0, 0.1], [1.0, 0.5]]), margin=0.2)
    tensor(0.0500)
    """
    y = torch.arange(len(D), device=D.device) if labels is None else labels
    if D.ndim != 2 or D.shape[0] != D.shape[1] or y.shape != D.shape[:1]:
        raise ValueError(
            f"expected a square table and a label a row, got {list(D.shape)} and {list(y.shape)}"
        )
    unlike = y[:, None] != y
    price = (D.diagonal()[:, None] - D + margin).clamp_min(0)
    return torch.where(unlike, price, 0).sum() / unlike.sum().clamp_min(1)


def _check(a: Tensor, v: Tensor) -> None:
    if a.ndim < 2 or a.ndim != v.ndim or a.shape[:-2] != v.shape[:-2] or a.shape[-1] != v.shape[-1]:
        raise ValueError(
            f"expected sets of rows of one batch and dim, got {list(a.shape)} and {list(v.shape)}"
        )
