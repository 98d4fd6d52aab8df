"""Folds, wrong partners and the told ceiling."""

import pytest
import torch
from jaxtyping import TypeCheckError

from avcl_teach.comparison import Split, toy_pairs
from avcl_teach.comparison.ceilings import told_class_map
from avcl_teach.comparison.folds import cut_folds, deal_groups, world_folds
from avcl_teach.metrics.wrong_partners import wrong_partners


def test_groups_are_dealt_out_in_turn_and_stay_together():
    groups = torch.tensor([5, 2, 9, 5, 7, 2])
    assert deal_groups(groups, 2).tolist() == [1, 0, 1, 1, 0, 0]
    assert deal_groups(groups, 4).tolist() == [1, 0, 3, 1, 2, 0]


def test_folds_judge_every_row_once_and_scale_by_train_alone():
    pairs = toy_pairs(60, 2)
    x_a, x_v, y = pairs.train
    fold = torch.arange(60) % 3
    cuts = list(cut_folds(x_a, x_v, y, fold))
    assert sum(test.n_pairs for _, test in cuts) == 60 and len(cuts) == 3
    for k, (train, test) in enumerate(cuts):
        torch.testing.assert_close(train.x_a.mean(0), torch.zeros(x_a.shape[1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(train.x_v.std(0), torch.ones(x_v.shape[1]))
        kept = x_a[fold != k]
        torch.testing.assert_close(test.x_a, (x_a[fold == k] - kept.mean(0)) / kept.std(0))
        assert torch.equal(test.labels, y[fold == k])


def test_a_feature_that_never_changes_stays_finite():
    x = torch.ones(6, 2)
    for train, test in cut_folds(x, x, torch.arange(6), torch.arange(6) % 2):
        assert torch.isfinite(train.x_a).all() and torch.isfinite(test.x_v).all()


def test_folds_of_the_world_share_no_individual(monkeypatch):
    seen = []

    def look(groups, n_folds):
        seen.append(groups)
        return deal_groups(groups, n_folds)

    monkeypatch.setattr("avcl_teach.comparison.folds.deal_groups", look)
    cuts = world_folds(96, n_folds=4)
    assert len(cuts) == 4 and sum(test.n_pairs for _, test in cuts) == 96
    assert set(seen[0].tolist()) <= set(range(16)) and len(seen[0].unique()) >= 14
    assert len(world_folds(96, n_folds=4, by="clip")) == 4 and len(seen[1].unique()) == 96


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0, 0, 0, 1, 1, 1], [0, 1, 2], [4, 4, 1, 2, 2, 4, 1, 0]])
def test_wrong_partners_are_a_permutation_without_a_right_one(labels):
    y = torch.tensor(labels)
    for seed in range(5):
        p = wrong_partners(y, seed=seed)
        assert p.sort().values.equal(torch.arange(len(y))) and (y[p] != y).all()


def test_wrong_partners_spread_over_the_other_classes():
    y = torch.arange(800) % 8
    table = torch.zeros(8, 8).index_put((y, y[wrong_partners(y)]), torch.ones(800), accumulate=True)
    assert (table.diagonal() == 0).all() and (table > 0).sum() >= 40
    assert not torch.equal(wrong_partners(y, seed=0), wrong_partners(y, seed=1))


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [0], [3, 3]])
def test_wrong_partners_need_another_class(labels):
    with pytest.raises(ValueError, match="more than half"):
        wrong_partners(torch.tensor(labels))


def test_the_told_ceiling_is_one_where_classes_are_plain_and_chance_where_they_are_not():
    y = torch.arange(200) % 4
    plain = Split(torch.eye(4)[y], torch.eye(4)[y], y)
    assert told_class_map(plain, plain) == pytest.approx(1.0)
    g = torch.Generator().manual_seed(0)
    noise = Split(*(torch.randn(200, 5, generator=g) for _ in range(2)), y)
    other = Split(*(torch.randn(200, 5, generator=g) for _ in range(2)), y)
    # a guess ranks whole classes: its own stands 1st to 4th, AP 1, .39, .30 or .27; the way back is chance
    blind = told_class_map(noise, other)
    assert blind == pytest.approx(((1 + 0.39 + 0.30 + 0.27) / 4 + 0.26) / 2, abs=0.04)
    half = Split(plain.x_a, noise.x_v, y), Split(plain.x_a, other.x_v, y)
    assert told_class_map(*half) == pytest.approx((1 + blind) / 2, abs=0.02)  # the mean of both sides


@pytest.mark.parametrize(
    "call",
    [
        lambda: deal_groups(torch.tensor([1, 1]), 2),
        lambda: deal_groups(torch.tensor([1, 2]), 1),
        lambda: list(cut_folds(torch.ones(3, 1), torch.ones(3, 1), torch.ones(3).long(), torch.arange(2))),
        lambda: world_folds(96, by="room"),
        lambda: told_class_map(toy_pairs(8, 2).train, toy_pairs(8, 2).test, ridge=0.0),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises((ValueError, TypeCheckError), match="expected|Type-check"):
        call()
