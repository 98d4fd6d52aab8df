"""Heads of a discriminator: what is known beside the sample, and how it enters the last layers.

Each takes features h [batch, dim] and a condition, and gives one logit a sample, high for real. The survey
names three conditions (3.1, generative adversarial networks, iii): class labels, a latent representation of
the other modality, and a classifier's prediction.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from avcl_teach.encoders.adversarial import check_width, layers


class NoCondition(nn.Module):
    """Judge the sample alone: logit = w.h + b. What it is given as a condition it ignores. Lesson: 15."""

    def __init__(self, dim: int):
        super().__init__()
        self.score = nn.Linear(dim, 1)

    def forward(
        self, h: Float[Tensor, "batch dim"], condition: Tensor | None = None
    ) -> Float[Tensor, "batch"]:
        """Return one logit a sample."""
        check_width("h", h, self.score.in_features)
        return self.score(h).squeeze(1)


class LabelProjection(nn.Module):
    """Judge whether the sample is real *and* of its class: logit = w.h + b + e_y.h, e_y a learnt row a class.

    The class enters by a scalar product, not by joining vectors: ln p(x, y) / q(x, y) = ln p(x) / q(x) +
    ln p(y|x) / q(y|x), and a log-linear classifier makes the second part linear in h. labels are class
    numbers [batch], or shares of classes [batch, class] (a soft prediction, a set of labels), for which the
    rows e_c are averaged with these weights.
    Errors: ValueError for labels of another shape. Source: Miyato and Koyama 2018; survey 3.1, GANs iii
    (class labels). Lesson: 15.
    """

    def __init__(self, dim: int, n_classes: int):
        super().__init__()
        self.score, self.rows = nn.Linear(dim, 1), nn.Embedding(n_classes, dim)
        nn.init.normal_(self.rows.weight, std=dim**-0.5)

    def forward(
        self, h: Float[Tensor, "batch dim"], condition: Int[Tensor, "batch"] | Float[Tensor, "batch class"]
    ) -> Float[Tensor, "batch"]:
        """Return one logit a sample."""
        check_width("h", h, self.score.in_features)
        if condition.is_floating_point():
            check_width("condition", condition, self.rows.num_embeddings)
            e = condition.to(self.rows.weight.dtype) @ self.rows.weight
        elif condition.shape == h.shape[:1]:
            e = self.rows(condition)
        else:
            raise ValueError(f"expected labels [{len(h)}], got {tuple(condition.shape)}")
        return self.score(h).squeeze(1) + (e * h).sum(1)


class LatentCondition(nn.Module):
    """Judge a sample beside the other modality's code: the code joins the features late, before the logit.

    logit = MLP([h; z]): one hidden layer after the joining, without which the logit would be a sum of what h
    says and what z says, and could not ask whether they agree. No label enters.
    Errors: ValueError for widths that do not fit. Source: Fanzeres and Nadeu 2021 (code as extra channels
    before the last convolution); survey 3.1, GANs iii (latent representations). Lesson: 15.
    """

    def __init__(self, dim: int, dim_condition: int, *, hidden: int = 128):
        super().__init__()
        self.dim, self.dim_condition = dim, dim_condition
        self.score = layers(dim + dim_condition, hidden, 1)

    def forward(
        self, h: Float[Tensor, "batch dim"], condition: Float[Tensor, "batch condition"]
    ) -> Float[Tensor, "batch"]:
        """Return one logit a sample."""
        check_width("h", h, self.dim)
        check_width("condition", condition, self.dim_condition)
        return self.score(torch.cat([h, condition], 1)).squeeze(1)


class PredictionHead(nn.Module):
    """Judge twice: is the sample real, and which class does it show? `classify` gives the second answer.

    Both read the same features. D learns classes on real samples; the generator is then asked that its
    samples be classified as the class, or set of classes, that was predicted for its input. The condition
    does not enter the logit. Errors: ValueError for another width.
    Source: Odena et al. 2017; Athanasiadis et al. 2020 with a set of labels from conformal prediction
    (reconstruction); survey 3.1, GANs iii (classifiers' prediction on generated samples). Lesson: 15.
    """

    def __init__(self, dim: int, n_classes: int):
        super().__init__()
        self.score, self.classes = nn.Linear(dim, 1), nn.Linear(dim, n_classes)

    def forward(
        self, h: Float[Tensor, "batch dim"], condition: Tensor | None = None
    ) -> Float[Tensor, "batch"]:
        """Return one logit a sample: real or not."""
        check_width("h", h, self.score.in_features)
        return self.score(h).squeeze(1)

    def classify(self, h: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """Return the logits of the classes."""
        check_width("h", h, self.classes.in_features)
        return self.classes(h)


def conformal_sets(
    probabilities: Float[Tensor, "batch class"],
    known: Float[Tensor, "n class"],
    labels: Int[Tensor, "n"],
    *,
    level: float = 0.9,
) -> Bool[Tensor, "batch class"]:
    """Name for each sample the classes that cannot be ruled out: a set that holds the true one in `level`.

    Strangeness alpha = 1 - p_y. For a new sample and each class c, p_c = (1 + #{i : alpha_i >= alpha_c}) /
    (n + 1) over n calibration samples that the classifier was not trained on; c is in the set if p_c > 1 -
    level. Holds on average whatever the classifier is worth: a poor one gives large sets. A set may be empty.
    Errors: ValueError for unequal widths, no calibration samples, or a level outside 0 ... 1.
    Source: inductive conformal prediction, as Athanasiadis et al. 2020 condition with (reconstruction).
    Lesson: 15.

    >>> sure, unsure = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    >>> known = torch.tensor([[0.8, 0.2]] * 5 + [[0.6, 0.4]] * 4)
    >>> conformal_sets(torch.stack([sure, unsure]), known, torch.zeros(9, dtype=torch.long), level=0.8).int()
    tensor([[1, 0],
            [0, 0]], dtype=torch.int32)
    """
    if known.shape[1:] != probabilities.shape[1:] or len(known) == 0 or labels.shape != known.shape[:1]:
        raise ValueError(
            f"expected calibration [n, {probabilities.shape[1]}] with n labels, got {tuple(known.shape)} and "
            f"{tuple(labels.shape)}"
        )
    if not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, got {level}")
    alpha = 1 - known.gather(1, labels[:, None])[:, 0]
    stranger = alpha >= (1 - probabilities)[..., None]  # [batch, class, n]
    return (1 + stranger.sum(-1)) / (len(known) + 1) > 1 - level
