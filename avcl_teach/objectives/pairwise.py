"""What every objective is made of: similarities and distances of all pairs of a batch, and its checks."""

import functools
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F


def cosine_matrix(a: Float[Tensor, "row dim"], v: Float[Tensor, "column dim"]) -> Float[Tensor, "row column"]:
    """Compare every row of a with every row of v: S_ij = cos(a_i, v_j), in float32 or finer.

    A row of zeros has cosine 0 with everything. Lesson: 02.
    """
    return unit_rows(a) @ unit_rows(v).T


def squared_distances(
    a: Float[Tensor, "row dim"], v: Float[Tensor, "column dim"]
) -> Float[Tensor, "row column"]:
    """Measure every row of a against every row of v: D2_ij = |a_i - v_j|^2 >= 0, in float32 or finer.

    Computed as |a_i|^2 + |v_j|^2 - 2 a_i.v_j on rows from which the mean of both sides was taken, which
    changes no distance and keeps digits when all rows lie far from the origin.
    Errors: ValueError for finite rows whose squared length overflows. Lesson: 22.
    """
    a, v = lift(a), lift(v)
    centre = torch.cat([a, v]).mean(0).detach()
    a, v = a - centre, v - centre
    squares_a, squares_v = (a * a).sum(1), (v * v).sum(1)
    if squares_a.isinf().any() or squares_v.isinf().any():
        raise ValueError(f"expected rows whose squared lengths fit {a.dtype}, got infinity: scale them down")
    return (squares_a[:, None] + squares_v - 2 * a @ v.T).clamp_min(0)


def distances(a: Float[Tensor, "row dim"], v: Float[Tensor, "column dim"]) -> Float[Tensor, "row column"]:
    """Measure Euclidean distances of all pairs, with gradient 0 where two rows are equal. Lesson: 22."""
    D2 = squared_distances(a, v)
    equal = D2 <= 0  # False for NaN, which stays to be seen
    return torch.where(equal, 1.0, D2).sqrt() * ~equal


def unit_rows(x: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
    """Scale each row to length 1, in float32 or finer; a row of zeros stays zero."""
    return F.normalize(lift(x), dim=1)


def lift(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Raise float16 and bfloat16 to float32; leave float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def in_full_precision(objective: Callable) -> Callable:
    """Let an objective compute in float32 where autocast is on, which would round its products to bfloat16.

    The wrapped function switches autocast off for the call and lifts the tensors that it is given.
    """

    @functools.wraps(objective)
    def call(a, *args, **hyper):
        if not torch.is_autocast_enabled(a.device.type):
            return objective(a, *args, **hyper)
        given = [_lifted(x) for x in (a, *args)]
        hyper = {name: _lifted(x) for name, x in hyper.items()}
        with torch.autocast(a.device.type, enabled=False):
            return objective(*given, **hyper)

    return call


def _lifted(x: object) -> object:
    return lift(x) if torch.is_tensor(x) and x.is_floating_point() else x


def same_class(labels: Int[Tensor, "batch"]) -> Bool[Tensor, "batch batch"]:
    """Tell for every two items whether their labels are equal (the diagonal is True)."""
    return labels[:, None] == labels[None, :]


def positives(labels: Int[Tensor, "batch"] | None, n: int, device: torch.device) -> Bool[Tensor, "n n"]:
    """Tell which pairs (a_i, v_j) belong together: the diagonal, or with labels every pair of one class."""
    return torch.eye(n, dtype=torch.bool, device=device) if labels is None else same_class(labels)


def check_batch(a: Tensor, v: Tensor, labels: Tensor | None = None, *, needs_labels: bool = False) -> None:
    """Refuse what is no batch of pairs.

    Errors: ValueError for unequal shapes, an empty batch, labels of another length, or labels missing where
    the objective needs them.
    """
    if a.ndim != 2 or a.shape != v.shape or len(a) == 0:
        raise ValueError(
            f"expected a and v of one shape [batch, dim], got {tuple(a.shape)} and {tuple(v.shape)}"
        )
    if labels is None and needs_labels:
        raise ValueError("expected labels, one class for each pair: this objective is supervised; got None")
    if labels is not None and labels.shape != a.shape[:1]:
        raise ValueError(f"expected {len(a)} labels, one for each pair, got shape {tuple(labels.shape)}")


def check_positive(**hyper: float | Tensor) -> None:
    """Refuse hyper-parameters that are not above 0. Errors: ValueError that names the first such one."""
    for name, value in hyper.items():
        if not value > 0:
            raise ValueError(f"expected {name} > 0, got {value}")
