"""Terms that compare distributions: pieces of the ELBO, the 2-Wasserstein distance, and the MMD."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.objectives.pairwise import check_batch, check_positive, lift, squared_distances


def gaussian_kl(
    mean: Float[Tensor, "batch dim"],
    log_variance: Float[Tensor, "batch dim"],
    other_mean: Float[Tensor, "batch dim"] | None = None,
    other_log_variance: Float[Tensor, "batch dim"] | None = None,
) -> Float[Tensor, ""]:
    """Measure the divergence of diagonal Gaussians, item by item: the mean over the batch of KL(q_i || p_i).

    KL = (1/2) sum_k [ ln(s'^2 / s^2) - 1 + (s^2 + (m - m')^2) / s'^2 ], q = N(m, s^2) from the first two, p =
    N(m', s'^2) from the others (default: standard normal). Summed over dim, averaged over the batch. At least
    0, and 0 only for q = p; not symmetric.
    Errors: ValueError for unequal shapes or an empty batch. Source: Kingma and Welling 2014. Lesson: 20.

    >>> gaussian_kl(torch.ones(3, 2), torch.zeros(3, 2))   # 2 dimensions, 1/2 each
    tensor(1.)
    """
    _check_same(mean=mean, log_variance=log_variance)
    m, l = lift(mean), lift(log_variance)
    m2 = torch.zeros_like(m) if other_mean is None else lift(other_mean)
    l2 = torch.zeros_like(l) if other_log_variance is None else lift(other_log_variance)
    _check_same(mean=mean, other_mean=m2, other_log_variance=l2)
    terms = l2 - l - 1 + (l - l2).exp() + (m - m2).square() * (-l2).exp()
    return terms.sum(1).mean() / 2


def gaussian_log_likelihood(
    x: Float[Tensor, "batch dim"],
    mean: Float[Tensor, "batch dim"],
    log_variance: Float[Tensor, "batch dim"] | float | int = 0.0,
) -> Float[Tensor, ""]:
    """Score x under diagonal Gaussians: the mean over the batch of ln N(x_i; m_i, s_i^2), summed over dim.

    ln N = -(1/2) sum_k [ ln 2 pi + ln s^2 + (x - m)^2 / s^2 ]. With a fixed variance it is the squared error
    over 2 s^2 and a constant. To be maximised.
    Errors: ValueError for unequal shapes or an empty batch. Source: Kingma and Welling 2014. Lesson: 20.

    >>> gaussian_log_likelihood(torch.zeros(1, 1), torch.zeros(1, 1))   # -ln(2 pi) / 2
    tensor(-0.9189)
    """
    _check_same(x=x, mean=mean)
    x, m = lift(x), lift(mean)
    l = lift(log_variance) if isinstance(log_variance, Tensor) else torch.full_like(m, log_variance)
    _check_same(x=x, log_variance=l)
    return -(math.log(2 * math.pi) + l + (x - m).square() * (-l).exp()).sum(1).mean() / 2


def elbo(
    x: Float[Tensor, "batch feature"],
    reconstruction: Float[Tensor, "batch feature"],
    mean: Float[Tensor, "batch dim"],
    log_variance: Float[Tensor, "batch dim"],
    *,
    beta: float | int = 1.0,
    noise_log_variance: float | int = 0.0,
) -> Float[Tensor, ""]:
    """Bound the log-likelihood of x from below: ELBO = E_q ln p(x | z) - beta KL(q(z | x) || N(0, I)).

    `reconstruction` is the decoder's mean for one sample z of q = N(mean, exp(log_variance)), with noise of
    variance exp(noise_log_variance). Both terms are sums over features and means over the batch: averaging
    one and summing the other, as some released code does, is another beta. To be maximised: train on -elbo.
    Errors: ValueError for unequal shapes, an empty batch, or beta < 0.
    Source: Kingma and Welling 2014; beta Higgins et al. 2017. Table 1: Zhang et al. 2021, Zhu et al. 2021b.
    Lesson: 20.
    """
    if beta < 0:
        raise ValueError(f"expected beta >= 0, got {beta}")
    if len(x) != len(mean):
        raise ValueError(f"expected one mean for each x, got {len(mean)} for {len(x)}")
    fit = gaussian_log_likelihood(x, reconstruction, noise_log_variance)
    return fit - beta * gaussian_kl(mean, log_variance)


def gaussian_wasserstein2(
    mean_a: Float[Tensor, "batch dim"],
    log_variance_a: Float[Tensor, "batch dim"],
    mean_v: Float[Tensor, "batch dim"],
    log_variance_v: Float[Tensor, "batch dim"],
) -> Float[Tensor, ""]:
    """Measure how far one diagonal Gaussian must be carried to become the other: the mean of W_2^2.

    W_2^2 = |m_a - m_v|^2 + |s_a - s_v|^2. Symmetric; unlike the KL it stays finite, and keeps a gradient,
    when variances go to 0, where it is the squared distance of the means.
    Errors: ValueError for unequal shapes or an empty batch.
    Source: Dowson and Landau 1982; Table 1: Zhu et al. 2021b. Lesson: 20.

    >>> zero = torch.zeros(1, 1)
    >>> gaussian_wasserstein2(zero, zero, zero + 3, zero + math.log(4))   # means 3 apart, deviations 1 and 2
    tensor(10.)
    """
    parts = {"mean_a": mean_a, "log_variance_a": log_variance_a, "mean_v": mean_v}
    _check_same(**parts, log_variance_v=log_variance_v)
    s_a, s_v = ((lift(l) / 2).exp() for l in (log_variance_a, log_variance_v))
    return ((lift(mean_a) - lift(mean_v)).square() + (s_a - s_v).square()).sum(1).mean()


def mmd(
    a: Float[Tensor, "batch dim"],
    v: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"] | None = None,
    *,
    bandwidth: float | int | None = None,
    multiples: Sequence[float | int] = (0.25, 0.5, 1.0, 2.0, 4.0),
) -> Float[Tensor, ""]:
    """Compare the two sides as clouds, whoever belongs to whom: the squared maximum mean discrepancy.

    L = mean k(a_i, a_j) + mean k(v_i, v_j) - 2 mean k(a_i, v_j) over all i, j, k the average over multiples m
    of exp(-|x - z|^2 / (2 m s^2)). s = bandwidth; by default s^2 is the median of all squared distances
    between different items of the two sides together, without gradient. At least 0 up to rounding (the
    biased form, larger than 0 by about 2 (1 - mean k) / B for equal distributions). Shuffling one side does
    not change it: it aligns sides and no pairs. Labels are not used. Memory: (2B)^2.
    Errors: ValueError for unequal shapes, an empty batch, no multiples, or bandwidth or multiples <= 0.
    Source: Gretton et al. 2012; several bandwidths Li et al. 2015. Lesson: 20.

    >>> mmd(torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [0.0]]))
    tensor(0.)
    """
    check_batch(a, v, labels)
    B, x = len(a), torch.cat([lift(a), lift(v)])
    K = gaussian_kernels(x, bandwidth=bandwidth, multiples=multiples)
    return K[:B, :B].mean() + K[B:, B:].mean() - 2 * K[:B, B:].mean()


def gaussian_kernels(
    x: Float[Tensor, "item dim"],
    *,
    bandwidth: float | int | None = None,
    multiples: Sequence[float | int] = (0.25, 0.5, 1.0, 2.0, 4.0),
) -> Float[Tensor, "item item"]:
    """Compare all rows by the kernel of `mmd`: the mean over multiples m of exp(-|x_i - x_j|^2 / (2 m s^2)).

    s = bandwidth; by default s^2 is the median of the squared distances between different rows, without
    gradient. Errors: ValueError for no multiples, or bandwidth or multiples <= 0. Lessons: 13, 20.
    """
    check_positive(**({} if bandwidth is None else {"bandwidth": bandwidth}))
    if not len(multiples):
        raise ValueError("expected at least one multiple of the bandwidth, got none")
    for m in multiples:
        check_positive(multiples=m)
    D2 = squared_distances(x, x)
    s2 = _median_of_pairs(D2) if bandwidth is None else bandwidth**2
    return sum(torch.exp(-D2 / (2 * m * s2)) for m in multiples) / len(multiples)


def _median_of_pairs(D2: Tensor) -> Tensor:
    """Return the median of the squared distances above the diagonal; 1 where it is 0."""
    n = len(D2)
    i, j = torch.triu_indices(n, n, 1, device=D2.device)
    median = D2.detach()[i, j].median()
    return torch.where(median > 0, median, torch.ones_like(median))


def _check_same(**tensors: Tensor) -> None:
    shapes = {name: tuple(x.shape) for name, x in tensors.items()}
    first = next(iter(shapes.values()))
    if len(first) != 2 or not first[0] or any(shape != first for shape in shapes.values()):
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"expected one shape [batch, dim] with at least one item, got {listed}")
