"""Train with two modalities, use one: the weak one learns to say what the strong one would."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Translated(NamedTuple):
    """Hold what `WeakToStrong` makes; what needs the strong modality is None without it."""

    z: Float[Tensor, "batch dim"]
    translation: Float[Tensor, "batch strong"]
    logits: Float[Tensor, "batch class"]
    z_strong: Float[Tensor, "batch dim"] | None = None
    reconstruction: Float[Tensor, "batch strong"] | None = None


class WeakToStrong(nn.Module):
    r"""Translate the weak modality into the strong one, and read the class off the code in between.

    $$z_w = f_w(x_w),\quad \hat{x}_s = g(z_w),\quad z_s = f_s(x_s),\quad \hat{x}'_s = g_s(z_s),\quad
      y' = W z_w + b$$
    $$L = L_{task}(y') + \lambda_t |x_s - \hat{x}_s|^2 + \lambda_r |x_s - \hat{x}'_s|^2
      - \lambda_c\, \mathrm{corr}(z_w, z_s)$$

    corr as in deep CCA (`objectives.deep_cca` is minus it). At test f_w and the classifier run alone.
    Shapes: x_w, x_s [batch, ...]. Source: Rajan et al. 2021 (survey 3.1, auto-encoders ii and v); a
    reconstruction from the abstract, the form of the terms is ours. Lesson: 13.
    """

    def __init__(
        self, encoders: Sequence[nn.Module], decoders: Sequence[nn.Module], *, dim: int, n_classes: int
    ) -> None:
        super().__init__()
        if len(encoders) != 2 or len(decoders) != 2:
            raise ValueError(
                f"expected two encoders and two decoders (weak, strong), got {len(encoders)} and "
                f"{len(decoders)}"
            )
        self.weak, self.strong = encoders
        self.translate, self.reconstruct = decoders
        self.classifier = nn.Linear(dim, n_classes)

    def forward(self, x_w: Tensor, x_s: Tensor | None = None) -> Translated:
        """Return codes, reconstructions and logits; without x_s, what the weak modality alone gives."""
        z = self.weak(x_w)
        alone = z, self.translate(z), self.classifier(z)
        if x_s is None:
            return Translated(*alone)
        z_s = self.strong(x_s)
        return Translated(*alone, z_s, self.reconstruct(z_s))


def associates(
    labels: Int[Tensor, "batch"], *, generator: torch.Generator | None = None
) -> Int[Tensor, "batch"]:
    """Draw for every item another one of its class, itself where it is alone: targets by association.

    Decoding x[associates(labels)] instead of x keeps what associated items share. Source: Wang et al. 2018
    (associated words there, items of one class here). Lesson: 13.
    """
    same = labels[:, None] == labels
    own = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    draw = torch.rand(len(labels), len(labels), generator=generator).to(labels.device)
    return torch.where(own, -0.5, torch.where(same, draw, -1.0)).argmax(1)
