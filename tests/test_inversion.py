"""Log-mel to sound: what comes back, how well, against librosa, and what is refused."""

import numpy as np
import pytest
import torch

from avcl_teach.features import log_mel, mel_filters, stft
from avcl_teach.features.inversion import griffin_lim, mel_to_power, sound_from_log_mel

T = torch.arange(4096) / 8000


def tones():
    """Three sounds: a tone, a chord that fades, a sweep."""
    chord = sum(torch.sin(2 * torch.pi * f * T) for f in (260.0, 390.0, 1040.0)) / 3 * torch.exp(-4 * T)
    sweep = torch.sin(2 * torch.pi * (500 * T + 1500 * T**2))
    return torch.stack([torch.sin(2 * torch.pi * 700 * T), chord, sweep])


def error_db(L, L_again, *, within_db=30.0):
    """Mean difference in dB of the bands within 30 dB of the loudest."""
    loud = (L.max() - L) * 4.343 < within_db
    return float((L - L_again).abs()[loud].mean() * 4.343)


def test_spread_power_falls_back_onto_its_bands_and_is_never_negative():
    W = mel_filters(sample_rate_hz=8000, n_fft=512, n_mels=32)
    M = log_mel(tones(), n_mels=32).exp()
    P = mel_to_power(M)
    assert P.shape == (3, 257, 33) and P.min() >= 0
    errors = [
        float((W @ mel_to_power(M, n_steps=n) - M).norm() / M.norm()) for n in (1, 5, 25, 60)
    ]  # the steps never raise it
    assert sorted(errors, reverse=True) == errors and errors[-1] < 0.05
    assert torch.equal(mel_to_power(torch.zeros(4, 6), n_fft=64), torch.zeros(33, 6))


def test_power_scales_with_its_bands():
    M = log_mel(tones(), n_mels=32).exp()
    torch.testing.assert_close(mel_to_power(1024 * M), 1024 * mel_to_power(M))  # a power of 2: exact


def test_true_magnitudes_bring_back_a_sound_with_the_same_spectrum():
    x = tones()
    S = stft(x).abs()
    y = griffin_lim(S, n_steps=60)
    assert y.shape == (3, 32 * 128)
    errors = [float((stft(griffin_lim(S, n_steps=n)).abs() - S).norm() / S.norm()) for n in (0, 8, 60)]
    assert errors[0] > 0.4 > errors[1] > errors[2] and errors[2] < 0.12


def test_log_mel_comes_back_within_2_db_and_pitch_is_kept():
    x = tones()
    L = log_mel(x, n_mels=32)
    y = sound_from_log_mel(L)
    assert error_db(L, log_mel(y, n_mels=32)) < 2.0
    loudest_hz = torch.fft.rfft(y[0]).abs().argmax() * 8000 / y.shape[1]
    assert abs(float(loudest_hz) - 700) < 40  # a band is about 70 Hz wide there


def test_it_is_no_worse_than_librosa():
    librosa = pytest.importorskip("librosa")
    L = log_mel(tones()[1:2], n_mels=32)
    S = librosa.feature.inverse.mel_to_stft(L[0].exp().numpy(), sr=8000, n_fft=512, power=2.0)
    y = librosa.griffinlim(S, n_iter=32, hop_length=128, n_fft=512, random_state=0)
    theirs = log_mel(torch.from_numpy(y.astype(np.float32))[None], n_mels=32)
    assert error_db(L, log_mel(sound_from_log_mel(L), n_mels=32)) < error_db(L, theirs) + 0.2


def test_silence_comes_back_as_silence_and_seeds_repeat():
    L = torch.full((2, 32, 5), float(np.log(1e-6)))
    assert sound_from_log_mel(L).abs().max() < 1e-5
    L = log_mel(tones(), n_mels=32)
    assert torch.equal(sound_from_log_mel(L, seed=3), sound_from_log_mel(L, seed=3))
    assert not torch.equal(sound_from_log_mel(L, seed=3), sound_from_log_mel(L, seed=4))


def test_one_spectrogram_is_a_row_of_a_batch():
    L = log_mel(tones(), n_mels=32)
    alone, batch = sound_from_log_mel(L[1]), sound_from_log_mel(L[None])
    assert alone.ndim == 1 and batch.shape == (1, 3, 4096)
    torch.testing.assert_close(alone, batch[0, 1], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mel_to_power(-torch.ones(32, 4)), "power >= 0"),
        (lambda: mel_to_power(torch.ones(32, 4), n_steps=0), "n_steps >= 1"),
        (lambda: griffin_lim(torch.ones(257, 1)), ">= 2 frames"),
        (lambda: griffin_lim(torch.ones(256, 4)), "257 bins"),
        (lambda: griffin_lim(-torch.ones(257, 4)), "magnitudes >= 0"),
        (lambda: griffin_lim(torch.ones(257, 4), hop_length=300), "hop_length <= 256"),
        (lambda: griffin_lim(torch.ones(257, 4), n_steps=-1), "n_steps >= 0"),
        (lambda: sound_from_log_mel(torch.full((32, 4), float("nan"))), "finite"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
