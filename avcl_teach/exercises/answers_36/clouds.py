"""Exercise 2 of lesson 36: the Frechet distance of two clouds of features."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake, Property
from avcl_teach.metrics.frechet import frechet_distance


def compare_clouds(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> float:
    """|m_x - m_y|^2 + Tr(C_x + C_y - 2 (C_x C_y)^(1/2)), covariances over n - 1."""
    return frechet_distance(x, y)


def _moments(x):
    x = x.double()
    return x.mean(0), torch.cov(x.T)


def _distance(x, y, cross, weight=2.0):
    (m_x, C_x), (m_y, C_y) = _moments(x), _moments(y)
    return float((m_x - m_y).square().sum() + C_x.trace() + C_y.trace() - weight * cross(C_x, C_y))


def _root(C):
    values, vectors = torch.linalg.eigh(C)
    return vectors * values.clamp_min(0).sqrt() @ vectors.T


def by_eigenvalues_of_the_product(x, y):
    return _distance(x, y, lambda C, D: torch.linalg.eigvals(C @ D).real.clamp_min(0).sqrt().sum())


def by_singular_values(x, y):
    return _distance(x, y, lambda C, D: torch.linalg.svdvals(_root(C) @ _root(D)).sum())


def no_root(x, y):
    return _distance(x, y, lambda C, D: (C @ D).trace())


def root_of_each_entry(x, y):
    return _distance(x, y, lambda C, D: (C @ D).diagonal().clamp_min(0).sqrt().sum())


def roots_multiplied(x, y):
    return _distance(x, y, lambda C, D: (_root(C) @ _root(D)).trace())


def variances_alone(x, y):
    return _distance(x, y, lambda C, D: (C.diagonal() * D.diagonal()).sqrt().sum())


def cross_once(x, y):
    cross = lambda C, D: torch.linalg.svdvals(_root(C) @ _root(D)).sum()  # noqa: E731
    return _distance(x, y, cross, weight=1.0)


def means_not_squared(x, y):
    apart = (x.double().mean(0) - y.double().mean(0)).square().sum()
    return by_singular_values(x, y) - float(apart) + float(apart.sqrt())


def means_alone(x, y):
    return float((x.double().mean(0) - y.double().mean(0)).square().sum())


def means_forgotten(x, y):
    return by_singular_values(x, y) - means_alone(x, y)


def over_n(x, y):
    (m_x, C_x), (m_y, C_y) = _moments(x), _moments(y)
    C_x, C_y = C_x * (len(x) - 1) / len(x), C_y * (len(y) - 1) / len(y)
    cross = torch.linalg.svdvals(_root(C_x) @ _root(C_y)).sum()
    return float((m_x - m_y).square().sum() + C_x.trace() + C_y.trace() - 2 * cross)


def not_centred(x, y):
    x, y = x.double(), y.double()
    C_x, C_y = x.T @ x / (len(x) - 1), y.T @ y / (len(y) - 1)
    cross = torch.linalg.svdvals(_root(C_x) @ _root(C_y)).sum()
    return float((x.mean(0) - y.mean(0)).square().sum() + C_x.trace() + C_y.trace() - 2 * cross)


def one_shift_for_all(x, y):
    shift = float((x.double().mean() - y.double().mean()) ** 2)
    return means_forgotten(x, y) + shift


def two_clouds(g):
    return torch.randn(9, 3, generator=g), 1.5 * torch.randn(7, 3, generator=g) + 1


def leaning_apart(g):
    x, y = torch.randn(8, 2, generator=g), torch.randn(8, 2, generator=g)
    lean = torch.tensor([[1.0, 0.9], [0.0, 0.3]])
    return x @ lean, y @ lean.flip(1)


def fewer_than_dimensions(g):
    return torch.randn(3, 4, generator=g), torch.randn(5, 4, generator=g)


def far_away(g):
    return torch.randn(6, 2, generator=g) + 4, torch.randn(6, 2, generator=g) - 3


def _itself(fn, g):
    x = torch.randn(8, 3, generator=g)
    return abs(float(fn(x, x.clone()))) < 1e-3


def _shifted(fn, g):
    x = torch.randn(8, 2, generator=g)
    return abs(float(fn(x, x + torch.tensor([3.0, 4.0]))) - 25) < 1e-2


CLOUDS = Exercise(
    name="pictures.compare_clouds",
    lesson="36",
    title="Compare two clouds of features",
    stars=2,
    minutes=12,
    reference=compare_clouds,
    cases=(two_clouds, leaning_apart, fewer_than_dimensions, far_away),
    mistakes=(
        Mistake(no_root, "Double all features: by how much should each term grow? Does each of yours?"),
        Mistake(
            root_of_each_entry,
            "A matrix root R has R R = C. Square yours by a matrix product: do you get C back?",
        ),
        Mistake(
            roots_multiplied,
            "R_x R_y squared is R_x R_y R_x R_y. When is that C_x C_y, and when is it not?",
        ),
        Mistake(variances_alone, "Two clouds lean in opposite directions. Does yours see it?"),
        Mistake(cross_once, "A cloud and itself: which distance, and which one is yours?"),
        Mistake(means_not_squared, "Move one cloud by 3 and 4: the square of 5, or 5?"),
        Mistake(means_alone, "One cloud is a point, the other wide, about one middle. Equal?"),
        Mistake(means_forgotten, "Move one cloud far away. What changes in yours?"),
        Mistake(over_n, "By which count are the squares divided, n or n - 1?"),
        Mistake(not_centred, "Move both clouds together by 10. Should a covariance change?"),
        Mistake(one_shift_for_all, "One feature moves up, another down. Where did their difference go?"),
    ),
    alternatives=(by_eigenvalues_of_the_product, by_singular_values),
    properties=(
        Property("a cloud and itself are at distance 0", _itself, "Compare a cloud with its copy."),
        Property("a shift by 3 and 4 costs 25", _shifted, "Move a cloud by 3 and 4. Pythagoras says 25."),
        properties.symmetric(two_clouds),
    ),
    gradient="off",
    tolerance=1e-3,
)
