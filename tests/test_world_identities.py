"""People: realized ties, disjoint splits, a likelihood ratio that is one, and the audit."""

import math

import pytest
import torch

from avcl_teach.world.variants import identities
from avcl_teach.world.variants.retrieval_audit import audit_people


def drawn(n, **options):
    who = identities.draw_people(n, **options)
    return {name: torch.as_tensor(x) for name, x in who.items()}


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_realized_ties_are_those_asked_for(rho):
    who = drawn(4000, rho=rho)
    found = identities.realized_rho(who["voice"], who["face"], who["attribute"])
    assert (found - rho).abs().max() < 0.07  # four standard errors of 1/sqrt(4000)


def test_the_attribute_shifts_two_pairs_and_no_other():
    who = drawn(4000)
    for side in ("voice", "face"):
        gap = who[side][who["attribute"] == 1].mean(0) - who[side][who["attribute"] == 0].mean(0)
        assert (gap - 2 * torch.tensor(identities.SHIFT)).abs().max() < 0.15


def test_similarity_is_the_log_likelihood_ratio_by_integration():
    f, v, rho, s = 0.7, -0.3, 0.6, 1.0
    face, voice = torch.zeros(1, 5).double(), torch.zeros(1, 5).double()
    face[0, 0], voice[0, 0] = f, v

    def normal(x, mean, var):
        return math.exp(-((x - mean) ** 2) / (2 * var)) / math.sqrt(2 * math.pi * var)

    def mixture(parts):
        return sum(parts) / 2

    def rest(sign, x):  # the second shifted pair, seen at 0
        return normal(x, sign * s, 1)

    joint = mixture(
        normal(f, g, 1) * normal(v, g + rho * (f - g), 1 - rho**2)
        * normal(0, g, 1) * normal(0, g + rho * (0 - g), 1 - rho**2)
        for g in (-s, s)
    )  # fmt: skip
    alone = mixture(normal(f, g, 1) * rest(g, 0) for g in (-1, 1)) * mixture(
        normal(v, g, 1) * rest(g, 0) for g in (-1, 1)
    )
    unshifted = 3 * (math.log(normal(0, 0, 1 - rho**2)) - math.log(normal(0, 0, 1)))
    expected = math.log(joint / alone) + unshifted
    assert float(identities.best_similarity(voice, face)[0, 0]) == pytest.approx(expected, abs=1e-9)


def test_without_a_tie_only_the_attribute_tells():
    who = drawn(300, rho=0.0)
    S = identities.best_similarity(who["voice"], who["face"], rho=0.0)
    like = who["attribute"][:, None] == who["attribute"]
    assert S[like].mean() > S[~like].mean() + 1


def test_clips_are_pure_and_people_of_splits_are_others():
    whole = identities.render_people(5, n_samples=2, size_px=16, frame_rate_hz=1.0)
    part = identities.render_people([3], n_samples=2, size_px=16, frame_rate_hz=1.0)
    torch.testing.assert_close(whole.waveform[6:8], part.waveform, atol=1e-6, rtol=0)
    assert torch.equal(whole.frames[6:8], part.frames)
    test = drawn(50, split="test")
    train = drawn(50)
    assert torch.cdist(test["face"], train["face"]).min() > 1e-3


def test_samples_share_their_person_and_nothing_else():
    clips = identities.render_people(6, n_samples=3, size_px=32, frame_rate_hz=1.0)
    traits = clips.extra["face_traits"].view(6, 3, -1)
    assert torch.equal(traits[:, 0], traits[:, 2])
    assert not torch.equal(clips.waveform[0], clips.waveform[1])
    assert not torch.equal(clips.notes[0], clips.notes[1])
    assert clips.instance is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"people": 0}, "a person"),
        ({"people": 2, "n_samples": 0}, "1 to 64 samples"),
        ({"people": 2, "rho": 1.5}, "0 <= rho <= 1"),
        ({"people": 2, "split": "unseen_test"}, "expected a split"),
    ],
)
def test_bad_input_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        identities.render_people(**arguments)


def test_audit():
    assert [row for row in audit_people() if not row["passed"]] == []
