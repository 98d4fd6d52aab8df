"""Exercise of lesson 30: folds that keep an individual on one side."""

import torch
from jaxtyping import Int
from torch import Tensor

from avcl_teach.comparison.folds import deal_groups
from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def folds_of(who: Int[Tensor, "clip"], n_folds: int) -> Int[Tensor, "clip"]:
    """Return the fold of each clip: individuals, in the order of their numbers, dealt out in turn."""
    return deal_groups(who, n_folds)


def with_a_dictionary(who, n_folds):
    turn = {w: i % n_folds for i, w in enumerate(sorted(set(who.tolist())))}
    return torch.tensor([turn[w] for w in who.tolist()])


def individuals(g):
    return torch.randint(3, 40, (14,), generator=g), 3


def few_clips(g):
    return torch.tensor([8, 2, 5, 2, 8, 11]), 2


def in_order(g):
    return torch.tensor([0, 0, 1, 1, 2, 2, 4, 4, 7, 9, 10, 10]), 4


def one_clip_each(g):
    return 5 * torch.randperm(7, generator=g), 3


def clips_dealt_out(who, n_folds):
    return torch.arange(len(who)) % n_folds


def by_the_number_itself(who, n_folds):
    return who % n_folds


def in_order_of_appearance(who, n_folds):
    seen = {}
    return torch.tensor([seen.setdefault(w, len(seen)) % n_folds for w in who.tolist()])


def in_blocks(who, n_folds):
    place = who.unique(return_inverse=True)[1]
    return place * n_folds // (place.max() + 1)


def a_fold_each(who, n_folds):
    return who.unique(return_inverse=True)[1]


def counted_from_one(who, n_folds):
    return folds_of(who, n_folds) + 1


def blocks_of_clips(who, n_folds):
    return torch.arange(len(who)) * n_folds // len(who)


def _whole(fn, g):
    who = torch.randint(0, 9, (40,), generator=g)
    fold = fn(who, 3)
    return all(len(fold[who == w].unique()) == 1 for w in who.unique())


FOLDS = Exercise(
    name="folds.by_individual",
    lesson="30",
    title="Cut folds that nobody stands on both sides of",
    stars=1,
    minutes=6,
    reference=folds_of,
    cases=(individuals, few_clips, in_order, one_clip_each),
    mistakes=(
        Mistake(clips_dealt_out, "Take two clips of one individual. Are they always in one fold?"),
        Mistake(by_the_number_itself, "Individuals 3, 6 and 9 with three folds: which folds stay empty?"),
        Mistake(in_order_of_appearance, "Shuffle the clips. Do the folds of the individuals change?"),
        Mistake(in_blocks, "Dealt in turn, like cards: where does the second individual go?"),
        Mistake(a_fold_each, "More individuals than folds: how many folds does yours make?"),
        Mistake(counted_from_one, "What is the number of the first fold?"),
        Mistake(blocks_of_clips, "What happens to an individual whose clips lie across the edge of a block?"),
    ),
    alternatives=(with_a_dictionary,),
    properties=(
        Property(
            "an individual is in one fold", _whole, "Look at all clips of one individual: how many folds?"
        ),
    ),
    gradient="off",
    large_values=None,
)
