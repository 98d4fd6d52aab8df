"""Systems of spatial sound: what they must keep, runs in quick, the weights that ship."""

import math

import pytest
import torch

from avcl_teach.comparison.around import around
from avcl_teach.comparison.ear_scenes import ear_scenes
from avcl_teach.comparison.train_two_ears import N_JUDGED, card, judged, stored_ears
from avcl_teach.systems import find, lin2021, morgado2020

NAMES = ("lin2021", "morgado2020")


@pytest.fixture(scope="module")
def quick():
    return {name: find(name).run(0, budget="quick") for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_quick_run_is_finite_and_arms_differ(quick, name):
    found, module = quick[name], find(name)
    values = [found.score, found.chance, found.wrong_partner, found.ceiling, *found.extra.values()]
    assert all(math.isfinite(x) for x in values)
    other = module.run(0, arm=module.ABOUT.arms[2], budget="quick")
    assert other != found and other.chance == found.chance and other.ceiling == found.ceiling


@pytest.mark.parametrize("name", NAMES)
def test_unknown_arms_and_budgets_are_refused(name):
    with pytest.raises(ValueError, match="arm"):
        find(name).run(0, arm="none", budget="quick")
    with pytest.raises(ValueError, match="budget"):
        find(name).run(0, budget="lunch")


def test_levels_are_where_they_must_be(quick):
    ears, turned = quick["lin2021"], quick["morgado2020"]
    assert ears.ceiling < 0.5 * ears.chance  # lower is better: an oracle mask, mono
    assert turned.chance == 0.5 and turned.ceiling > 0.7
    assert abs(turned.wrong_partner - 0.5) < 0.25  # 64 draws


def test_no_picture_no_side():
    torch.manual_seed(0)
    blind = lin2021.TwoEars(sees=False).eval()
    sound, frame = lin2021.windows(ear_scenes(4, "test"), torch.full((4,), 4000))
    with torch.no_grad():
        a, b = lin2021.estimate(blind, sound, frame), lin2021.estimate(blind, sound.flip(1), frame.flip(-1))
    torch.testing.assert_close(a, b, atol=1e-5, rtol=0)  # a scene and its mirror: one sum, one answer


def test_the_sum_is_kept_and_the_oracle_gives_the_ears_back():
    g = torch.Generator().manual_seed(0)
    total = torch.randn(2, 5120, generator=g)
    sound = torch.stack([0.7 * total, 0.3 * total], 1)  # a mask of .4: within -1 to 1
    back = lin2021.oracle(sound)
    torch.testing.assert_close(back.sum(1), total, atol=1e-4, rtol=0)
    inner = slice(400, 4600)  # the last frame and the highest bin are cut
    error = (back - sound)[..., inner].square().mean() / sound[..., inner].square().mean()
    assert error < 0.01


def test_the_target_of_consistency_carries_no_gradient():
    C = torch.rand(2, 6, 4, 4, requires_grad=True)
    L, R = (torch.rand(2, 128, 80, requires_grad=True) for _ in range(2))
    loss = lin2021.consistency(C, torch.complex(L, L), torch.complex(R, R), (2, 3))
    loss.backward()
    assert C.grad.abs().max() > 0 and L.grad is None and R.grad is None
    left = torch.zeros(1, 1, 4, 4)
    left[..., 0] = 1.0
    assert lin2021.picture_side(left) > 0.5 > lin2021.picture_side(left.flip(-1))


def test_alignment_needs_something_to_choose_from():
    x = torch.nn.functional.normalize(torch.randn(1, 1, 4), dim=2)
    with pytest.raises(ValueError, match="choose from"):
        morgado2020.alignment_loss(x, x, hard=True)
    same = torch.ones(3, 4, 2) / 2**0.5  # nothing tells them apart: ln of how many there are
    for hard, n in ((False, 3), (True, 6)):
        assert morgado2020.alignment_loss(same, same, hard=hard).item() == pytest.approx(math.log(n), 1e-5)


def test_the_trunk_stays_as_it_ships():
    torch.manual_seed(0)
    clips = around(48, "train", seed=0)
    how = {"seed": 0, "arm": "intensities", "steps": 2, "batch": 4, "device": "cpu"}
    before = {k: v.clone() for k, v in morgado2020.SpatialNet().trunk.state_dict().items()}
    after = morgado2020.train(clips, **how).trunk.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_stored_ears_score_what_their_card_says():
    found, said = judged(stored_ears(), ear_scenes(N_JUDGED, "test")), card("two_ears")["test"]
    assert found["found"] == pytest.approx(said["found"], rel=0.01)
    assert found["mono"] == pytest.approx(said["mono"], rel=0.01)
    assert found["found"] < 0.7 * found["mono"] and found["wrong partner"] > found["mono"]
    assert found["side"] > 0.8
