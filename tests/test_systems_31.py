"""The systems of lesson 31 in quick: whole outcomes, arms that differ, controls, bad input."""

import math

import pytest
import torch

from avcl_teach import systems
from avcl_teach.comparison.view_steps import Steps, concert_steps, crops, view_steps
from avcl_teach.systems import _self_supervised as shared
from avcl_teach.systems import alayrac2020, patrick2020, recasens2021

ALL = (alayrac2020, patrick2020, recasens2021)


@pytest.mark.parametrize("system", ALL, ids=lambda s: s.ABOUT.name)
def test_a_quick_run_fills_every_field(system):
    found = system.run(0, budget="quick")
    for value in (found.score, found.chance, found.wrong_partner, found.ceiling, *found.extra.values()):
        assert math.isfinite(value) and 0 <= value <= 100
    assert found.chance == 12.5
    for claim in system.ABOUT.claims:
        assert claim.metric == "score" or claim.metric in found.extra
    assert systems.find(system.ABOUT.name) is system


@pytest.mark.parametrize("system", ALL, ids=lambda s: s.ABOUT.name)
def test_unknown_arms_and_budgets_are_refused(system):
    with pytest.raises(ValueError, match="an arm"):
        system.run(0, arm="other")
    with pytest.raises(ValueError, match="a budget"):
        system.run(0, budget="huge")


def test_wrong_partners_are_of_another_class():
    data = concert_steps(64, 8, n_val=8).train
    wrong = shared.wrongly_paired(data, seed=3)
    at = (wrong.x_a[:, None] - data.x_a[None]).abs().sum((2, 3)).argmin(1)
    assert (data.y[at] != data.y).all() and torch.equal(wrong.x_v, data.x_v)


def test_steps_are_standardised_on_train_and_cut_where_asked():
    data = concert_steps(64, 16, n_val=8)
    assert data.train.x_a.shape == (64, 32, 64) and data.test.x_v.shape == (16, 32, 182)
    assert data.n_classes == 8 and "32 steps" in repr(data)
    x = torch.arange(24).view(2, 6, 2)
    assert crops(x, torch.tensor([0, 3]), 2)[..., 0].tolist() == [[0, 2], [18, 20]]
    with pytest.raises(ValueError, match="inside 6"):
        crops(x, torch.tensor([0, 5]), 2)
    with pytest.raises(ValueError, match="n_train"):
        concert_steps(1, 8)
    two = view_steps(16, 8, n_val=8)
    assert two.train.x_a.shape == (16, 2, 8, 64) and two.test.x_a.shape[:2] == (8, 1)


def test_four_versions_and_their_tables():
    x = torch.arange(32.0)[None, :, None]
    versions = patrick2020.four_versions(x, torch.tensor([6]))[:, 0, :, 0]
    assert versions[0].tolist() == list(range(6, 14)) and versions[1].tolist() == list(range(10, 18))
    assert torch.equal(versions[2], versions[0].flip(0)) and torch.equal(versions[3], versions[1].flip(0))
    assert torch.equal(patrick2020.same_table(False, False), torch.eye(4).bool())
    told = patrick2020.same_table(True, False)  # the shift is nothing, the reversal something
    assert told[0].tolist() == [True, True, False, False]
    assert patrick2020.same_table(False, True)[0].tolist() == [True, False, True, False]


def test_when_is_the_place_of_the_one_drum():
    data = concert_steps(128, 8, n_val=8).train
    x_a, x_v, y, when, players = patrick2020.windows(data)
    assert x_a.shape[:2] == (512, 8) and torch.equal(y[::4], data.y) and len(when) == 512
    assert torch.equal(x_v[1], data.x_v[0, 8:16])
    for t, four in zip(when.tolist(), players.tolist(), strict=True):
        assert (t == -1) == (four.count(2) != 1) and (t == -1 or four[t] == 2)


def test_brave_holds_its_targets_still_both_ways():
    torch.manual_seed(0)
    model = recasens2021.Brave().train()
    z_n, z_b = (torch.randn(8, 32, requires_grad=True) for _ in range(2))
    model.loss(z_n, z_b).backward()
    there = torch.autograd.grad(model.loss(z_n, z_b.detach()), z_n)[0]
    assert torch.allclose(z_n.grad, there, atol=1e-6)
    open_model = recasens2021.Brave(guarded=False)
    moving = torch.autograd.grad(open_model.loss(z_n, z_b), z_n)[0]
    still = torch.autograd.grad(open_model.loss(z_n, z_b.detach()), z_n)[0]
    assert not torch.allclose(moving, still / 2)


def test_a_narrow_view_lies_in_its_clip_and_predictors_learn_faster():
    x_a, x_v = torch.randn(5, 32, 64), torch.arange(32.0).view(1, 32, 1).expand(5, 32, 182)
    narrow, broad = recasens2021.two_views(x_a, x_v)
    assert narrow.shape == (5, 4, 182) and broad is x_a
    assert set((narrow[:, 0, 0] % 2).tolist()) == {0.0}
    assert recasens2021.two_views(x_a, x_v, broad=4)[1].shape == (5, 4, 64)


def test_collapse_has_the_lowest_spread():
    data = concert_steps(256, 8, n_val=8).train
    spread = {}
    for arm in ("paper", "none of the three"):
        model = recasens2021.pretrain(data, arm=arm, steps=60, batch_size=64)
        with torch.no_grad():
            z = model.projector_n(model.narrow(data.x_v[:, :4]))
        spread[arm] = float(recasens2021.embedding_spread(z))
    assert spread["none of the three"] < 0.5 * spread["paper"]


def test_one_caption_of_five_names_the_class():
    y = torch.arange(400) % 8
    words = alayrac2020.draw_captions(y, 8)
    named = (words == y[:, None, None]).any(2)
    assert words.shape == (400, 5, 4) and named[:, 0].all()
    assert 0.09 < named[:, 1:].float().mean() < 0.16  # an eighth, by luck
    assert ((words < 8).sum(2) == 1).all()
    assert not torch.equal(words, alayrac2020.draw_captions(y, 8, seed=1))


def test_sound_and_words_never_meet_in_training():
    torch.manual_seed(0)
    model = alayrac2020.Versatile(8)
    x_a, x_v = torch.randn(8, 8, 64, requires_grad=True), torch.randn(8, 8, 182)
    words = alayrac2020.draw_captions(torch.arange(8), 8)
    whole = torch.autograd.grad(model.loss(x_a, x_v, words), x_a, retain_graph=False)[0]
    other = torch.autograd.grad(model.loss(x_a, x_v, words.roll(1, 0)), x_a)[0]
    assert torch.allclose(whole, other, atol=1e-6) and whole.abs().sum() > 0
    fine = torch.randn(4, 32)
    assert torch.equal(alayrac2020.Versatile(8, one_space=True).coarse(fine), fine)
    assert isinstance(view_steps(16, 8, n_val=8).train, Steps)
