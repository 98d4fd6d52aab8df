"""Exercise 1 of lesson 36: informativity, by yes/no judges."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property
from avcl_teach.metrics import generation


def ask_the_judges(judged: Float[Tensor, "drawing judge"], label: Int[Tensor, "drawing"]) -> float:
    """Share of drawings that their own class's judge accepts (at least one half), mean over classes."""
    return generation.informativity(judged, label)["all"]


def by_loop(judged, label):
    shares = []
    for c in sorted(set(label.tolist())):
        rows = [i for i in range(len(label)) if int(label[i]) == c]
        shares.append(sum(float(judged[i, c]) >= 0.5 for i in rows) / len(rows))
    return sum(shares) / len(shares)


def by_table(judged, label):
    member = torch.nn.functional.one_hot(label, judged.shape[1]).double()  # [drawing, class]
    n = member.sum(0)
    yes = (member * (judged >= 0.5)).sum(0)
    return float((yes[n > 0] / n[n > 0]).mean())


def _own(judged, label):
    return judged[torch.arange(len(label)), label]


def _over_classes(right, label):
    return float(torch.stack([right[label == c].double().mean() for c in label.unique()]).mean())


def any_judge(judged, label):
    return _over_classes((judged >= 0.5).any(1), label)


def loudest_judge(judged, label):
    return _over_classes(judged.argmax(1) == label, label)


def own_judge_and_no_other(judged, label):
    yes = judged >= 0.5
    return _over_classes((yes.sum(1) == 1) & (_own(judged, label) >= 0.5), label)


def drawings_weigh_alike(judged, label):
    return float((_own(judged, label) >= 0.5).double().mean())


def mean_of_probabilities(judged, label):
    return _over_classes(_own(judged, label), label)


def above_one_half(judged, label):
    return _over_classes(_own(judged, label) > 0.5, label)


def all_judges_together(judged, label):
    return _over_classes((judged >= 0.5).double().mean(1), label)


def absent_classes_count(judged, label):
    right = _own(judged, label) >= 0.5
    sums = [right[label == c].double().mean() for c in label.unique()]
    return float(torch.stack(sums).sum() / judged.shape[1])


def judge_of_the_row(judged, label):
    rows = torch.arange(len(label))
    return _over_classes(judged[rows, rows % judged.shape[1]] >= 0.5, label)


def share_refused(judged, label):
    return 1 - ask_the_judges(judged, label)


def the_table_of_the_lesson(g):
    judged = torch.tensor([[0.9, 0.1], [0.7, 0.8], [0.2, 0.4], [0.1, 0.3], [0.3, 0.6]])
    return judged, torch.tensor([0, 0, 0, 1, 1])


def uneven_classes(g):
    return torch.rand(9, 3, generator=g), torch.tensor([0, 0, 0, 0, 0, 1, 1, 2, 2])


def on_the_edge(g):
    judged = torch.tensor([[0.5, 0.2, 0.9], [0.1, 0.5, 0.5], [0.6, 0.5, 0.4], [0.4, 0.7, 0.5]])
    return judged, torch.tensor([0, 1, 2, 2])


def a_class_without_sounds(g):
    return torch.rand(6, 4, generator=g), torch.tensor([0, 3, 0, 3, 3, 1])


def _order_does_not_matter(fn, g):
    judged, label = uneven_classes(g)
    order = torch.randperm(len(label), generator=g)
    return abs(float(fn(judged, label)) - float(fn(judged[order], label[order]))) < 1e-6


JUDGES = Exercise(
    name="pictures.ask_the_judges",
    lesson="36",
    title="Ask each drawing's own judge",
    stars=1,
    minutes=8,
    reference=ask_the_judges,
    cases=(the_table_of_the_lesson, uneven_classes, on_the_edge, a_class_without_sounds),
    mistakes=(
        Mistake(any_judge, "The sound is a drum, the drawing a fine bird. Is the sound well drawn?"),
        Mistake(
            loudest_judge,
            "Judges answer about their own class alone. Two may say yes, or none: what then, in yours?",
        ),
        Mistake(own_judge_and_no_other, "May a drawing convince a second judge, in the definition?"),
        Mistake(drawings_weigh_alike, "Nine sounds of a drum, one of a bird: does the bird still count?"),
        Mistake(mean_of_probabilities, "A judge says yes or no. Which number does a 0.4 add in yours?"),
        Mistake(above_one_half, "What does a judge with exactly one half say?"),
        Mistake(all_judges_together, "Whose answer decides about the drawing of a drum?"),
        Mistake(absent_classes_count, "No sound of a class was drawn. Should that lower the score?"),
        Mistake(judge_of_the_row, "Which column belongs to drawing i? Follow its label."),
        Mistake(share_refused, "All judges say yes to everything: which score should that be?"),
    ),
    alternatives=(by_loop, by_table),
    properties=(
        Property("the order of drawings does not matter", _order_does_not_matter, "Shuffle the drawings."),
    ),
    gradient="off",
    large_values=None,
)
