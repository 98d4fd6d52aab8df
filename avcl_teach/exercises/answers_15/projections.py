"""Exercise 8 of lesson 15: the projection discriminator."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def project_label(
    h: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
    w: Float[Tensor, "d"],
    E: Float[Tensor, "c d"],
) -> Float[Tensor, "n"]:
    """The logit w.h_i + e_y.h_i, e_y the row of E of sample i's own class."""
    return h @ w + (E[labels] * h).sum(1)


def rows_added_first(h, labels, w, E):
    return ((w + E[labels]) * h).sum(1)


def by_one_hot(h, labels, w, E):
    table = h @ E.T
    return h @ w + (table * F.one_hot(labels, len(E))).sum(1)


def five_of_three(g):
    return (
        torch.randn(5, 2, generator=g), torch.randint(3, (5,), generator=g), torch.randn(2, generator=g),
        torch.randn(3, 2, generator=g),
    )  # fmt: skip


def one_of_four(g):
    return (
        torch.randn(1, 3, generator=g), torch.randint(4, (1,), generator=g), torch.randn(3, generator=g),
        torch.randn(4, 3, generator=g),
    )  # fmt: skip


def as_many_as_classes(g):
    return (
        torch.randn(3, 4, generator=g), torch.tensor([2, 0, 0]), torch.randn(4, generator=g),
        torch.randn(3, 4, generator=g),
    )  # fmt: skip


def no_class(h, labels, w, E):
    return h @ w


def class_alone(h, labels, w, E):
    return (E[labels] * h).sum(1)


def class_as_offset(h, labels, w, E):
    return h @ w + E[labels].sum(1)


def all_classes(h, labels, w, E):
    return h @ w + (h @ E.T).sum(1)


def most_like_class(h, labels, w, E):
    return h @ w + (h @ E.T).amax(1)


def neighbours_class(h, labels, w, E):
    return h @ w + (E[labels.roll(1)] * h).sum(1)


def class_against_weights(h, labels, w, E):
    return h @ w + E[labels] @ w


def mean_over_dim(h, labels, w, E):
    return h @ w + (E[labels] * h).mean(1)


def as_classifier(h, labels, w, E):
    return h @ w + (h @ E.T).log_softmax(1).gather(1, labels[:, None])[:, 0]


def cosine(h, labels, w, E):
    return h @ w + F.cosine_similarity(E[labels], h, dim=1)


def squashed(h, labels, w, E):
    return torch.sigmoid(project_label(h, labels, w, E))


def classes_of_first(h, labels, w, E):
    return h @ w + h @ E[labels[0]]


PROJECTIONS = Exercise(
    name="adversarial.project_label",
    lesson="15",
    title="Tell the judge the class",
    stars=2,
    minutes=8,
    reference=project_label,
    cases=(five_of_three, one_of_four, as_many_as_classes),
    mistakes=(
        Mistake(no_class, "Change a label: does your logit move?"),
        Mistake(
            class_alone,
            "Half is there. Which part asks whether the sample is real at all, whatever its class?",
        ),
        Mistake(
            class_as_offset, "The class adds the same to every sample. It cannot ask whether *this* one fits."
        ),
        Mistake(all_classes, "Which class's row should a sample meet: its own, or all?"),
        Mistake(most_like_class, "You let the sample choose its class. It was told one."),
        Mistake(neighbours_class, "Sample i and label i belong together. Do they, in yours?"),
        Mistake(
            class_against_weights, "Who meets the row of the class: the weights, or the sample's features?"
        ),
        Mistake(mean_over_dim, "A scalar product is a sum over dimensions. Is it, in yours?"),
        Mistake(as_classifier, "Yours compares with the other classes. Here only the own row is asked."),
        Mistake(cosine, "A scalar product, not an angle: twice the features, twice the second term."),
        Mistake(squashed, "The losses take logits. What did you return?"),
        Mistake(classes_of_first, "Every sample has a label of its own. How many rows of E do you use?"),
    ),
    alternatives=(rows_added_first, by_one_hot),
    properties=(
        properties.homogeneous(
            five_of_three, factor=3.0, degree=1, hint="Three times the features: three times the logit."
        ),
        properties.batch_independent(
            five_of_three, arg=(0, 1), hint="A sample's logit does not depend on the others."
        ),
    ),
)
