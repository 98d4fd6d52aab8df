"""Boxes that claim a class: average precision at an overlap, with each true box found once at most."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def box_iou(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """Compare every two boxes (x0, y0, x1, y1): area of the overlap over area of the union, 0 for NaN.

    Ends are continuous: a box from 0 to 3 is 3 wide, not 4. Errors: ValueError for other shapes. Lesson: 34.

    >>> box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.3333]])
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != 4 or b.shape[1] != 4:
        raise ValueError(f"expected boxes [n, 4] and [m, 4], got {list(a.shape)} and {list(b.shape)}")
    low, high = torch.maximum(a[:, None, :2], b[None, :, :2]), torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clamp_min(0).prod(-1)
    area_a, area_b = ((x[:, 2:] - x[:, :2]).clamp_min(0).prod(-1) for x in (a, b))
    return (inter / (area_a[:, None] + area_b - inter).clamp_min(1e-12)).nan_to_num(0.0)


def match_detections(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, "n"],
    picture: Int[Tensor, "n"],
    true_boxes: Float[Tensor, "m 4"],
    true_picture: Int[Tensor, "m"],
    *,
    overlap: float = 0.5,
) -> Int[Tensor, "n"]:
    """Say which true box each detection finds, -1 for none; rows stay in their order.

    Highest score first, a detection takes the true box of its picture it overlaps most, if by `overlap` and
    if no other took it: a second detection of one box is wrong. Errors: ValueError for unequal lengths or an
    overlap outside 0 ... 1. Source: Everingham et al. 2010 (PASCAL VOC). Lesson: 34.
    """
    if not len(boxes) == len(scores) == len(picture) or len(true_boxes) != len(true_picture):
        raise ValueError("expected a score and a picture for each box, a picture for each true box")
    if not 0 < overlap <= 1:
        raise ValueError(f"expected an overlap above 0 and at most 1, got {overlap}")
    found = torch.full((len(boxes),), -1, dtype=torch.long)
    taken = torch.zeros(len(true_boxes), dtype=torch.bool)
    here = {int(p): (true_picture == p).nonzero()[:, 0] for p in true_picture.unique()}
    for row in scores.argsort(descending=True, stable=True).tolist():
        rows = here.get(int(picture[row]))
        if rows is None:
            continue
        best, at = box_iou(boxes[row : row + 1], true_boxes[rows])[0].max(0)
        if best >= overlap and not taken[rows[at]]:
            found[row] = rows[at]
            taken[rows[at]] = True
    return found


def average_precision(
    right: Float[Tensor, "n"] | Int[Tensor, "n"], scores: Float[Tensor, "n"], n_true: int
) -> Float[Tensor, ""]:
    r"""Return the area under precision over recall, precision made to fall: $p(r) = \max_{r' \ge r} p(r')$.

    right: 1 where a detection found a true box, else 0 · n_true: true boxes there are, found or not. 0
    without detections. Errors: ValueError for n_true < 1 or unequal lengths. Source: PASCAL VOC from 2010 on
    (all points, not eleven). Lesson: 34.

    >>> average_precision(torch.tensor([1, 0, 1]), torch.tensor([0.9, 0.8, 0.7]), 2)   # (1 + 2/3) / 2
    tensor(0.8333)
    """
    if n_true < 1 or right.shape != scores.shape or right.ndim != 1:
        raise ValueError(f"expected n_true >= 1, two rows of one length; got {n_true}, {list(right.shape)}")
    hit = right[scores.argsort(descending=True, stable=True)].double()
    precision = hit.cumsum(0) / torch.arange(1, len(hit) + 1)
    falling = precision.flip(0).cummax(0).values.flip(0) if len(hit) else precision
    return ((falling * hit).sum() / n_true).float()


def detection_map(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, "n"],
    classes: Int[Tensor, "n"],
    picture: Int[Tensor, "n"],
    true_boxes: Float[Tensor, "m 4"],
    true_classes: Int[Tensor, "m"],
    true_picture: Int[Tensor, "m"],
    *,
    overlap: float = 0.5,
) -> tuple[Float[Tensor, ""], dict[int, float]]:
    """Return the mean of the classes' average precisions at an overlap ("mAP50"), and each of them.

    The mean runs over the classes that are truly there; nothing here is the top 50 of a ranking. Errors: as
    `match_detections`; ValueError for no true box. Lesson: 34.
    """
    if not len(true_boxes):
        raise ValueError("expected at least one true box")
    each = {}
    for c in true_classes.unique().tolist():
        mine, there = classes == c, true_classes == c
        found = match_detections(
            boxes[mine], scores[mine], picture[mine], true_boxes[there], true_picture[there], overlap=overlap
        )
        each[c] = float(average_precision((found >= 0).long(), scores[mine], int(there.sum())))
    return torch.tensor(list(each.values())).mean(), each


def keep_strongest(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, "n"], *, overlap: float = 0.5
) -> Int[Tensor, "kept"]:
    """Drop boxes that overlap a stronger kept one by more than `overlap`; rows that stay, strongest first.

    Known as non-maximum suppression; call it a class at a time. Errors: as `box_iou`. Lesson: 34.
    """
    iou, kept = box_iou(boxes, boxes), []
    for row in scores.argsort(descending=True, stable=True).tolist():
        if all(iou[row, other] <= overlap for other in kept):
            kept.append(row)
    return torch.tensor(kept, dtype=torch.long)
