"""How something is said: the pitch of a voice, how loud, how sure, step by step."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.features.spectral import log_mel

WINDOW_S = 0.1
LOWEST_HZ, HIGHEST_HZ, OCTAVE_COST = 60.0, 500.0, 0.05
FLOOR = 1e-7  # power of what counts as silence
MEL_FLOOR = 1e-3


def pitch_track(
    x: Float[Tensor, "clip sample"], *, sample_rate_hz: int = 8000, hop_s: float = 0.0625
) -> tuple[Float[Tensor, "clip window"], Float[Tensor, "clip window"]]:
    r"""Track the pitch of a voice by autocorrelation: (f0 in octaves above 100 Hz, how periodic, 0 ... 1).

    In windows of 0.1 s (Hann): $r(\tau) = \sum_n x_n x_{n+\tau} / \sum_n x_n^2$, divided by that of the
    window itself; f0 = rate / the best lag of 60 to 500 Hz, r there = how periodic. Where that is low, f0
    means nothing. A tone of period T has period 2 T too: a lag pays 0.05 an octave, so the shortest wins.
    Octaves are mistaken all the same now and then: no path through time is sought.
    Errors: ValueError for less than one window or a hop below one sample.
    Source: the autocorrelation method (Boersma 1993), without its candidates' path. Lesson: 32.
    """
    width, hop = round(WINDOW_S * sample_rate_hz), round(hop_s * sample_rate_hz)
    if hop < 1 or x.shape[-1] < width:
        raise ValueError(
            f"expected a hop of at least a sample and {WINDOW_S} s of sound or more, got {hop_s} s and "
            f"{x.shape[-1] / sample_rate_hz:g} s"
        )
    window = torch.hann_window(width, device=x.device)
    r = _autocorrelation(x.unfold(-1, width, hop) * window)
    r = r / _autocorrelation(window)
    low, high = int(sample_rate_hz / HIGHEST_HZ), int(sample_rate_hz / LOWEST_HZ)
    r = r[..., low : high + 1]
    lags = torch.arange(low, high + 1, device=x.device)
    lag = (r - OCTAVE_COST * lags.log2()).argmax(-1, keepdim=True)
    return (sample_rate_hz / lags[lag[..., 0]] / 100.0).log2(), r.gather(-1, lag)[..., 0].clamp(0, 1)


def prosody(
    x: Float[Tensor, "clip sample"], *, n_steps: int, sample_rate_hz: int = 8000, n_mels: int = 24
) -> Float[Tensor, "clip step feature"]:
    """Describe each step of a voice: pitch, periodicity, loudness (twice a step), and log-mel bands.

    Pitch is that above the clip's own mean (over windows, by their periodicity), in octaves, times the
    periodicity: no voice is known by it. Features: 2 x (pitch, periodicity, log power), n_mels bands, and how
    far into the sound the step lies (0 ... 1): the last syllable tells what the others do not.
    Errors: ValueError for a sound that does not divide into steps. Lesson: 32.
    """
    n = x.shape[-1]
    if n_steps < 1 or n % (2 * n_steps):
        raise ValueError(f"expected samples that divide into {2 * n_steps} half steps, got {n}")
    half_s = n / (2 * n_steps) / sample_rate_hz
    rest = round(WINDOW_S * sample_rate_hz) - n // (2 * n_steps)
    padded = torch.nn.functional.pad(x, (max(rest, 0) // 2, max(rest, 0) - max(rest, 0) // 2))
    f0, sure = pitch_track(padded, sample_rate_hz=sample_rate_hz, hop_s=half_s)
    f0, sure = f0[:, : 2 * n_steps], sure[:, : 2 * n_steps]
    middle = (f0 * sure).sum(1, keepdim=True) / sure.sum(1, keepdim=True).clamp_min(1e-6)
    power = (x.unflatten(1, (2 * n_steps, -1)).square().mean(-1) + FLOOR).log()
    told = torch.stack([(f0 - middle) * sure, sure, power], dim=-1)
    parts = x.unflatten(1, (n_steps, -1)).flatten(0, 1)
    mel = log_mel(parts, sample_rate_hz=sample_rate_hz, n_mels=n_mels, eps=MEL_FLOOR).mean(-1)
    when = torch.linspace(0, 1, n_steps, device=x.device).expand(len(x), -1)[..., None]
    told, mel = told.unflatten(1, (n_steps, 2)).flatten(2), mel.unflatten(0, (len(x), n_steps))
    return torch.cat([told, mel, when], dim=2)


def _autocorrelation(x: Float[Tensor, "*batch sample"]) -> Float[Tensor, "*batch lag"]:
    n = x.shape[-1]
    r = torch.fft.irfft(torch.fft.rfft(x, 2 * n).abs().square(), 2 * n)[..., :n]
    return r / r[..., :1].clamp_min(FLOOR)
