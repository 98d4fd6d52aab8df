"""Maps of attention over a picture or a spectrum, by itself or guided by the other modality."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.encoders.attention import attention_weights


def guided_map(
    positions: Float[Tensor, "batch position dim"],
    guide: Float[Tensor, "batch dim"],
    *,
    temperature: float = 0.1,
    present: Bool[Tensor, "batch position"] | None = None,
) -> Float[Tensor, "batch position"]:
    r"""Return where the other modality would look: $G_p = \mathrm{softmax}_p(\cos(F_p, \bar g) / \tau)$.

    Audio-guided over regions of a picture (Ma et al. 2020b pools with it), or picture-guided over the bands
    of a spectrum. Shapes: positions [batch, position, dim], guide [batch, dim] -> [batch, position], sum 1.
    Errors: ValueError for temperature <= 0 or shapes that do not fit. Source: Min et al. 2021,
    rebuilt from memory of the paper; Ma et al. 2020b has dot products without temperature. Lesson: 11.
    """
    if positions.ndim != 3 or guide.shape != (positions.shape[0], positions.shape[2]):
        raise ValueError(
            f"expected positions [batch, position, dim] and guide [batch, dim], "
            f"got {list(positions.shape)} and {list(guide.shape)}"
        )
    if not temperature > 0:
        raise ValueError(f"expected a temperature above 0, got {temperature}")
    S = (F.normalize(positions, dim=2) @ F.normalize(guide, dim=1)[..., None])[..., 0]
    return _softmax(S / temperature, present)


class OwnMap(nn.Module):
    r"""Return where a modality looks by itself: $A_p = \mathrm{softmax}_p(w^\top \mathrm{relu}(U F_p))$.

    Shapes: [batch, position, dim] -> [batch, position], sum 1. Errors: ValueError for other shapes. Source:
    Min et al. 2021, rebuilt from memory of the paper. Lesson: 11.
    """

    def __init__(self, dim: int, *, hidden: int = 32) -> None:
        super().__init__()
        self.dim = dim
        self.score = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 1, bias=False))

    def forward(
        self,
        positions: Float[Tensor, "batch position dim"],
        *,
        present: Bool[Tensor, "batch position"] | None = None,
    ) -> Float[Tensor, "batch position"]:
        """Return the map."""
        if positions.ndim != 3 or positions.shape[2] != self.dim:
            raise ValueError(f"expected [batch, position, {self.dim}], got {list(positions.shape)}")
        return _softmax(self.score(positions)[..., 0], present)


def map_consistency(
    own: Float[Tensor, "batch position"], guided: Float[Tensor, "batch position"]
) -> Float[Tensor, ""]:
    r"""Pull a modality's own map towards the guided one: mean over the batch of $\|A - \mathrm{sg}(G)\|^2$.

    The guided map is the target and gets no gradient: with one, both could agree on looking everywhere
    alike, at no cost. It says nothing about embeddings; what is aligned are maps.
    Errors: ValueError for unequal shapes. Source: Min et al. 2021, didactic form; survey 3.1, i ("to align
    the projectors' weights"). Lesson: 11.
    """
    if own.ndim != 2 or own.shape != guided.shape:
        raise ValueError(f"expected two maps [batch, position], got {list(own.shape)}, {list(guided.shape)}")
    return (own - guided.detach()).square().sum(1).mean()


def _softmax(e: Tensor, present: Tensor | None) -> Tensor:
    if present is not None and present.shape != e.shape:
        raise ValueError(f"expected present {list(e.shape)}, got {list(present.shape)}")
    return attention_weights(e, present)
