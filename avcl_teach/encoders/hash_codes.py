"""Latents as binary codes: cheap to store, compared by counting bits."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.objectives.pairwise import check_batch, lift


def code_similarity(
    a: Float[Tensor, "batch bit"], v: Float[Tensor, "batch bit"], labels: Int[Tensor, "batch"]
) -> Float[Tensor, ""]:
    r"""Ask that codes agree as far as labels do.

    $$L = \frac{1}{B^2} \sum_{i,j} \Big( s_{ij} - \tfrac1b\, a_i \cdot v_j \Big)^2,\qquad
      s_{ij} = +1\ \text{(one class)},\ -1\ \text{(two)}$$

    For codes of -1 and +1 the product over b bits is 1 - 2 (share of bits that differ). Errors: ValueError
    for unequal shapes. Source: Cao et al. 2016, form from memory. Lesson: 13.
    """
    check_batch(a, v, labels)
    s = torch.where(labels[:, None] == labels, 1.0, -1.0).to(a.device)
    return (s - lift(a) @ lift(v).T / a.shape[1]).square().mean()


def quantisation(h: Float[Tensor, "batch bit"]) -> Float[Tensor, ""]:
    """Ask that a latent is near its code already: the mean of (h - sign h)^2, sign h held still. Lesson: 13.

    >>> quantisation(torch.tensor([[0.5, -1.0]]))
    tensor(0.1250)
    """
    h = lift(h)
    return (h - binary_codes(h.detach())).square().mean()


def binary_codes(h: Float[Tensor, "item bit"]) -> Float[Tensor, "item bit"]:
    """Round a latent to a code of -1 and +1; 0 becomes +1 (`torch.sign` leaves a third value, 0).

    >>> binary_codes(torch.tensor([[0.3, 0.0, -2.0]]))
    tensor([[ 1.,  1., -1.]])
    """
    return torch.where(h >= 0, 1.0, -1.0).to(h)


def hamming_similarity(
    a: Float[Tensor, "query bit"], v: Float[Tensor, "gallery bit"]
) -> Float[Tensor, "query gallery"]:
    """Count the share of bits in which codes agree. With b bits only b + 1 values exist: most items tie.

    Rank with a metric that says what it does with ties (`metrics.mean_average_precision` lets them enter
    together); `argsort` keeps the order of the list, and a list sorted by class then scores too high.
    Errors: ValueError for codes that hold anything but -1 and +1, or of other lengths. Source: Cao et al.
    2016. Lesson: 13.

    >>> hamming_similarity(torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, -1.0]]))
    tensor([[0.5000]])
    """
    if a.ndim != 2 or v.ndim != 2 or a.shape[1] != v.shape[1]:
        raise ValueError(f"expected codes [item, bit] of one length, got {list(a.shape)} and {list(v.shape)}")
    if not bool((a.abs() == 1).all() & (v.abs() == 1).all()):
        raise ValueError("expected codes of -1 and +1 (binary_codes makes them), got other values")
    return (1 + a @ v.T / a.shape[1]) / 2
