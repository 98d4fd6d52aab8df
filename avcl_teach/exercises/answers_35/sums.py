"""Exercise 4 of lesson 35: the masks of a video's objects must add up to its share."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def add_up(
    M: Float[Tensor, "object cell"],
    video: Int[Tensor, "object"],
    R: Float[Tensor, "video cell"],
    w: Float[Tensor, "cell"],
) -> Float[Tensor, ""]:
    """Weighted mean over videos and cells of |sum of the video's masks - min(R, 5)|."""
    sums = torch.zeros_like(R).index_add(0, video, M)
    return ((sums - R.clamp_max(5)).abs() * w).sum() / (w.sum() * len(R))


def by_table(M, video, R, w):
    owner = torch.stack([(video == k).to(M.dtype) for k in range(len(R))])
    gap = (owner @ M - torch.where(R > 5, 5.0, R)).abs()
    return (gap @ w / w.sum()).mean()


def duet_and_solo(g):
    return (
        torch.rand(3, 5, generator=g),
        torch.tensor([0, 0, 1]),
        1.2 * torch.rand(2, 5, generator=g),
        _weights(5, g),
    )


def in_any_order(g):
    R = torch.rand(3, 4, generator=g)
    return torch.rand(6, 4, generator=g), torch.tensor([2, 0, 1, 2, 0, 2]), R, _weights(4, g)


def cancelling(g):
    R = 4 + 4 * torch.rand(2, 6, generator=g)
    return torch.rand(3, 6, generator=g), torch.tensor([1, 0, 1]), R, _weights(6, g)


def _weights(n, g):
    return 0.1 + 3 * torch.rand(n, generator=g)


def each_object_alone(M, video, R, w):
    gap = (M - R.clamp_max(5)[video]).abs()
    return (gap * w).sum() / (w.sum() * len(M))


def means_for_sums(M, video, R, w):
    n = torch.zeros(len(R)).index_add(0, video, torch.ones(len(M))).clamp_min(1)
    sums = torch.zeros_like(R).index_add(0, video, M) / n[:, None]
    return ((sums - R.clamp_max(5)).abs() * w).sum() / (w.sum() * len(R))


def loudest_object(M, video, R, w):
    sums = torch.stack([M[video == k].amax(0) for k in range(len(R))])
    return ((sums - R.clamp_max(5)).abs() * w).sum() / (w.sum() * len(R))


def not_clamped(M, video, R, w):
    sums = torch.zeros_like(R).index_add(0, video, M)
    return ((sums - R).abs() * w).sum() / (w.sum() * len(R))


def clamped_at_one(M, video, R, w):
    sums = torch.zeros_like(R).index_add(0, video, M)
    return ((sums - R.clamp_max(1)).abs() * w).sum() / (w.sum() * len(R))


def sums_clamped_at_one(M, video, R, w):
    sums = torch.zeros_like(R).index_add(0, video, M).clamp_max(1)
    return ((sums - R.clamp_max(5)).abs() * w).sum() / (w.sum() * len(R))


def squared(M, video, R, w):
    sums = torch.zeros_like(R).index_add(0, video, M)
    return ((sums - R.clamp_max(5)).square() * w).sum() / (w.sum() * len(R))


def without_weights(M, video, R, w):
    sums = torch.zeros_like(R).index_add(0, video, M)
    return (sums - R.clamp_max(5)).abs().mean()


def signed(M, video, R, w):
    sums = torch.zeros_like(R).index_add(0, video, M)
    return ((sums - R.clamp_max(5)) * w).sum() / (w.sum() * len(R))


def one_sum_for_all(M, video, R, w):
    gap = (M.sum(0) - R.clamp_max(5).sum(0)).abs()
    return (gap * w).sum() / (w.sum() * len(R))


def not_divided_by_videos(M, video, R, w):
    return add_up(M, video, R, w) * len(R)


def mean_without_weights_below(M, video, R, w):
    sums = torch.zeros_like(R).index_add(0, video, M)
    return ((sums - R.clamp_max(5)).abs() * w).mean()


SUMS = Exercise(
    name="separation.add_up",
    lesson="35",
    title="Let the objects of a video add up to its sound",
    stars=2,
    minutes=10,
    reference=add_up,
    cases=(duet_and_solo, in_any_order, cancelling),
    mistakes=(
        Mistake(
            each_object_alone, "Nobody knows an object's own share. With what does yours compare one mask?"
        ),
        Mistake(means_for_sums, "Two objects, half each: is that half of the video, or all of it?"),
        Mistake(loudest_object, "Yours hears one object of a video. Where are the others?"),
        Mistake(not_clamped, "Where sources cancel, R explodes. What holds it in the definition?"),
        Mistake(clamped_at_one, "R may exceed 1 where sources cancel. At what is it held here?"),
        Mistake(sums_clamped_at_one, "May two masks add up to more than 1? What does yours do then?"),
        Mistake(squared, "L1 or L2? Look at how a large gap counts."),
        Mistake(without_weights, "Do loud and silent cells count alike in yours?"),
        Mistake(signed, "Too much here and too little there: do they cancel in yours?"),
        Mistake(one_sum_for_all, "Move an object from one video to the other. Does your loss notice?"),
        Mistake(
            not_divided_by_videos, "A mean over videos, too: what happens to yours with twice the videos?"
        ),
        Mistake(
            mean_without_weights_below,
            "You divide by the number of cells. By what does a weighted mean divide?",
        ),
    ),
    alternatives=(by_table,),
)
