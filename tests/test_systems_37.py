"""Speech from video in quick form: what it reports, what it refuses, and what its arms leave out."""

import math

import pytest
import torch

from avcl_teach.comparison import talking
from avcl_teach.comparison.train_talking import stored_listeners
from avcl_teach.systems import mira2021


@pytest.fixture(scope="module")
def outcome():
    return mira2021.run(0, budget="quick")


def test_fields_are_finite_and_in_percent(outcome):
    figures = [outcome.score, outcome.chance, outcome.wrong_partner, outcome.ceiling, *outcome.extra.values()]
    assert all(math.isfinite(x) for x in figures)
    assert outcome.chance == 75.0 and outcome.extra["sight alone"] == 25.0
    assert outcome.ceiling < 5 and outcome.extra["true speech"] < 5
    assert abs(outcome.extra["strangers' true speech"] - 75) < 12


def test_two_steps_say_nothing(outcome):
    assert outcome.score > 60
    assert outcome.extra["naturalness"] < outcome.extra["naturalness, true"]


def test_unknown_arms_and_budgets_are_refused():
    with pytest.raises(ValueError, match="expected an arm"):
        mira2021.run(0, arm="no words")
    with pytest.raises(ValueError, match="expected a budget"):
        mira2021.run(0, budget="huge")
    with pytest.raises(ValueError, match="expected an arm"):
        talking.Losses("no words", stored_listeners()[1])


def test_each_arm_leaves_one_loss_out():
    _, ear = stored_listeners()
    data = talking.talk("val", 8)[:2]
    losses = {}
    for arm in talking.ARMS:
        torch.manual_seed(0)
        G, D = talking.SpeechGenerator(), talking.Critics()
        losses[arm] = float(talking.Losses(arm, ear).generator(G, D, data).detach())
    assert losses["paper"] > losses["no power"] + 20
    assert losses["paper"] > losses["no perceptual"] + 20
    assert losses["paper"] != losses["no critics"]


def test_arms_end_in_other_generators():
    _, ear = stored_listeners()
    data = talking.talk("val", 16)
    weights = {
        arm: talking.train_speech(arm, data, ear, steps=1, batch_size=4)[0].out.bias.detach()
        for arm in ("paper", "no power", "no critics")
    }
    assert not torch.equal(weights["paper"], weights["no power"])
    assert not torch.equal(weights["paper"], weights["no critics"])


def test_the_judge_never_meets_generated_speech_nor_lends_itself_to_the_loss():
    recogniser, ear = stored_listeners()
    assert type(recogniser.gru) is not type(ear.gru)
    assert not any(p.requires_grad for p in (*recogniser.parameters(), *ear.parameters()))
    losses = talking.Losses("paper", ear)
    assert losses.ear is ear and not hasattr(losses, "recogniser")
