"""Scores of generated speech: words a recogniser gets wrong, and how far spectra and envelopes lie apart."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Complex, Float
from torch import Tensor


class WordErrors(NamedTuple):
    """Count what turns a reference into what was heard: words exchanged, missing, added; ``n`` words."""

    substitutions: int
    deletions: int
    insertions: int
    n: int

    @property
    def rate(self) -> float:
        """Return WER = (S + D + I) / N: above 1 where more is added than is there."""
        return (self.substitutions + self.deletions + self.insertions) / self.n


def edit_table(reference: Sequence, heard: Sequence) -> list[list[int]]:
    """Fill the table of edit distances: d[i][j] = fewest edits from the first i words to the first j heard.

    d[i][0] = i, d[0][j] = j, d[i][j] = min(d[i-1][j-1] + [r_i != h_j], d[i-1][j] + 1, d[i][j-1] + 1).
    Source: Levenshtein 1966; Wagner and Fischer 1974. Lesson: 37.

    >>> edit_table("ab", "b")
    [[0, 1], [1, 1], [2, 1]]
    """
    d = [list(range(len(heard) + 1))]
    for i, r in enumerate(reference, 1):
        d.append([i])
        for j, h in enumerate(heard, 1):
            d[i].append(min(d[i - 1][j - 1] + (r != h), d[i - 1][j] + 1, d[i][j - 1] + 1))
    return d


def word_errors(references: Sequence[Sequence], heard: Sequence[Sequence]) -> WordErrors:
    """Count the errors of a whole set, from the cheapest alignment of each sentence with what was heard.

    Words may be strings or numbers; a string as a sentence would be read letter by letter and is refused.
    Errors are summed over sentences before they are divided: long sentences count for more. Where several
    alignments cost the same, S, D and I may be told apart differently; their sum may not.
    Errors: ValueError for lists of unequal length, sentences that are strings, or no words in the references.
    Source: definition of NIST's sclite; peer: jiwer. Lesson: 37.

    >>> word_errors([["bin", "blue", "now"]], [["bin", "now", "now", "now"]])
    WordErrors(substitutions=1, deletions=0, insertions=1, n=3)
    """
    if len(references) != len(heard):
        raise ValueError(f"expected one transcript a reference, got {len(references)} and {len(heard)}")
    if any(isinstance(words, str) for words in (*references, *heard)):
        raise ValueError("expected sentences as lists of words, got a string (split it first)")
    n = sum(len(words) for words in references)
    if n == 0:
        raise ValueError("expected at least one word in the references, got none")
    S = D = I = 0  # noqa: E741
    for r, h in zip(references, heard, strict=True):
        s, missing, added = _trace_back(r, h)
        S, D, I = S + s, D + missing, I + added  # noqa: E741
    return WordErrors(S, D, I, n)


def word_error_rate(references: Sequence[Sequence], heard: Sequence[Sequence]) -> float:
    """Return WER = (S + D + I) / N over a whole set; errors as `word_errors`. Lesson: 37.

    >>> word_error_rate([["a", "b"], ["c", "d"]], [["a", "b"], ["c"]])
    0.25
    """
    return word_errors(references, heard).rate


def _trace_back(reference: Sequence, heard: Sequence) -> tuple[int, int, int]:
    d, i, j = edit_table(reference, heard), len(reference), len(heard)
    S = D = I = 0  # noqa: E741
    while i or j:
        if i and j and d[i][j] == d[i - 1][j - 1] + (reference[i - 1] != heard[j - 1]):
            S, i, j = S + (reference[i - 1] != heard[j - 1]), i - 1, j - 1
        elif i and d[i][j] == d[i - 1][j] + 1:
            D, i = D + 1, i - 1
        else:
            I, j = I + 1, j - 1  # noqa: E741
    return S, D, I


def stft_distance(
    x: Float[Tensor, "*batch sample"],
    y: Float[Tensor, "*batch sample"],
    *,
    n_fft: int = 512,
    hop_length: int = 160,
) -> Float[Tensor, "*batch"]:
    """Return |X - Y|_F / sqrt(frames): the Euclidean distance of the complex spectra, a frame.

    Channels are added where the batch has them: call it on left and right and add. Phase counts: a sound
    turned upside down lies as far away as two sounds of no kinship. For white noise x of power s^2 against
    silence the square is near n_fft / 2 + 1 bins times s^2 times the sum of the squared window.
    Errors: ValueError for unequal shapes.
    Source: after Gao and Grauman 2019b, as used for FAIR-Play; scalings differ between papers, so say which.
    Lesson: 37.
    """
    X, Y = _spectra(x, y, n_fft=n_fft, hop_length=hop_length)
    return ((X - Y).abs().square().sum((-2, -1)) / X.shape[-1]).sqrt()


def log_stft_distance(
    x: Float[Tensor, "*batch sample"],
    y: Float[Tensor, "*batch sample"],
    *,
    n_fft: int = 256,
    hop_length: int = 80,
    eps: float = 1e-3,
) -> Float[Tensor, "*batch"]:
    """Return the mean of |ln(|X| + eps) - ln(|Y| + eps)|: phase does not count, a gain g costs near |ln g|.

    One eps for both sides: with two, silence against silence would cost |ln eps_x - ln eps_y|.
    Errors: ValueError for unequal shapes or eps <= 0. Source: the power loss of Mira et al. 2021. Lesson: 37.
    """
    if not eps > 0:
        raise ValueError(f"expected eps > 0, got {eps}")
    X, Y = _spectra(x, y, n_fft=n_fft, hop_length=hop_length)
    return ((X.abs() + eps).log() - (Y.abs() + eps).log()).abs().mean((-2, -1))


def envelope(x: Float[Tensor, "*batch sample"]) -> Float[Tensor, "*batch sample"]:
    """Return |x + i H x|, the modulus of the analytic signal: negative frequencies dropped, positive doubled.

    Of a cos(w t + phi) with whole periods in the window it is a at every sample. Source: Gabor 1946; peer:
    scipy.signal.hilbert. Lesson: 37.
    """
    n = x.shape[-1]
    keep = torch.zeros(n, device=x.device, dtype=x.dtype)
    keep[0] = 1
    keep[1 : (n + 1) // 2] = 2
    if n % 2 == 0:
        keep[n // 2] = 1
    return torch.fft.ifft(torch.fft.fft(x) * keep).abs()


def envelope_distance(
    x: Float[Tensor, "*batch sample"], y: Float[Tensor, "*batch sample"]
) -> Float[Tensor, "*batch"]:
    """Return the root mean square of the difference of both envelopes. Phase does not count, loudness does.

    Of two tones of amplitudes a and b, whole periods each, it is |a - b|. Errors: ValueError for unequal
    shapes. Source: after Morgado et al. 2018, who sum over channels. Lesson: 37.
    """
    _check_equal(x, y)
    return (envelope(x) - envelope(y)).square().mean(-1).sqrt()


def _spectra(x: Tensor, y: Tensor, *, n_fft: int, hop_length: int) -> tuple[Complex[Tensor, "..."], ...]:
    from avcl_teach.features.spectral import stft

    _check_equal(x, y)
    return tuple(stft(z, n_fft=n_fft, hop_length=hop_length) for z in (x, y))


def _check_equal(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape or not x.is_floating_point() or not y.is_floating_point():
        found = f"{x.dtype} {tuple(x.shape)} and {y.dtype} {tuple(y.shape)}"
        raise ValueError(f"expected two sounds of one shape, as floats, got {found}")
