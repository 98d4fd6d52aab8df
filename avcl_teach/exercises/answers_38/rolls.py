"""Exercise 2 of lesson 38: play events into a roll."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def roll_of(events: Int[Tensor, "position"], n_degrees: int, n_steps: int) -> Float[Tensor, "degree step"]:
    """Return 1 where a degree sounds, 0 elsewhere; what comes after n_steps is cut."""
    roll, sounding, now = torch.zeros(n_degrees, n_steps), set(), 0
    for event in events.tolist():
        if event < n_degrees:
            sounding.add(event)
        elif event < 2 * n_degrees:
            sounding.discard(event - n_degrees)
        else:
            after = now + event - 2 * n_degrees + 1
            roll[list(sounding), now:after] = 1
            now = after
    roll[list(sounding), now:] = 1
    return roll


def by_notes(events, n_degrees, n_steps):
    began, now, notes = {}, 0, []
    for event in events.tolist():
        if event >= 2 * n_degrees:
            now += event - 2 * n_degrees + 1
        elif event < n_degrees:
            began.setdefault(event, now)
        elif event - n_degrees in began:
            notes.append((event - n_degrees, began.pop(event - n_degrees), now))
    notes += [(d, at, n_steps) for d, at in began.items()]
    roll = torch.zeros(n_degrees, n_steps)
    for d, start, end in notes:
        roll[d, start:end] = 1
    return roll


def _play(events, n, n_steps, *, extra=1, hanging="end", stray=False, off=lambda d: [d], tail=0):
    began, now, roll = {}, 0, torch.zeros(n, n_steps)
    for event in events.tolist():
        if event >= 2 * n:
            now += event - 2 * n + extra
        elif event < n:
            began.setdefault(event, now)
        else:
            for d in off(event - n) if off(event - n) is not None else list(began):
                if d in began or stray:
                    roll[d, began.pop(d, 0) : now + tail] = 1
    for d, at in began.items():
        roll[d, at : {"end": n_steps, "now": now, "lost": at}[hanging]] = 1
    return roll


def waits_one_step_less(events, n_degrees, n_steps):
    return _play(events, n_degrees, n_steps, extra=0)


def hanging_notes_lost(events, n_degrees, n_steps):
    return _play(events, n_degrees, n_steps, hanging="lost")


def hanging_notes_end_with_the_events(events, n_degrees, n_steps):
    return _play(events, n_degrees, n_steps, hanging="now")


def offs_without_ons_sound(events, n_degrees, n_steps):
    return _play(events, n_degrees, n_steps, stray=True)


def offs_ignored(events, n_degrees, n_steps):
    return _play(events, n_degrees, n_steps, off=lambda d: [])


def any_off_ends_all(events, n_degrees, n_steps):
    return _play(events, n_degrees, n_steps, off=lambda d: None)


def sounds_in_the_step_of_its_off(events, n_degrees, n_steps):
    return _play(events, n_degrees, n_steps, tail=1)


def struck_again_forgets(events, n_degrees, n_steps):
    began, now, roll = {}, 0, torch.zeros(n_degrees, n_steps)
    for event in events.tolist():
        if event >= 2 * n_degrees:
            now += event - 2 * n_degrees + 1
        elif event < n_degrees:
            began[event] = now
        elif event - n_degrees in began:
            roll[event - n_degrees, began.pop(event - n_degrees) : now] = 1
    for d, at in began.items():
        roll[d, at:] = 1
    return roll


def waits_begin_at_n(events, n_degrees, n_steps):
    return roll_of(torch.where(events >= 2 * n_degrees, events - n_degrees, events), n_degrees, n_steps)


def an_on_again_is_an_off(events, n_degrees, n_steps):
    roll, sounding, now = torch.zeros(n_degrees, n_steps), set(), 0
    for event in events.tolist():
        if event < 2 * n_degrees:
            sounding ^= {event % n_degrees}
        else:
            after = now + event - 2 * n_degrees + 1
            roll[list(sounding), now:after] = 1
            now = after
    roll[list(sounding), now:] = 1
    return roll


def onsets_alone(events, n_degrees, n_steps):
    roll, now = torch.zeros(n_degrees, n_steps), 0
    for event in events.tolist():
        if event >= 2 * n_degrees:
            now += event - 2 * n_degrees + 1
        elif event < n_degrees:
            roll[event, now : now + 1] = 1
    return roll


def a_wait_is_the_time(events, n_degrees, n_steps):
    roll, sounding, now = torch.zeros(n_degrees, n_steps), set(), 0
    for event in events.tolist():
        if event < n_degrees:
            sounding.add(event)
        elif event < 2 * n_degrees:
            sounding.discard(event - n_degrees)
        else:
            after = event - 2 * n_degrees + 1
            roll[list(sounding), now:after] = 1
            now = after
    roll[list(sounding), now:] = 1
    return roll


def one_step_for_each_event(events, n_degrees, n_steps):
    roll, sounding = torch.zeros(n_degrees, n_steps), set()
    for now, event in enumerate(events.tolist()):
        if event < n_degrees:
            sounding.add(event)
        elif event < 2 * n_degrees:
            sounding.discard(event - n_degrees)
        roll[list(sounding), now : now + 1] = 1
    return roll


def two_that_overlap(g):
    n = 4  # on 1, wait 2, on 3, wait 3, off 1, wait 1, off 3
    return torch.tensor([1, 9, 3, 10, 5, 8, 7]), n, 9


def struck_again(g):
    return torch.tensor([1, 8, 1, 7, 4, 6, 0, 7, 3]), 3, 9  # on 1, wait 3, on 1, wait 2, off 1, ...


def never_ends(g):
    return torch.tensor([6 + 1, 2, 6 + 2, 0, 6, 3, 6 + 1]), 3, 12


def off_without_on(g):
    return torch.tensor([8, 5, 9, 0, 9, 6, 4, 8]), 4, 7


def cut_at_the_end(g):
    return torch.tensor([6, 1, 9, 4, 0, 9, 3, 2, 6]), 3, 6


def nothing_but_a_wait(g):
    return torch.tensor([5]), 2, 3


def random_events(g):
    n = 5
    events = torch.randint(0, 2 * n + 4, (24,), generator=g)
    events[::3] = 2 * n + torch.randint(0, 3, (8,), generator=g)
    return events, n, 18


ROLLS = Exercise(
    name="movement.roll_of",
    lesson="38",
    title="Play events into a roll",
    stars=2,
    minutes=10,
    reference=roll_of,
    cases=(
        two_that_overlap,
        struck_again,
        never_ends,
        off_without_on,
        cut_at_the_end,
        nothing_but_a_wait,
        random_events,
    ),
    mistakes=(
        Mistake(waits_one_step_less, "How long does the event 2n wait?"),
        Mistake(hanging_notes_lost, "One event alone, an on. What should be heard?"),
        Mistake(
            hanging_notes_end_with_the_events,
            "The last event has come, a note still sounds. Until when, says the contract?",
        ),
        Mistake(offs_without_ons_sound, "An off comes first. Does something sound before it?"),
        Mistake(offs_ignored, "On, wait, off, wait. Which of your steps are silent?"),
        Mistake(any_off_ends_all, "Two notes overlap and one of them ends. What about the other?"),
        Mistake(
            sounds_in_the_step_of_its_off, "On, wait of one step, off: how many steps does the note last?"
        ),
        Mistake(struck_again_forgets, "A degree begins, and begins again. Since when has it been sounding?"),
        Mistake(waits_begin_at_n, "n degrees begin, n degrees end. Where do the waits start?"),
        Mistake(an_on_again_is_an_off, "An on of a degree that sounds already: does it end it?"),
        Mistake(onsets_alone, "On, wait of five steps, off. In how many steps does it sound?"),
        Mistake(a_wait_is_the_time, "Two waits of three steps: what time is it after both?"),
        Mistake(one_step_for_each_event, "Two notes begin at the same time. Which event lets time pass?"),
    ),
    alternatives=(by_notes,),
    gradient="off",
    large_values=None,
    device=False,
)
