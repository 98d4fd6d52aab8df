"""Soft K-means that a gradient passes through: a set of features becomes a few components."""

import torch
from jaxtyping import Float
from torch import Tensor


def soft_k_means(
    h: Float[Tensor, "batch place dim"], k: int, *, rounds: int = 4, sharpness: float = 30.0
) -> tuple[Float[Tensor, "batch k dim"], Float[Tensor, "batch place k"]]:
    r"""Cluster each row's features: centres, and how far each place belongs to each of them.

    $$w_{pk} = \mathrm{softmax}_k(-s \|h_p - c_k\|^2), \qquad c_k = \sum_p w_{pk} h_p \Big/ \sum_p w_{pk}$$

    The first centre is the feature furthest from the mean, each next one the furthest from those there are;
    centres at fixed places of a grid would favour what happens to lie there. Errors: ValueError for k outside
    1 ... places or rounds < 1. Source: Hu et al. 2020, read in released code (4 rounds, s = 30). Lesson: 34.
    """
    if h.ndim != 3 or not 1 <= k <= h.shape[1] or rounds < 1:
        raise ValueError(
            f"expected [batch, place, dim], 1 <= k <= places, rounds >= 1; got {list(h.shape)}, {k}"
        )
    c = first_centres(h.detach(), k)
    for _ in range(rounds):
        w = (-sharpness * square_distances(h, c)).softmax(2)
        c = torch.einsum("npk,npd->nkd", w, h) / w.sum(1).clamp_min(1e-6)[..., None]
    return c, w


def first_centres(h: Float[Tensor, "batch place dim"], k: int) -> Float[Tensor, "batch k dim"]:
    """Pick k features that lie far apart, greedily; with k = 1 the mean."""
    c = h.mean(1, keepdim=True)
    if k == 1:
        return c
    rows, picked = torch.arange(len(h), device=h.device), []
    gap = square_distances(h, c)[..., 0]
    for _ in range(k):
        picked.append(h[rows, gap.argmax(1)])
        new = square_distances(h, picked[-1][:, None])[..., 0]
        gap = new if len(picked) == 1 else torch.minimum(gap, new)
    return torch.stack(picked, 1)


def square_distances(
    x: Float[Tensor, "batch n dim"], y: Float[Tensor, "batch m dim"]
) -> Float[Tensor, "batch n m"]:
    """Return squared distances of every two rows: at least 0, and with a finite slope at 0."""
    inner = torch.einsum("bnd,bmd->bnm", x, y)
    return (x.square().sum(2)[:, :, None] + y.square().sum(2)[:, None] - 2 * inner).clamp_min(0)
