"""Exercise of lesson 30: a softmax whose mask comes from the pictures that captions belong to."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def known_pairs(S: Float[Tensor, "n n"], image: Int[Tensor, "n"], margin: float) -> Float[Tensor, ""]:
    """Mean over rows i of -ln[ e^(S_ii - margin) / (e^(S_ii - margin) + sum_j e^S_ij) ], j of other pictures.

    Column j is the picture of caption j: where image_j = image_i it is right too, and left out.
    """
    own = torch.eye(len(S), dtype=torch.bool, device=S.device)
    known = (image[:, None] == image) & ~own
    logits = (S - margin * own).masked_fill(known, float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(S), device=S.device))


def by_rows(S, image, margin):
    out = []
    for i in range(len(S)):
        others = S[i][image != image[i]]
        pair = (S[i, i] - margin)[None]
        out.append(torch.cat([pair, others]).logsumexp(0) - pair[0])
    return torch.stack(out).mean()


def two_captions_each(g):
    n = int(torch.randint(2, 5, (1,), generator=g))
    return 2 * torch.randn(2 * n, 2 * n, generator=g), torch.arange(2 * n) % n, 0.4


def unequal(g):
    return 2 * torch.randn(6, 6, generator=g), torch.tensor([5, 5, 5, 2, 2, 9]), 0.7


def all_different(g):
    return torch.randn(4, 4, generator=g), torch.tensor([3, 1, 0, 2]), 0.5


def one_picture(g):
    return torch.randn(3, 3, generator=g), torch.ones(3, dtype=torch.long), 0.3


def _parts(S, image):
    own = torch.eye(len(S), dtype=torch.bool)
    return own, (image[:, None] == image) & ~own, torch.arange(len(S))


def caption_ids(S, image, margin):
    return known_pairs(S, torch.arange(len(S)), margin)


def masked_to_zero(S, image, margin):
    own, known, target = _parts(S, image)
    return F.cross_entropy((S - margin * own) * ~known, target)


def mask_upside_down(S, image, margin):
    own, known, target = _parts(S, image)
    return F.cross_entropy((S - margin * own).masked_fill(~known & ~own, float("-inf")), target)


def margin_on_impostors(S, image, margin):
    own, known, target = _parts(S, image)
    return F.cross_entropy((S - margin * ~own).masked_fill(known, float("-inf")), target)


def margin_on_all(S, image, margin):
    return known_pairs(S, image, 0.0)


def head_start(S, image, margin):
    # a bonus in place of a handicap has the value of a margin on the impostors: keep it apart by a factor
    own, known, target = _parts(S, image)
    return F.cross_entropy((S + 2 * margin * own).masked_fill(known, float("-inf")), target)


def pair_left_out(S, image, margin):
    own, known, target = _parts(S, image)
    others = S.masked_fill(known | own, -1e9).logsumexp(1)
    return (others - (S.diagonal() - margin)).mean()


def known_are_right_too(S, image, margin):
    own, _, target = _parts(S, image)
    like = (image[:, None] == image).float()
    return -(((S - margin * own).log_softmax(1) * like).sum(1) / like.sum(1)).mean()


def pictures_ask(S, image, margin):
    return known_pairs(S.T, image, margin)


def summed(S, image, margin):
    return known_pairs(S, image, margin) * len(S)


def both_ways(S, image, margin):
    return known_pairs(S, image, margin) + known_pairs(S.T, image, margin)


KNOWN_PAIRS = Exercise(
    name="speech_image.known_pairs",
    lesson="30",
    title="Mask what is known to be right",
    stars=2,
    minutes=12,
    reference=known_pairs,
    cases=(two_captions_each, unequal, all_different, one_picture),
    mistakes=(
        Mistake(caption_ids, "Two captions of one picture: are they impostors of each other in yours?"),
        Mistake(masked_to_zero, "What does e^0 add to the sum below? How does an entry leave a softmax?"),
        Mistake(mask_upside_down, "Against whom does the pair compete in yours: other pictures, or its own?"),
        Mistake(margin_on_impostors, "Who carries the handicap, the pair or its impostors?"),
        Mistake(margin_on_all, "Does the loss change with the margin?"),
        Mistake(head_start, "Does a larger margin make your loss larger?"),
        Mistake(pair_left_out, "Is the pair itself part of the sum below the line? What is the lowest loss?"),
        Mistake(known_are_right_too, "Known pairs are left out. Do they count as right answers in yours?"),
        Mistake(pictures_ask, "One caption asks among pictures. What sums to 1 in yours, rows or columns?"),
        Mistake(summed, "Twice the captions: should the loss double?"),
        Mistake(both_ways, "Only the captions ask here. Do the pictures ask too in yours?"),
    ),
    alternatives=(by_rows,),
    properties=(
        properties.bounded(two_captions_each, low=0, hint="A share is at most 1: its -ln is never below 0."),
    ),
)
