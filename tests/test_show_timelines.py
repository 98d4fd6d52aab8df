"""Bars of events on a time axis, and under the clip that plays."""

import matplotlib.pyplot as plt
import pytest
import torch

from avcl_teach.clips import Clips
from avcl_teach.show import timelines
from avcl_teach.show.players import Player

ROWS = {"truth": torch.tensor([0, 0, 2, 1]), "model": torch.tensor([2, 0, -1, 1])}
NAMES = ("drum", "flute")


def one_clip():
    g = torch.Generator().manual_seed(0)
    frames = torch.randint(1, 255, (1, 16, 3, 32, 32), generator=g, dtype=torch.uint8)
    return Clips(frames, 0.3 * torch.randn(1, 1, 4000, generator=g), frame_rate_hz=8.0, sample_rate_hz=2000)


def test_each_event_is_a_bar_with_its_name_at_its_time():
    _, ax = timelines.event_timeline(ROWS, names=NAMES, duration_s=2.0)
    bars = [(p.get_x(), p.get_width()) for p in ax.patches]
    assert bars == [(0.0, 1.0), (1.5, 0.5), (0.5, 0.5), (1.5, 0.5)]
    assert [t.get_text() for t in ax.texts] == ["drum", "flute", "drum", "flute"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["truth", "model"]
    plt.close("all")


def test_film_holds_picture_bars_and_a_line_that_moves(monkeypatch):
    seen = {}

    def catch(clips, i, **how):
        seen["clips"] = clips
        return Player(how["caption"], summary="caught")

    monkeypatch.setattr(timelines, "clip", catch)
    assert timelines.event_clip(one_clip(), 0, ROWS, names=NAMES, caption="x").html == "x"
    film = seen["clips"]
    assert film.frame_rate_hz == 16 and film.frames.shape[1] == 32 and film.duration_s == 2.0
    assert film.frames.shape[3] % 2 == 0 and film.frames.shape[4] == timelines.PAGE_PX
    foot = film.frames[0, :, :, timelines.PICTURE_PX + 4].float().mean(1)  # a row of the bars
    dark = [int(row.argmin()) for row in foot]
    left, right = (timelines.PAGE_PX * edge for edge in (timelines.LEFT, timelines.RIGHT_EDGE))
    expected = [left + (right - left) * (t + 0.5) / 32 for t in range(32)]
    assert all(abs(d - e) <= 2 for d, e in zip(dark, expected, strict=True))


def test_page_has_sound_and_stays_small():
    html = timelines.event_clip(one_clip(), 0, ROWS, names=NAMES, caption="A test").html
    assert "<video" in html and "no sound" not in html and len(html) < 300_000


def test_rows_must_be_of_one_length():
    with pytest.raises(ValueError, match="one length"):
        timelines.event_timeline({"a": ROWS["truth"], "b": ROWS["truth"][:3]}, names=NAMES, duration_s=1.0)
    with pytest.raises(ValueError, match="one length"):
        timelines.event_timeline({}, names=NAMES, duration_s=1.0)
    plt.close("all")
