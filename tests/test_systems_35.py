"""Systems of separation: what they must keep, on tensors made by hand, and a run of each in quick."""

import math

import pytest
import torch

from avcl_teach.comparison.train_separation import LONG, TRUNK, card, named_right, stored_trunk
from avcl_teach.systems import _pixel_player as base
from avcl_teach.systems import find, gao2019, zhao2019, zhu2020, zhu2021a

NAMES = ("gao2019", "zhao2019", "zhu2020", "zhu2021a")


@pytest.fixture(scope="module")
def clips():
    return base.frozen_pairs(8, same=False)


@pytest.fixture(scope="module")
def quick():
    return {name: find(name).run(0, budget="quick") for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_quick_run_is_finite_and_read_against_its_levels(quick, name):
    found, about = quick[name], find(name).ABOUT
    values = [found.score, found.chance, found.wrong_partner, found.ceiling, *found.extra.values()]
    assert all(math.isfinite(x) for x in values)
    assert -2 < found.chance < 1.5 and found.ceiling > 10  # mixtures at equal loudness, oracle masks
    assert abs(found.score - found.wrong_partner) < 1.0  # nothing is learnt in four steps
    for claim in about.claims:
        assert claim.metric == "score" or claim.metric in found.extra


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_repeats_and_unknown_names_are_refused(quick, name):
    module = find(name)
    if name == "zhu2021a":
        assert module.run(0, budget="quick") == quick[name]
        assert module.run(1, budget="quick") != quick[name]
    with pytest.raises(ValueError, match="arm"):
        module.run(0, arm="no such arm", budget="quick")
    with pytest.raises(ValueError, match="budget"):
        module.run(0, budget="no such budget")


def test_shares_add_up_to_the_mixture_and_oracle_masks_take_it_apart(clips):
    solos, who = clips
    gains = torch.linspace(0.5, 1.5, who.numel()).view(who.shape)
    m = base.mix(solos, who, gains)
    whole = (solos.sound[who] * gains[..., None]).mean(1)
    torch.testing.assert_close(m.sound.sum(1), whole)
    torch.testing.assert_close(m.X, base.spectra(whole), atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(m.heard(torch.ones_like(m.S))[:, 0], whole, atol=1e-4, rtol=0)
    assert (m.masks.sum(1) == 1).float().mean() > 0.999
    assert base.si_sdr(m.heard(m.masks), m.sound).mean() > 10


def test_pairs_are_of_two_classes_or_of_one():
    labels = torch.tensor([0, 0, 1, 1, 2])
    two = labels[base.draw_pairs(labels, 50, same=False, seed=0)]
    assert (two[:, 0] != two[:, 1]).all()
    pairs = base.draw_pairs(labels, 50, same=True, seed=0)
    assert (labels[pairs][:, 0] == labels[pairs][:, 1]).all() and (pairs[:, 0] != pairs[:, 1]).all()
    with pytest.raises(ValueError, match="one class"):
        base.draw_pairs(torch.arange(4), 3, same=True, seed=0)


def test_loss_is_a_weighted_mean_and_falls_with_the_right_masks(clips):
    m = base.mix(*clips)
    right, wrong = 20 * (m.masks - 0.5), -20 * (m.masks - 0.5)
    assert base.mask_loss(torch.zeros_like(right), m.masks, m.x) == pytest.approx(math.log(2), abs=1e-4)
    assert base.mask_loss(right, m.masks, m.x) < 0.01 < 5 < base.mask_loss(wrong, m.masks, m.x)


def test_wrong_partner_of_an_oracle_is_far_below_the_mixture(clips):
    solos, who = clips

    def told(m, rows):
        right = bool((rows == m.who).all())
        return 20 * ((m.masks if right else m.masks.flip(1)) - 0.5)

    found, level = base.judge(told, solos, who), base.levels(solos, who)
    assert found["sdr"] == pytest.approx(level["oracle"], abs=0.1)
    assert found["wrong"] < level["mixture"] - 5


def test_exchange_keeps_the_sum_of_the_logits_whatever_passes():
    torch.manual_seed(0)
    model = zhu2020.OpponentFilter(width=4).eval()
    x, maps = torch.rand(2, 64, 64), torch.rand(2, 3, 16, 64)
    one, two = model(x, maps, torch.randn(2, 3, 1, 32, 32))
    torch.testing.assert_close(two.sum(1), one.sum(1), atol=1e-4, rtol=1e-4)
    assert (two - one).abs().max() > 1e-3
    assert sum(p.numel() for p in model.filter.parameters()) == base.K + 1
    two.sum().backward()
    assert all(
        p.grad is None or p.grad.abs().max() < 1e-3 for p in model.second.parameters()
    )  # it is a constant


def test_stage_two_does_not_train_stage_one_through_its_input():
    model = zhu2020.OpponentFilter(width=4)
    _, two = model(torch.rand(2, 64, 64), torch.rand(2, 2, 16, 64), torch.randn(2, 2, 1, 32, 32))
    first = dict(model.first.named_parameters())
    (grad,) = torch.autograd.grad((two[:, 0] - two[:, 1]).sum(), [first["head.beta"]], allow_unused=True)
    assert grad.abs().max() < 1e-5  # beta is common to both sources: no way but the detached one


def test_dynamic_image_of_a_still_film_is_nothing_and_turns_with_time():
    film = torch.randn(3, 16, 1, 4, 4)
    still = film[:, :1].expand(-1, 16, -1, -1, -1)
    torch.testing.assert_close(zhu2020.dynamic_image(still), torch.zeros(3, 1, 4, 4), atol=1e-4, rtol=0)
    ramp = torch.linspace(0, 1, 16).view(1, 16, 1, 1, 1)
    assert zhu2020.dynamic_image(ramp) > 0 > zhu2020.dynamic_image(ramp.flip(1))


def test_a_frame_cannot_tell_twins_apart_and_motion_reaches_only_its_moment():
    torch.manual_seed(0)
    maps = torch.rand(1, 1, 16, 64).expand(1, 2, -1, -1)
    motion, x = torch.randn(1, 2, 16, 32, 32), torch.rand(1, 64, 64)
    for see, alike in (("one frame", True), ("motion", False)):
        model = zhao2019.MovingPixels(width=4, see=see).eval()
        with torch.no_grad():
            a = model(x, maps, motion)
        assert torch.allclose(a[:, 0], a[:, 1], atol=1e-6) is alike
    moved = motion[0].clone()
    moved[:, 4] += 1.0
    with torch.no_grad():
        change = (model.see(maps[0], moved) - model.see(maps[0], motion[0])).abs().amax((0, 2))
    assert (change[3:6] > 1e-4).any() and change[:3].max() < 1e-6 and change[6:].max() < 1e-6


def test_time_averaged_forgets_the_order_of_movements():
    torch.manual_seed(0)
    model = zhao2019.MovingPixels(width=4, see="time averaged").eval()
    with torch.no_grad():
        C = model.see(torch.rand(2, 16, 64), torch.randn(2, 16, 32, 32))
    assert C.shape == (2, 1, zhao2019.D)


def test_category_says_the_same_about_twins(clips):
    solos, _ = clips
    told = zhu2021a.codes(zhu2021a.CategorySeparator(told=True), solos)
    assert told.sum(1).eq(1).all() and told.argmax(1).eq(solos.labels).all()
    torch.manual_seed(0)
    model = zhu2021a.CategorySeparator(width=4).eval()
    e = told[:1].expand(1, 2, -1)
    with torch.no_grad():
        a = model(torch.rand(1, 64, 64), e)
    torch.testing.assert_close(a[:, 0], a[:, 1])


def test_match_loss_wants_its_own_and_not_the_other():
    model = zhu2021a.CategorySeparator(width=4)
    with torch.no_grad():
        model.locate.weight.fill_(10.0), model.locate.bias.fill_(-5.0)
    e = torch.nn.functional.one_hot(torch.tensor([[0, 1]]), 8).float()
    h = e[..., None, None].expand(-1, -1, -1, 4, 4)
    assert zhu2021a.match_loss(model, e, h) < 0.1 < 4 < zhu2021a.match_loss(model, e, h.flip(1))


def test_co_separation_sums_masks_by_video():
    M = torch.tensor([0.6, 0.3, 0.1]).view(1, 3, 1, 1)
    R, w = torch.tensor([0.8, 0.2]).view(1, 2, 1, 1), torch.ones(1, 1, 1)
    video = torch.tensor([0, 0, 1])
    assert gao2019.co_separation_loss(M, video, R, w) == pytest.approx(0.1)
    assert gao2019.co_separation_loss(M[:, [1, 0, 2]], video, R, w) == pytest.approx(0.1)
    assert gao2019.co_separation_loss(M[:, [2, 1, 0]], video, R, w) == pytest.approx(0.4)


def test_every_video_has_a_slot_for_others():
    model = gao2019.CoSeparator(width=4)
    v, owner = gao2019.slots(model, torch.rand(2, 3, 16, 64), torch.tensor([0, 0, 1]))
    assert v.shape == (2, 5, base.K) and owner.tolist() == [0, 0, 1, 0, 1]
    logits = model.named(torch.rand(2, 5, 64, 64))
    assert logits.shape == (2, 5, gao2019.OTHER + 1)


def test_the_trunk_that_ships_names_pictures_as_it_says(clips):
    from avcl_teach.comparison.train_separation import FOLDER, NamedPictures
    from avcl_teach.storage import read_tensors
    from avcl_teach.training.checkpoint import load_state

    tensors, _ = read_tensors(FOLDER / TRUNK)
    model = NamedPictures()
    load_state(model, {k: x.float() if x.is_floating_point() else x for k, x in tensors.items()})
    assert card(TRUNK)["score"] > 0.95 and named_right(model.eval(), clips[0]) >= 0.85
    assert not any(p.requires_grad for p in stored_trunk().parameters())


def test_the_long_run_that_ships_scores_as_it_says():
    about, model = card(LONG), zhao2019.stored()
    solos, who = base.frozen_pairs(24, same=False)
    found = base.judge(zhao2019.separator(model, solos), solos, who)
    assert abs(found["sdr"] - about["score"]) < 1.5  # 24 of the 120 mixtures
    assert found["sdr"] > base.levels(solos, who)["mixture"] + 1 > found["wrong"] + 2
    twins, pairs = base.frozen_pairs(12, same=True)
    same = base.judge(zhao2019.separator(model, twins), twins, pairs)
    assert same["sdr"] > same["wrong"] + 2
