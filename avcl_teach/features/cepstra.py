"""Mel-frequency cepstral coefficients: a log-mel spectrum as a few cosines over its bands."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.features.spectral import log_mel


def cosine_transform(n: int, *, n_coefficients: int | None = None) -> Float[Tensor, "coefficient n"]:
    """Return the orthonormal DCT-II: C[k, m] = s_k cos(pi k (m + 1/2) / n), s_0 = sqrt(1/n), else sqrt(2/n).

    Errors: ValueError unless 1 <= n_coefficients <= n. Lesson: 37.

    >>> cosine_transform(2)
    tensor([[ 0.7071,  0.7071],
            [ 0.7071, -0.7071]])
    """
    K = n if n_coefficients is None else n_coefficients
    if not 1 <= K <= n:
        raise ValueError(f"expected 1 <= n_coefficients <= {n}, got {K}")
    k, m = torch.arange(K, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    C = (math.pi * k * (m + 0.5) / n).cos() * math.sqrt(2 / n)
    C[0] /= math.sqrt(2)
    return C.float()


def mfcc(
    x: Float[Tensor, "*batch sample"],
    *,
    sample_rate_hz: int = 8000,
    n_fft: int = 256,
    hop_length: int = 80,
    n_mels: int = 32,
    n_coefficients: int = 13,
    eps: float = 1e-6,
) -> Float[Tensor, "*batch coefficient frame"]:
    """Return C log(M |X|^2 + eps): the first cosines of each log-mel spectrum, in nepers of power.

    Coefficient 0 is loudness (times sqrt(n_mels)), the next ones the coarse shape of the spectrum, where
    vowels lie; pitch is in those left out. Errors: those of `log_mel` and `cosine_transform`.
    Source: Davis and Mermelstein 1980. Lesson: 37.
    """
    L = log_mel(x, sample_rate_hz=sample_rate_hz, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, eps=eps)
    return cosine_transform(n_mels, n_coefficients=n_coefficients).to(L) @ L
