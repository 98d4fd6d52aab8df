"""Exercise 3 of lesson 36: the classes that cannot be ruled out."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from avcl_teach.encoders.conditions import conformal_sets
from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def name_possible(
    p: Float[Tensor, "clip class"],
    known: Float[Tensor, "n class"],
    label: Int[Tensor, "n"],
    n_fit: int,
    epsilon: float,
) -> Bool[Tensor, "clip class"]:
    """Classes with a p-value above epsilon; the classifier was fitted on the first n_fit known rows."""
    return conformal_sets(p, known[n_fit:], label[n_fit:], level=1 - epsilon)


def _values(p, known, label, *, one_above=True, one_below=True, strict=False, reverse=False):
    a = 1 - known[torch.arange(len(label)), label]
    alpha = (1 - p)[..., None]
    stranger = a > alpha if strict else a <= alpha if reverse else a >= alpha
    return (stranger.sum(-1) + one_above) / (len(a) + one_below)


def by_loop(p, known, label, n_fit, epsilon):
    seen = [1 - float(q[y]) for q, y in zip(known[n_fit:], label[n_fit:], strict=True)]
    rows = []
    for q in p:
        counts = [1 + sum(a >= 1 - float(x) for a in seen) for x in q]
        rows.append([k / (len(seen) + 1) > epsilon for k in counts])
    return torch.tensor(rows)


def by_sorting(p, known, label, n_fit, epsilon):
    a = (1 - known[n_fit:].gather(1, label[n_fit:, None])[:, 0]).sort().values
    below = torch.searchsorted(a, (1 - p).contiguous())  # how many are less strange
    return (1 + len(a) - below) / (len(a) + 1) > epsilon


def without_the_new_one(p, known, label, n_fit, epsilon):
    return _values(p, known[n_fit:], label[n_fit:], one_above=False, one_below=False) > epsilon


def not_counted_itself(p, known, label, n_fit, epsilon):
    return _values(p, known[n_fit:], label[n_fit:], one_above=False) > epsilon


def ties_left_out(p, known, label, n_fit, epsilon):
    return _values(p, known[n_fit:], label[n_fit:], strict=True) > epsilon


def on_all_known_rows(p, known, label, n_fit, epsilon):
    return _values(p, known, label) > epsilon


def on_the_rows_it_was_fitted_on(p, known, label, n_fit, epsilon):
    return _values(p, known[:n_fit], label[:n_fit]) > epsilon


def of_the_surest_class(p, known, label, n_fit, epsilon):
    return _values(p, known[n_fit:], known[n_fit:].argmax(1)) > epsilon


def less_strange_counted(p, known, label, n_fit, epsilon):
    return _values(p, known[n_fit:], label[n_fit:], reverse=True) > epsilon


def level_for_epsilon(p, known, label, n_fit, epsilon):
    return _values(p, known[n_fit:], label[n_fit:]) > 1 - epsilon


def probabilities_cut(p, known, label, n_fit, epsilon):
    return p > epsilon


def surest_alone(p, known, label, n_fit, epsilon):
    return torch.nn.functional.one_hot(p.argmax(1), p.shape[1]).bool()


def those_ruled_out(p, known, label, n_fit, epsilon):
    return ~name_possible(p, known, label, n_fit, epsilon)


def _sure(g, n, k):
    return (3 * torch.randn(n, k, generator=g)).softmax(1)


def six_numbers(g):
    right = torch.tensor([0.95, 0.9, 0.8, 0.7, 0.6, 0.3])
    known = torch.cat([torch.full((3, 2), 0.5), torch.stack([right, 1 - right], 1)])
    label = torch.tensor([0, 1, 0, 0, 0, 0, 0, 0, 0])
    return torch.tensor([[0.85, 0.15], [0.65, 0.35], [0.5, 0.5]]), known, label, 3, 0.3


def random_rows(g):
    label = torch.randint(3, (14,), generator=g)
    return _sure(g, 8, 3), _sure(g, 14, 3), label, 5, 0.25


def overconfident_where_fitted(g):
    label = torch.randint(4, (20,), generator=g)
    fitted = torch.nn.functional.one_hot(label[:10], 4).float() * 0.9 + 0.025
    return _sure(g, 6, 4), torch.cat([fitted, _sure(g, 10, 4)]), label, 10, 0.2


def rounded(g):
    label = torch.randint(3, (12,), generator=g)
    p, known = (torch.randint(1, 4, (n, 3), generator=g).float() / 8 for n in (6, 12))
    return p, known, label, 4, 0.4


SETS = Exercise(
    name="pictures.name_possible",
    lesson="36",
    title="Name the classes that cannot be ruled out",
    stars=2,
    minutes=10,
    reference=name_possible,
    cases=(six_numbers, random_rows, overconfident_where_fitted, rounded),
    mistakes=(
        Mistake(without_the_new_one, "The new clip is one of n + 1 that could have come in any order."),
        Mistake(not_counted_itself, "Can a p-value be 0? The new clip is at least as strange as itself."),
        Mistake(ties_left_out, "A known clip is exactly as strange as the new one. Does it count?"),
        Mistake(on_all_known_rows, "How strange does the classifier find clips that it was fitted on?"),
        Mistake(
            on_the_rows_it_was_fitted_on,
            "An exam with the questions of the exercise book: what does it say about new ones?",
        ),
        Mistake(of_the_surest_class, "A known clip has a label. Whose probability makes it strange?"),
        Mistake(
            less_strange_counted, "A class with probability near 1: should its p-value be large or small?"
        ),
        Mistake(level_for_epsilon, "A smaller epsilon: fewer classes ruled out, or more?"),
        Mistake(probabilities_cut, "Change the known rows. Does your set ever change?"),
        Mistake(surest_alone, "How many classes may a set hold?"),
        Mistake(those_ruled_out, "A class with probability near 1: in your set, or out of it?"),
    ),
    alternatives=(by_loop, by_sorting),
    properties=(properties.batch_independent(random_rows),),
    gradient="off",
    large_values=None,
)
