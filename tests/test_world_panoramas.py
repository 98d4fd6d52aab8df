"""Panoramas: closed forms of directions, crops that turn sound and picture together, and the audit."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from avcl_teach.world.variants import panoramas, panoramas_audit
from avcl_teach.world.variants.panoramas import crop, crop_frames, encode, rotate, wrap
from avcl_teach.world.variants.panoramas_audit import checks, heard_azimuth


@pytest.fixture(scope="module")
def clips():
    return panoramas.render_panoramas(3, split="test", height_px=32)


def tone(n: int = 2000) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def still(theta: float) -> torch.Tensor:
    return torch.full((16,), theta, dtype=torch.float64)


@pytest.mark.parametrize(
    ("degrees", "y", "x"), [(0, 0, 1), (90, -1, 0), (-90, 1, 0), (180, 0, -1), (30, -0.5, 0.75**0.5)]
)
def test_channels_by_hand(degrees, y, x):
    s = tone()
    W, Y, Z, X = encode(s, still(math.radians(degrees)))
    assert torch.equal(W, s) and not Z.any()
    torch.testing.assert_close(Y, y * s, atol=1e-12, rtol=0)
    torch.testing.assert_close(X, x * s, atol=1e-12, rtol=0)


@pytest.mark.parametrize("yaw", [0.3, -2.0, 3.0])
def test_who_looks_at_a_source_hears_it_straight_ahead(yaw):
    _, Y, _, X = rotate(encode(tone(), still(yaw)), yaw)
    assert Y.abs().max() < 1e-12
    torch.testing.assert_close(X, tone())


def test_turning_is_a_group():
    w = torch.randn(4, 100, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(rotate(rotate(w, 0.4), 1.1), rotate(w, 1.5))
    torch.testing.assert_close(rotate(w, 2 * math.pi), w)
    with pytest.raises(ValueError, match="four channels"):
        rotate(w[:3], 0.1)


def test_a_source_goes_the_short_way_past_the_seam():
    theta = torch.tensor([math.pi - 0.1, -math.pi + 0.1], dtype=torch.float64)
    _, Y, _, X = encode(torch.ones(2000, dtype=torch.float64), theta)
    assert X.max() < -0.99 and Y.abs().max() < 0.11


def test_magnitudes_of_one_view_cannot_tell_left_from_right():
    left, right = encode(tone(), still(-0.6)), encode(tone(), still(0.6))
    torch.testing.assert_close(torch.fft.rfft(left).abs(), torch.fft.rfft(right).abs())
    assert not torch.allclose((left[0] * left[1]).mean(), (right[0] * right[1]).mean())


def test_a_crop_wraps_across_the_seam():
    frames = torch.arange(256, dtype=torch.uint8).expand(1, 1, 3, 2, 256)
    got = crop_frames(frames, torch.tensor([0.0]), width_px=4)[0, 0, 0, 0]
    assert got.tolist() == [254, 255, 0, 1]
    assert crop_frames(frames, torch.tensor([math.pi / 2]), width_px=2)[0, 0, 0, 0].tolist() == [63, 64]


def test_players_differ_in_class_and_are_equally_loud(clips):
    assert clips.frames.shape[-2:] == (32, 128) and clips.waveform.shape[1] == 4
    for row in clips.object_class:
        assert len(set(row.tolist())) == 3
    assert clips.sounding.sum(1).tolist() == [2, 2, 2]
    level = clips.stem[:, :, 0].square().mean(-1).sqrt()
    torch.testing.assert_close(level[clips.sounding], torch.full((6,), panoramas.LEVEL))
    assert level[~clips.sounding].abs().max() == 0
    torch.testing.assert_close(clips.waveform, clips.stem.sum(1) + clips.extra["noise"])


def test_the_picture_shows_each_player_where_it_is_heard(clips):
    theta = clips.extra["azimuth"].median(-1).values
    gaps = [wrap(theta[:, a] - theta[:, b]).abs().min() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(gaps) > math.radians(60)
    for k in range(3):  # what moves lies in the middle of the crop that looks at a player
        window = crop(clips, theta[:, k], width_px=32).frames.float()
        change = window.diff(dim=1).abs().mean(dim=(0, 1, 2, 3))
        assert change[8:24].mean() > 3 * (change[:4].mean() + change[-4:].mean()) / 2


def test_a_crop_turns_truth_and_sound_and_looking_back_undoes_it(clips):
    turned = crop(clips, 1.0)
    torch.testing.assert_close(turned.extra["azimuth"], wrap(clips.extra["azimuth"] - 1.0))
    torch.testing.assert_close(rotate(turned.waveform, -1.0), clips.waveform, atol=1e-6, rtol=1e-5)
    solo = panoramas.render_panoramas(2, n_sounding=1, n_silent=0, height_px=16, snr_db=(40.0, 40.0))
    before, after = (torch.from_numpy(heard_azimuth(c)) for c in (solo, crop(solo, 0.7)))
    torch.testing.assert_close(after, wrap(before - 0.7), atol=0.03, rtol=0)


def test_any_batch_renders_the_same_clips(clips):
    again = panoramas.render_panoramas([2, 0], split="test", height_px=32, batch_size=1)
    assert torch.equal(again.frames, clips.frames[[2, 0]])
    torch.testing.assert_close(again.waveform, clips.waveform[[2, 0]], atol=1e-6, rtol=1e-5)


def test_bad_input_is_told(clips):
    with pytest.raises(ValueError, match="1 to 6 players"):
        panoramas.render_panoramas(1, n_sounding=0)
    with pytest.raises(ValueError, match="window of 1 to 128 columns"):
        crop(clips, 0.0, width_px=129)


def test_the_audit_passes():
    rows = checks()
    assert all(row["passed"] for row in rows), rows
    assert [row["chance"] for row in rows] == [11.1, 50.0, 50.0, 50.0]


def test_the_chance_of_a_direction_is_what_a_guess_scores(monkeypatch):
    """Turned by whatever angle, or heard in another clip: one in nine is right, not one in two."""
    draws = np.random.default_rng(0)
    monkeypatch.setattr(
        panoramas_audit, "heard_azimuth", lambda clips: draws.uniform(-np.pi, np.pi, len(clips))
    )
    found = checks()[0]
    assert abs(found["percent"] - found["chance"]) < 4 * 2.8  # four standard errors of 128 clips
    assert not found["passed"]


@pytest.mark.parametrize(
    ("signs", "failed"),
    [
        ((1, -1, 1, 1), ["direction heard within 20 degrees"]),
        ((1, 1, 1, -1), ["direction heard within 20 degrees"]),
    ],
)
def test_the_audit_catches_ears_that_are_swapped(monkeypatch, signs, failed):
    def swapped(*args, **options):
        clips = load(*args, **options)
        return dataclasses.replace(clips, waveform=clips.waveform * torch.tensor(signs).view(1, 4, 1))

    load = panoramas_audit.load_panoramas
    monkeypatch.setattr(panoramas_audit, "load_panoramas", swapped)
    rows = checks()
    assert [row["name"] for row in rows if not row["passed"]] == failed
    assert rows[0]["percent"] < 40


def test_the_audit_catches_a_source_that_only_moves_when_it_sounds(monkeypatch):
    """Where the silent player is a still picture, motion tells who sounds."""

    def still(*args, **options):
        clips = load(*args, **options)
        frames, width = clips.frames.clone(), clips.frames.shape[-1]
        quiet = (~clips.sounding).int().argmax(1)
        theta = clips.extra["azimuth"].median(-1).values.gather(1, quiet[:, None])[:, 0]
        at = ((theta / (2 * math.pi) + 0.5) * width).long()
        for i, x in enumerate(at.tolist()):
            columns = (torch.arange(x - width // 8, x + width // 8)) % width
            frames[i, :, :, :, columns] = frames[i, :1, :, :, columns]
        return dataclasses.replace(clips, frames=frames)

    load = panoramas_audit.load_panoramas
    monkeypatch.setattr(panoramas_audit, "load_panoramas", still)
    found = {row["name"]: row for row in checks()}
    assert not found["who sounds, from motion"]["passed"]
