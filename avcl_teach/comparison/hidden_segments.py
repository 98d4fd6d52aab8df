"""One segment that matters, hidden among segments that do not: the task of lesson 10."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from avcl_teach.comparison.segment_pairs import SegmentSplit


@dataclass(frozen=True)
class HiddenRows:
    """Hold rows of sounds, one after another, of which one matters in each.

    sounds: features of each segment, 0 in the padding · mask: True where there is a segment · where: the
    segment that matters · label: its class, counted in the classes asked for · picture: features of a
    segment, of any clip, in which that class is seen · place: the loudspeaker that plays each segment, -1
    in the padding · source: clip * segments + segment in the cut, -1 in the padding, to listen to a row.
    """

    sounds: Float[Tensor, "row segment feature_a"]
    mask: Bool[Tensor, "row segment"]
    where: Int[Tensor, "row"]
    label: Int[Tensor, "row"]
    picture: Float[Tensor, "row feature_v"]
    place: Int[Tensor, "row segment"]
    source: Int[Tensor, "row segment"]

    @property
    def answer(self) -> Int[Tensor, "row"]:
        """Return the loudspeaker that plays the segment that matters."""
        return self.place.gather(1, self.where[:, None])[:, 0]

    def to(self, device: torch.device | str) -> "HiddenRows":
        """Return the rows on a device."""
        return HiddenRows(**{name: x.to(device) for name, x in vars(self).items()})

    @property
    def lengths(self) -> Int[Tensor, "row"]:
        """Count the segments of each row."""
        return self.mask.sum(1)


def hidden_segments(
    cut: SegmentSplit,
    n: int,
    *,
    lengths: Sequence[int],
    wanted: Sequence[int] = range(8),
    others: Sequence[int] | None = None,
    silent: float = 0.0,
    n_places: int = 4,
    seed: int = 0,
) -> HiddenRows:
    """Build n rows, each of one sound of a wanted class among sounds of other classes.

    The class is drawn from `wanted`, the length from `lengths`, the place in the row from all of it. What
    stands around it is drawn from `others` (default: all classes but the hidden one), and with probability
    `silent` from segments in which nothing sounds. Loudspeakers 0 ... n_places - 1 play equal numbers of a
    row's segments, in random order, so that only who finds the segment knows the loudspeaker. Errors:
    ValueError for no rows, for lengths that n_places does not divide, for a class without segments.
    Lesson: 10.
    """
    if n < 1 or not lengths or min(lengths) < 1 or any(length % n_places for length in lengths):
        raise ValueError(f"expected n >= 1 and lengths that {n_places} divides, got {n} and {list(lengths)}")
    g = torch.Generator().manual_seed(seed)
    heard, viewed = cut.heard.flatten(), cut.viewed.flatten()
    x_a, x_v = cut.x_a.flatten(0, 1), cut.x_v.flatten(0, 1).amax(1)

    def draw(pool: Tensor, *shape: int) -> Tensor:
        if len(pool) == 0:
            raise ValueError("expected segments of every class asked for, got a cut without some")
        return pool[torch.randint(len(pool), shape, generator=g)]

    label = torch.randint(len(wanted), (n,), generator=g)
    length = torch.tensor(lengths)[torch.randint(len(lengths), (n,), generator=g)]
    where = (torch.rand(n, generator=g) * length).long()
    mask = torch.arange(max(lengths)) < length[:, None]
    source, seen = torch.zeros(n, max(lengths), dtype=torch.long), torch.zeros(n, dtype=torch.long)
    for k, c in enumerate(wanted):
        rows = (label == k).nonzero()[:, 0]
        around = (heard >= 0) & (heard != c)
        if others is not None:
            around = torch.isin(heard, torch.tensor([o for o in others if o != c]))
        source[rows] = draw(around.nonzero()[:, 0], len(rows), max(lengths))
        source[rows, where[rows]] = draw((heard == c).nonzero()[:, 0], len(rows))
        seen[rows] = draw((viewed == c).nonzero()[:, 0], len(rows))
    if silent > 0:
        quiet = torch.rand(source.shape, generator=g) < silent
        quiet[torch.arange(n), where] = False
        source = torch.where(quiet, draw((heard < 0).nonzero()[:, 0], *source.shape), source)
    # ranks of random numbers, padding last: a random order of 0 ... length - 1 in each row
    order = torch.rand(source.shape, generator=g).masked_fill(~mask, 2.0).argsort(1).argsort(1)
    return HiddenRows(
        sounds=x_a[source] * mask[..., None],
        mask=mask,
        where=where,
        label=label,
        picture=x_v[seen],
        place=(order % n_places).masked_fill(~mask, -1),
        source=source.masked_fill(~mask, -1),
    )
