"""Where the partner lands, counted instead of sorted: one product in float32, two comparisons, exact ranks.

The rank of a partner needs no order of the gallery, only how many items stand above it. Similarities in
float32 decide every item that is not within rounding of the partner; queries that have such items are done
again in float64, where equal embeddings tie.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.metrics.ranks import check_similarity, count_ties, first_hit

_CELLS = 2**18  # entries of the similarity matrix that exist at a time: they stay in a processor's cache


def recall_of_embeddings(
    a: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"], *, ks: Sequence[int] = (1, 5, 10)
) -> dict[int, float]:
    """R@k of each k by cosine, row i of a looking for row i of v, without a similarity matrix.

    Equal to `recall_at_k(cosine_similarity(a, v), k)` for every k, ties shared, in the time of one float32
    product. Errors: ValueError for unequal shapes, no rows, NaN, or k < 1. Lesson: 02.

    >>> recall_of_embeddings(torch.eye(3), torch.eye(3)[[0, 2, 1]], ks=(1, 3))
    {1: 0.3333333333333333, 3: 1.0}
    """
    if a.ndim != 2 or a.shape != v.shape or len(a) == 0:
        got = f"{tuple(a.shape)} and {tuple(v.shape)}"
        raise ValueError(f"expected a and v of one shape [n, dim], got {got}")
    if not ks or min(ks) < 1:
        raise ValueError(f"expected ks of at least 1, got {tuple(ks)}")
    hits = dict.fromkeys(ks, 0.0)
    ties = torch.stack(partner_ties(unit_rows(a), unit_rows(v)))
    for some in ties.split(max(1, _CELLS // int(ties[1].max())), dim=1):
        position, p = first_hit(*some)
        for k in ks:
            hits[k] += float(((position <= k) * p).sum())
    return {k: total / len(a) for k, total in hits.items()}


def unit_rows(z: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Rows of length 1 in float64, detached; a row of zeros stays zero."""
    z = z.detach().cpu() if z.device.type == "mps" else z.detach()  # Apple's GPU has no float64
    z = z.to(torch.float64, copy=True)
    return z.div_(torch.linalg.vector_norm(z, dim=1, keepdim=True).clamp_min_(1e-12))


def partner_ties(
    a: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"], *, chunk: int | None = None
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"], Float[Tensor, "n"]]:
    """For each unit row of a: items of v more alike than its partner, items as alike, and 1 (see
    `count_ties`).

    Similarities are those of float64 rounded to float32. The rounding errors of a float32 product of unit
    rows add up like sqrt(dim); items within 4 times that of the partner's score are looked at again.
    Errors: ValueError for NaN. Lesson: 02.
    """
    score = (a * v).sum(1, keepdim=True)
    check_similarity(score)
    near = 4 * a.shape[1] ** 0.5 * torch.finfo(torch.float32).eps
    low, high = (score - near).float(), (score + near).float()
    above, within = torch.empty(len(a), device=a.device), torch.empty(len(a), device=a.device)
    for i, S, spare in _products(a.float(), v.float(), chunk):
        j = i + len(S)
        torch.sum(torch.gt(S, high[i:j], out=spare), 1, out=above[i:j])
        torch.sum(S.ge_(low[i:j]), 1, out=within[i:j])
    g, m = above.double(), torch.ones_like(above, dtype=torch.float64)
    unsure = (within - above != 1).nonzero()[:, 0]
    for rows in unsure.split(chunk or max(1, _CELLS // len(v))) if len(unsure) else ():
        g[rows], m[rows], _ = count_ties((a[rows] @ v.T).float(), rows)
    return g, m, torch.ones_like(m)


def _products(a: Tensor, v: Tensor, chunk: int | None) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield (first row, rows of a v', as much spare room), in buffers that are used again."""
    rows = min(len(a), max(1, _CELLS // len(v)) if chunk is None else chunk)
    S, spare = a.new_empty(rows, len(v)), a.new_empty(rows, len(v))
    for i in range(0, len(a), rows):
        n = min(rows, len(a) - i)
        torch.mm(a[i : i + n], v.T, out=S[:n])
        yield i, S[:n], spare[:n]
