"""Exercise 2 of lesson 35: the scale-invariant ratio, without silent references."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def scale_free_ratio(y: Float[Tensor, "clip sample"], s: Float[Tensor, "clip sample"]) -> Float[Tensor, ""]:
    """Mean SI-SDR in dB over the clips whose reference is not silent."""
    there = s.square().sum(1) > 0
    y, s = y[there], s[there]
    target = ((y * s).sum(1) / s.square().sum(1))[:, None] * s
    return (10 * torch.log10(target.square().sum(1) / (y - target).square().sum(1))).mean()


def by_angle(y, s):
    keep = s.abs().amax(1) > 0
    c2 = torch.nn.functional.cosine_similarity(y[keep], s[keep], dim=1).square()
    return (10 * (c2.log10() - (1 - c2).log10())).mean()


def estimates(g):
    s = torch.randn(3, 12, generator=g)
    return 0.6 * s + 0.5 * torch.randn(3, 12, generator=g), s


def with_offset(g):
    s = torch.randn(2, 10, generator=g) + 1.5
    return 2.0 * s + torch.randn(2, 10, generator=g) - 1.0, s


def swapped(g):
    s = torch.randn(3, 11, generator=g)
    return 0.4 * s + s.roll(1, 0), s


def one_silent(g):
    s = torch.randn(4, 9, generator=g)
    y = -1.4 * s + 0.8 * torch.randn(4, 9, generator=g)
    s[2] = 0
    return y, s


def without_scale(y, s):
    keep = s.square().sum(1) > 0
    y, s = y[keep], s[keep]
    return (10 * torch.log10(s.square().sum(1) / (y - s).square().sum(1))).mean()


def reference_over_scaled(y, s):
    keep = s.square().sum(1) > 0
    y, s = y[keep], s[keep]
    target = ((y * s).sum(1) / s.square().sum(1))[:, None] * s
    return (10 * torch.log10(s.square().sum(1) / (y - target).square().sum(1))).mean()


def twenty_for_ten(y, s):
    return 2 * scale_free_ratio(y, s)


def natural_log(y, s):
    return scale_free_ratio(y, s) * 2.302585093


def upside_down(y, s):
    return -scale_free_ratio(y, s)


def silence_counts_as_zero(y, s):
    keep = s.square().sum(1) > 0
    return scale_free_ratio(y, s) * keep.sum() / len(s)


def silence_with_a_floor(y, s):
    target = ((y * s).sum(1) / (s.square().sum(1) + 1e-8))[:, None] * s
    return (10 * torch.log10((target.square().sum(1) + 1e-8) / ((y - target).square().sum(1) + 1e-8))).mean()


def silence_not_skipped(y, s):
    target = ((y * s).sum(1) / s.square().sum(1))[:, None] * s
    return (10 * torch.log10(target.square().sum(1) / (y - target).square().sum(1))).mean()


def mean_taken_off(y, s):
    keep = s.square().sum(1) > 0
    y, s = y[keep], s[keep]
    return _ratio(y - y.mean(1, keepdim=True), s - s.mean(1, keepdim=True), square=True).mean()


def ratio_of_means(y, s):
    keep = s.square().sum(1) > 0
    y, s = y[keep], s[keep]
    target = ((y * s).sum(1) / s.square().sum(1))[:, None] * s
    return 10 * torch.log10(target.square().sum() / (y - target).square().sum())


def one_scale_for_all(y, s):
    keep = s.square().sum(1) > 0
    y, s = y[keep], s[keep]
    target = (y * s).sum() / s.square().sum() * s
    return (10 * torch.log10(target.square().sum(1) / (y - target).square().sum(1))).mean()


def amplitudes(y, s):
    keep = s.square().sum(1) > 0
    return _ratio(y[keep], s[keep], square=False).mean()


def best_order(y, s):
    keep = s.square().sum(1) > 0
    y, s = y[keep], s[keep]
    every = torch.stack([torch.stack([_ratio(a[None], b[None], square=True)[0] for b in s]) for a in y])
    return every.amax(1).mean()


def middle_clip(y, s):
    there = s.square().sum(1) > 0
    y, s = y[there], s[there]
    target = ((y * s).sum(1) / s.square().sum(1))[:, None] * s
    return (10 * torch.log10(target.square().sum(1) / (y - target).square().sum(1))).median()


def never_upside_down(y, s):
    there = s.square().sum(1) > 0
    y, s = y[there], s[there]
    target = ((y * s).sum(1).abs() / s.square().sum(1))[:, None] * s
    return (10 * torch.log10(target.square().sum(1) / (y - target).square().sum(1))).mean()


def _ratio(y, s, *, square):
    target = ((y * s).sum(1) / s.square().sum(1))[:, None] * s
    a, b = (z.square() if square else z.abs() for z in (target, y - target))
    return 10 * torch.log10(a.sum(1) / b.sum(1))


FIGURES = Exercise(
    name="separation.scale_free_ratio",
    lesson="35",
    title="Measure in dB, whatever the gain, and skip silence",
    stars=2,
    minutes=10,
    reference=scale_free_ratio,
    cases=(estimates, with_offset, swapped, one_silent),
    mistakes=(
        Mistake(without_scale, "Double the estimate. Does your figure change?"),
        Mistake(
            reference_over_scaled, "Which energy stands above: that of s, or of what of s is in the estimate?"
        ),
        Mistake(twenty_for_ten, "Energies, or amplitudes? One of them takes 10, the other 20."),
        Mistake(natural_log, "A decibel counts tenfolds. Which logarithm is yours?"),
        Mistake(upside_down, "Should a better estimate score higher? Yours?"),
        Mistake(silence_counts_as_zero, "A clip without reference: is it in your denominator?"),
        Mistake(
            silence_with_a_floor,
            "A floor turns silence into a number. Should that clip be in the mean at all?",
        ),
        Mistake(silence_not_skipped, "What is 0 / 0? Ask who has a reference before you divide."),
        Mistake(
            mean_taken_off,
            "This figure takes no mean off. What does yours do to a constant part of the sound?",
        ),
        Mistake(
            ratio_of_means,
            "A figure for each clip first, or all energies first? The loud clip should not rule.",
        ),
        Mistake(one_scale_for_all, "Every clip has a gain of its own. How many gains does yours fit?"),
        Mistake(amplitudes, "Energy is a sum of squares. Of what is your sum?"),
        Mistake(middle_clip, "Which average is asked for? What does yours do with one clip that fails?"),
        Mistake(
            never_upside_down, "Turn an estimate upside down: the best gain is below 0 then. What is yours?"
        ),
        Mistake(best_order, "The picture says who is who. Does yours look for whom the estimate fits best?"),
    ),
    alternatives=(by_angle,),
)
