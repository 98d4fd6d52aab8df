"""Exercise 4 of lesson 38: find onsets, one to one."""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake
from avcl_teach.metrics.onsets_found import matched


def onset_scores(
    found: Float[Tensor, "n"], true: Float[Tensor, "m"], tolerance: float
) -> tuple[float, float, float]:
    """Precision, recall and F1 of onsets, both sorted in time, |gap| <= tolerance."""
    pairs = matched(found.tolist(), true.tolist(), tolerance_s=tolerance)
    return _scores(len(pairs), found, true)


def _scores(n, found, true):
    P, R = (n / len(x) if len(x) else 0.0 for x in (found, true))
    return P, R, 2 * P * R / (P + R) if P + R else 0.0


def _near(found, true, tolerance):
    return (found[:, None] - true).abs() <= tolerance


def by_augmenting_paths(found, true, tolerance):
    near, holder = _near(found, true, tolerance), {}

    def place(i, tried):
        for j in range(len(true)):
            if near[i, j] and j not in tried:
                tried.add(j)
                if j not in holder or place(holder[j], tried):
                    holder[j] = i
                    return True
        return False

    n = sum(place(i, set()) for i in range(len(found)))
    return _scores(n, found, true)


def one_true_onset_found_many_times(found, true, tolerance):
    near = _near(found, true, tolerance)
    P = float(near.any(1).float().mean()) if len(found) else 0.0
    R = float(near.any(0).float().mean()) if len(true) else 0.0
    return P, R, 2 * P * R / (P + R) if P + R else 0.0


def closest_pairs_first(found, true, tolerance):
    pairs = itertools.product(range(len(found)), range(len(true)))
    order = sorted(pairs, key=lambda ij: abs(float(found[ij[0]] - true[ij[1]])))
    used_i, used_j = set(), set()
    for i, j in order:
        if abs(float(found[i] - true[j])) <= tolerance and i not in used_i and j not in used_j:
            used_i.add(i)
            used_j.add(j)
    return _scores(len(used_i), found, true)


def place_by_place(found, true, tolerance):
    n = sum(abs(float(a - b)) <= tolerance for a, b in zip(found, true, strict=False))
    return _scores(n, found, true)


def late_ones_alone(found, true, tolerance):
    middle = found - tolerance / 2
    pairs = matched(middle.tolist(), true.tolist(), tolerance_s=tolerance / 2)
    return _scores(len(pairs), found, true)


def pairs_within_counted(found, true, tolerance):
    return _scores(int(_near(found, true, tolerance).sum()), found, true)


def found_near_any_counted(found, true, tolerance):
    return _scores(int(_near(found, true, tolerance).any(1).sum()), found, true)


def true_near_any_counted(found, true, tolerance):
    return _scores(int(_near(found, true, tolerance).any(0).sum()), found, true)


def root_of_the_product(found, true, tolerance):
    P, R, _ = onset_scores(found, true, tolerance)
    return P, R, (P * R) ** 0.5


def half_the_tolerance(found, true, tolerance):
    return onset_scores(found, true, tolerance / 2)


def precision_for_recall(found, true, tolerance):
    P, R, F1 = onset_scores(found, true, tolerance)
    return R, P, F1


def mean_of_both(found, true, tolerance):
    P, R, _ = onset_scores(found, true, tolerance)
    return P, R, (P + R) / 2


def share_of_the_union(found, true, tolerance):
    P, R, _ = onset_scores(found, true, tolerance)
    n = round(P * len(found))
    return P, R, n / max(1, len(found) + len(true) - n)


def without_the_factor_two(found, true, tolerance):
    P, R, F1 = onset_scores(found, true, tolerance)
    return P, R, F1 / 2


def edge_left_out(found, true, tolerance):
    return onset_scores(found, true, tolerance - 1 / 1024)


def nothing_found_is_perfect(found, true, tolerance):
    P, R, F1 = onset_scores(found, true, tolerance)
    return P if len(found) else 1.0, R if len(true) else 1.0, F1


def _times(*sixty_fourths):
    return torch.tensor(sixty_fourths) / 64


def the_lesson(g):
    return _times(32, 34, 70, 128), _times(33, 64, 130), 3 / 64


def a_drum_roll(g):
    return _times(30, 31, 32, 33, 34, 90), _times(32, 60, 89), 2 / 64


def a_chain(g):
    return _times(10, 14, 40, 60), _times(13, 17, 63, 80, 99), 4 / 64


def on_the_edge(g):
    return _times(10, 20, 33), _times(13, 17, 30, 50), 3 / 64


def nothing_found(g):
    return torch.zeros(0), _times(5, 9), 2 / 64


def nothing_to_find(g):
    return _times(5, 9), torch.zeros(0), 2 / 64


def at_random(g):
    found, true = (torch.randint(0, 80, (n,), generator=g).sort().values / 64 for n in (7, 9))
    return found, true, 4 / 64


ONSETS = Exercise(
    name="movement.onset_scores",
    lesson="38",
    title="Find onsets, one to one",
    stars=2,
    minutes=10,
    reference=onset_scores,
    cases=(the_lesson, a_drum_roll, a_chain, on_the_edge, nothing_found, nothing_to_find, at_random),
    mistakes=(
        Mistake(
            one_true_onset_found_many_times,
            "Play ten times within the tolerance of one true onset. How many did you find?",
        ),
        Mistake(
            closest_pairs_first,
            "The closest pair is taken first. Can it take a partner away from one who has no other?",
        ),
        Mistake(pairs_within_counted, "Two found near two true ones: four pairs. How many are matched?"),
        Mistake(
            found_near_any_counted, "Three found near one true onset. Is your recall above 1, or too high?"
        ),
        Mistake(true_near_any_counted, "One found between two true ones. Did it find both?"),
        Mistake(root_of_the_product, "Precision 1 and recall 1/4: F1 is 0.4. What is yours?"),
        Mistake(place_by_place, "One note too many at the very beginning. Are all others wrong then?"),
        Mistake(late_ones_alone, "An onset is found a little too early. Does it count?"),
        Mistake(half_the_tolerance, "Is the tolerance to each side, or in all?"),
        Mistake(precision_for_recall, "Play everything there is: which of the two should be 1?"),
        Mistake(mean_of_both, "Precision 1, recall 0: what should F1 be?"),
        Mistake(share_of_the_union, "Precision and recall are both 1/2. What is F1, and what is yours?"),
        Mistake(without_the_factor_two, "Everything found: F1 should be 1."),
        Mistake(edge_left_out, "A gap of the tolerance itself: read the contract again."),
        Mistake(nothing_found_is_perfect, "Nothing played. Which precision does the contract name?"),
    ),
    alternatives=(by_augmenting_paths,),
    gradient="off",
    large_values=None,
    device=False,
)
