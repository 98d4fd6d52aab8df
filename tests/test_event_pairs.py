"""Clips with events: the answers of segments, fewer numbers a region, and partners that share nothing."""

from dataclasses import replace

import pytest
import torch

from avcl_teach.comparison.event_pairs import strangers, world_events
from avcl_teach.metrics import event_segments as metric


@pytest.fixture(scope="module")
def data():
    return world_events(64, 48, n_val=2)


def test_both_senses_together_know_every_answer_and_neither_does_alone(data):
    test = data.test
    both = test.heard * 9 + test.viewed
    assert metric.best_guess_accuracy(both, test.target) == 1
    for cue in (test.heard, test.viewed):
        assert metric.best_guess_accuracy(cue, test.target) < 0.8


def test_answers_are_the_classes_of_matches(data):
    for cut in (data.train, data.test):
        match = cut.event == 4
        assert (cut.target[match] == cut.heard[match]).all() and (
            cut.target[match] == cut.viewed[match]
        ).all()
        assert (cut.target[~match] == data.n_classes).all()


def test_components_are_white_on_the_training_cut(data):
    x = data.train.x_v.flatten(0, 2)
    assert x.shape[1] == 32
    torch.testing.assert_close(x.mean(0), torch.zeros(32), atol=1e-2, rtol=0)
    torch.testing.assert_close(torch.cov(x.T), torch.eye(32), atol=2e-2, rtol=0)


def test_strangers_share_no_class_at_any_moment(data):
    order = strangers(data.test)
    assert sorted(order.tolist()) == list(range(48))
    assert (order != torch.arange(48)).all()
    heard, viewed = data.test.heard, data.test.viewed[order]
    assert not ((heard == viewed) & (heard >= 0)).any()


def test_clips_of_one_class_have_no_strangers(data):
    few = {name: x[:3] for name, x in vars(data.test).items()}
    alike = torch.zeros_like(few["heard"])
    with pytest.raises(ValueError, match="told apart"):
        strangers(replace(data.test, **few | {"heard": alike, "viewed": alike}))


def test_too_many_components_are_refused():
    with pytest.raises(ValueError, match="components"):
        world_events(64, 48, n_val=2, n_components=1000)
