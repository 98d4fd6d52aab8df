"""What a long scene is made of, segment by segment: which pitches sound, and what moves where."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

BASE_HZ = 196.0


def tone_bands(
    x: Float[Tensor, "clip sample"],
    *,
    n_segments: int,
    sample_rate_hz: int = 8000,
    low_semitone: int = -12,
    n_bands: int = 46,
    eps: float = 1e-6,
) -> Float[Tensor, "clip segment band"]:
    """Measure the energy of each semitone in each segment, as its logarithm.

    Band k is a triangle of two semitones around 196 * 2^((low_semitone + k) / 12) Hz over the power spectrum
    of the segment (Hann window): two notes of one pitch look alike, whatever plays them, and a mel band is
    too wide for that. Errors: ValueError for segments that are not of equal length, or bands beyond half the
    sample rate. Lesson: 16.
    """
    if n_segments < 1 or x.shape[1] % n_segments:
        raise ValueError(f"expected segments of equal length, got {x.shape[1]} samples in {n_segments}")
    top_hz = BASE_HZ * 2 ** ((low_semitone + n_bands) / 12)
    if n_bands < 1 or top_hz > sample_rate_hz / 2:
        raise ValueError(f"expected bands up to {sample_rate_hz / 2:g} Hz, got {n_bands} up to {top_hz:.0f}")
    parts = x.unflatten(1, (n_segments, -1))
    n = parts.shape[-1]
    n_fft = 1 << (2 * n - 1).bit_length()
    window = torch.hann_window(n, device=x.device, dtype=x.dtype)
    X = torch.fft.rfft(parts * window, n_fft).abs().square()
    f_hz = torch.fft.rfftfreq(n_fft, 1 / sample_rate_hz, device=x.device)[1:]
    semitone = 12 * torch.log2(f_hz / BASE_HZ)
    band = low_semitone + torch.arange(n_bands, device=x.device)
    W = (1 - (semitone - band[:, None]).abs()).clamp_min(0)
    W = W / W.sum(1, keepdim=True).clamp_min(1e-9)
    return (X[..., 1:] @ W.T.to(x.dtype) + eps).log()


def place_motion(
    frames: UInt8[Tensor, "clip time 3 height width"],
    *,
    n_segments: int,
    places: Sequence[tuple[float, float]],
    side: float = 0.5,
) -> Float[Tensor, "clip segment place"]:
    """Measure how much moves around each place: mean |change from frame to frame|, in 0 ... 1.

    places: (x, y) in fractions of the picture; side: of the square around each, cut at the picture's edge.
    Errors: ValueError for frames that the segments do not divide, or no place. Lesson: 16.
    """
    n, t, _, h, w = frames.shape
    if n_segments < 1 or t % n_segments or not places:
        raise ValueError(f"expected {n_segments} segments that divide {t} frames, and at least one place")
    change = F.pad(frames.float().diff(dim=1).abs().mean(2) / 255, (0, 0, 0, 0, 1, 0))
    found = []
    for x, y in places:
        rows = slice(max(0, round((y - side / 2) * h)), min(h, round((y + side / 2) * h)))
        columns = slice(max(0, round((x - side / 2) * w)), min(w, round((x + side / 2) * w)))
        found.append(change[:, :, rows, columns].mean((-2, -1)))
    return torch.stack(found, -1).unflatten(1, (n_segments, -1)).mean(2)
