"""Exercise 4 of lesson 11: does a map point at the thing?"""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def pointing(
    maps: Float[Tensor, "n region"], cover: Float[Tensor, "n region"], least: float
) -> Float[Tensor, ""]:
    """Share of maps, among those with anything to point at, whose largest value lies on a covered region."""
    covered = cover >= least
    there = covered.any(1)
    hit = covered.gather(1, maps.argmax(1, keepdim=True))[:, 0]
    return (hit & there).sum() / there.sum().clamp_min(1)


def by_picking(maps, cover, least):
    keep = cover.amax(1) >= least
    if not keep.any():
        return 0 * maps.sum()
    maps, cover = maps[keep], cover[keep]
    return (cover[torch.arange(len(maps)), maps.max(1).indices] >= least).float().mean()


def by_loop(maps, cover, least):
    hits = [float(c[int(m.argmax())] >= least) for m, c in zip(maps, cover, strict=True) if c.max() >= least]
    return torch.tensor(sum(hits) / max(len(hits), 1))


def _maps(g, n, p):
    return torch.randn(n, p, generator=g).softmax(1)


def some_empty(g):
    cover = torch.rand(9, 5, generator=g) * (torch.rand(9, 5, generator=g) < 0.5)
    cover[torch.randperm(9, generator=g)[:3]] = 0
    return _maps(g, 9, 5), cover, 0.2


def thin_cover(g):
    return _maps(g, 8, 4), torch.rand(8, 4, generator=g), 0.6


def all_there(g):
    cover = torch.zeros(6, 7).scatter_(1, torch.randint(0, 7, (6, 2), generator=g), 1.0)
    return _maps(g, 6, 7), cover, 0.5


def nothing_there(g):
    return _maps(g, 3, 4), torch.zeros(3, 4), 0.1


def mass_for_pointing(maps, cover, least):
    covered = cover >= least
    there = covered.any(1)
    return ((maps * covered).sum(1) * there).sum() / there.sum().clamp_min(1)


def empty_ones_counted(maps, cover, least):
    return (cover >= least).gather(1, maps.argmax(1, keepdim=True)).float().mean()


def any_cover_will_do(maps, cover, least):
    return pointing(maps, (cover > 0).float(), 0.5)


def least_looked_at(maps, cover, least):
    return pointing(-maps, cover, least)


def the_most_covered_only(maps, cover, least):
    there = (cover >= least).any(1)
    return ((maps.argmax(1) == cover.argmax(1)) & there).sum() / there.sum().clamp_min(1)


def empty_ones_are_right(maps, cover, least):
    covered = cover >= least
    hit = covered.gather(1, maps.argmax(1, keepdim=True))[:, 0]
    return (hit | ~covered.any(1)).float().mean()


def chance_for_score(maps, cover, least):
    covered = cover >= least
    there = covered.any(1)
    return (covered.float().mean(1) * there).sum() / there.sum().clamp_min(1)


def where_the_cover_looks(maps, cover, least):
    there = (cover >= least).any(1)
    found = maps.gather(1, cover.argmax(1, keepdim=True))[:, 0]
    return ((found >= least) & there).sum() / there.sum().clamp_min(1)


def hits_counted(maps, cover, least):
    return (cover >= least).gather(1, maps.argmax(1, keepdim=True)).sum().float()


def _unmoved_by_temperature(fn, g):
    maps, cover, least = all_there(g)
    sharper = maps.pow(3) / maps.pow(3).sum(1, keepdim=True)
    return torch.allclose(torch.as_tensor(fn(maps, cover, least)), torch.as_tensor(fn(sharper, cover, least)))


POINTING = Exercise(
    name="co_attention.pointing",
    lesson="11",
    title="Ask whether a map points at the thing",
    stars=1,
    minutes=8,
    reference=pointing,
    cases=(some_empty, thin_cover, all_there, nothing_there),
    gradient="off",
    large_values=None,
    mistakes=(
        Mistake(
            mass_for_pointing,
            "How much of a map lies there, or where its largest value lies: which is asked?",
        ),
        Mistake(empty_ones_counted, "Where nothing is to be seen, can a map point right?"),
        Mistake(empty_ones_are_right, "A map of an empty picture: is it right, or is it left out?"),
        Mistake(any_cover_will_do, "A region with one pixel of the thing: covered enough?"),
        Mistake(least_looked_at, "Which end of the map are you taking?"),
        Mistake(the_most_covered_only, "Two regions are covered. May the map choose either?"),
        Mistake(chance_for_score, "Change the maps and nothing else. Does your number change?"),
        Mistake(where_the_cover_looks, "Whose largest value decides: the map's or the cover's?"),
        Mistake(hits_counted, "A share lies between 0 and 1. Does yours?"),
    ),
    alternatives=(by_picking, by_loop),
    properties=(
        Property(
            "sharper",
            _unmoved_by_temperature,
            "A sharper map with the same maximum points at the same place. Does your number agree?",
        ),
    ),
)
