"""Scenes with two ears that are kept: loudness, sides that agree with places, bad input."""

import pytest
import torch

from avcl_teach.comparison.ear_scenes import RMS, ear_scenes
from avcl_teach.metrics.spatial import side_db


def test_fields_and_loudness():
    clips = ear_scenes(48, "test", seed=0)
    assert clips.sound.shape == (48, 2, 16000) and clips.frames.shape == (48, 16, 3, 32, 32)
    rms = clips.sound.sum(1).square().mean(1).sqrt()
    torch.testing.assert_close(rms, torch.full((48,), RMS), rtol=1e-2, atol=0)
    players = (clips.labels >= 0).sum(1)
    assert set(players.tolist()) == {1, 2}
    assert torch.equal(clips.labels >= 0, ~clips.azimuth.isnan())
    assert clips.azimuth.nan_to_num().abs().max() <= 1.06  # 60 degrees and a little


def test_one_player_is_louder_on_its_side():
    clips = ear_scenes(48, "test", seed=0)
    alone = ((clips.labels >= 0).sum(1) == 1) & (clips.azimuth.nan_to_num().abs().amax(1) > 0.1)
    where = clips.azimuth[alone].nan_to_num().sum(1)
    agrees = (side_db(clips.sound[alone]).sign() == where.sign()).float().mean()
    assert alone.sum() >= 5 and agrees > 0.85


def test_rows_and_splits():
    clips = ear_scenes(8, "test", seed=0)
    assert torch.equal(clips[torch.tensor([3])].sound, clips.sound[3:4])
    assert not torch.equal(clips.sound, ear_scenes(8, "val", seed=0).sound)
    with pytest.raises(ValueError, match="at least one"):
        ear_scenes(0)
