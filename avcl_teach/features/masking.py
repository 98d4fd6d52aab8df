"""Masks on a spectrogram: rows of log-frequency, who wins a cell, and the way back to a sound."""

import functools
import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from avcl_teach.features.spectral import stft

N_FFT, HOP_LENGTH, N_ROWS = 512, 250, 64
_BASE = 21.0  # the grid y(u) = (21^((u + 1) / 2) - 11) / 10 runs from -1 to 1 with u
_TINY = 1e-8


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)
def log_rows(n_fft: int = N_FFT, n_rows: int = N_ROWS) -> Float[Tensor, "row freq"]:
    r"""Weights that read a spectrum of n_fft // 2 + 1 bins on rows of log-spaced frequency; each sums to 1.

    Row r is a triangle around bin $(21^{r/(R-1)} - 1) / 20 \cdot n/2$, as wide as the step to the next row
    and never narrower than one bin: low rows interpolate, high rows average. Errors: ValueError for fewer
    than 2 rows or a transform shorter than 4. Source: grid of Zhao et al. 2018 (The Sound of Pixels), which
    samples without averaging. Lesson: 35.
    """
    centre = _centres(n_fft, n_rows)
    step = torch.cat([centre[1:] - centre[:-1], centre[-1:] - centre[-2:-1]]).clamp_min(1.0)
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64)
    w = (1 - (bins - centre[:, None]).abs() / step[:, None]).clamp_min(0)
    return (w / w.sum(1, keepdim=True)).float()


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)
def bin_weights(n_fft: int = N_FFT, n_rows: int = N_ROWS) -> Float[Tensor, "freq row"]:
    """Weights that read values on log-spaced rows at every bin, linearly between rows; each bin's sum is 1.

    What lay between 0 and 1 stays there, as a mask must. Errors: as `log_rows`. Lesson: 35.
    """
    centre = _centres(n_fft, n_rows)
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64)
    j = (torch.searchsorted(centre, bins, right=True) - 1).clamp(0, n_rows - 2)
    u = ((bins - centre[j]) / (centre[j + 1] - centre[j])).clamp(0, 1)
    w = torch.zeros(len(bins), n_rows, dtype=torch.float64)
    at = torch.arange(len(bins))
    w[at, j], w[at, j + 1] = 1 - u, u
    return w.float()


def to_rows(
    S: Float[Tensor, "*batch freq frame"], *, n_rows: int = N_ROWS
) -> Float[Tensor, "*batch row frame"]:
    """Read magnitudes on log-spaced rows (`log_rows`). Lesson: 35."""
    return log_rows(2 * (S.shape[-2] - 1), n_rows).to(S) @ S


def to_bins(
    M: Float[Tensor, "*batch row frame"], *, n_fft: int = N_FFT, n_frames: int | None = None
) -> Float[Tensor, "*batch freq column"]:
    """Read a mask of rows at every bin (`bin_weights`); the last frame is held up to n_frames. Lesson: 35."""
    M = bin_weights(n_fft, M.shape[-2]).to(M) @ M
    more = (n_frames or M.shape[-1]) - M.shape[-1]
    if more < 0:
        raise ValueError(f"expected at least {M.shape[-1]} frames to fill, got {n_frames}")
    return torch.cat([M, M[..., -1:].expand(*M.shape[:-1], more)], -1) if more else M


def dominant_mask(S: Float[Tensor, "*batch source row frame"]) -> Float[Tensor, "*batch source row frame"]:
    r"""Give each cell to its loudest source: $M_n = 1[|S_n| \ge |S_m|\ \forall m]$.

    A partition but for exact ties, which all who tie get. Source: Zhao et al. 2018, the paper. Lesson: 35.

    >>> dominant_mask(torch.tensor([[[3.0, 1.0]], [[2.0, 1.0]]]))[..., 0, :].tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return (S.amax(-3, keepdim=True) <= S).to(S.dtype)


def half_mask(
    S: Float[Tensor, "*batch source row frame"], X: Float[Tensor, "*batch row frame"]
) -> Float[Tensor, "*batch source row frame"]:
    r"""Give a source the cells where it has more than half of the mixture: $M_n = 1[|S_n| > |X| / 2]$.

    Needs no other source, and is no partition: phases make |X| smaller than |S_1| + |S_2|, so that both or
    none may pass. Source: code released with Zhao et al. 2018. Lesson: 35.
    """
    return (X.unsqueeze(-3) / 2 < S).to(S.dtype)


def ratio_mask(
    S: Float[Tensor, "*batch source row frame"], X: Float[Tensor, "*batch row frame"], *, limit: float = 5.0
) -> Float[Tensor, "*batch source row frame"]:
    r"""Return $\min(|S_n| / |X|, \text{limit})$, which may exceed 1 where sources cancel.

    Source: Gao and Grauman 2019 (limit 5 there). Lesson: 35.
    """
    return (S / X.unsqueeze(-3).clamp_min(_TINY)).clamp_max(limit)


def masked_sound(
    X: Complex[Tensor, "*batch freq column"],
    M: Float[Tensor, "*batch row frame"],
    *,
    n_samples: int,
    hop_length: int = HOP_LENGTH,
) -> Float[Tensor, "*batch sample"]:
    """Keep of a mixture what a mask on rows lets through: istft(M X), with the mixture's phase.

    X as `features.stft` gives it; a mask of fewer frames is held at its end. Errors: ValueError for a mask
    with more frames than X. Lesson: 35.
    """
    n_fft = 2 * (X.shape[-2] - 1)
    Y = to_bins(M, n_fft=n_fft, n_frames=X.shape[-1]) * X
    w = torch.hann_window(n_fft, device=Y.device)
    y = torch.istft(Y.reshape(-1, *Y.shape[-2:]), n_fft, hop_length, window=w, length=n_samples)
    return y.reshape(*Y.shape[:-2], n_samples)


def spectra(x: Float[Tensor, "*batch sample"]) -> Complex[Tensor, "*batch freq frame"]:
    """Transform sounds as all separation here does: n_fft 512, hop 250 (2 s at 8 kHz: 65 frames)."""
    return stft(x, n_fft=N_FFT, hop_length=HOP_LENGTH)


def _centres(n_fft: int, n_rows: int) -> Tensor:
    if n_rows < 2 or n_fft < 4:
        raise ValueError(f"expected at least 2 rows and n_fft of at least 4, got {n_rows} and {n_fft}")
    t = torch.linspace(0, 1, n_rows, dtype=torch.float64)
    return ((t * math.log(_BASE)).exp() - 1) / (_BASE - 1) * (n_fft // 2)
