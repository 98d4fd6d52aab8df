"""Exercise 4 of lesson 31: four versions of a window, the same for both sides."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def four_versions(
    x_a: Float[Tensor, "step p"], x_v: Float[Tensor, "step q"], first: int, n: int, shift: int
) -> tuple[Float[Tensor, "4 n p"], Float[Tensor, "4 n q"]]:
    """Windows of n steps: as it is, shifted, reversed, shifted and reversed; both sides alike."""

    def cut(x):
        base, later = x[first : first + n], x[first + shift : first + shift + n]
        return torch.stack([base, later, base.flip(0), later.flip(0)])

    return cut(x_a), cut(x_v)


def by_index(x_a, x_v, first, n, shift):
    forward = torch.arange(n, device=x_a.device)
    steps = [first + forward, first + shift + forward]
    steps = torch.stack([*steps, *(s.flip(0) for s in steps)])
    return x_a[steps], x_v[steps]


def a_window(g):
    return torch.randn(9, 2, generator=g), torch.randn(9, 3, generator=g), 1, 4, 2


def at_the_end(g):
    return torch.randn(7, 3, generator=g), torch.randn(7, 1, generator=g), 2, 3, 2


def no_overlap(g):
    return torch.randn(8, 2, generator=g), torch.randn(8, 2, generator=g), 0, 3, 4


def _all(x, base, later):
    return torch.stack([base, later, base.flip(0), later.flip(0)])


def picture_not_reversed_in_both(x_a, x_v, first, n, shift):
    a, v = four_versions(x_a, x_v, first, n, shift)
    return a, torch.stack([v[0], v[1], v[2], v[1]])


def picture_never_reversed(x_a, x_v, first, n, shift):
    a, v = four_versions(x_a, x_v, first, n, shift)
    return a, torch.stack([v[0], v[1], v[0], v[1]])


def picture_never_shifted(x_a, x_v, first, n, shift):
    a, v = four_versions(x_a, x_v, first, n, shift)
    return a, torch.stack([v[0], v[0], v[2], v[2]])


def wrapped(x_a, x_v, first, n, shift):
    def cut(x):
        base = x[first : first + n]
        return _all(x, base, base.roll(-shift, 0))

    return cut(x_a), cut(x_v)


def shifted_after_reversal(x_a, x_v, first, n, shift):
    def cut(x):
        base, later = x[first : first + n], x[first + shift : first + shift + n]
        return torch.stack([base, later, base.flip(0), base.flip(0).roll(-shift, 0)])

    return cut(x_a), cut(x_v)


def features_reversed(x_a, x_v, first, n, shift):
    a, v = (torch.stack([x[0], x[1], x[0].flip(1), x[1].flip(1)])
            for x in four_versions(x_a, x_v, first, n, shift))  # fmt: skip
    return a, v


def whole_clip_reversed(x_a, x_v, first, n, shift):
    def cut(x):
        base, later = (x[s : s + n] for s in (first, first + shift))
        back = x.flip(0)
        return torch.stack([base, later, *(back[s : s + n] for s in (first, first + shift))])

    return cut(x_a), cut(x_v)


def another_order(x_a, x_v, first, n, shift):
    a, v = four_versions(x_a, x_v, first, n, shift)
    order = torch.tensor([0, 2, 1, 3])
    return a[order], v[order]


def earlier(x_a, x_v, first, n, shift):
    def cut(x):
        base, before = (x[max(s, 0) : max(s, 0) + n] for s in (first, first - shift))
        return _all(x, base, before)

    return cut(x_a), cut(x_v)


VERSIONS = Exercise(
    name="transfer.four_versions",
    lesson="31",
    title="Cut four versions of a window",
    stars=2,
    minutes=8,
    reference=four_versions,
    cases=(a_window, at_the_end, no_overlap),
    mistakes=(
        Mistake(picture_not_reversed_in_both, "In the last version, do sound and picture run the same way?"),
        Mistake(picture_never_reversed, "The sound runs backwards. What does the picture do meanwhile?"),
        Mistake(picture_never_shifted, "The sound is later. Is the picture?"),
        Mistake(wrapped, "What comes after the window's end: its own beginning, or the rest of the clip?"),
        Mistake(
            shifted_after_reversal,
            "Which steps of the clip are in your last version?",
        ),
        Mistake(features_reversed, "What is reversed: the order of the steps, or of the features?"),
        Mistake(whole_clip_reversed, "A reversed window shows the same steps. Does yours?"),
        Mistake(another_order, "All four are there. In which order are they asked for?"),
        Mistake(earlier, "Later, or earlier? Look at the sign."),
    ),
    alternatives=(by_index,),
)
