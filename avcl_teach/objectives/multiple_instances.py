"""Weak supervision: a clip's label is known, the segment it belongs to is not (multiple instances)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def pool_segments(
    scores: Float[Tensor, "clip segment class"],
    *,
    sharpness: float | int = math.inf,
    present: Bool[Tensor, "clip segment"] | None = None,
) -> Float[Tensor, "clip class"]:
    r"""Pool the scores of a clip's segments into the clip's: from their mean (0) to their maximum (inf).

    $$z_c = \frac1r \ln \frac1T \sum_t e^{r\, z_{tc}}$$

    `present` (True = there) keeps padded segments out of both sum and T. Errors: ValueError for a negative
    sharpness r, other shapes, or a clip without segments. Lesson: 33.

    >>> pool_segments(torch.tensor([[[1.0], [3.0]]]))
    tensor([[3.]])
    """
    if scores.ndim != 3 or scores.shape[1] == 0 or not sharpness >= 0:
        raise ValueError(
            f"expected scores [clip, segment, class] and a sharpness of at least 0, "
            f"got {list(scores.shape)} and {sharpness}"
        )
    if present is None:
        present = torch.ones(scores.shape[:2], dtype=torch.bool, device=scores.device)
    if present.shape != scores.shape[:2] or not bool(present.any(1).all()):
        raise ValueError(f"expected present {list(scores.shape[:2])} with a segment in every clip")
    there, n = present[..., None], present.sum(1, keepdim=True)
    if sharpness == 0:
        return torch.where(there, scores, 0).sum(1) / n
    scores = scores.masked_fill(~there, -math.inf)
    if sharpness == math.inf:
        return scores.amax(1)
    return ((sharpness * scores).logsumexp(1) - n.log()) / sharpness


def weak_cross_entropy(
    scores: Float[Tensor, "clip segment class"],
    labels: Float[Tensor, "clip class"],
    *,
    sharpness: float | int = math.inf,
    present: Bool[Tensor, "clip segment"] | None = None,
) -> Float[Tensor, ""]:
    r"""Ask of each clip and class whether the pooled score says what the clip's label says.

    $$L = -\frac{1}{BC} \sum_{i,c} y_{ic} \ln \sigma(z_{ic}) + (1 - y_{ic}) \ln(1 - \sigma(z_{ic}))$$

    with z from `pool_segments`. Scores are raw: one sigmoid, here, after the pooling. A clip may have
    several events or none. Errors: as `pool_segments`, and ValueError for labels of another shape.
    Source: the weakly supervised setting of Tian et al. 2018; the binary form is this kit's. Lesson: 33.
    """
    if labels.shape != (len(scores), scores.shape[-1]):
        raise ValueError(f"expected labels [{len(scores)}, {scores.shape[-1]}], got {list(labels.shape)}")
    z = pool_segments(scores, sharpness=sharpness, present=present)
    return F.binary_cross_entropy_with_logits(z, labels.to(z.dtype))
