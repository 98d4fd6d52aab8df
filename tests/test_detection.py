"""Detections against closed forms, and against scikit-learn where its definition agrees."""

import pytest
import torch
from torch.testing import assert_close

from avcl_teach.metrics import detection as det

TRUE = torch.tensor([[0.0, 0, 2, 2], [4.0, 4, 6, 6]])


def test_iou_of_touching_nested_and_missing_boxes():
    a = torch.tensor([[0.0, 0, 2, 2]])
    b = torch.tensor([[2.0, 0, 4, 2], [0.0, 0, 1, 2], [float("nan")] * 4])
    assert_close(det.box_iou(a, b), torch.tensor([[0.0, 0.5, 0.0]]))


def test_a_second_box_of_one_object_is_wrong():
    boxes = TRUE[[0, 0, 1]]
    scores, pictures = torch.tensor([0.5, 0.9, 0.7]), torch.zeros(3, dtype=torch.long)
    found = det.match_detections(boxes, scores, pictures, TRUE, torch.zeros(2, dtype=torch.long))
    assert found.tolist() == [-1, 0, 1]


def test_a_box_in_another_picture_is_wrong():
    found = det.match_detections(
        TRUE[:1], torch.ones(1), torch.tensor([1]), TRUE, torch.zeros(2, dtype=torch.long)
    )
    assert found.tolist() == [-1]


def test_average_precision_by_hand_and_by_a_peer():
    right, scores = torch.tensor([1, 0, 1, 1]), torch.tensor([0.9, 0.8, 0.7, 0.6])
    assert float(det.average_precision(right, scores, 4)) == pytest.approx(0.625)
    from sklearn.metrics import average_precision_score

    falling = torch.tensor([1, 1, 0, 1, 0, 0])  # no dip that the falling rule would fill
    s = torch.linspace(1, 0, 6)
    peer = average_precision_score(falling.numpy(), s.numpy())
    assert float(det.average_precision(falling, s, 3)) == pytest.approx(peer, abs=1e-6)


def test_perfect_missing_and_swapped_classes():
    scores, classes = torch.tensor([0.9, 0.8]), torch.tensor([0, 1])
    pictures = torch.zeros(2, dtype=torch.long)
    truth = TRUE, classes, pictures
    assert float(det.detection_map(TRUE, scores, classes, pictures, *truth)[0]) == 1
    assert float(det.detection_map(TRUE, scores, 1 - classes, pictures, *truth)[0]) == 0
    half, each = det.detection_map(TRUE[:1], scores[:1], classes[:1], pictures[:1], *truth)
    assert float(half) == 0.5 and each == {0: 1.0, 1: 0.0}


def overlap_of(a, b):
    """IoU of two boxes, in numbers."""
    wide, high = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
    if wide <= 0 or high <= 0:
        return 0.0
    area = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return wide * high / (area - wide * high)


def voc_by_hand(found, truth, overlap):
    """The protocol of VOC written out: found (box, score, class, picture), truth (box, class, picture)."""
    each = {}
    for c in {t[1] for t in truth}:
        there = [t for t in truth if t[1] == c]
        mine = sorted((d for d in found if d[2] == c), key=lambda d: -d[1])
        used, right = set(), []
        for box, _, _, picture in mine:
            ious = {k: overlap_of(box, t[0]) for k, t in enumerate(there) if t[2] == picture}
            k = max(ious, key=ious.get, default=None)
            right.append(k is not None and ious[k] >= overlap and k not in used)
            if right[-1]:
                used.add(k)
        # precision at each of the n recalls 1/n, 2/n ... 1: the best of all prefixes that reach it
        reached = [(sum(right[: j + 1]), sum(right[: j + 1]) / (j + 1)) for j in range(len(right))]
        at = [max((p for hits, p in reached if hits >= i), default=0.0) for i in range(1, len(there) + 1)]
        each[c] = sum(at) / len(there)
    return sum(each.values()) / len(each), each


@pytest.mark.parametrize("overlap", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(4))
def test_matching_and_map_agree_with_the_protocol_written_out(seed, overlap):
    g = torch.Generator().manual_seed(seed)

    def below(high, n):
        return torch.randint(high, (n,), generator=g)

    def often(own, high):  # now and then another class or picture
        return torch.where(torch.rand(n, generator=g) < 0.8, own, below(high, n))

    n_true, n = 40, 120
    corner = 6 * torch.rand(n_true, 2, generator=g)
    true_boxes = torch.cat([corner, corner + 1 + 2 * torch.rand(n_true, 2, generator=g)], 1)
    true_classes, true_picture = below(3, n_true), below(2, n_true)
    of = below(n_true, n)  # misses, doubles, near misses
    boxes = true_boxes[of] + 0.2 * torch.randn(n, 4, generator=g)
    classes, picture = often(true_classes[of], 3), often(true_picture[of], 2)
    scores = torch.randperm(n, generator=g) / n  # no ties
    found, each = det.detection_map(
        boxes, scores, classes, picture, true_boxes, true_classes, true_picture, overlap=overlap
    )
    expected, per_class = voc_by_hand(
        list(zip(boxes.tolist(), scores.tolist(), classes.tolist(), picture.tolist(), strict=True)),
        list(zip(true_boxes.tolist(), true_classes.tolist(), true_picture.tolist(), strict=True)),
        overlap,
    )
    assert float(found) == pytest.approx(expected, abs=1e-6)
    assert each == pytest.approx(per_class, abs=1e-6)
    assert 0.01 < expected < 0.9  # neither all nor nothing


def test_only_the_strongest_of_overlapping_boxes_stays():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0.1, 0, 2.1, 2], [4.0, 4, 6, 6]])
    assert det.keep_strongest(boxes, torch.tensor([0.5, 0.9, 0.1])).tolist() == [1, 2]


def test_bad_input_is_refused():
    none = torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match="at least one true box"):
        det.detection_map(TRUE, torch.ones(2), none, none, torch.zeros(0, 4), none[:0], none[:0])
    with pytest.raises(ValueError, match="n_true"):
        det.average_precision(torch.ones(1), torch.ones(1), 0)
    with pytest.raises(ValueError, match="overlap"):
        det.match_detections(TRUE, torch.ones(2), none, TRUE, none, overlap=0)
