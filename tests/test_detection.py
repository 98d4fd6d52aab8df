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
