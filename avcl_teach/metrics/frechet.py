"""How far apart two clouds of features lie when each is taken for a Gaussian."""

import torch
from jaxtyping import Float
from torch import Tensor


def frechet_distance(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> float:
    r"""Measure |m_x - m_y|^2 + Tr(C_x + C_y - 2 (C_x C_y)^{1/2}) of means and covariances.

    The squared 2-Wasserstein distance of the Gaussians fitted to both clouds; 0 for equal means and
    covariances, whatever else differs. On features of a network trained on ImageNet it is the FID of the
    literature; on features of another network it is another number, so say which. Biased upwards for few
    samples: compare equal n only, and print real against real beside it.
    Errors: ValueError for other dims, or fewer than 2 samples. Source: Dowson and Landau 1982; Heusel et al.
    2017. Lesson: 15.

    >>> frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]]))
    9.0
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"expected x, y [sample, dim] of one dim with at least 2 samples, got {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )
    x, y = x.detach().double(), y.detach().double()
    C_x, C_y = (torch.cov(z.T).reshape(z.shape[1], z.shape[1]) for z in (x, y))
    # Tr (C_x C_y)^{1/2} = sum of the roots of the eigenvalues of R C_y R, R = C_x^{1/2} symmetric
    values, vectors = torch.linalg.eigh(C_x)
    R = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(R @ C_y @ R).clamp_min(0).sqrt().sum()
    apart = (x.mean(0) - y.mean(0)).square().sum()
    return float((apart + C_x.trace() + C_y.trace() - 2 * cross).clamp_min(0))
