"""How loud things are: level of a stem, gates, noise at a signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.world.envelopes import smoothstep

NOMINAL_RMS = 0.025
"""RMS of a stem over the time its notes are held, before the gain of the scene."""
STEM_PEAK = 0.3
"""No stem peaks above this, so that three of them and their noise stay within 1."""
FADE_S = 0.008


def active_samples(
    notes: Float[np.ndarray, "... note four"],
    offset_s: Float[np.ndarray, "..."],
    *,
    sample_rate_hz: int,
    n_samples: int,
) -> Float[np.ndarray, "..."]:
    """Count the samples of the clip during which notes are held, at least one."""
    start = np.clip((notes[..., 0] + offset_s[..., None]) * sample_rate_hz, 0, n_samples)
    end = np.clip((notes[..., 0] + notes[..., 1] + offset_s[..., None]) * sample_rate_hz, 0, n_samples)
    return np.maximum(np.nansum(end - start, axis=-1), 1.0)


def levelled(
    x: Float[Tensor, "stem sample"], n_active: Float[Tensor, " stem"], gain_db: Float[Tensor, " stem"]
) -> Float[Tensor, "stem sample"]:
    """Scale stems to NOMINAL_RMS over ``n_active`` samples, then by their gain; never above STEM_PEAK."""
    rms = (x.square().sum(-1) / n_active).sqrt()
    factor = NOMINAL_RMS * 10.0 ** (gain_db / 20.0) / rms.clamp(min=1e-9)
    return x * torch.minimum(factor, STEM_PEAK / x.abs().amax(-1).clamp(min=1e-9))[:, None]


def gates(
    on: Float[Tensor, "stem interval two"], n_samples: int, *, sample_rate_hz: int
) -> Float[Tensor, "stem sample"]:
    """Open a gate in each interval of seconds, with fades of FADE_S inside it; NaN intervals stay shut."""
    t = (torch.arange(n_samples, device=on.device) + 0.5) / sample_rate_hz
    gate = torch.zeros(on.shape[0], n_samples, device=on.device)
    for interval in on.unbind(1):
        rows = interval.isfinite().all(1).nonzero()[:, 0]
        start, end = interval[rows].split(1, dim=1)
        gate[rows] += smoothstep((t - start) / FADE_S) * smoothstep((end - t) / FADE_S)
    return gate


def noise_scale(
    mixture: Float[Tensor, "clip sample"], snr_db: Float[Tensor, " clip"]
) -> Float[Tensor, "clip 1"]:
    """Return the RMS of the noise: ``snr_db`` below the mixture's, or below nominal when that is silent."""
    rms = mixture.square().mean(-1).sqrt()
    silent: Bool[Tensor, " clip"] = rms < 1e-7
    rms = torch.where(silent, torch.full_like(rms, NOMINAL_RMS), rms)
    return (rms * 10.0 ** (-snr_db / 20.0))[:, None]
