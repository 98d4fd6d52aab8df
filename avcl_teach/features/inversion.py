"""From a log-mel spectrogram back to a sound: spread the bands over the bins, then find phases that agree."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.features.spectral import mel_filters, stft

_TINY = 1e-12
_MOMENTUM = 0.99


@torch.no_grad()
def mel_to_power(
    M: Float[Tensor, "*batch mel frame"],
    *,
    sample_rate_hz: int = 8000,
    n_fft: int = 512,
    n_steps: int = 60,
    f_min_hz: float = 0.0,
    f_max_hz: float | None = None,
) -> Float[Tensor, "*batch freq frame"]:
    """Spread the power of mel bands over the bins of a spectrum: P >= 0 with W P close to M.

    From P = W'M the steps P <- P (W'M) / (W'W P) never raise |W P - M|^2 and never leave P >= 0. Bins that no
    band touches stay 0. There are fewer bands than bins, so harmonics within one band come back as one lump.
    Errors: ValueError for negative power, n_steps < 1, or impossible frequency limits.
    Source: Lee and Seung 2000 (the steps, one factor fixed). Lesson: 14.
    """
    if M.ndim < 2 or not M.is_floating_point() or not bool((M >= 0).all()):
        raise ValueError(f"expected power >= 0 as floats [..., mel, frame], got {M.dtype} {tuple(M.shape)}")
    if n_steps < 1:
        raise ValueError(f"expected n_steps >= 1, got {n_steps}")
    W = mel_filters(
        sample_rate_hz=sample_rate_hz, n_fft=n_fft, n_mels=M.shape[-2], f_min_hz=f_min_hz, f_max_hz=f_max_hz
    ).to(M)
    scale = M.amax((-2, -1), keepdim=True).clamp_min(_TINY)
    target = W.T @ (M / scale)
    P = target.clone()
    for _ in range(n_steps):
        P = P * target / (W.T @ (W @ P)).clamp_min(_TINY)
    return P * scale


@torch.no_grad()
def griffin_lim(
    S: Float[Tensor, "*batch freq frame"],
    *,
    n_fft: int = 512,
    hop_length: int = 128,
    n_steps: int = 32,
    seed: int = 0,
) -> Float[Tensor, "*batch sample"]:
    """Find a sound whose spectrum has the magnitudes S: (frame - 1) hop_length samples.

    From random phases, in turn: x = istft(S e^{i phi}), X = stft(x), phi = angle(X + (X - X_before) m),
    m = 0.99. Without m each step can only bring |X| closer to S; with it it gets there sooner. The phases
    drawn are the same for every call with one seed.
    Errors: ValueError for magnitudes below 0, another number of bins than n_fft // 2 + 1, fewer than 2
    frames, n_steps < 0, or hop_length > n_fft / 2.
    Source: Griffin and Lim 1984; momentum Perraudin et al. 2013. Lesson: 14.
    """
    if S.ndim < 2 or not S.is_floating_point() or S.shape[-2] != n_fft // 2 + 1 or S.shape[-1] < 2:
        raise ValueError(
            f"expected magnitudes as floats [..., {n_fft // 2 + 1} bins, >= 2 frames], got {S.dtype} "
            f"{tuple(S.shape)}"
        )
    if not bool((S >= 0).all()):
        raise ValueError(f"expected magnitudes >= 0, got {float(S.min()):.3g}")
    if n_steps < 0 or not 1 <= hop_length <= n_fft // 2:
        raise ValueError(f"expected n_steps >= 0 and hop_length <= {n_fft // 2}, got {n_steps}, {hop_length}")
    flat = S.float().flatten(0, -3) if S.ndim > 2 else S.float()[None]
    w = torch.hann_window(n_fft, device=S.device)
    g = torch.Generator().manual_seed(seed)
    phase = torch.rand(flat.shape[1:], generator=g).to(S.device) * 2 * torch.pi
    direction, before = torch.polar(torch.ones_like(phase), phase), 0.0
    for _ in range(n_steps):
        x = torch.istft(flat * direction, n_fft, hop_length, window=w)
        X = stft(x, n_fft=n_fft, hop_length=hop_length)
        ahead = X + _MOMENTUM * (X - before)
        direction, before = ahead / ahead.abs().clamp_min(_TINY), X
    x = torch.istft(flat * direction, n_fft, hop_length, window=w)
    return x.reshape(*S.shape[:-2], x.shape[-1])


def sound_from_log_mel(
    L: Float[Tensor, "*batch mel frame"],
    *,
    sample_rate_hz: int = 8000,
    n_fft: int = 512,
    hop_length: int = 128,
    n_steps: int = 32,
    f_min_hz: float = 0.0,
    f_max_hz: float | None = None,
    eps: float = 1e-6,
    seed: int = 0,
) -> Float[Tensor, "*batch sample"]:
    """Turn the result of `log_mel`, or of a network that imitates it, into a sound.

    `mel_to_power` of exp(L) - eps (never below 0), then `griffin_lim` of its square root; other arguments
    as `log_mel` was given. Errors: those of both, and ValueError for NaN or infinite values. Lesson: 14.
    """
    if not bool(torch.isfinite(L).all()):
        raise ValueError("expected a finite log-mel spectrogram, got NaN or infinite values")
    P = mel_to_power(
        (L.float().exp() - eps).clamp_min(0), sample_rate_hz=sample_rate_hz, n_fft=n_fft, f_min_hz=f_min_hz,
        f_max_hz=f_max_hz,
    )  # fmt: skip
    return griffin_lim(P.sqrt(), n_fft=n_fft, hop_length=hop_length, n_steps=n_steps, seed=seed)
