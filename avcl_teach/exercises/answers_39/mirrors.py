"""Exercise 1 of lesson 39: a mirror swaps the ears too."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def mirror(
    frames: Float[Tensor, "clip channel height width"],
    sound: Float[Tensor, "clip 2 sample"],
    turn: Bool[Tensor, "clip"],
) -> tuple[Float[Tensor, "clip channel height width"], Float[Tensor, "clip 2 sample"]]:
    """Return frames and sound, both mirrored where turn is true."""
    pictures = torch.where(turn[:, None, None, None], frames.flip(-1), frames)
    return pictures, torch.where(turn[:, None, None], sound.flip(1), sound)


def by_assignment(frames, sound, turn):
    pictures, ears = frames.clone(), sound.clone()
    pictures[turn] = frames[turn][..., torch.arange(frames.shape[-1] - 1, -1, -1)]
    ears[turn] = sound[turn][:, [1, 0]]
    return pictures, ears


def some_turned(g):
    turn = torch.tensor([True, False, True])
    return torch.randn(3, 3, 2, 4, generator=g), torch.randn(3, 2, 5, generator=g), turn


def one_turned(g):
    return torch.randn(1, 3, 3, 2, generator=g), torch.randn(1, 2, 4, generator=g), torch.tensor([True])


def none_turned(g):
    turn = torch.tensor([False, False])
    return torch.randn(2, 3, 2, 3, generator=g), torch.randn(2, 2, 3, generator=g), turn


def ears_forgotten(frames, sound, turn):
    return mirror(frames, sound, turn)[0], sound.clone()


def frames_forgotten(frames, sound, turn):
    return frames.clone(), mirror(frames, sound, turn)[1]


def time_reversed(frames, sound, turn):
    return mirror(frames, sound, turn)[0], torch.where(turn[:, None, None], sound.flip(2), sound)


def upside_down(frames, sound, turn):
    pictures = torch.where(turn[:, None, None, None], frames.flip(-2), frames)
    return pictures, mirror(frames, sound, turn)[1]


def colours_swapped(frames, sound, turn):
    pictures = torch.where(turn[:, None, None, None], frames.flip(1), frames)
    return pictures, mirror(frames, sound, turn)[1]


def all_turned(frames, sound, turn):
    return frames.flip(-1), sound.flip(1)


def the_others_turned(frames, sound, turn):
    return mirror(frames, sound, ~turn)


def sign_of_the_sound(frames, sound, turn):
    return mirror(frames, sound, turn)[0], torch.where(turn[:, None, None], -sound, sound)


def _twice_is_nothing(fn, g):
    frames, sound, turn = some_turned(g)
    there = fn(*fn(frames.clone(), sound.clone(), turn), turn)
    return torch.equal(there[0], frames) and torch.equal(there[1], sound)


MIRROR = Exercise(
    name="spatial.mirror",
    lesson="39",
    title="Hold a mirror to a clip",
    stars=1,
    minutes=5,
    reference=mirror,
    cases=(some_turned, one_turned, none_turned),
    mistakes=(
        Mistake(ears_forgotten, "What was seen on the left is now on the right. Where is it heard in yours?"),
        Mistake(frames_forgotten, "The ears are swapped. Is what they hear still where it is seen?"),
        Mistake(time_reversed, "Listen to yours: does it run backwards? Which axis holds the ears?"),
        Mistake(upside_down, "Which way is up in your pictures? The last axis is the width."),
        Mistake(colours_swapped, "What does the axis after the clips hold in a picture?"),
        Mistake(all_turned, "Which clips are to be mirrored? Look at what is asked where turn is false."),
        Mistake(the_others_turned, "Which clips are mirrored in yours: those for which turn is true?"),
        Mistake(sign_of_the_sound, "A wave times -1 sounds the same at the same ear. What should swap?"),
    ),
    alternatives=(by_assignment,),
    properties=(Property("twice", _twice_is_nothing, "Two mirrors should give back the clip."),),
)
