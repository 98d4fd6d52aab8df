"""What a linear classifier can read off frozen embeddings."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def linear_probe(
    x_train: Float[Tensor, "n dim"],
    y_train: Int[Tensor, "n"],
    x_test: Float[Tensor, "m dim"],
    y_test: Int[Tensor, "m"],
    *,
    ridge: float = 1e-2,
) -> float:
    """Fit a linear classifier to frozen embeddings and return its accuracy on the test part.

    Least squares on one-hot classes with a ridge, W = (X'X / n + r I)^-1 X'Y / n on features standardised by
    the training part: a closed form, the same answer everywhere. Errors: ValueError for ridge <= 0 or shapes
    that do not fit. Lessons: 13, 26.
    """
    if not ridge > 0 or x_train.ndim != 2 or x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"expected ridge > 0 and features of one dim, got {ridge}, {tuple(x_train.shape)}, "
            f"{tuple(x_test.shape)}"
        )
    x_train, x_test = x_train.detach().double(), x_test.detach().double()
    mean, std = x_train.mean(0), x_train.std(0)
    std = torch.where(std > 1e-9 * std.max().clamp_min(1e-300), std, 1.0)
    X, Q = (torch.cat([(x - mean) / std, torch.ones(len(x), 1).double()], 1) for x in (x_train, x_test))
    Y = torch.nn.functional.one_hot(y_train, int(max(y_train.max(), y_test.max())) + 1).double()
    C = X.T @ X / len(X) + ridge * torch.eye(X.shape[1], dtype=X.dtype)
    W = torch.cholesky_solve(X.T @ Y / len(X), torch.linalg.cholesky(C))
    return float(((Q @ W).argmax(1) == y_test).double().mean())
