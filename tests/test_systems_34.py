"""The systems that localize sound, in quick: whole outcomes, arms that differ, bad names refused."""

import math

import pytest

from avcl_teach.systems import afouras2021, chen2021, hu2020

SYSTEMS = (chen2021, hu2020, afouras2021)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.ABOUT.name)
def test_outcome_is_whole_and_arms_differ(system):
    first, second = (system.run(0, arm=arm, budget="quick") for arm in system.ABOUT.arms[:2])
    for value in (first.score, first.chance, first.wrong_partner, first.ceiling):
        assert math.isfinite(value) and 0 <= value <= 1
    assert first.extra != second.extra
    assert all(math.isfinite(x) for x in first.extra.values())
    if system is not afouras2021:
        assert first.ceiling == 1.0 and 0.15 < first.chance < 0.55
        # a few steps teach nothing: whoever is heard, the map points alike
        assert abs(first.score - first.wrong_partner) < 0.2


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.ABOUT.name)
def test_unknown_arm_or_budget_is_refused(system):
    with pytest.raises(ValueError, match="arm"):
        system.run(0, arm="none", budget="quick")
    with pytest.raises(ValueError, match="budget"):
        system.run(0, budget="none")


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.ABOUT.name)
def test_declaration_holds_what_the_lesson_shows(system):
    about = system.ABOUT
    assert about.lesson == "34" and about.survey_row and about.correction
    names = set(about.arms)
    assert all({claim.better, claim.worse} <= names for claim in about.claims)
