"""A clip under its weights: the page is laid out, the bar of the segment that plays stands out."""

import numpy as np
import pytest
import torch

from avcl_teach.clips import Clips
from avcl_teach.show import attended
from avcl_teach.show.attended import attended_clip
from avcl_teach.show.players import Player


def two_clips():
    g = torch.Generator().manual_seed(0)
    frames = torch.randint(1, 255, (2, 16, 3, 32, 32), generator=g, dtype=torch.uint8)
    waveform = 0.3 * torch.randn(2, 1, 4000, generator=g)
    return Clips(frames, waveform, frame_rate_hz=8.0, sample_rate_hz=2000)


def test_shows_a_clip_with_sound_and_says_what_it_is():
    player = attended_clip(two_clips(), 1, torch.full((8,), 1 / 8), caption="All alike")
    assert "<video" in player.html
    assert "All alike" in player.html
    assert "no sound" not in player.html
    assert len(player.html) < 160_000  # noise; a clip of the world has a fifth of it


def test_page_dims_the_picture_draws_the_bars_and_frames_who_asks(monkeypatch):
    seen = {}

    def catch(clips, i, **how):
        seen["frames"] = clips.frames[i]
        return Player(how["caption"], summary="caught")

    monkeypatch.setattr(attended, "clip", catch)
    clips = two_clips()
    clips.frames[:] = 200
    weights = torch.tensor([0.4, 0.2, 0, 0, 0, 0, 0.4, 0])
    assert attended_clip(clips, 0, weights, asking=2, caption="x").html == "x"
    pages = seen["frames"].float()  # [time, 3, row, column]
    side = attended.SIDE_PX
    assert pages.shape[0] == 16
    small = side // 8
    inside = pages[:, :, -side + 20 : -20, 20 : side - 20].mean((1, 2, 3))
    assert inside[0].item() == pytest.approx(200, abs=2)  # the heaviest as it is
    assert inside[2].item() == pytest.approx(200 * (0.25 + 0.375), abs=2)
    assert inside[4].item() == pytest.approx(50, abs=2)  # nothing: a quarter of its light
    bars = pages[:, :, : attended.BARS_PX]
    middle = bars[:, :, -2, small // 2 :: small]  # [time, 3, segment], just above the foot
    blue, orange = (torch.tensor([int(c[k : k + 2], 16) for k in (1, 3, 5)]) for c in ("#0072B2", "#E69F00"))
    assert torch.allclose(middle[0, :, 0], orange.float(), atol=1)
    assert torch.allclose(middle[0, :, 6], blue.float(), atol=1)
    assert torch.allclose(middle[12, :, 6], orange.float(), atol=1)
    assert torch.allclose(middle[0, :, 3], torch.full((3,), 255.0), atol=1)  # no bar
    pictures = pages[0, :, attended.BARS_PX + attended.GAP_PX :][:, :small]
    corner = pictures[:, 0, ::small][:, :8]
    framed = (corner - torch.tensor([[213.0], [94.0], [0.0]])).abs().amax(0) < 2
    assert framed.tolist() == [k == 2 for k in range(8)]


def test_takes_arrays_and_refuses_what_does_not_fit():
    clips = two_clips()
    assert attended_clip(clips, 0, np.ones(4), caption="four")
    for weights in (torch.ones(3), torch.ones(2, 8), -torch.ones(8), torch.ones(0)):
        with pytest.raises((ValueError, TypeError)):
            attended_clip(clips, 0, weights, caption="x")
    with pytest.raises(ValueError, match="asks"):
        attended_clip(clips, 0, torch.ones(8), asking=8, caption="x")
