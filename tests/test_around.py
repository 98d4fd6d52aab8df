"""Panoramas small enough to keep: turning products is turning sound, and what magnitudes hide."""

import math

import pytest
import torch

from avcl_teach.comparison.around import around, evenly, heard, mel_products, turned_power
from avcl_teach.world.variants.panoramas import encode, rotate


def two_sources(seed=0):
    g = torch.Generator().manual_seed(seed)
    x = 0.1 * torch.randn(2, 2, 16000, generator=g)
    theta = 2 * math.pi * torch.rand(2, 2, 1, generator=g)
    return encode(x, theta.expand(2, 2, 16)).sum(1)


def test_turned_power_is_the_power_of_turned_sound():
    w = two_sources()
    for yaw in (0.3, -1.7, math.pi):
        turned = turned_power(mel_products(w), torch.full((2,), yaw))
        torch.testing.assert_close(turned, mel_products(rotate(w, yaw)), rtol=1e-3, atol=1e-3)


def test_turns_add_up_and_a_full_one_is_none():
    power = mel_products(two_sources(1))
    a, b = torch.tensor([0.4, 2.0]), torch.tensor([1.1, -0.7])
    torch.testing.assert_close(
        turned_power(turned_power(power, a), b), turned_power(power, a + b), rtol=1e-3, atol=1e-3
    )
    full = turned_power(power, torch.full((2,), 2 * math.pi))
    torch.testing.assert_close(full, power, rtol=1e-3, atol=1e-3)


def test_magnitudes_hide_left_and_right_and_front_and_back():
    x = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(2))
    products = {}
    for theta in (0.5, -0.5, math.pi - 0.5):
        products[theta] = mel_products(encode(x, torch.full((1, 16), theta)))
    left, right, back = (products[t] for t in (0.5, -0.5, math.pi - 0.5))
    torch.testing.assert_close(heard(left), heard(right), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(heard(left), heard(back), rtol=1e-3, atol=1e-4)
    intensity = heard(left, directions=True)[:, 3:]
    assert (intensity - heard(right, directions=True)[:, 3:]).abs().max() > 0.5
    # to the right of the listener: Y points left, so its intensity is -sin(theta)
    assert intensity[0, 0].median().item() == pytest.approx(-math.sin(0.5), abs=0.03)
    assert intensity[0, 1].median().item() == pytest.approx(math.cos(0.5), abs=0.03)


def test_views_are_spread_evenly():
    yaw = evenly(50, 4, torch.Generator().manual_seed(0))
    gaps = yaw.diff(dim=1).rad2deg()
    assert yaw.shape == (50, 4) and (gaps - 90).abs().max() <= 40
    assert torch.equal(yaw, evenly(50, 4, torch.Generator().manual_seed(0)))


def test_kept_panoramas_hold_what_they_say():
    clips = around(8, "test", seed=0)
    assert len(clips) == 8 and clips.frames.shape == (8, 4, 3, 32, 128)
    assert clips.power.shape == (8, 6, 32, 32) and clips.power.isfinite().all()
    assert (clips.sounding.sum(1) == 2).all() and (clips.power[:, 0] >= 0).all()
    assert torch.equal(clips[2:4].power, clips.power[2:4])
    assert len(clips.to("cpu")) == 8


def test_bad_input():
    with pytest.raises(ValueError, match="at least one"):
        around(0)
    with pytest.raises(ValueError, match="split"):
        around(2, "nowhere")
