"""Two ears: closed forms of delay and level, exact mirror images, and the audit."""

import dataclasses
import math

import pytest
import torch

from avcl_teach import world
from avcl_teach.world.variants import two_ears, two_ears_audit
from avcl_teach.world.variants.two_ears import azimuth_of, delay_s, hold, level_db, mirror, pan, pan_moving
from avcl_teach.world.variants.two_ears_audit import checks


@pytest.fixture(scope="module")
def clips():
    return two_ears.render_two_ears(6, preset="easy", split="test", layout="scene", masks=True)


def test_the_edge_of_the_picture_is_60_degrees_and_the_head_delays_by_5_samples_at_most():
    assert azimuth_of(torch.tensor([0.0, 0.25, 1.0])).rad2deg().tolist() == pytest.approx([-60, -30, 60])
    right = torch.tensor(math.pi / 2)
    assert delay_s(right).item() == pytest.approx(0.0875 / 343 * (math.pi / 2 + 1))
    assert delay_s(azimuth_of(torch.tensor(1.0))).item() * 8000 < 5
    assert delay_s(-right) == -delay_s(right)


def test_level_rises_with_frequency_to_6_db_times_sine():
    f = torch.tensor([0.0, 750.0, 1500.0, 4000.0])
    assert level_db(torch.tensor(math.pi / 2), f).tolist() == pytest.approx([1.2, 3.6, 6.0, 6.0])
    assert level_db(torch.tensor(math.pi / 6), f)[-1].item() == pytest.approx(3.0)
    assert level_db(torch.tensor(0.0), f).abs().max() == 0


def test_a_tone_arrives_with_the_delay_and_the_level_of_its_frequency():
    theta, f = torch.tensor(0.8, dtype=torch.float64), 1000.0
    t = torch.arange(8000, dtype=torch.float64) / 8000
    left, right = pan(torch.sin(2 * math.pi * f * t), theta)[:, 1000:7000]
    window = torch.hann_window(6000, dtype=torch.float64)
    turn = torch.polar(window, 2 * math.pi * f * t[1000:7000].neg())
    L, R = (left * turn).sum(), (right * turn).sum()
    assert (R / L).angle().item() == pytest.approx(2 * math.pi * f * delay_s(theta).item(), abs=1e-4)
    wanted = level_db(theta, torch.tensor([f], dtype=torch.float64)).item()
    assert 20 * math.log10((R / L).abs().item()) == pytest.approx(wanted, abs=1e-3)


def test_straight_ahead_both_ears_hear_the_source_itself():
    x = torch.randn(3, 4000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pan(x, torch.zeros(3)), x[:, None].expand(3, 2, 4000), atol=1e-5, rtol=0)


def test_the_other_side_swaps_the_ears():
    x = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    theta = torch.tensor([0.7])
    torch.testing.assert_close(pan(x, theta).flip(1), pan(x, -theta))


def test_a_source_that_stays_is_panned_the_same_by_windows():
    x = torch.zeros(2, 8000, dtype=torch.float64)
    x[:, 1000:7000] = torch.randn(2, 6000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theta = torch.tensor([-0.4, 0.9], dtype=torch.float64)
    moving = pan_moving(x, theta[:, None].expand(2, 8))
    whole = pan(x, theta)
    error = (moving - whole).square().mean().sqrt() / whole.square().mean().sqrt()
    assert error < 0.02  # each window's delayed tail is cut 2 ms after it


def test_a_source_that_crosses_is_first_left_then_right():
    x = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    ears = pan_moving(x[None], torch.linspace(-1, 1, 16)[None])[0]
    power = ears.square().unflatten(-1, (4, 4000)).mean(-1)
    assert power[0, 0] > power[1, 0] and power[1, 3] > power[0, 3]
    with pytest.raises(ValueError, match="without NaN"):
        pan_moving(x[None], torch.full((1, 16), float("nan")))


def test_hold_keeps_the_last_place():
    nan = float("nan")
    x = torch.tensor([[nan, 1.0, nan, 3.0, nan], [nan] * 5])
    assert hold(x)[0].tolist() == [1, 1, 1, 3, 3] and hold(x)[1].isnan().all()


def test_clips_have_two_channels_that_are_the_sum_of_their_stems(clips):
    assert clips.waveform.shape[1] == 2 and clips.stem.shape[2] == 2
    torch.testing.assert_close(clips.waveform, clips.stem.sum(1) + clips.extra["noise"])
    mono = world.render(6, preset="easy", split="test", layout="scene")
    assert torch.equal(mono.frames, clips.frames)
    levels = clips.extra["noise"].square().mean(-1)
    torch.testing.assert_close(levels[:, 0], levels[:, 1])
    k = clips.centre.shape[2] // 2
    seen = ~clips.centre[:, :, k, 0].isnan()
    wanted = azimuth_of(clips.centre[:, :, k, 0])[seen]
    torch.testing.assert_close(clips.extra["azimuth"][:, :, k][seen], wanted)


def test_the_mirror_is_its_own_inverse_and_turns_the_difference_of_the_ears_round(clips):
    turned = mirror(clips)
    difference = clips.waveform[:, 0] - clips.waveform[:, 1]
    assert torch.equal(turned.waveform[:, 0] - turned.waveform[:, 1], -difference)
    torch.testing.assert_close(
        azimuth_of(turned.centre[..., 0]), -azimuth_of(clips.centre[..., 0]), equal_nan=True
    )
    back = mirror(turned)
    assert torch.equal(back.frames, clips.frames) and torch.equal(back.mask, clips.mask)
    torch.testing.assert_close(back.box, clips.box, equal_nan=True)


def test_the_cache_gives_the_same_clips_and_bad_input_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("AVCL_CACHE", str(tmp_path))
    first, again = (two_ears.load_two_ears(2, preset="easy", layout="solo", size_px=16) for _ in range(2))
    assert torch.equal(first.waveform, again.waveform) and len(list((tmp_path / "world").iterdir())) == 1
    mono = world.render(1, preset="easy", size_px=16, stems=False)
    with pytest.raises(ValueError, match="stems=True"):
        two_ears.to_two_ears(mono)
    with pytest.raises(ValueError, match="two channels, got 1"):
        mirror(mono)


def test_the_audit_passes():
    rows = checks()
    assert all(row["passed"] for row in rows), rows


def spoilt(monkeypatch, change):
    """Run the audit over clips that are changed after they are loaded; return the names of failed rows."""
    load = two_ears_audit.load_two_ears
    monkeypatch.setattr(two_ears_audit, "load_two_ears", lambda *a, **options: change(load(*a, **options)))
    return [row["name"] for row in checks() if not row["passed"]]


def test_the_audit_catches_ears_that_are_swapped(monkeypatch):
    failed = spoilt(monkeypatch, lambda c: dataclasses.replace(c, waveform=c.waveform.flip(1)))
    assert failed == ["right ear louder on the right"]


def test_the_audit_catches_one_sound_for_both_ears(monkeypatch):
    def both(clips):
        return dataclasses.replace(clips, waveform=clips.waveform.mean(1, keepdim=True).expand(-1, 2, -1))

    assert spoilt(monkeypatch, both) == ["right ear louder on the right"]


def test_the_audit_catches_a_side_that_the_sum_tells(monkeypatch):
    def leak(clips):
        gain = 1 + 3.0 * torch.from_numpy(two_ears_audit.side_of(clips))[:, None, None]
        return dataclasses.replace(clips, waveform=clips.waveform * gain)

    assert spoilt(monkeypatch, leak) == ["side from the sum of both ears"]
