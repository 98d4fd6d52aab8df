"""What of a latent is in use: the divergence of each dimension, and the units that still say something."""

from jaxtyping import Float
from torch import Tensor


def kl_per_dimension(
    mean: Float[Tensor, "item dim"], log_variance: Float[Tensor, "item dim"]
) -> Float[Tensor, "dim"]:
    """Measure how far each dimension of the posteriors is from N(0, 1), in nats, averaged over the items.

    KL_k = (1/2) mean_i [ s_ik^2 + m_ik^2 - 1 - ln s_ik^2 ]; their sum is `objectives.gaussian_kl`. A
    dimension at 0 says nothing about its item: it has collapsed to the prior.
    Errors: ValueError for unequal shapes or no items. Source: Kingma and Welling 2014. Lesson: 14.

    >>> import torch
    >>> kl_per_dimension(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))
    tensor([0.5000, 0.0000])
    """
    if mean.shape != log_variance.shape or mean.ndim != 2 or not len(mean):
        raise ValueError(
            f"expected mean and log_variance [item, dim] of at least one item, got {tuple(mean.shape)} and "
            f"{tuple(log_variance.shape)}"
        )
    m, l = mean.float(), log_variance.float()
    return (l.exp() + m.square() - 1 - l).mean(0) / 2


def active_units(mean: Float[Tensor, "item dim"], *, threshold: float = 0.01) -> int:
    """Count the dimensions whose posterior mean moves with the item: variance over items > threshold.

    Errors: ValueError for fewer than 2 items. Source: Burda et al. 2016 (threshold 0.01). Lesson: 14.

    >>> import torch
    >>> active_units(torch.tensor([[1.0, 0.02], [-1.0, 0.0]]))
    1
    """
    if mean.ndim != 2 or len(mean) < 2:
        raise ValueError(f"expected means [item, dim] of at least 2 items, got {tuple(mean.shape)}")
    return int((mean.float().var(0) > threshold).sum())
