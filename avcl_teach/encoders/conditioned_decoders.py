"""Reconstruct one modality with the other at hand: four ways to bring it in."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.encoders.multi_head import MultiHeadAttention


class ConditionedDecoder(nn.Module):
    r"""Change a latent by what the other modality says, then decode it.

    $$\hat{x}_a = g_a\big(\mathrm{condition}(H_a, C_v)\big)$$

    The latent H has a row a place (of the spectrogram), the context C a row a place of the other modality.
    `condition` is one of this module's: `AttendingCondition`, which is what the survey's sentence says, or
    `TilingCondition`, `FilmCondition`, which are what the papers it cites do.
    Shapes: H [batch, place, dim], C [batch, key, dim_context], mask [batch, key] True = there -> what
    `decoder` makes of [batch, place, dim]. Errors: those of the condition.
    Source: survey 3.1, auto-encoders iv. Gao and Grauman 2019 (Co-Separation) tile the picture's vector and
    concatenate it; attention conditions nothing there. Lesson: 13.
    """

    def __init__(self, condition: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.condition, self.decoder = condition, decoder

    def forward(
        self,
        H: Float[Tensor, "batch place dim"],
        C: Float[Tensor, "batch key dim_context"],
        mask: Bool[Tensor, "batch key"] | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """Return the reconstruction."""
        return self.decoder(self.condition(H, C, mask))


class AttendingCondition(nn.Module):
    r"""Let every place of the latent look for what it needs in the context, and add it.

    $$H' = H + \mathrm{MHA}(H, C, C)$$

    Other places may take other things. The weights of each place are `weights`.
    Shapes: H [batch, place, dim], C [batch, key, dim_context] -> [batch, place, dim]. Errors: ValueError for
    other shapes. Source: survey 3.1, auto-encoders iv, as it words it. Lesson: 13.
    """

    def __init__(self, dim: int, dim_context: int, *, n_heads: int = 4) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(dim, n_heads, dim_context=dim_context)

    def forward(
        self,
        H: Float[Tensor, "batch place dim"],
        C: Float[Tensor, "batch key dim_context"],
        mask: Bool[Tensor, "batch key"] | None = None,
    ) -> Float[Tensor, "batch place dim"]:
        """Return the latent with what it found."""
        return H + self.attention(H, _kept(C, mask), mask=_wide(mask))

    def weights(
        self,
        H: Float[Tensor, "batch place dim"],
        C: Float[Tensor, "batch key dim_context"],
        mask: Bool[Tensor, "batch key"] | None = None,
    ) -> Float[Tensor, "batch head place key"]:
        """Return where each place looks."""
        return self.attention.attention_weights(H, _kept(C, mask), mask=_wide(mask))


class TilingCondition(nn.Module):
    r"""Set one vector of the context beside every place.

    $$c = \mathrm{mean}_k\, C_k,\qquad H'_p = W\,[H_p; c] + b$$

    Every place gets the same. Shapes and errors: as `AttendingCondition`.
    Source: Gao and Grauman 2019 and Lin and Wang 2021, at the narrowest place of a U-Net. Lesson: 13.
    """

    def __init__(self, dim: int, dim_context: int) -> None:
        super().__init__()
        self.dim_context = dim_context
        self.mix = nn.Linear(dim + dim_context, dim)

    def forward(
        self,
        H: Float[Tensor, "batch place dim"],
        C: Float[Tensor, "batch key dim_context"],
        mask: Bool[Tensor, "batch key"] | None = None,
    ) -> Float[Tensor, "batch place dim"]:
        """Return the mixed latent."""
        c = masked_mean(C, mask)[:, None].expand(-1, H.shape[1], -1)
        return self.mix(torch.cat([H, c], 2))


class FilmCondition(nn.Module):
    r"""Let the context set scale and offset of every feature (feature-wise linear modulation).

    $$c = \mathrm{mean}_k\, C_k,\qquad H'_p = (1 + \gamma(c)) \odot H_p + \beta(c)$$

    gamma and beta are linear and share no weight. Shapes and errors: as `AttendingCondition`.
    Source: Perez et al. 2018; in Zhao et al. 2019 (The Sound of Motions) after a secondary source, there with
    one c a time step. Lesson: 13.
    """

    def __init__(self, dim: int, dim_context: int) -> None:
        super().__init__()
        self.scale, self.offset = nn.Linear(dim_context, dim), nn.Linear(dim_context, dim)

    def forward(
        self,
        H: Float[Tensor, "batch place dim"],
        C: Float[Tensor, "batch key dim_context"],
        mask: Bool[Tensor, "batch key"] | None = None,
    ) -> Float[Tensor, "batch place dim"]:
        """Return the modulated latent."""
        c = masked_mean(C, mask)[:, None]
        return (1 + self.scale(c)) * H + self.offset(c)


class SpatialGate(nn.Module):
    r"""Let what a place looks like decide how much of its motion passes.

    $$H'_p = \sigma(w^\top C_p + b)\, H_p$$

    Both have the same places. One number between 0 and 1 a place; unlike attention the gates of two places do
    not compete. Shapes: H [batch, place, dim], C [batch, place, dim_context] -> [batch, place, dim]. Errors:
    ValueError for other places. Source: Zhao et al. 2019, after a secondary source. Lesson: 13.
    """

    def __init__(self, dim_context: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim_context, 1)

    def forward(
        self, H: Float[Tensor, "batch place dim"], C: Float[Tensor, "batch key dim_context"]
    ) -> Float[Tensor, "batch place dim"]:
        """Return the gated latent."""
        if H.shape[:2] != C.shape[:2]:
            raise ValueError(f"expected the same places, got {list(H.shape)} and {list(C.shape)}")
        return torch.sigmoid(self.score(C)) * H


def masked_mean(
    C: Float[Tensor, "batch key dim"], mask: Bool[Tensor, "batch key"] | None
) -> Float[Tensor, "batch dim"]:
    """Average the rows that are there; zeros where none is. Errors: ValueError for another mask."""
    if mask is None:
        return C.mean(1)
    return _kept(C, mask).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)


def _kept(C: Tensor, mask: Tensor | None) -> Tensor:
    """Put zeros where nothing is: NaN in the padding would pass through a weight of 0."""
    if mask is None:
        return C
    if mask.dtype != torch.bool or mask.shape != C.shape[:2]:
        raise ValueError(f"expected a mask as Bool {list(C.shape[:2])}, got {mask.dtype} {list(mask.shape)}")
    return torch.where(mask[:, :, None], C, torch.zeros_like(C))


def _wide(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask[:, None, None, :]
