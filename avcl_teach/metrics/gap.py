"""The heterogeneity gap: how well sounds and pictures can be told apart where they should be alike.

Every measure here compares two clouds, whoever belongs to whom: a space of noise can have no gap. Read them
beside retrieval, never instead of it.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.metrics.probes import linear_probe
from avcl_teach.objectives.distributional import gaussian_kernels
from avcl_teach.objectives.pairwise import lift, unit_rows


class TwoSampleTest(NamedTuple):
    """Hold the squared MMD of two clouds, what permutations give, and the p value of "no gap"."""

    mmd2: float
    permuted: Float[Tensor, "permutation"]
    p: float


def modality_probe(
    a: Float[Tensor, "n dim"],
    v: Float[Tensor, "n dim"],
    a_test: Float[Tensor, "m dim"],
    v_test: Float[Tensor, "m dim"],
    *,
    ridge: float = 1e-2,
) -> float:
    """Ask a linear classifier "sound or picture?" and return its accuracy on embeddings it has not met.

    Fitted on a and v (`linear_probe`), judged on a_test and v_test: 0.5 = it cannot tell, no gap that is
    linear; 1 = the modalities lie apart. Judged on a and v themselves it would be too high: with as many
    dimensions as items it tells noise from noise. A linear classifier sees where the clouds lie, hardly their
    shape; `two_sample_test` sees both. Errors: ValueError for unequal shapes. Lesson: 13.
    """
    for one, other in ((a, v), (a_test, v_test)):
        _check(one, other)
    y, y_test = (torch.arange(2, device=x.device).repeat_interleave(len(x)) for x in (a, a_test))
    return linear_probe(torch.cat([a, v]), y, torch.cat([a_test, v_test]), y_test, ridge=ridge)


@torch.no_grad()
def two_sample_test(
    a: Float[Tensor, "n dim"],
    v: Float[Tensor, "n dim"],
    *,
    n_permutations: int = 199,
    in_pairs: bool = True,
    seed: int = 0,
) -> TwoSampleTest:
    r"""Test whether both modalities are one cloud: a permutation test on the squared MMD.

    $$\mathrm{MMD}^2 = \frac{1}{n^2}\, s^\top K s,\qquad s_i = +1\ \text{(sound)},\ -1\ \text{(picture)}$$
    $$p = \frac{1 + \#\{\mathrm{permuted} \ge \mathrm{MMD}^2\}}{1 + \#\mathrm{permutations}}$$

    with the kernels of `objectives.mmd`, to which mmd2 is equal. A permutation changes s alone: K is computed
    once. Row i of a belongs to row i of v, so `in_pairs` swaps the two of a pair or leaves them (what "sound"
    and "picture" mean is given up, who belongs to whom is kept); without it all 2n rows are dealt anew, which
    is right for clouds that are not paired, and too cautious for pairs that lie close. The least p possible
    is 1 / (1 + n_permutations). A large p does not show that there is no gap.
    Memory: (2n)^2. Errors: ValueError for unequal shapes or n_permutations < 1.
    Source: Gretton et al. 2012. Lesson: 13.
    """
    _check(a, v)
    if n_permutations < 1:
        raise ValueError(f"expected n_permutations >= 1, got {n_permutations}")
    K = gaussian_kernels(torch.cat([lift(a), lift(v)]).double())
    n = len(a)
    s = torch.cat([torch.ones(n), -torch.ones(n)]).to(K)
    g = torch.Generator().manual_seed(seed)
    if in_pairs:
        flips = torch.randint(2, (n_permutations, n), generator=g).to(K) * 2 - 1
        signs = torch.cat([flips, -flips], dim=1)
    else:
        orders = torch.rand(n_permutations, 2 * n, generator=g).argsort(1)
        signs = s[orders.to(K.device)]
    found = s @ K @ s / n**2
    permuted = ((signs @ K) * signs).sum(1) / n**2
    reached = int((permuted >= found - 1e-12).sum())  # a permutation that changes nothing counts
    return TwoSampleTest(float(found.clamp_min(0)), permuted.cpu(), (1 + reached) / (1 + n_permutations))


def centroid_gap(a: Float[Tensor, "n dim"], v: Float[Tensor, "m dim"]) -> Float[Tensor, ""]:
    """Measure how far apart the mean sound and the mean picture lie on the sphere: between 0 and 2.

    |mean_i a_i/|a_i| - mean_j v_j/|v_j||: embeddings are scaled to length 1, as the cosine does. Sees means
    only. Errors: ValueError for other dims. Source: Liang et al. 2022. Lesson: 13.

    >>> centroid_gap(torch.tensor([[2.0, 0.0]]), torch.tensor([[-5.0, 0.0]]))
    tensor(2.)
    """
    if a.ndim != 2 or v.ndim != 2 or a.shape[1] != v.shape[1] or not len(a) or not len(v):
        raise ValueError(f"expected a, v [item, dim] of one dim, got {tuple(a.shape)} and {tuple(v.shape)}")
    return (unit_rows(a).mean(0) - unit_rows(v).mean(0)).norm()


def unexplained(
    x: Float[Tensor, "item *feature"],
    x_hat: Float[Tensor, "item *feature"],
    mean: Float[Tensor, "*feature"] | float | int = 0.0,
) -> float:
    """Say which share of x a reconstruction leaves unexplained: |x - x_hat|^2 / |x - mean|^2 over all items.

    0 = perfect, 1 = no better than the mean (of the training set: standardised features have mean 0), above
    1 = worse. Errors: ValueError for unequal shapes. Lesson: 13.

    >>> unexplained(torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.5], [-0.5]]))
    0.25
    """
    if x.shape != x_hat.shape:
        raise ValueError(f"expected a reconstruction of shape {tuple(x.shape)}, got {tuple(x_hat.shape)}")
    x, x_hat = lift(x.detach()), lift(x_hat.detach())
    return float((x - x_hat).square().sum() / (x - mean).square().sum())


def _check(a: Tensor, v: Tensor) -> None:
    if a.ndim != 2 or a.shape != v.shape or len(a) < 2:
        raise ValueError(
            f"expected a and v of one shape [pair, dim] with at least 2 pairs, got {tuple(a.shape)} and "
            f"{tuple(v.shape)}"
        )
