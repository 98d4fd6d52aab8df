"""Performers: what is touched is what is heard, limbs keep their lengths, and pictures follow the joints."""

import math

import numpy as np
import pytest
import torch

from avcl_teach.world.variants import performers as p


@pytest.fixture(scope="module")
def played():
    return p.perform(24, noise=0.0)


def upright(played, i):
    """Undo the camera: joints in the units of the bars."""
    camera = played.camera[i]
    return (played.keypoints[i] - camera[:, 2]) @ torch.linalg.inv(camera[:, :2]).T


def test_the_tip_touches_the_bar_of_the_degree_at_every_onset(played):
    for i in range(24):
        body = upright(played, i)
        for onset, _, degree, _ in played.notes[i][~played.notes[i, :, 0].isnan()].tolist():
            k = onset * p.FRAME_RATE_HZ
            near = body[[math.floor(k), min(math.ceil(k), p.N_FRAMES - 1)], 6]
            assert near[:, 1].min() < 0.12  # within one frame of the contact
            assert (near[:, 0] - p.BAR_X[int(degree)]).abs().min() < 0.06


def test_contact_is_exact_where_an_onset_falls_on_a_frame():
    onset = np.array([0.5, 1.0, 2.0])
    joints = p._joints(onset, np.array([0, 9, 4]), np.array([1.0, 0.5, 0.7]), np.full(4, 0.5))
    for t, degree in zip(onset, (0, 9, 4), strict=True):
        np.testing.assert_allclose(joints[round(t * 20), 6], [p.BAR_X[degree], 0.0], atol=1e-9)
    high = [joints[a:b, 6, 1].max() for a, b in ((10, 20), (20, 40))]
    np.testing.assert_allclose(
        high, [0.5 * p.REST_HEIGHT, 0.7 * p.REST_HEIGHT], rtol=0.02
    )  # velocity to come


def test_limbs_keep_their_lengths_while_the_arm_reaches(played):
    for i in range(6):
        body = upright(played, i)
        for a, b in ((3, 4), (4, 5), (5, 6)):
            length = (body[:, a] - body[:, b]).norm(dim=-1)
            assert (length.max() - length.min()) < 0.02 * length.mean()


def test_the_elbow_by_the_law_of_cosines():
    a, b = np.zeros((2, 2)), np.array([[0.6, 0.0], [0.0, -2.0]])
    elbow = p.bend(a, b, upper=0.5, lower=0.5)
    np.testing.assert_allclose(elbow[0], [0.3, 0.4])
    np.testing.assert_allclose(elbow[1], [0, -0.5], atol=2e-3)  # out of reach: straight
    np.testing.assert_allclose(p.bend(a, b, upper=0.5, lower=0.5, side=-1)[0], [0.3, -0.4])


def test_a_performance_depends_on_nothing_but_its_index():
    one, many = p.perform([7], split="test", seed=3), p.perform([2, 7], split="test", seed=3)
    assert torch.equal(one.keypoints[0], many.keypoints[1])
    assert torch.equal(one.notes[0].nan_to_num(), many.notes[1].nan_to_num())
    assert not torch.equal(one.keypoints, p.perform([7], split="test", seed=4).keypoints)
    assert set(p.perform(40, split="test").instance.tolist()) == {14, 15}


def test_onsets_rise_within_the_clip_and_degrees_are_spread(played):
    onset = played.notes[..., 0]
    gaps = onset.diff(dim=1)
    assert gaps[~gaps.isnan()].min() > 0.19 and onset[~onset.isnan()].max() < p.DURATION_S - 0.2
    many = p.perform(200).notes[..., 2]
    count = torch.bincount(many[~many.isnan()].long(), minlength=10).float()
    assert count.min() / count.max() > 0.7
    assert ((~played.notes[..., 0].isnan()).sum(1) >= 4).all()


def test_what_is_written_is_heard(played):
    """An oracle that knows nothing of the body finds the onsets and the pitches in the sound."""
    from avcl_teach.features.onsets import onset_strength

    x = p.play(played.notes[:4])
    strength = onset_strength(x, sample_rate_hz=8000, rate_hz=50)
    for i in range(4):
        there = played.notes[i][~played.notes[i, :, 0].isnan()]
        at = (there[:, 0] * 50).round().long().clamp(1, strength.shape[1] - 2)
        near = torch.stack([strength[i, at + k] for k in (-1, 0, 1)]).amax(0)
        assert near.median() > 4 * strength[i].median()
    silent = torch.full((1, 16, 4), float("nan"))
    assert p.play(silent).abs().max() == 0
    low, high = silent.clone(), silent.clone()
    low[0, 0], high[0, 0] = torch.tensor([0.5, 0.4, 0.0, 1.0]), torch.tensor([0.5, 0.4, 9.0, 1.0])
    peak = [torch.fft.rfft(p.play(n)[0]).abs().argmax().item() / 4 for n in (low, high)]
    assert peak[1] / peak[0] == pytest.approx(2 ** (21 / 12), rel=0.02)  # nine pentatonic steps


def test_the_picture_shows_the_tip_where_the_joint_is():
    clips = p.render_performers([0, 5], split="test", size_px=64)
    assert clips.frames.shape == (2, 80, 3, 64, 64) and clips.waveform.shape == (2, 1, 32000)
    joints = clips.extra["keypoints"][:, 0].unflatten(-1, (9, 2))
    red = clips.frames[..., 0, :, :].int() - clips.frames[..., 1, :, :].int()  # the tip is the reddest
    for k in (10, 40, 70):
        x, y = joints[0, k, 6].tolist()
        column, row = round((x / 1.9 + 0.5) * 64 - 0.5), round((0.5 - (y - 0.45) / 1.9) * 64 - 0.5)
        around = red[0, k, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert around.max() > 100


def test_bad_input_is_told():
    with pytest.raises(ValueError, match="at least one clip"):
        p.perform([])
    with pytest.raises(ValueError, match="noise of at least 0"):
        p.perform(1, noise=-1.0)
    wrong = torch.tensor([[[0.5, 0.3, 10.0, 1.0]]])
    with pytest.raises(ValueError, match="degrees 0 ... 9, got 10"):
        p.play(wrong)


def test_the_audit_passes():
    from avcl_teach.world.variants.performers_audit import checks

    rows = checks(n=120)
    assert all(row["passed"] for row in rows), rows
