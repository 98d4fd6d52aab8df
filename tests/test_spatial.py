"""Metrics of two ears against closed forms."""

import math

import pytest
import torch

from avcl_teach.metrics.spatial import (
    ear_envelope_distance,
    ear_stft_distance,
    peak_normalised,
    side_accuracy,
    side_db,
)


def ears(n=2, seed=0):
    return torch.randn(n, 2, 3200, generator=torch.Generator().manual_seed(seed))


def test_own_peak_forgives_loudness_and_the_true_peak_does_not():
    y = ears()
    assert ear_stft_distance(0.5 * y, y).max() < 1e-6
    assert ear_envelope_distance(0.5 * y, y).max() < 1e-4
    # a copy at half: a quarter of the true one's power, over both ears
    half = ear_stft_distance(0.5 * y, y, own_peak=False)
    silent = ear_stft_distance(0 * y, y, own_peak=False)
    torch.testing.assert_close(half, silent / 4)
    halved, nothing = (ear_envelope_distance(k * y, y, own_peak=False) for k in (0.5, 0.0))
    torch.testing.assert_close(halved, nothing / 2)  # a root: not squared


def test_stft_distance_by_hand():
    x, y = ears(1, 1)[0], ears(1, 2)[0]
    x, y = x / x.abs().max(), y / y.abs().max()
    window = torch.hann_window(512)
    total = 0.0
    for c in range(2):
        X, Y = (
            torch.stft(z[c], 512, 160, window=window, center=True, pad_mode="constant", return_complex=True)
            for z in (x, y)
        )
        total += ((X.real - Y.real) ** 2 + (X.imag - Y.imag) ** 2).mean()
    torch.testing.assert_close(ear_stft_distance(x, y), total, rtol=1e-4, atol=1e-5)


def test_envelope_of_a_tone_is_flat():
    t = torch.arange(4000) / 8000
    tone = torch.cos(2 * math.pi * 500 * t)
    x, y = torch.stack([tone, tone]), torch.stack([tone, 0.25 * tone])
    # peaks are 1 on both sides: the right ear's envelopes differ by .75 everywhere, the left one's by 0
    assert ear_envelope_distance(x, y).item() == pytest.approx(0.75, abs=1e-3)


def test_both_ears_share_one_peak():
    x = torch.tensor([[0.0, 2.0, -4.0], [1.0, 1.0, 0.0]])
    assert peak_normalised(x).tolist() == [[0.0, 0.5, -1.0], [0.25, 0.25, 0.0]]
    assert peak_normalised(torch.zeros(2, 3)).abs().max() == 0


def test_side_in_decibels_and_its_share():
    x = torch.ones(4, 2, 10)
    x[0, 1] *= 2  # right, 6.02 dB
    x[1, 0] *= 2
    x[2, 1] *= 1.01  # leans too little to be counted
    torch.testing.assert_close(side_db(x)[:2], torch.tensor([6.0206, -6.0206]), rtol=1e-4, atol=0)
    assert side_accuracy(x, x) == 1
    assert side_accuracy(x.flip(1), x) == 0
    assert side_accuracy(x.mean(1, keepdim=True).expand_as(x), x) == 0.5
    assert math.isnan(side_accuracy(x[2:], x[2:]))


def test_bad_input():
    for metric in (ear_stft_distance, ear_envelope_distance):
        with pytest.raises(ValueError, match="two ears"):
            metric(torch.zeros(1, 1, 1000), torch.zeros(1, 1, 1000))
    with pytest.raises(ValueError, match="two ears"):
        side_accuracy(torch.zeros(2, 1, 10), torch.zeros(2, 1, 10))
