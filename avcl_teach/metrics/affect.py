"""How well feelings are told: concordance of curves, and recall averaged over classes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def ccc(x: Float[Tensor, "*point"], y: Float[Tensor, "*point"]) -> Float[Tensor, ""]:
    r"""Score how well x says y, in shape, level and size: the concordance correlation coefficient.

    $$\mathrm{CCC} = \frac{2 \sigma_{xy}}{\sigma_x^2 + \sigma_y^2 + (\mu_x - \mu_y)^2}$$

    -1 ... 1, symmetric, 1 only where x = y. |CCC| <= |correlation|: a shift or another scale costs, and a
    constant scores 0. All points count at once: frames of many clips end to end (one mean, one variance), not
    a mean over clips of a CCC each, which is another number; say which. Moments over n, not n - 1, as the
    coefficient is defined; the choice moves only the term of the means. Differentiable: 1 - ccc is a loss.
    Errors: ValueError for shapes that differ, fewer than 2 points, NaN or infinity, or two constants that are
    equal (0 / 0). Source: Lin 1989. Lesson: 32.

    >>> y = torch.tensor([0.0, 1.0, 2.0])
    >>> ccc(y, y).item(), round(ccc(y + 1, y).item(), 3)
    (1.0, 0.571)
    """
    if x.shape != y.shape or x.numel() < 2:
        raise ValueError(
            f"expected two equal shapes of at least 2 points, got {(*x.shape,)} and {(*y.shape,)}"
        )
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise ValueError("expected finite points, got NaN or infinity")
    x, y = x.flatten(), y.flatten()
    mu_x, mu_y = x.mean(), y.mean()
    d_x, d_y = x - mu_x, y - mu_y
    below = d_x.square().mean() + d_y.square().mean() + (mu_x - mu_y).square()
    if not below > 0:
        raise ValueError("expected points that vary, got the same constant on both sides")
    return 2 * (d_x * d_y).mean() / below


def class_recalls(
    predicted: Int[Tensor, "item"], labels: Int[Tensor, "item"], *, n_classes: int
) -> Float[Tensor, "class"]:
    """Return of every class the share of its items that were found; NaN for a class without items.

    Errors: ValueError for shapes that differ, none at all, or numbers outside 0 ... n_classes - 1.
    Lesson: 32.
    """
    if predicted.shape != labels.shape or predicted.ndim != 1 or len(labels) == 0:
        got = f"{(*predicted.shape,)} and {(*labels.shape,)}"
        raise ValueError(f"expected predictions and labels [item] of one length, got {got}")
    for name, x in (("predictions", predicted), ("labels", labels)):
        if x.min() < 0 or x.max() >= n_classes:
            raise ValueError(f"expected {name} of 0 to {n_classes - 1}, got {int(x.min())} to {int(x.max())}")
    n = torch.bincount(labels, minlength=n_classes)
    found = torch.bincount(labels[predicted == labels], minlength=n_classes)
    return torch.where(n > 0, found / n.clamp_min(1), torch.nan)


def uar(
    predicted: Int[Tensor, "item"], labels: Int[Tensor, "item"], *, n_classes: int | None = None
) -> float:
    r"""Average the recalls of all classes that occur, each class alike: unweighted average recall.

    $$\mathrm{UAR} = \frac{1}{C} \sum_c \frac{|\{i : y_i = c,\ \hat{y}_i = c\}|}{|\{i : y_i = c\}|}$$

    Accuracy where classes are balanced. Chance is 1 / C whatever the shares: who always says the commonest
    class scores 1 / C, and in accuracy its share. A class without items has no recall and does not count (C
    counts the others). n_classes: to have numbers beyond it refused. Errors: as `class_recalls`.
    Source: Schuller et al. 2009 (the challenge that set it); as scikit-learn's balanced accuracy.
    Lesson: 32.

    >>> uar(torch.tensor([0, 0, 0, 0]), torch.tensor([0, 0, 0, 1]))
    0.5
    """
    if n_classes is None:
        n_classes = 1 + int(max(predicted.max(), labels.max())) if predicted.numel() and labels.numel() else 1
    recalls = class_recalls(predicted, labels, n_classes=n_classes)
    return float(recalls[~recalls.isnan()].double().mean())
