"""Exercise 4 of lesson 15: a running mean of weights."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property, call


def follow(average: Float[Tensor, "n"], states: Float[Tensor, "step n"], m: float) -> Float[Tensor, "n"]:
    """The running mean after all states: average <- m average + (1 - m) state, one state after the other."""
    for state in states:
        average = m * average + (1 - m) * state
    return average


def in_closed_form(average, states, m):
    T = len(states)
    shares = (1 - m) * m ** torch.arange(T - 1, -1, -1, device=states.device, dtype=states.dtype)
    return m**T * average + shares @ states


def by_lerp(average, states, m):
    for state in states:
        average = torch.lerp(average, state, 1 - m)
    return average


def a_few(g):
    return torch.randn(3, generator=g), torch.randn(4, 3, generator=g), 0.9


def one_state(g):
    return call(torch.randn(2, generator=g), torch.randn(1, 2, generator=g), m=0.75)


def follows_at_once(g):
    return torch.randn(2, generator=g), torch.randn(3, 2, generator=g), 0.0


def direction_turned(average, states, m):
    for state in states:
        average = (1 - m) * average + m * state
    return average


def plain_mean(average, states, m):
    return states.mean(0)


def start_forgotten(average, states, m):
    return follow(torch.zeros_like(average), states, m)


def last_only(average, states, m):
    return m * average + (1 - m) * states[-1]


def start_kept(average, states, m):
    out = average
    for state in states:
        out = m * average + (1 - m) * state + 0 * out
    return out + (1 - m) * 0


def shares_do_not_add_up(average, states, m):
    for state in states:
        average = m * average + state
    return average


def last_first(average, states, m):
    return follow(average, states.flip(0), m)


def never_moves(average, states, m):
    return average * 1


def moves_once_too_often(average, states, m):
    return follow(follow(average, states, m), states[-1:], m)


def corrected(average, states, m):
    return follow(torch.zeros_like(average), states, m) / (1 - m ** len(states))


AVERAGES = Exercise(
    name="adversarial.follow",
    lesson="15",
    title="Average the weights of a player on the move",
    stars=1,
    minutes=6,
    reference=follow,
    cases=(a_few, one_state, follows_at_once),
    mistakes=(
        Mistake(
            direction_turned, "With m = 0.9 a tenth of the new state should come in. How much does, in yours?"
        ),
        Mistake(plain_mean, "m has no effect in yours. Recent states should count more than old ones."),
        Mistake(start_forgotten, "Where is the average you were given?"),
        Mistake(last_only, "You look at one state only. What of those before it?"),
        Mistake(shares_do_not_add_up, "If all states are equal to the average, it should stay. Does it?"),
        Mistake(last_first, "Which state should count most: the first, or the last?"),
        Mistake(never_moves, "Your average stays where it was. Who follows whom?"),
        Mistake(moves_once_too_often, "One move a state. How many moves do you make?"),
        Mistake(
            corrected, "Adam divides by 1 - m^T because its average starts at 0. Where does this one start?"
        ),
    ),
    alternatives=(in_closed_form, by_lerp),
    properties=(
        Property(
            "equal states change nothing",
            lambda fn, g: torch.allclose(fn(torch.ones(3), torch.ones(5, 3), 0.9), torch.ones(3), atol=1e-5),
            "Where every state equals the average, the average stays.",
        ),
    ),
)
