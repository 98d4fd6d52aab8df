"""The systems of lesson 32 in quick, and what they are built of at small sizes."""

import math

import pytest
import torch

from avcl_teach import systems
from avcl_teach.comparison.emotion_sequences import IRONIC, felt_clips
from avcl_teach.systems import rajan2021, seo2020, zhang2019

NAMES = ("zhang2019", "rajan2021", "seo2020")
_KEPT: dict = {}


def outcome(name, arm=None):
    module = systems.find(name)
    arm = arm or module.ABOUT.arms[0]
    if (name, arm) not in _KEPT:
        _KEPT[name, arm] = module.run(0, arm=arm, budget="quick")
    return _KEPT[name, arm]


@pytest.mark.parametrize("name", NAMES)
def test_quick_runs_are_whole_and_wrong_partners_near_chance(name):
    found = outcome(name)
    values = (found.score, found.chance, found.wrong_partner, found.ceiling, *found.extra.values())
    assert all(math.isfinite(x) for x in values)
    # 48 test clips: three standard errors of a share are about 0.2
    assert found.wrong_partner - found.chance < 0.2
    if name != "rajan2021":  # there the ceiling is a trained net, of few steps in quick
        assert found.ceiling > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_arms_differ_and_unknown_ones_are_refused(name):
    module = systems.find(name)
    assert outcome(name, module.ABOUT.claims[0].worse) != outcome(name)
    with pytest.raises(ValueError, match="expected an arm"):
        module.run(0, arm="none such", budget="quick")
    with pytest.raises(ValueError, match="expected a budget"):
        module.run(0, budget="none such")


@pytest.fixture(scope="module")
def data():
    return felt_clips(96, 48, n_val=24)


def test_a_sum_is_additive_and_bilinear_is_not():
    torch.manual_seed(0)
    a, v = torch.randn(2, 5), torch.randn(2, 6)

    def mixed(fuse):  # second difference: 0 for f(a) + g(v)
        z = [[fuse(a[i : i + 1], v[j : j + 1]) for j in (0, 1)] for i in (0, 1)]
        return (z[0][0] - z[0][1] - z[1][0] + z[1][1]).abs().max().item()

    assert mixed(zhang2019.Sum(5, 6, n_out=3, n_factors=2).eval()) < 1e-5
    assert mixed(zhang2019.FactorizedBilinear(5, 6, n_out=3, n_factors=2).eval()) > 0.01


def test_concat_is_as_large_as_bilinear():
    def size(arm):
        return sum(p.numel() for p in zhang2019.EmotionNet(31, 32, arm=arm).fuse.parameters())

    assert size("paper") == size("sum") == 8448
    assert abs(size("concat") - size("paper")) < 0.01 * size("paper")


def test_the_ceiling_needs_all_three_signs(data):
    assert zhang2019.ceiling_of(data.test) > 0.9


def test_only_the_weak_sense_runs_at_test(data):
    net = rajan2021.fit(data, seed=0, steps=2)
    for name in ("strong", "translate", "reconstruct"):
        for p in getattr(net, name).parameters():
            p.data.fill_(float("nan"))
    assert torch.isfinite(rajan2021.curve(net, data.test.x_v)).all()


def test_a_batch_is_at_least_four_times_the_code():
    smallest = min(size["n_train"] for size in rajan2021.SIZES.values())
    assert min(4 * rajan2021.DIM + 32, smallest) >= 4 * rajan2021.DIM


def test_the_text_stays_as_it_was_and_its_labels_are_few(data):
    plain = data.map(lambda split: split.plain())
    rows = seo2020.labelled_rows(plain.train.n_clips, 24, seed=0)
    assert len(set(rows.tolist())) == 24
    text = seo2020.fit_text(plain.train, rows, seed=0)
    before = [p.clone() for p in text.parameters()]
    seo2020.fit(plain.train, text, rows, seed=0, steps=2)
    assert all(torch.equal(p, q) for p, q in zip(before, text.parameters(), strict=True))
    assert not text.training and not any(p.requires_grad for p in text.parameters())


def test_no_speaker_of_the_test_is_met_and_plain_clips_agree(data):
    assert (data.test.plain().emotion != IRONIC).all()
    plain = data.train.plain()
    torch.testing.assert_close(plain.valence, plain.face_valence)
    assert ((plain.arousal.mean(1) > 0) == (plain.face_valence.mean(1) > 0)).long().equal(plain.fitting)


def test_cutaways_keep_the_talker_whole_and_in_order(data):
    x_a, x_v = data.test.cut_away(share=0.6, seed=0)
    assert x_a.shape[:2] == (48, 40) and x_v.shape[:2] == (48, 40)
    for i in range(5):
        start = [j for j in range(25) if torch.equal(x_v[i, j : j + 16], data.test.x_v[i])]
        assert len(start) == 1
        assert torch.equal(x_a[i, start[0] : start[0] + 16], data.test.x_a[i])
    with pytest.raises(ValueError, match="share of 0 to 0.95"):
        data.test.cut_away(share=1.0)
    with pytest.raises(ValueError, match="at least 8 clips of test"):
        felt_clips(96, 4)
