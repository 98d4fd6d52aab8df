"""Exercise 2 of lesson 37: the least word error rate of a reader of lips."""

import torch
from jaxtyping import Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def floor_of_sight(look: Int[Tensor, "word"], slot: Int[Tensor, "word"]) -> float:
    """Least share of wrong words for a reader who sees all looks and knows the slot."""
    right = [len(look[slot == s].unique()) / int((slot == s).sum()) for s in slot.unique()]
    return 1 - sum(right) / len(right)


def by_simulation_in_full(look, slot):
    wrong = []
    for s in slot.unique().tolist():
        words = [i for i in range(len(slot)) if slot[i] == s]
        right = 0.0
        for i in words:
            doubles = [j for j in words if look[j] == look[i]]
            right += 1 / len(doubles)
        wrong.append(1 - right / len(words))
    return sum(wrong) / len(wrong)


def slots_forgotten(look, slot):
    return 1 - len(look.unique()) / len(look)


def doubles_always_wrong(look, slot):
    wrong = []
    for s in slot.unique():
        same = look[slot == s][:, None] == look[slot == s][None]
        wrong.append(float((same.sum(1) > 1).float().mean()))
    return sum(wrong) / len(wrong)


def share_of_right(look, slot):
    return 1 - floor_of_sight(look, slot)


def blind_guess(look, slot):
    sizes = [int((slot == s).sum()) for s in slot.unique()]
    return 1 - sum(1 / n for n in sizes) / len(sizes)


def half_of_doubles(look, slot):
    return doubles_always_wrong(look, slot) / 2


def words_weigh_alike(look, slot):
    seen = torch.stack([look, slot], 1).unique(dim=0)
    return 1 - len(seen) / len(look)


def words_without_a_double(look, slot):
    wrong = []
    for s in slot.unique():
        counts = look[slot == s].unique(return_counts=True)[1]
        wrong.append(1 - float((counts == 1).sum()) / len(counts))
    return sum(wrong) / len(wrong)


def best_slot(look, slot):
    return min(floor_of_sight(look[slot == s], slot[slot == s]) for s in slot.unique())


def the_lesson(g):
    return torch.tensor([0, 0, 1, 2, 3, 3, 4, 5]), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])


def unequal_slots(g):
    return torch.tensor([0, 0, 1, 2, 2, 2, 2, 3]), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])


def alike_across_slots(g):
    return torch.tensor([0, 1, 2, 0, 1, 1]), torch.tensor([0, 0, 0, 1, 1, 1])


def three_alike(g):
    return torch.tensor([5, 5, 5, 1, 2, 3, 9]), torch.tensor([0, 0, 0, 0, 2, 2, 2])


def random_lexicon(g):
    slot = torch.cat([torch.arange(3), torch.randint(3, (6,), generator=g)])
    return torch.randint(5, (9,), generator=g), slot


FLOORS = Exercise(
    name="speech.floor_of_sight",
    lesson="37",
    title="Find what no reader of lips can beat",
    stars=2,
    minutes=8,
    reference=floor_of_sight,
    cases=(the_lesson, unequal_slots, alike_across_slots, three_alike, random_lexicon),
    mistakes=(
        Mistake(slots_forgotten, "Two words look alike but stand in different slots. Are they confused?"),
        Mistake(doubles_always_wrong, "Guess one of two that look alike: how often are you right?"),
        Mistake(share_of_right, "All words look different: which rate of errors is left?"),
        Mistake(blind_guess, "Where does the look of the words enter yours?"),
        Mistake(half_of_doubles, "Three words look alike. How often does a guess hit the right one?"),
        Mistake(
            words_weigh_alike,
            "Every sentence has one word of each slot. Does a slot with many words count for more?",
        ),
        Mistake(words_without_a_double, "Of two that look alike, can you never name the right one?"),
        Mistake(best_slot, "A sentence has a word of every slot. Yours looks at one of them."),
    ),
    alternatives=(by_simulation_in_full,),
    gradient="off",
    large_values=None,
)
