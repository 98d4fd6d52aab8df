"""Glimpses of clips: what is cut, where, and how it is kept."""

from dataclasses import replace

import pytest
import torch

from avcl_teach import comparison, world
from avcl_teach.comparison import cached as cached_module
from avcl_teach.comparison.cached import cached, hash_files
from avcl_teach.comparison.glimpse_pairs import (
    CLOSE_UP,
    SPLITS,
    loudest_onset_s,
    to_log_mel,
    to_unit,
)
from avcl_teach.features import log_mel
from avcl_teach.features.inversion import sound_from_log_mel
from avcl_teach.world.splits import find_split


@pytest.fixture(scope="module")
def some():
    return comparison.glimpses(48, 16, n_val=16)


def test_shapes_ranges_and_words(some):
    assert "train 48, val 16, test 16" in repr(some) and some.n_classes == 8
    for name in SPLITS:
        cut = getattr(some, name)
        n = cut.n_clips
        assert cut.x_a.shape == (n, 1, 32, 32) and cut.x_v.shape == (n, 3, 32, 32)
        assert cut.grey.shape == (n, 1, 32, 32)
        for x in (cut.x_a, cut.x_v):
            assert x.dtype == torch.float32 and x.min() >= 0 and x.max() <= 1
        assert cut.x_a.std() > 0.1 and cut.x_v.std() > 0.1


def test_rows_are_cut_from_their_clip(some):
    clips = world.render(some.test.index.tolist(), preset="easy", split="test", size_px=32, **CLOSE_UP)
    assert torch.equal(clips.label, some.test.labels)
    onset_s = loudest_onset_s(clips.mono, room_s=3968 / 8000)
    for i in range(4):
        first = round((float(onset_s[i]) - 0.04) * 8000)
        x = clips.mono[i, first : first + 3968]
        L = log_mel(x / x.abs().max(), n_mels=32)
        torch.testing.assert_close(some.test.x_a[i, 0], to_unit(L), atol=1e-3, rtol=0)
        same = (clips.frames[i].float() / 255 - some.test.x_v[i]).abs().amax((1, 2, 3)) == 0
        at = same.nonzero()[0] / 8.0
        assert abs(float(at) - float(onset_s[i])) <= 1 / 16 + 1e-6  # the nearest frame


def test_the_onset_is_the_strongest_of_those_that_leave_room():
    x = torch.zeros(1, 16000)
    for at_s, level in ((0.5, 0.5), (1.0, 0.8), (1.8, 1.0)):
        start = round(at_s * 8000)
        x[0, start : start + 800] = level * torch.sin(torch.arange(800) * 0.8)
    assert abs(float(loudest_onset_s(x, room_s=0.5)) - 1.0) < 0.02
    assert abs(float(loudest_onset_s(x, room_s=1.3)) - 0.5) < 0.02


def test_values_go_to_nepers_and_to_a_sound_and_back(some):
    x_a = some.test.x_a[:4, 0]
    torch.testing.assert_close(to_unit(to_log_mel(x_a)), x_a, atol=1e-5, rtol=0)
    again = to_unit(log_mel(sound_from_log_mel(to_log_mel(x_a)), n_mels=32))
    loud = x_a > 0.4
    assert 60 * (again - x_a).abs()[loud].mean() < 1.5  # dB; the range is 60 dB


def test_a_drawing_keeps_the_shape_and_neither_colour_nor_polarity(some):
    x = some.test.x_v
    drawing = some.test.drawing
    assert drawing.shape == (16, 1, 32, 32) and drawing.min() >= 0 and drawing.max() == 1
    negative = replace(some.test, x_v=1 - x).drawing
    torch.testing.assert_close(negative, drawing, atol=1e-4, rtol=0)
    other_colours = replace(some.test, x_v=x.flip(1)).drawing
    torch.testing.assert_close(other_colours, drawing, atol=1e-4, rtol=0)
    edge = drawing[:, 0, 0].median(1).values
    assert edge.median() < 0.3 < drawing[:, 0, 10:22, 10:22].amax((1, 2)).median()


def test_individuals_of_the_test_are_not_met_in_training(some):
    members = {name: find_split(name).members for name in SPLITS}
    for split in ("val", "test"):
        for seen, unseen in zip(members["train"], members[split], strict=True):
            assert not set(seen) & set(unseen)
    assert not torch.equal(some.val.x_v, some.test.x_v)


def test_cuts_are_kept_and_a_damaged_file_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("AVCL_CACHE", str(tmp_path))
    first = comparison.glimpses(4, 2, n_val=2)
    files = sorted((tmp_path / "comparison").iterdir())
    assert len(files) == 3
    files[0].write_bytes(files[0].read_bytes()[:-5])
    again = comparison.glimpses(4, 2, n_val=2)
    for name in SPLITS:
        assert torch.equal(getattr(first, name).x_a, getattr(again, name).x_a)
        assert torch.equal(getattr(first, name).x_v, getattr(again, name).x_v)


def test_cached_asks_once_and_by_all_of_its_key(tmp_path, monkeypatch):
    monkeypatch.setenv("AVCL_CACHE", str(tmp_path))
    calls = []

    def make():
        calls.append(1)
        return {"x": torch.arange(3)}, {"say": "three"}

    for key in ({"n": 1}, {"n": 1}, {"n": 2}):
        tensors, meta = cached(key, make)
        assert torch.equal(tensors["x"], torch.arange(3)) and meta == {"say": "three"}
    assert len(calls) == 2
    assert hash_files(__file__) != hash_files(__file__, cached_module.__file__)


def test_cuts_of_one_clip_are_refused():
    with pytest.raises(ValueError, match="n_test >= 2, got 1"):
        comparison.glimpses(4, 1)
