"""How far generated two-eared sound is from the true one, and whether it comes from the right side."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.metrics.speech import envelope

N_FFT, HOP_LENGTH = 512, 160


def peak_normalised(x: Float[Tensor, "*batch channel sample"]) -> Float[Tensor, "*batch channel sample"]:
    """Divide a clip, both channels together, by its largest magnitude."""
    return x / x.abs().amax((-2, -1), keepdim=True).clamp_min(1e-8)


def ear_stft_distance(
    found: Float[Tensor, "*batch ear sample"],
    true: Float[Tensor, "*batch ear sample"],
    *,
    own_peak: bool = True,
) -> Float[Tensor, "*batch"]:
    """Return the sum over ears of the mean squared difference of real and of imaginary parts.

    sum_c mean_{f,t} [(Re X_c - Re Y_c)^2 + (Im X_c - Im Y_c)^2] with a Hann window of 512, a hop of 160.
    With `own_peak` both signals are divided by their OWN peak first, as released code does: a copy at
    half the loudness then scores 0, and a wrong peak costs everywhere. Without it both are divided by the
    true one's.
    Errors: ValueError for unequal shapes. Source: evaluation of 2.5D Visual Sound (Gao and Grauman 2019b),
    FAIR-Play's STFT. Lesson: 39.
    """
    x, y = _scaled(found, true, own_peak)
    from avcl_teach.features.spectral import stft

    X, Y = (stft(z, n_fft=N_FFT, hop_length=HOP_LENGTH) for z in (x, y))
    return (X - Y).abs().square().mean((-2, -1)).sum(-1)


def ear_envelope_distance(
    found: Float[Tensor, "*batch ear sample"],
    true: Float[Tensor, "*batch ear sample"],
    *,
    own_peak: bool = True,
) -> Float[Tensor, "*batch"]:
    """Return the sum over ears of the root mean square difference of Hilbert envelopes: not squared, unlike
    `ear_stft_distance`.

    Errors: ValueError for unequal shapes. Source: as `ear_stft_distance`, FAIR-Play's ENV. Lesson: 39.
    """
    x, y = _scaled(found, true, own_peak)
    return (envelope(x) - envelope(y)).square().mean(-1).sqrt().sum(-1)


def side_db(x: Float[Tensor, "*batch 2 sample"]) -> Float[Tensor, "*batch"]:
    """Return how much louder the right ear hears, in decibels."""
    power = x.square().mean(-1) + 1e-12
    return 10 * torch.log10(power[..., 1] / power[..., 0])


def side_accuracy(
    found: Float[Tensor, "batch ear sample"],
    true: Float[Tensor, "batch ear sample"],
    *,
    least_db: float = 1.0,
) -> float:
    """Return the share of clips that come from the right side, among those that truly lean by `least_db`.

    A tie (mono) counts one half, so mono scores .5. NaN where no clip leans. Errors: ValueError for unequal
    shapes. Lesson: 39.
    """
    _check(found, true)
    wanted, got = side_db(true), side_db(found)
    leans = wanted.abs() >= least_db
    right = (got.sign() == wanted.sign()).double() + 0.5 * (got.abs() < 1e-6).double()
    return float(right[leans].mean())


def _scaled(found: Tensor, true: Tensor, own_peak: bool) -> tuple[Tensor, Tensor]:
    _check(found, true)
    if own_peak:
        return peak_normalised(found), peak_normalised(true)
    peak = true.abs().amax((-2, -1), keepdim=True).clamp_min(1e-8)
    return found / peak, true / peak


def _check(found: Tensor, true: Tensor) -> None:
    if found.shape != true.shape or found.ndim < 2 or found.shape[-2] != 2:
        raise ValueError(f"expected two ears on both sides, got {tuple(found.shape)} and {tuple(true.shape)}")
