"""A small tower on a series of step features: what happens, and, if asked for, in which part."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class StepTower(nn.Module):
    """Map steps of features to one vector: a layer a step, a convolution over three steps, pooling, a layer.

    z = relu(W [max over time; mean of each of `slots` equal parts]). One slot: hardly any order is kept.
    x [batch, step, feature] -> [batch, dim], at least 0 and not normalised. Errors: ValueError for another
    number of features, or fewer steps than slots. Lesson: 31.
    """

    def __init__(self, n_features: int, dim: int = 64, *, width: int = 64, slots: int = 1) -> None:
        super().__init__()
        self.n_features, self.slots = n_features, slots
        self.step = nn.Linear(n_features, width)
        self.mix = nn.Conv1d(width, width, 3, padding=1)
        self.out = nn.Linear(width * (slots + 1), dim)

    def forward(self, x: Float[Tensor, "batch step feature"]) -> Float[Tensor, "batch dim"]:
        """Embed a batch of clips of any number of steps."""
        if x.ndim != 3 or x.shape[2] != self.n_features or x.shape[1] < self.slots:
            raise ValueError(
                f"expected steps [batch, step >= {self.slots}, {self.n_features}], got {tuple(x.shape)}"
            )
        h = F.relu(self.mix(F.relu(self.step(x)).transpose(1, 2)))
        parts = F.adaptive_avg_pool1d(h, self.slots).flatten(1)
        return F.relu(self.out(torch.cat([h.amax(2), parts], dim=1)))
