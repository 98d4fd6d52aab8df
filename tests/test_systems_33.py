"""Systems of events in time, in their quick size: what they return, that arms differ, that they refuse."""

import math

import pytest
import torch

from avcl_teach.systems import _events, duan2021, lin2020, ramaswamy2020

SYSTEMS = (lin2020, duan2021, ramaswamy2020)
LEFT_OUT = ("four_rounds", "mean_of_regions", "no_residual")  # seconds


@pytest.fixture(scope="module")
def outcomes():
    return {
        (system.ABOUT.name, arm): system.run(0, arm=arm, budget="quick")
        for system in SYSTEMS
        for arm in system.ABOUT.arms
        if arm not in LEFT_OUT
    }


def test_fields_are_finite_shares_and_the_ceiling_is_1(outcomes):
    for outcome in outcomes.values():
        fields = (outcome.score, outcome.chance, outcome.wrong_partner, *outcome.extra.values())
        assert all(math.isfinite(x) and 0 <= x <= 1 for x in fields)
        assert outcome.ceiling == 1 and 0.5 < outcome.chance < 0.7
        assert max(outcome.extra["perfect_ears"], outcome.extra["perfect_eyes"]) < 0.75


def test_wrong_pictures_leave_no_more_than_always_none(outcomes):
    for name, outcome in outcomes.items():
        assert outcome.wrong_partner < outcome.chance + 0.06, name


def test_matches_are_ranked_above_chance_where_segments_are_taught(outcomes):
    for name in ("lin2020", "duan2021", "ramaswamy2020"):
        assert outcomes[name, "paper"].extra["match_auc"] > 0.6
    unsupervised = outcomes["ramaswamy2020", "unsupervised"].extra
    assert unsupervised["match_auc"] > 0.6


def test_arms_differ_and_a_seed_gives_the_same_again(outcomes):
    for system in SYSTEMS:
        name = system.ABOUT.name
        found = [o.extra["match_auc"] for (who, _), o in outcomes.items() if who == name]
        assert len(set(found)) == len(found)
    again = duan2021.run(0, budget="quick")
    assert again == outcomes["duan2021", "paper"]


def test_unknown_arms_and_budgets_are_refused():
    for system in SYSTEMS:
        with pytest.raises(ValueError, match="arm"):
            system.run(0, arm="none such", budget="quick")
        with pytest.raises(ValueError, match="budget"):
            system.run(0, budget="huge")


def test_rounds_share_their_weights_and_the_residual_none():
    nets = [duan2021.JointLocalizer(8, rounds=r) for r in (1, 4)]
    counts = [sum(p.numel() for p in net.parameters()) for net in nets]
    assert counts[0] == counts[1]


def test_the_sound_asks_its_neighbours_and_no_one_further():
    torch.manual_seed(0)
    net = lin2020.InstanceTransformer(8, window=1)
    x_a, x_v = torch.randn(1, 8, 64), torch.randn(1, 8, 16, 32).requires_grad_()
    a, v = net.tokens(x_a, x_v)
    net.look(a, v)[0, 4].sum().backward()
    reached = x_v.grad.abs().sum((0, 2, 3)) > 0
    assert reached.tolist() == [False] * 3 + [True] * 3 + [False] * 2
    maps = net.maps(x_a, x_v)
    assert maps.shape == (1, 8, 16) and (maps.sum(-1) < 1).all()  # the rest looks at the neighbours


def test_weights_of_segments_sum_to_1_and_a_product_knows_agreement():
    torch.manual_seed(0)
    weigh = ramaswamy2020.SegmentWeights(16)
    z = torch.randn(2, 8, 16)
    w = weigh.score(weigh.look(z)).softmax(1)
    torch.testing.assert_close(weigh(z), weigh.look(z) * (1 + 8 * w))
    fuse = ramaswamy2020.Fusion(4)
    a, v = torch.randn(3, 4), torch.randn(3, 4)
    torch.testing.assert_close(fuse(a, v), fuse.out(fuse.U(a) * fuse.V(v)))


def test_over_none_is_the_margin_that_decides():
    logits = torch.randn(5, 9)
    margin = _events.over_none(logits)
    called = logits.argmax(-1) != 8
    assert ((margin.amax(-1) > 0) == called).all()
