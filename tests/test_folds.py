"""Folds, wrong partners and the told ceiling."""

import os
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError
from test_speech import write_digits

from avcl_teach import digits, speech
from avcl_teach.comparison import Split, toy_pairs
from avcl_teach.comparison.ceilings import told_class_map
from avcl_teach.comparison.folds import cut_folds, deal_groups, digit_folds, world_folds
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


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Four made-up speakers in a folder laid out like the real recordings, and an empty cache."""
    root = tmp_path_factory.mktemp("digits")
    write_digits(root / "data" / "fsdd", speakers=("ann", "bob", "cid", "dee"), takes=10)
    return root


@pytest.fixture
def speakers(recorded, monkeypatch):
    monkeypatch.setenv("AVCL_DATA", str(recorded / "data"))
    monkeypatch.setenv("AVCL_CACHE", str(recorded / "cache"))
    monkeypatch.setenv("AVCL_OFFLINE", "1")


@pytest.fixture
def cut_clips(monkeypatch):
    """The clips that a call of `digit_folds` asks for, in turn: train, val and test of each fold."""
    asked, paired_digits = [], digits.paired_digits

    def look(**how):
        asked.append(paired_digits(**how))
        return asked[-1]

    monkeypatch.setattr(digits, "paired_digits", look)
    return asked


def used(clips, field):
    return set(clips.extra[field].tolist())


def test_folds_of_digits_are_one_a_speaker_and_nobody_is_in_train_and_test(speakers, cut_clips):
    folds = digit_folds(60, 30)
    assert len(folds) == 4 and len(cut_clips) == 12
    for k, (train, _, test) in enumerate(zip(cut_clips[::3], cut_clips[1::3], cut_clips[2::3], strict=True)):
        assert used(test, "speaker") == {k} and used(train, "speaker") == set(range(4)) - {k}
        for field in ("picture", "recording"):
            assert not used(train, field) & used(test, field)
        for split, clips in zip(folds[k], (train, test), strict=True):
            assert torch.equal(split.labels, clips.label)


def test_folds_of_digits_have_the_sizes_asked_for_and_the_scale_of_train(speakers):
    folds = digit_folds(60, 30)
    for train, test in folds:
        assert (train.n_pairs, test.n_pairs) == (60, 30)
        for side in ("x_a", "x_v"):
            x, q = getattr(train, side), getattr(test, side)
            assert x.ndim == 2 and x.shape[1] == q.shape[1] == getattr(folds[0][0], side).shape[1]
            assert torch.isfinite(x).all() and torch.isfinite(q).all()
            assert x.mean().abs() < 1e-4
        assert train.labels.bincount(minlength=10).tolist() == [6] * 10
        assert test.labels.bincount(minlength=10).tolist() == [3] * 10


def test_the_seed_draws_the_pairs_of_a_fold(speakers):
    one, again, other = (digit_folds(40, 20, seed=s)[0][0] for s in (0, 0, 1))
    assert torch.equal(one.x_v, again.x_v) and not torch.equal(one.x_v, other.x_v)


def test_without_recordings_or_synthesiser_folds_of_digits_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.delenv("AVCL_DATA", raising=False)
    monkeypatch.setenv("AVCL_CACHE", str(tmp_path))
    monkeypatch.setenv("AVCL_OFFLINE", "1")
    monkeypatch.setattr(speech, "_FAILED", {})
    with pytest.raises(FileNotFoundError, match="AVCL_DATA"):
        digit_folds(40, 20, speech="real")


@pytest.mark.parametrize("how", [{"n_train": 1}, {"n_test": 1}, {"speech": "loud"}])
def test_folds_of_digits_refuse_bad_input(speakers, how):
    with pytest.raises(ValueError, match="expected"):
        digit_folds(**{"n_train": 20, "n_test": 20, **how})


REAL = os.environ.get("AVCL_DATA", "")


@pytest.mark.skipif(not REAL or not (Path(REAL) / "fsdd").is_dir(), reason="AVCL_DATA holds no fsdd/")
def test_real_digits_give_a_fold_a_speaker():
    n = len(speech.spoken_digits(speech="real").speakers)
    folds = digit_folds(40, 20, speech="real")
    assert n > 1 and [(train.n_pairs, test.n_pairs) for train, test in folds] == [(40, 20)] * n


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
