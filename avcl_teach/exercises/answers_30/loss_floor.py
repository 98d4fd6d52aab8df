"""Exercise of lesson 30: how low a loss of cosines can go."""

import math

from avcl_teach.exercises.exercise import Exercise, Mistake


def loss_floor(n: int, temperature: float) -> float:
    """Lowest value of mean_i -ln softmax_j(cos_ij / temperature)_ii over n pairs, were it right throughout.

    The pair at cosine 1, all n - 1 others at cosine -1: ln(1 + (n - 1) e^(-2 / temperature)).
    """
    return math.log1p((n - 1) * math.exp(-2 / temperature))


def by_softmax(n, temperature):
    pair, others = math.exp(1 / temperature), (n - 1) * math.exp(-1 / temperature)
    return -math.log(pair / (pair + others))


def as_in_a_release(g):
    return 256, 1.0


def small(g):
    return 2, 0.5


def sharp(g):
    return 64, 0.2


def single(g):
    return 1, 0.3


def temperature_one(n, temperature):
    return loss_floor(n, 1.0)


def others_at_right_angles(n, temperature):
    return math.log1p((n - 1) * math.exp(-1 / temperature))


def pair_among_the_others(n, temperature):
    return loss_floor(n + 1, temperature)


def knows_nothing(n, temperature):
    return math.log(n)


def times_the_temperature(n, temperature):
    return math.log1p((n - 1) * math.exp(-2 * temperature))


def nothing_but_zero(n, temperature):
    return 0.0


def without_the_one(n, temperature):
    return math.log(max((n - 1) * math.exp(-2 / temperature), 1e-30))


LOSS_FLOOR = Exercise(
    name="face_voice.loss_floor",
    lesson="30",
    title="Say how low a loss of cosines can go",
    stars=1,
    minutes=6,
    reference=loss_floor,
    cases=(as_in_a_release, small, sharp, single),
    mistakes=(
        Mistake(temperature_one, "What does the floor do when the temperature falls?"),
        Mistake(others_at_right_angles, "How far apart can two unit vectors be? What is their cosine then?"),
        Mistake(pair_among_the_others, "With one pair there is nobody else. What is your floor for n = 1?"),
        Mistake(knows_nothing, "That is the loss of knowing nothing. And the lowest one?"),
        Mistake(times_the_temperature, "Should a small temperature make the floor lower or higher?"),
        Mistake(nothing_but_zero, "Cosines are bounded. Can the softmax give the pair a share of 1?"),
        Mistake(without_the_one, "Is the pair itself part of the sum below the line?"),
    ),
    alternatives=(by_softmax,),
    large_values=None,
    gradient="off",
)
