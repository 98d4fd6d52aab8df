"""Music clips: pure, with beats where they are said to be, and many soundtracks that fit."""

import pytest
import torch

from avcl_teach.world.variants import music
from avcl_teach.world.variants.retrieval_audit import audit_music


def test_clips_are_pure_and_tagged_tracks_are_others():
    whole = music.render_music(4, size_px=16)
    part = music.render_music([2], size_px=16)
    torch.testing.assert_close(whole.waveform[2], part.waveform[0], atol=1e-6, rtol=0)
    assert torch.equal(whole.frames[2], part.frames[0])
    tagged = music.render_music(4, split="tagged", size_px=16)
    assert not torch.equal(tagged.waveform, whole.waveform)


def test_nobody_seen_is_heard_and_nobody_heard_is_seen():
    clips = music.render_music(3, size_px=16)
    assert clips.sounding.tolist() == [[True, True, False, False]] * 3
    assert clips.visible.tolist() == [[False, False, True, True]] * 3
    assert clips.box[:, :2].isnan().all()


def test_notes_keep_the_beat_that_is_said():
    clips = music.render_music(6, size_px=16)
    drum = clips.notes[:, 1, :3, 0]
    torch.testing.assert_close(drum.diff(dim=1)[:, 0], 2 * clips.extra["beat_s"], atol=1e-5, rtol=0)
    dancer = clips.notes[:, 2, :3, 0]
    torch.testing.assert_close(dancer.diff(dim=1)[:, 0], clips.extra["beat_seen_s"], atol=1e-5, rtol=0)
    step = clips.notes[:, 0, :, 0].diff(dim=1) / clips.extra["beat_s"][:, None]
    step = step[step.isfinite()]
    assert (((step - 1).abs() < 1e-3) | ((step - 0.5).abs() < 1e-3)).all()


def test_moods_of_sound_and_picture_are_as_far_apart_as_the_errors():
    moods = music.draw_moods(4000)
    inner = abs(moods["mood"]).max(1) < 0.3  # away from the borders
    d = ((moods["heard"] - moods["seen"])[inner] ** 2).sum(1) ** 0.5
    assert d.mean() == pytest.approx(music.expected_error(), abs=0.04)


def test_faster_music_for_more_arousal():
    moods = music.draw_moods(500)
    high, low = moods["heard"][:, 0] > 0.5, moods["heard"][:, 0] < -0.5
    assert moods["beat_s"][high].max() < moods["beat_s"][low].min()


def test_plausible_counts_the_own_soundtrack():
    heard = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.1, 0.0]])
    seen = torch.tensor([[0.1, 0.0], [1.0, 1.0], [-1.0, -1.0]])
    assert music.n_plausible(heard, seen).tolist() == [2.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [({"clips": 0}, "at least 1 clip"), ({"clips": 1, "split": "windows_test"}, "expected a split")],
)
def test_bad_input_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        music.render_music(**arguments)


def test_audit():
    assert [row for row in audit_music() if not row["passed"]] == []
