"""Exercise of lesson 30: a picture is found when the best of its captions is."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def picture_recall(
    S: Float[Tensor, "caption image"], image: Int[Tensor, "caption"], k: int
) -> Float[Tensor, ""]:
    """Share of pictures that have one of their captions (image == picture) among the k most alike."""
    n = S.shape[1]
    first = S.T.topk(k, dim=1).indices  # [image, k]
    return (image[first] == torch.arange(n, device=S.device)[:, None]).any(1).float().mean()


def by_rank_of_the_best(S, image, k):
    own = image[:, None] == torch.arange(S.shape[1], device=S.device)
    best = S.masked_fill(~own, -float("inf")).amax(0)
    return ((best < S).sum(0) < k).float().mean()


def three_captions_each(g):
    n = int(torch.randint(3, 6, (1,), generator=g))
    return torch.randn(3 * n, n, generator=g), torch.arange(n).repeat_interleave(3), 4


def shuffled(g):
    image = torch.arange(4).repeat(3)[torch.randperm(12, generator=g)]
    return torch.randn(12, 4, generator=g), image, 2


def unequal_numbers(g):
    return torch.randn(9, 3, generator=g), torch.tensor([0, 1, 1, 2, 2, 2, 0, 2, 1]), 3


def one_only(g):
    return torch.randn(8, 4, generator=g), torch.arange(8) % 4, 1


def signal(g):
    image = torch.arange(5).repeat_interleave(2)
    return torch.randn(10, 5, generator=g) + 1.5 * torch.nn.functional.one_hot(image, 5), image, 2


def _hits(S, image, k):
    first = S.T.topk(k, dim=1).indices
    return image[first] == torch.arange(S.shape[1])[:, None]


def mean_over_captions(S, image, k):
    rank = S.argsort(0, descending=True).argsort(0)
    own = image[:, None] == torch.arange(S.shape[1])
    return ((rank < k) & own).sum(0).div(own.sum(0)).mean()


def precision_at_k(S, image, k):
    return _hits(S, image, k).float().mean()


def first_caption(S, image, k):
    rank = S.argsort(0, descending=True).argsort(0)
    n = S.shape[1]
    first = (image[:, None] == torch.arange(n)).int().argmax(0)
    return (rank[first, torch.arange(n)] < k).float().mean()


def all_captions(S, image, k):
    rank = S.argsort(0, descending=True).argsort(0)
    own = image[:, None] == torch.arange(S.shape[1])
    return ((rank < k) | ~own).all(0).float().mean()


def captions_ask(S, image, k):
    first = S.topk(min(k, S.shape[1]), dim=1).indices
    return (first == image[:, None]).any(1).float().mean()


def captions_in_turn(S, image, k):
    each = len(image) // S.shape[1]
    return _hits(S, torch.arange(len(image)) // each, k).any(1).float().mean()


def mean_caption_ranked(S, image, k):
    n = S.shape[1]
    M = torch.stack([S[image == i].mean(0) for i in range(n)])
    return ((M.diagonal() < M).sum(0) < k).float().mean()


def least_alike(S, image, k):
    return picture_recall(-S, image, k)


def only_the_kth(S, image, k):
    return _hits(S, image, k)[:, -1].float().mean()


def one_too_many(S, image, k):
    return picture_recall(S, image, min(k + 1, len(S)))


BEST_CAPTION = Exercise(
    name="speech_image.picture_recall",
    lesson="30",
    title="Find a picture's captions, the best of five",
    stars=2,
    minutes=10,
    reference=picture_recall,
    cases=(three_captions_each, shuffled, unequal_numbers, one_only, signal),
    mistakes=(
        Mistake(mean_over_captions, "A picture with one caption found and four missed: does it count whole?"),
        Mistake(precision_at_k, "You count the right ones among the first k. What is asked of a picture?"),
        Mistake(first_caption, "Each picture has several captions. How many of them can find it in yours?"),
        Mistake(all_captions, "How many of a picture's captions must be among the first k, one or all?"),
        Mistake(captions_ask, "Who asks here, and who stands in the gallery? Look at the axes of S."),
        Mistake(captions_in_turn, "What does `image` tell, and does your answer read it?"),
        Mistake(mean_caption_ranked, "The gallery is made of captions. How many items has yours?"),
        Mistake(least_alike, "Large means alike. Which end of the order do you take?"),
        Mistake(only_the_kth, "Rank k or better: which ranks does yours look at?"),
        Mistake(one_too_many, "With k = 1, how many captions may stand above the best one in yours?"),
    ),
    alternatives=(by_rank_of_the_best,),
    properties=(properties.scale_invariant(signal),),
    gradient="off",
)
