"""Exercise 2 of lesson 31: a linear probe in closed form, on features that nobody touches."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake


def probe_scores(
    z_train: Float[Tensor, "n d"], y_train: Int[Tensor, "n"], z_test: Float[Tensor, "m d"], n_classes: int,
    ridge: float,
) -> Float[Tensor, "m k"]:  # fmt: skip
    """Scores of a ridge regression on one-hot classes, features standardised by the training part."""
    z, q = _standard(z_train, z_test)
    return q @ _weights(z, y_train, n_classes, ridge)


def _standard(z_train: Tensor, z_test: Tensor) -> tuple[Tensor, Tensor]:
    """Standardise both by the training part, stop the gradient, and add a column of ones."""
    z, q = z_train.detach(), z_test.detach()
    mean, std = z.mean(0), z.std(0)
    return tuple(F.pad((x - mean) / std, (0, 1), value=1.0) for x in (z, q))


def _weights(z: Tensor, y: Tensor, n_classes: int, ridge: float) -> Tensor:
    Y = F.one_hot(y, n_classes).to(z.dtype)
    C = z.T @ z / len(z) + ridge * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    return torch.cholesky_solve(z.T @ Y / len(z), torch.linalg.cholesky(C))


def by_kernel(z_train, y_train, z_test, n_classes, ridge):
    z, q = _standard(z_train, z_test)
    Y = F.one_hot(y_train, n_classes).to(z.dtype)
    K = z @ z.T + len(z) * ridge * torch.eye(len(z), dtype=z.dtype, device=z.device)
    return q @ z.T @ torch.cholesky_solve(Y, torch.linalg.cholesky(K))


def by_augmented_rows(z_train, y_train, z_test, n_classes, ridge):
    z, q = _standard(z_train, z_test)
    Y = F.one_hot(y_train, n_classes).to(z.dtype)
    rows = torch.eye(z.shape[1], dtype=z.dtype, device=z.device) * (ridge * len(z)) ** 0.5
    Z = torch.cat([z, rows])
    return q @ torch.linalg.lstsq(Z, F.pad(Y, (0, 0, 0, z.shape[1]))).solution


def few(g):
    y = torch.tensor([0, 1, 2, 0, 1, 2, 2])
    return 2 * torch.randn(7, 3, generator=g) + 1, y, torch.randn(5, 3, generator=g), 3, 0.1


def other_scales(g):
    scale = torch.tensor([1.0, 30.0, 0.2, 5.0])
    z, q = torch.randn(9, 4, generator=g) * scale + scale, torch.randn(4, 4, generator=g) * scale
    return z, torch.tensor([0, 1, 0, 1, 1, 0, 1, 0, 0]), q, 2, 0.5


def a_class_never_told(g):
    z, y = torch.randn(6, 2, generator=g), torch.tensor([0, 2, 0, 2, 2, 0])
    return z, y, torch.randn(3, 2, generator=g), 4, 0.05


def not_frozen(z_train, y_train, z_test, n_classes, ridge):
    mean, std = z_train.mean(0), z_train.std(0)
    z, q = (F.pad((x - mean) / std, (0, 1), value=1.0) for x in (z_train, z_test))
    return q @ _weights(z, y_train, n_classes, ridge)


def test_by_itself(z_train, y_train, z_test, n_classes, ridge):
    z, _ = _standard(z_train, z_train)
    q, _ = _standard(z_test, z_test)
    return q @ _weights(z, y_train, n_classes, ridge)


def both_together(z_train, y_train, z_test, n_classes, ridge):
    every = torch.cat([z_train, z_test]).detach()
    mean, std = every.mean(0), every.std(0)
    z, q = (F.pad((x.detach() - mean) / std, (0, 1), value=1.0) for x in (z_train, z_test))
    return q @ _weights(z, y_train, n_classes, ridge)


def not_standardised(z_train, y_train, z_test, n_classes, ridge):
    z, q = (F.pad(x.detach(), (0, 1), value=1.0) for x in (z_train, z_test))
    return q @ _weights(z, y_train, n_classes, ridge)


def no_column_of_ones(z_train, y_train, z_test, n_classes, ridge):
    z, q = _standard(z_train, z_test)
    return q[:, :-1] @ _weights(z[:, :-1], y_train, n_classes, ridge)


def class_numbers(z_train, y_train, z_test, n_classes, ridge):
    z, q = _standard(z_train, z_test)
    Y = y_train[:, None].expand(-1, n_classes).to(z.dtype)
    C = z.T @ z / len(z) + ridge * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    return q @ torch.cholesky_solve(z.T @ Y / len(z), torch.linalg.cholesky(C))


def no_ridge(z_train, y_train, z_test, n_classes, ridge):
    return probe_scores(z_train, y_train, z_test, n_classes, 1e-6)


def sums_for_means(z_train, y_train, z_test, n_classes, ridge):
    return probe_scores(z_train, y_train, z_test, n_classes, ridge / len(z_train))


def scores_of_train(z_train, y_train, z_test, n_classes, ridge):
    return probe_scores(z_train, y_train, z_train, n_classes, ridge)


PROBES = Exercise(
    name="transfer.probe_scores",
    lesson="31",
    title="Probe without touching",
    stars=2,
    minutes=12,
    reference=probe_scores,
    cases=(few, other_scales, a_class_never_told),
    mistakes=(
        Mistake(not_frozen, "The scores are right. Could a loss on them still train the encoder behind z?"),
        Mistake(test_by_itself, "By whose mean and deviation are the test features brought to scale?"),
        Mistake(both_together, "Your mean has seen the test features. Who may be asked for it?"),
        Mistake(not_standardised, "One feature is 30 times as large as another: the same ridge for both?"),
        Mistake(no_column_of_ones, "If all features are at their mean, what does your probe answer?"),
        Mistake(class_numbers, "Is class 2 twice as much of something as class 1? What should a column be?"),
        Mistake(no_ridge, "Does anything change in yours when the ridge does?"),
        Mistake(sums_for_means, "Twice the clips, all alike: should the ridge weigh half? Divide by n."),
        Mistake(scores_of_train, "Whose scores are asked for? Count the rows."),
    ),
    alternatives=(by_kernel, by_augmented_rows),
    gradient="values",
    tolerance=1e-3,
    large_values=None,
)
