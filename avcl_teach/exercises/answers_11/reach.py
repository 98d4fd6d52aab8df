"""Exercise 2 of lesson 11: which regions of which pictures a sound may look at."""

import torch
from jaxtyping import Bool
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def regions_in_reach(n_steps: int, n_regions: int, window: int) -> Bool[Tensor, "step key"]:
    """True where step t may look at a key: a region of a step at most `window` steps away."""
    step = torch.arange(n_steps)
    near = (step[:, None] - step).abs() <= window
    return near.repeat_interleave(n_regions, dim=1)


def by_whole_division(n_steps, n_regions, window):
    key = torch.arange(n_steps * n_regions) // n_regions
    return (key - torch.arange(n_steps)[:, None]).abs() <= window


def by_loop(n_steps, n_regions, window):
    mask = torch.zeros(n_steps, n_steps * n_regions, dtype=torch.bool)
    for t in range(n_steps):
        for s in range(max(0, t - window), min(n_steps, t + window + 1)):
            mask[t, s * n_regions : (s + 1) * n_regions] = True
    return mask


def a_window(g):
    return 5, 3, 1


def wider(g):
    return 7, 2, 2


def only_itself(g):
    return 3, 4, 0


def wide_as_all(g):
    return 3, 2, 5


def one_region(g):
    return 4, 1, 1


def regions_first(n_steps, n_regions, window):
    step = torch.arange(n_steps)
    return ((step[:, None] - step).abs() <= window).repeat(1, n_regions)


def hidden_where_seen(n_steps, n_regions, window):
    return ~regions_in_reach(n_steps, n_regions, window)


def past_only(n_steps, n_regions, window):
    step = torch.arange(n_steps)
    ago = step[:, None] - step
    return ((ago >= 0) & (ago <= window)).repeat_interleave(n_regions, dim=1)


def one_step_short(n_steps, n_regions, window):
    step = torch.arange(n_steps)
    return ((step[:, None] - step).abs() < window).repeat_interleave(n_regions, dim=1)


def counted_in_keys(n_steps, n_regions, window):
    key = torch.arange(n_steps * n_regions)
    return (key - n_regions * torch.arange(n_steps)[:, None]).abs() <= window


def round_the_corner(n_steps, n_regions, window):
    step = torch.arange(n_steps)
    ago = (step[:, None] - step).abs()
    return (torch.minimum(ago, n_steps - ago) <= window).repeat_interleave(n_regions, dim=1)


def width_for_radius(n_steps, n_regions, window):
    step = torch.arange(n_steps)
    return (2 * (step[:, None] - step).abs() <= window).repeat_interleave(n_regions, dim=1)


def all_of_it(n_steps, n_regions, window):
    return torch.ones(n_steps, n_steps * n_regions, dtype=torch.bool)


REACH = Exercise(
    name="co_attention.regions_in_reach",
    lesson="11",
    title="Say which regions are in reach",
    stars=2,
    minutes=8,
    reference=regions_in_reach,
    cases=(a_window, wider, only_itself, wide_as_all, one_region),
    mistakes=(
        Mistake(
            regions_first,
            "v.flatten(1, 2) lays out the regions of step 0, then those of step 1. And your columns?",
        ),
        Mistake(hidden_where_seen, "In this kit True means: may look. What does yours mean?"),
        Mistake(past_only, "May step 0 look at step 1? The window is open on both sides."),
        Mistake(one_step_short, "With window 0, may a step look at its own picture?"),
        Mistake(counted_in_keys, "The window counts steps. What does yours count?"),
        Mistake(round_the_corner, "Is the last step a neighbour of the first?"),
        Mistake(width_for_radius, "With window 1, how many steps may a step in the middle look at?"),
        Mistake(all_of_it, "Which argument has no effect in yours?"),
    ),
    alternatives=(by_whole_division, by_loop),
)
