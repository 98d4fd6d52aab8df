"""Exercise 2 of lesson 33: the best that can be done with one cue."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def best_guess(cue: Int[Tensor, "clip segment"], target: Int[Tensor, "clip segment"]) -> Float[Tensor, ""]:
    """Accuracy of the most common answer beside each value of the cue."""
    won = [target[cue == k].unique(return_counts=True)[1].max() for k in cue.unique()]
    return torch.stack(won).sum() / target.numel()


def by_table(cue, target):
    k, rows = cue.flatten().unique(return_inverse=True)
    y, columns = target.flatten().unique(return_inverse=True)
    table = torch.zeros(len(k), len(y), device=cue.device)
    table.index_put_((rows, columns), torch.ones(len(rows), device=cue.device), accumulate=True)
    return table.amax(1).sum() / target.numel()


def by_mode(cue, target):
    guess = torch.zeros_like(target)
    for k in cue.unique():
        guess[cue == k] = target[cue == k].mode().values
    return (guess == target).float().mean()


def heard_and_none(g):
    cue = torch.randint(-1, 3, (3, 6), generator=g)
    match = torch.rand(3, 6, generator=g) < 0.55
    return cue, torch.where(match & (cue >= 0), cue, 3)


def any_numbers(g):
    return torch.randint(-1, 6, (2, 9), generator=g), torch.randint(0, 4, (2, 9), generator=g)


def one_value(g):
    return torch.full((1, 5), 2), torch.tensor([[0, 1, 1, 3, 1]])


def unequal_values(g):
    return torch.tensor([[0, 0, 0, 0, 0, 0, 1, 2]]), torch.tensor([[0, 0, 3, 3, 3, 1, 1, 3]])


def mean_of_shares(cue, target):
    shares = [target[cue == k].unique(return_counts=True)[1].max() / (cue == k).sum() for k in cue.unique()]
    return torch.stack(shares).mean()


def cue_taken_as_answer(cue, target):
    return (cue == target).float().mean()


def nothing_heard_left_out(cue, target):
    kept = cue >= 0
    return best_guess(cue[kept][None], target[kept][None]) if kept.any() else torch.tensor(0.0)


def no_cue_at_all(cue, target):
    return target.unique(return_counts=True)[1].max() / target.numel()


def best_cue_for_each_answer(cue, target):
    return best_guess(target, cue)


def clip_by_clip(cue, target):
    return torch.stack([best_guess(k[None], y[None]) for k, y in zip(cue, target, strict=True)]).mean()


def nothing_lost(cue, target):
    won = [target[cue == k].unique(return_counts=True)[1].max() for k in cue.unique() if k >= 0]
    return (torch.stack(won).sum() if won else torch.tensor(0)) / target.numel()


GUESSES = Exercise(
    name="events.best_guess",
    lesson="33",
    title="Say how far one cue can carry",
    stars=2,
    minutes=8,
    reference=best_guess,
    cases=(heard_and_none, any_numbers, one_value, unequal_values),
    mistakes=(
        Mistake(
            mean_of_shares, "A value that is heard once weighs as much in yours as one heard a hundred times."
        ),
        Mistake(
            cue_taken_as_answer,
            "The best bet beside a cue need not be the cue itself. What if 'none' is likelier?",
        ),
        Mistake(
            nothing_heard_left_out, "Segments in which nothing is heard are answered too. Do they count?"
        ),
        Mistake(nothing_lost, "What do you answer where the cue is -1, and is it counted?"),
        Mistake(no_cue_at_all, "Change the cue and nothing else. Does your number change?"),
        Mistake(
            best_cue_for_each_answer, "Who knows what here? The cue is known, the answer is what one bets on."
        ),
        Mistake(clip_by_clip, "One plan for all clips: may the bet beside a drum differ from clip to clip?"),
    ),
    alternatives=(by_table, by_mode),
)
