"""Does a map lie where the thing is? Pointing and mass, against the regions that a thing truly covers."""

from jaxtyping import Float
from torch import Tensor


def pointing_accuracy(
    maps: Float[Tensor, "*n region"], cover: Float[Tensor, "*n region"], *, least: float = 0.1
) -> Float[Tensor, ""]:
    """Return the share of maps whose largest value lies on a region covered at least by `least`.

    Maps of pictures without such a region are left out; where all are, the answer is 0. Chance, for a map
    that points anywhere, is `covered_share`. Errors: ValueError for unequal shapes or least <= 0. Lesson: 11.

    >>> pointing_accuracy(torch.tensor([[0.9, 0.1], [0.6, 0.4]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor(0.5000)
    """
    covered, there = _covered(maps, cover, least)
    hit = covered.gather(-1, maps.argmax(-1, keepdim=True))[..., 0]
    return (hit & there).sum() / there.sum().clamp_min(1)


def mass_inside(
    maps: Float[Tensor, "*n region"], cover: Float[Tensor, "*n region"], *, least: float = 0.1
) -> Float[Tensor, ""]:
    """Return the mean share of a map's sum on regions covered at least by `least`; rest as for pointing."""
    covered, there = _covered(maps, cover, least)
    mass = (maps * covered).sum(-1) / maps.sum(-1).clamp_min(1e-12)
    return (mass * there).sum() / there.sum().clamp_min(1)


def covered_share(cover: Float[Tensor, "*n region"], *, least: float = 0.1) -> Float[Tensor, ""]:
    """Return what a map that points anywhere, or lies everywhere alike, would score. Lesson: 11."""
    covered, there = _covered(cover, cover, least)
    return (covered.float().mean(-1) * there).sum() / there.sum().clamp_min(1)


def _covered(maps: Tensor, cover: Tensor, least: float) -> tuple[Tensor, Tensor]:
    if maps.shape != cover.shape or maps.ndim < 1:
        raise ValueError(f"expected maps and cover of one shape, got {list(maps.shape)}, {list(cover.shape)}")
    if not least > 0:
        raise ValueError(f"expected least above 0, got {least}")
    covered = cover >= least
    return covered, covered.any(-1)
