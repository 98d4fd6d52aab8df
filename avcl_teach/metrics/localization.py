"""Does a heat map lie on what sounds? Consensus maps, cIoU, its AUC, pointing, and rules that cut a map."""

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

THRESHOLDS = tuple(i / 20 for i in range(21))


def box_mask(box: Float[Tensor, "*n 4"], side: int) -> Bool[Tensor, "*n side side"]:
    """Draw boxes (x0, y0, x1, y1), fractions of the side, as pixels whose middle lies inside.

    A box of NaN draws nothing. Errors: ValueError for a last axis other than 4 or side < 1. Lesson: 34.

    >>> box_mask(torch.tensor([0.0, 0.0, 0.5, 1.0]), 2)
    tensor([[ True, False],
            [ True, False]])
    """
    if box.ndim < 1 or box.shape[-1] != 4 or side < 1:
        raise ValueError(f"expected boxes [..., 4] and side >= 1, got {list(box.shape)} and {side}")
    p = (torch.arange(side, device=box.device) + 0.5) / side
    x0, y0, x1, y1 = box[..., None].unbind(-2)
    inside_x, inside_y = (x0 <= p) & (p < x1), (y0 <= p) & (p < y1)
    return inside_y[..., :, None] & inside_x[..., None, :]


def consensus_map(
    masks: Bool[Tensor, "*n annotator height width"], *, enough: int = 2
) -> Float[Tensor, "*n height width"]:
    r"""Weigh each pixel by how many annotators boxed it: $g(p) = \min(\sum_j b_j(p) / 2,\ 1)$.

    ``enough``: votes that count in full (2 in the field; 1 for a single exact box). Errors: ValueError for
    enough < 1 or fewer than 3 axes. Source: Senocak et al. 2018, read in released code. Lesson: 34.
    """
    if masks.ndim < 3 or enough < 1:
        raise ValueError(f"expected [..., annotator, height, width], enough >= 1; got {list(masks.shape)}")
    return (masks.float().sum(-3) / enough).clamp_max(1)


def top_k_mask(maps: Float[Tensor, "*n height width"], k: int) -> Bool[Tensor, "*n height width"]:
    """Take the k largest pixels of each map (of equals, the ones that come first in memory).

    k is chosen on training boxes, such as their mean area. Errors: ValueError for k outside 1 ... pixels.
    Lesson: 34.
    """
    flat = maps.flatten(-2)
    if not 1 <= k <= flat.shape[-1]:
        raise ValueError(f"expected 1 <= k <= {flat.shape[-1]}, got {k}")
    at = flat.sort(dim=-1, descending=True, stable=True).indices[..., :k]
    return torch.zeros_like(flat, dtype=torch.bool).scatter_(-1, at, True).reshape(maps.shape)


def median_mask(maps: Float[Tensor, "*n height width"]) -> Bool[Tensor, "*n height width"]:
    r"""Take the upper half of each map's pixels, the rule of the released test code of Chen et al. 2021.

    Half of the picture is always taken, so a box of area $\alpha$ has $\mathrm{IoU} \le \alpha / 0.5$: below
    a quarter of the picture not even the truth reaches 0.5 (`median_limit`). Lesson: 34.
    """
    return top_k_mask(maps, maps.shape[-1] * maps.shape[-2] // 2)


def median_limit(area: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    r"""Bound the IoU under the median rule: $\min(\alpha, 0.5) / \max(\alpha, 0.5)$, area as a share.

    Errors: ValueError for an area outside 0 ... 1. Lesson: 34.

    >>> median_limit(torch.tensor([0.1, 0.25, 0.5]))
    tensor([0.2000, 0.5000, 1.0000])
    """
    if ((area < 0) | (area > 1)).any():
        raise ValueError("expected areas between 0 and 1")
    return area.clamp_max(0.5) / area.clamp_min(0.5)


def c_iou(
    found: Bool[Tensor, "*n height width"], consensus: Float[Tensor, "*n height width"]
) -> Float[Tensor, "*n"]:
    r"""Compare a set of pixels A with a consensus map g, a picture at a time.

    $$\mathrm{cIoU} = \frac{\sum_{p \in A} g(p)}{\sum_p g(p) + |\{p \in A : g(p) = 0\}|}$$

    With one exact box (g = 0 or 1) it is the ordinary IoU. 0 where nothing is found and nothing is there.
    Errors: ValueError for unequal shapes or g outside 0 ... 1. Source: Senocak et al. 2018. Lesson: 34.
    """
    if found.shape != consensus.shape or found.ndim < 2:
        raise ValueError(f"expected two of one shape, got {list(found.shape)}, {list(consensus.shape)}")
    if ((consensus < 0) | (consensus > 1)).any():
        raise ValueError("expected a consensus map between 0 and 1")
    A, g = found.flatten(-2), consensus.flatten(-2)
    whole = g.sum(-1) + (A & (g == 0)).sum(-1)
    return (A * g).sum(-1) / whole.clamp_min(1e-12)


def success_rate(ious: Float[Tensor, "n"], *, threshold: float = 0.5) -> Float[Tensor, ""]:
    """Return the share of pictures whose cIoU reaches the threshold ("cIoU@.5" in papers). Lesson: 34.

    Errors: ValueError for no pictures.
    """
    if ious.ndim != 1 or not len(ious):
        raise ValueError(f"expected at least one value [n], got {list(ious.shape)}")
    return (ious >= threshold).float().mean()


def success_auc(ious: Float[Tensor, "n"]) -> Float[Tensor, ""]:
    """Return the area under the success rate over the thresholds 0, 0.05 ... 1, by trapezoids.

    At threshold 0 every picture succeeds, so even a map that is always wrong has 0.025. Errors: as
    `success_rate`. Source: the field's released test code. Lesson: 34.
    """
    rates = torch.stack([success_rate(ious, threshold=t) for t in THRESHOLDS])
    return torch.trapezoid(rates, dx=1 / (len(THRESHOLDS) - 1))


def pointed_objects(
    maps: Float[Tensor, "n height width"], boxes: Float[Tensor, "n object 4"]
) -> Bool[Tensor, "n object"]:
    """Say which objects' boxes hold the largest value of each map; several, where boxes overlap. Lesson: 34.

    Errors: ValueError for shapes that do not fit or maps that are not square.
    """
    side = maps.shape[-1]
    if maps.ndim != 3 or maps.shape[1] != side or boxes.ndim != 3 or len(boxes) != len(maps):
        raise ValueError(f"expected [n, side, side] and [n, object, 4], got {maps.shape}, {boxes.shape}")
    inside = box_mask(boxes, side).flatten(2)
    peak = maps.flatten(1).argmax(1)
    return inside.gather(2, peak[:, None, None].expand(-1, boxes.shape[1], 1))[..., 0]


def pointing_game(
    maps: Float[Tensor, "n height width"],
    boxes: Float[Tensor, "n object 4"],
    sounding: Bool[Tensor, "n object"],
) -> dict[str, Float[Tensor, ""]]:
    """Count peaks by where they fall: {"sounding", "silent", "background"}, shares that sum to 1.

    A peak where a sounding and a silent box overlap counts as sounding. IoU alone cannot tell "the object
    that sounds" from "an object": silent is the figure that can. Errors: as `pointed_objects`, and for
    sounding of another shape than the boxes. Source: Zhang et al. 2018 (pointing game). Lesson: 34.
    """
    if sounding.shape != boxes.shape[:2]:
        raise ValueError(f"expected sounding {list(boxes.shape[:2])}, got {list(sounding.shape)}")
    hit = pointed_objects(maps, boxes)
    right = (hit & sounding).any(1)
    silent = hit.any(1) & ~right
    share = [x.float().mean() for x in (right, silent, ~hit.any(1))]
    return dict(zip(("sounding", "silent", "background"), share, strict=True))


def mean_box_pixels(boxes: Num[Tensor, "*n 4"], side: int) -> int:
    """Return the mean area of boxes in pixels, NaN left out: the k of the top-k rule. Lesson: 34."""
    area = ((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])).nanmean()
    return max(1, round(float(area) * side * side))
