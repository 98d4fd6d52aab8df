"""What a common space could reach if the other side held no secrets."""

import torch
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.comparison.pairs import Split
from avcl_teach.metrics import mean_average_precision


def told_class_map(train: Split, test: Split, *, ridge: float = 0.3) -> float:
    """Class mAP when the class of the other side is told: mean of both sides and both directions.

    One side is read by a linear classifier in closed form, W = (X'X / n + r I)^-1 X'Y / n on one-hot classes
    Y less their share; the other side is the class itself. What is left to lose is one side's, where
    retrieval loses both: a ceiling for linear readers of these features, and above all that reads both sides
    alike. Errors: ValueError for ridge <= 0. Lesson: 30.
    """
    scores = [
        mean_average_precision(M, test.labels, test.labels)
        for S in told_class_similarities(train, test, ridge=ridge)
        for M in (S, S.T)
    ]
    return float(torch.stack(scores).mean())


def told_class_similarities(train: Split, test: Split, *, ridge: float = 0.3) -> list[Tensor]:
    """Compare the test rows of each side, read linearly, with the told classes of the other: two [n, n].

    Errors: ValueError for ridge <= 0. Lessons: 30, 36.
    """
    if not ridge > 0:
        raise ValueError(f"expected ridge > 0, got {ridge}")
    n_classes = int(torch.cat([train.labels, test.labels]).max()) + 1
    Y = F.one_hot(train.labels, n_classes).double()
    told = F.normalize(F.one_hot(test.labels, n_classes).double() - Y.mean(0))
    sides = ((train.x_a, test.x_a), (train.x_v, test.x_v))
    return [
        (F.normalize(_read(X.double(), Y - Y.mean(0), Q.double(), ridge)) @ told.T).float() for X, Q in sides
    ]


def _read(X: Tensor, Y: Tensor, Q: Tensor, ridge: float) -> Tensor:
    """Answers of the least squares fit of Y on X, for rows Q, whatever the scale of the features."""
    mean, std = X.mean(0), X.std(0)
    X, Q = ((x - mean) / torch.where(std > 1e-9, std, 1.0) for x in (X, Q))
    C = X.T @ X / len(X) + ridge * torch.eye(X.shape[1], dtype=X.dtype, device=X.device)
    return Q @ torch.cholesky_solve(X.T @ Y / len(X), torch.linalg.cholesky(C))
