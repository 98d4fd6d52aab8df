"""Exercise 5 of lesson 14: what the shared decoder must regenerate from either side."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake


def regenerate_both(
    from_a: Float[Tensor, "n da+dv"],
    from_v: Float[Tensor, "n da+dv"],
    x_a: Float[Tensor, "n da"],
    x_v: Float[Tensor, "n dv"],
) -> Float[Tensor, ""]:
    """Mean over items of the squared errors of both outputs, each against sound and picture."""
    target = torch.cat([x_a, x_v], dim=1)
    errors = (from_a - target).square() + (from_v - target).square()
    return errors.sum(1).mean()


def by_parts(from_a, from_v, x_a, x_v):
    total = 0.0
    for out in (from_a, from_v):
        a, v = out.split((x_a.shape[1], x_v.shape[1]), dim=1)
        total = total + F.mse_loss(a, x_a, reduction="sum") + F.mse_loss(v, x_v, reduction="sum")
    return total / len(x_a)


def by_stacking(from_a, from_v, x_a, x_v):
    target = torch.cat([x_a, x_v], dim=1).repeat(2, 1)
    return 2 * (torch.cat([from_a, from_v]) - target).square().sum(1).mean()


def a_batch(g):
    n, d_a, d_v = 4, 3, 5
    sizes = (d_a + d_v, d_a + d_v, d_a, d_v)
    return tuple(torch.randn(n, d, generator=g) for d in sizes)


def equal_widths(g):
    return tuple(torch.randn(3, d, generator=g) for d in (8, 8, 4, 4))


def one_item(g):
    return tuple(torch.randn(1, d, generator=g) for d in (3, 3, 2, 1))


def sound_is_perfect(g):
    x_a, x_v = torch.randn(3, 2, generator=g), torch.randn(3, 4, generator=g)
    return torch.cat([x_a, x_v], 1), torch.randn(3, 6, generator=g), x_a, x_v


def _parts(from_a, from_v, x_a, x_v):
    """Errors of sound and picture, from sound and from picture."""
    d = x_a.shape[1]
    return [
        (out[:, part] - x).square().sum(1).mean()
        for out in (from_a, from_v)
        for part, x in ((slice(None, d), x_a), (slice(d, None), x_v))
    ]


def own_part_only(*x):
    aa, _, _, vv = _parts(*x)
    return aa + vv


def other_part_only(*x):
    _, av, va, _ = _parts(*x)
    return av + va


def picture_first(from_a, from_v, x_a, x_v):
    target = torch.cat([x_v, x_a], dim=1)
    return ((from_a - target).square() + (from_v - target).square()).sum(1).mean()


def from_sound_only(from_a, from_v, x_a, x_v):
    return (from_a - torch.cat([x_a, x_v], 1)).square().sum(1).mean() + 0 * from_v.sum()


def outputs_compared(from_a, from_v, x_a, x_v):
    return (from_a - from_v).square().sum(1).mean()


def outputs_averaged(from_a, from_v, x_a, x_v):
    return ((from_a + from_v) / 2 - torch.cat([x_a, x_v], 1)).square().sum(1).mean()


def averaged_over_features(from_a, from_v, x_a, x_v):
    return regenerate_both(from_a, from_v, x_a, x_v) / from_a.shape[1]


def summed_over_the_batch(from_a, from_v, x_a, x_v):
    return regenerate_both(from_a, from_v, x_a, x_v) * len(x_a)


def sides_averaged(from_a, from_v, x_a, x_v):
    return regenerate_both(from_a, from_v, x_a, x_v) / 2


def gradient_of_one_side(from_a, from_v, x_a, x_v):
    return regenerate_both(from_a, from_v.detach(), x_a, x_v)


TARGETS = Exercise(
    name="variational.regenerate_both",
    lesson="14",
    title="Ask either side for both",
    stars=2,
    minutes=7,
    reference=regenerate_both,
    cases=(a_batch, equal_widths, one_item, sound_is_perfect),
    mistakes=(
        Mistake(own_part_only, "Must a latent of a sound know anything of pictures to please this?"),
        Mistake(other_part_only, "Which errors of a latent's own modality does this see?"),
        Mistake(picture_first, "In which order do the decoder's outputs stand?"),
        Mistake(from_sound_only, "Which encoder does this train?"),
        Mistake(outputs_compared, "Two outputs that are equal and wrong: what do they cost?"),
        Mistake(outputs_averaged, "One output 1 too high, the other 1 too low: what should that cost?"),
        Mistake(averaged_over_features, "Sum over features, as a likelihood does."),
        Mistake(summed_over_the_batch, "Give every item twice: should the price of an item change?"),
        Mistake(sides_averaged, "Two outputs, two errors: are they added?"),
        Mistake(gradient_of_one_side, "The numbers are right. Which encoder learns nothing from them?"),
    ),
    alternatives=(by_parts, by_stacking),
)
