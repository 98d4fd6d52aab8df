"""S-DCCA, TNN-C-CCA and DSCMR in quick: what they return, their control, their arms."""

import math
from functools import cache

import pytest

from avcl_teach.systems import find, zhen2019

NAMES = ("zeng2018", "zeng2020", "zhen2019")


@cache
def outcome(name, arm=None, seed=0):
    module = find(name)
    return module.run(seed, arm=arm or module.ABOUT.arms[0], budget="quick")


@pytest.mark.parametrize("name", NAMES)
def test_a_run_beats_chance_and_its_control_and_stays_below_its_ceiling(name):
    found = outcome(name)
    values = (found.score, found.chance, found.wrong_partner, found.ceiling, *found.extra.values())
    assert all(math.isfinite(x) and 0 < x <= 1 for x in values)
    assert found.score > found.chance + 0.2
    assert found.wrong_partner < found.chance + 0.03  # no partner of the class is left, so it may lie below
    assert found.score < found.ceiling
    both = found.extra["sound to picture"] + found.extra["picture to sound"]
    assert found.score == pytest.approx(both / 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_arms_of_every_claim_differ(name):
    for claim in find(name).ABOUT.claims:
        assert outcome(name, claim.better).score != outcome(name, claim.worse).score


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_draws_other_data_and_the_same_seed_the_same_score(name):
    module = find(name)
    again = module.run(0, budget="quick")
    assert again == outcome(name)
    assert outcome(name, seed=1).chance != again.chance


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_arm_or_budget_is_refused(name):
    with pytest.raises(ValueError, match="expected an arm of"):
        find(name).run(0, arm="best", budget="quick")
    with pytest.raises(ValueError, match="expected a budget of"):
        find(name).run(0, budget="fast")


def test_labels_in_the_covariance_help_in_quick_already():
    assert outcome("zeng2018").score > outcome("zeng2018", "pairs alone").score + 0.1
    assert outcome("zeng2020", "C-CCA").score > outcome("zeng2020", "CCA").score


def test_dscmr_without_labels_falls_and_without_the_likelihood_does_not():
    full = outcome("zhen2019").score
    assert full > outcome("zhen2019", "without J1").score + 0.2
    assert abs(full - outcome("zhen2019", "without J2").score) < 0.02


def test_a_shared_layer_is_one_layer():
    shared, apart = (zhen2019.CommonSpace(6, 5, 3, shared=s) for s in (True, False))
    assert shared.top_a is shared.top_v and apart.top_a is not apart.top_v
    assert sum(p.numel() for p in apart.parameters()) - sum(p.numel() for p in shared.parameters()) == 32896
