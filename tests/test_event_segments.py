"""Scores of events in time: by hand, by scikit-learn, and where they must refuse."""

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from avcl_teach.clips import EVENT_STATES
from avcl_teach.metrics import event_segments as metric

HEARD = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 0]])
SEEN = torch.tensor([[2, 0, 0, 0, 1, 1, 2, 2]])
TRUTH = torch.tensor([[2, 0, 0, 2, 1, 2, 2, 2]])
ANSWER = torch.tensor([[0, 0, 0, 0, 1, 2, 2, 2]])


def drawn(seed, n=40, segments=8, answers=9):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(answers, (2, n, segments), generator=g)


def test_eight_segments_by_hand():
    assert metric.segment_accuracy(ANSWER, TRUTH) == 6 / 8
    assert metric.macro_accuracy(ANSWER, TRUTH) == pytest.approx((1 + 1 + 3 / 5) / 3)
    assert metric.majority_accuracy(TRUTH) == 5 / 8
    assert metric.best_guess_accuracy(HEARD, TRUTH) == 5 / 8
    assert metric.best_guess_accuracy(SEEN, TRUTH) == 6 / 8
    assert metric.best_guess_accuracy(HEARD * 3 + SEEN, TRUTH) == 1.0


def test_macro_accuracy_is_scikit_learns_balanced_accuracy():
    for seed in range(3):
        answer, target = drawn(seed)
        expected = balanced_accuracy_score(target.flatten().numpy(), answer.flatten().numpy())
        assert metric.macro_accuracy(answer, target) == pytest.approx(expected)


def test_always_none_earns_one_share_of_macro():
    _, target = drawn(0)
    none = torch.full_like(target, 8)
    assert metric.macro_accuracy(none, target) == pytest.approx(1 / 9)
    assert metric.segment_accuracy(none, target) == pytest.approx((target == 8).double().mean().item())


def test_padding_is_left_out():
    present = torch.ones(1, 8, dtype=torch.bool)
    present[0, 6:] = False
    cut = (
        metric.segment_accuracy(ANSWER[:, :6], TRUTH[:, :6]),
        metric.macro_accuracy(ANSWER[:, :6], TRUTH[:, :6]),
    )
    assert metric.segment_accuracy(ANSWER, TRUTH, present=present) == cut[0]
    assert metric.macro_accuracy(ANSWER, TRUTH, present=present) == cut[1]


def test_auc_is_scikit_learns_with_ties_and_does_not_see_the_scale():
    g = torch.Generator().manual_seed(0)
    score, match = torch.randint(5, (6, 8), generator=g).float(), torch.rand(6, 8, generator=g) < 0.4
    expected = roc_auc_score(match.flatten().numpy(), score.flatten().numpy())
    assert metric.match_auc(score, match) == pytest.approx(expected)
    assert metric.match_auc(3 * score - 7, match) == pytest.approx(expected)
    assert metric.match_auc(-score, match) == pytest.approx(1 - expected)
    some = torch.zeros_like(match)
    some[:3] = True
    assert metric.match_auc(score, match, among=some) == pytest.approx(metric.match_auc(score[:3], match[:3]))


def test_best_guess_lies_between_majority_and_one_and_never_falls_with_more_cue():
    for seed in range(3):
        cue, target = drawn(seed, answers=4)
        alone = metric.best_guess_accuracy(cue, target)
        finer = metric.best_guess_accuracy(cue * 4 + drawn(seed + 9, answers=4)[0], target)
        assert metric.majority_accuracy(target) <= alone <= finer <= 1


def test_states_say_where_events_are_called():
    event = torch.tensor([[0, 1, 3, 3, 4, 4, 4, 4]])
    report = metric.state_report(torch.tensor([[8, 8, 2, 8, 1, 8, 2, 3]]), event, none=8)
    shares = (0.0, 0.0, None, 0.5, 0.75)  # no segment is seen only
    assert report == {name: s for name, s in zip(EVENT_STATES, shares, strict=True) if s is not None}


def test_labels_of_clips_and_runs():
    labels = metric.video_labels(TRUTH, n_classes=2)
    assert labels.tolist() == [[1.0, 1.0]]
    assert metric.video_labels(torch.full((1, 4), 2), n_classes=2).tolist() == [[0.0, 0.0]]
    assert metric.runs_of(TRUTH[0], none=2) == [(0, 1, 3), (1, 4, 5)]
    assert metric.runs_of(torch.tensor([1, 1, 0, 0]), none=2) == [(1, 0, 2), (0, 2, 4)]


@pytest.mark.parametrize(
    "call",
    [
        lambda: metric.segment_accuracy(ANSWER, TRUTH[:, :7]),
        lambda: metric.macro_accuracy(ANSWER[0], TRUTH[0]),
        lambda: metric.segment_accuracy(ANSWER, TRUTH, present=torch.zeros(1, 8, dtype=torch.bool)),
        lambda: metric.match_auc(torch.rand(1, 8), torch.ones(1, 8, dtype=torch.bool)),
        lambda: metric.match_auc(torch.full((1, 8), float("nan")), TRUTH == 0),
        lambda: metric.video_labels(TRUTH, n_classes=1),
        lambda: metric.runs_of(TRUTH, none=2),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises((ValueError, TypeError)):
        call()
