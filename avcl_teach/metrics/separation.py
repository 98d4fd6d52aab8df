"""How well sources were taken apart: SDR, SIR and SAR of BSS Eval, and SI-SDR. All in dB.

Rule for silence: where a reference of a clip is silent, the split into target and interference means
nothing: `bss_eval` gives NaN for every source of that clip. `si_sdr` looks at one source alone and gives NaN
for the silent one only. `mean_db` counts how many figures (not clips) it left out. A silent *estimate* is no
reason to skip: its figures are -inf. No search over permutations: who is who is what the picture is there to
say.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

FILTER_LENGTH = 512
_STEPS, _ENOUGH, _RIDGE = 12, 1e-10, 1e-6
_FLOOR = 1e-16  # of the estimate's energy: nothing is reported above 160 dB


class BssFigures(NamedTuple):
    """Hold signal to distortion, to interference and to artefacts, each [*batch, source] in dB."""

    sdr: Float[Tensor, "*batch source"]
    sir: Float[Tensor, "*batch source"]
    sar: Float[Tensor, "*batch source"]


def si_sdr(
    estimates: Float[Tensor, "*batch sample"], references: Float[Tensor, "*batch sample"]
) -> Float[Tensor, "*batch"]:
    r"""Return $10 \log_{10} \|\alpha s\|^2 / \|\alpha s - \hat s\|^2$, $\alpha = \hat s^\top s / \|s\|^2$, in
    dB.

    No mean is taken off. NaN where the reference is silent, -inf where the estimate is. Errors: ValueError
    for unequal shapes. Source: Le Roux et al. 2019. Lesson: 35.

    >>> si_sdr(torch.tensor([3.0, 1.0]), torch.tensor([2.0, 0.0]))  # 9 to 1
    tensor(9.5424)
    """
    y, s = _checked(estimates, references)
    energy = s.square().sum(-1)
    target = (y * s).sum(-1).square() / energy.clamp_min(1e-300)
    ratio = _db(target, y.square().sum(-1) - target, y.square().sum(-1))
    return torch.where(energy > 0, ratio, torch.nan).to(estimates.dtype)


def bss_eval(
    estimates: Float[Tensor, "*batch source sample"],
    references: Float[Tensor, "*batch source sample"],
    *,
    filter_length: int = FILTER_LENGTH,
) -> BssFigures:
    r"""Split each estimate into target, interference and artefacts, and compare their energies.

    $\hat s_n$ is projected on the $L$ delayed copies of its reference ($P_n$) and of all references ($P$):
    SDR $= \|P_n \hat s\|^2 / \|\hat s - P_n \hat s\|^2$, SIR $= \|P_n \hat s\|^2 / \|P \hat s - P_n \hat
    s\|^2$, SAR $= \|P \hat s\|^2 / \|\hat s - P \hat s\|^2$. The spaces are nested, so energies subtract and
    no projection is ever written out: $\|P \hat s\|^2 = D^\top G^{-1} D$ with the correlations $G$ of the
    copies and $D$ of copies with estimate, from FFTs in float64. A float32 Cholesky factor of G leads a few
    conjugate gradient steps in float64; where those do not settle, a float64 factor is taken.
    Estimates and references in the same order, at least L samples. Errors: ValueError for other shapes.
    Equal to mir_eval.separation.bss_eval_sources without permutations to 1e-3 dB (mostly 1e-6).
    Source: Vincent et al. 2006 (BSS Eval 3). Lesson: 35.
    """
    y, s = _checked(estimates, references)
    L = filter_length
    if y.ndim < 2 or L < 1 or y.shape[-1] < L:
        raise ValueError(f"expected [..., source, sample >= {L}] and L >= 1, got {list(y.shape)}")
    batch, (n, _) = y.shape[:-2], y.shape[-2:]
    y, s = y.flatten(0, -3) if batch else y[None], s.flatten(0, -3) if batch else s[None]
    silent = ~(s.square().sum(-1) > 0)
    s = torch.where(silent.any(-1)[:, None, None], torch.eye(n, s.shape[-1]).to(s), s)  # stands in; NaN below
    with _one_thread(y.device):
        r, d = _correlations(s, y, L)
        whole = torch.stack([_projected(*clip) for clip in zip(r, d, strict=True)])  # [clip, estimate]
        alone = [
            _projected(r[b, k : k + 1, k : k + 1], d[b, k : k + 1, k : k + 1])
            for b in range(len(y))
            for k in range(n)
        ]
    own = torch.cat(alone).view(len(y), n)
    energy = y.square().sum(-1)
    own = torch.minimum(own.clamp_min(0), energy)
    whole = torch.minimum(torch.maximum(whole, own), energy)
    found = (
        _db(own, energy - own, energy),
        _db(own, whole - own, energy),
        _db(whole, energy - whole, energy),
    )
    out = (torch.where(silent.any(-1, keepdim=True), torch.nan, x).view(*batch, n) for x in found)
    return BssFigures(*(x.to(estimates.dtype) for x in out))


def mean_db(values: Float[Tensor, "*shape"]) -> tuple[float, int]:
    """Return the mean of the figures that are there, and how many figures are not (NaN: silence).

    A clip of two sources, one reference silent, counts 2 from `bss_eval` and 1 from `si_sdr`. Errors:
    ValueError when none is there.
    """
    there = ~values.isnan()
    if not bool(there.any()):
        raise ValueError("expected at least one figure, got silence only")
    return float(values[there].double().mean()), int((~there).sum())


@contextlib.contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """Hold torch to one thread on a CPU, as LAPACK's own threads spin while torch's wait: 0.15 s for 0.64."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _correlations(s: Tensor, y: Tensor, L: int) -> tuple[Tensor, Tensor]:
    """Return r [clip, i, j, 2 L]: <s_i delayed by p, s_j delayed by q> at (p - q) mod 2 L, and
    d [clip, i, k, L]: <s_i delayed by p, y_k> at p."""
    n_fft = _fast_length(s.shape[-1] + L - 1)
    S, Y = torch.fft.rfft(s, n_fft), torch.fft.rfft(y, n_fft)
    c = torch.fft.irfft(S[:, :, None] * S[:, None].conj(), n_fft)  # c[t] = sum_u s_i[u + t] s_j[u]
    r = torch.zeros(*c.shape[:3], 2 * L, dtype=c.dtype, device=c.device)
    # <s_i(. - p), s_j(. - q)> = sum_u s_i[u - p] s_j[u - q] = c[q - p]
    r[..., :L] = torch.cat([c[..., :1], c[..., 1 - L :].flip(-1)], -1)[..., :L]
    r[..., L + 1 :] = c[..., 1:L].flip(-1)
    d = torch.fft.irfft(Y[:, None] * S[:, :, None].conj(), n_fft)[..., :L]
    return r, d


def _projected(r: Float[Tensor, "i j lags"], d: Float[Tensor, "i k lag"]) -> Float[Tensor, "k"]:
    """Return the energies D' G^-1 D, one for each right-hand side k."""
    r = r / (scale := r[0, 0, 0])
    D = (d / scale.sqrt()).transpose(1, 2).reshape(-1, d.shape[1])
    x, settled = _solve(r, D)
    x = x if settled else _solve_exactly(_gram(r), D)
    return 2 * (D * x).sum(0) - (x * _times(r, x)).sum(0)  # errs by the square of what x errs


def _gram(r: Float[Tensor, "i j lags"]) -> Float[Tensor, "row row"]:
    """Write G out: block i, j holds r[i, j, (p - q) mod 2 L] at row p, column q."""
    n, L = r.shape[0], r.shape[2] // 2
    along = torch.cat([r[..., :L].flip(-1), r[..., L + 1 :].flip(-1)], -1)  # lags L - 1 ... 1 - L
    blocks = along.unfold(-1, L, 1).flip(-2)  # row p starts at lag p
    return blocks.transpose(1, 2).reshape(n * L, n * L)


def _solve(r: Tensor, D: Tensor) -> tuple[Tensor, bool]:
    """Conjugate gradients in float64, led by a float32 Cholesky factor; and whether they have settled."""
    low = _gram(r.float())
    low.diagonal().mul_(1 + _RIDGE)
    led = _led_by(low)
    if led is None:
        return D, False
    x = led(D)
    res = D - _times(r, x)
    z = led(res)
    p, rz, target = z, (res * z).sum(0), (D * x).sum(0).abs().clamp_min(1e-300)
    for _ in range(_STEPS):
        if bool((rz <= _ENOUGH * target).all()):
            return x, True
        gp = _times(r, p)
        alpha = rz / (p * gp).sum(0).clamp_min(1e-300)
        x, res = x + alpha * p, res - alpha * gp
        z = led(res)
        new = (res * z).sum(0)
        p, rz = z + new / rz.clamp_min(1e-300) * p, new
    return x, False


def _led_by(low: Float[Tensor, "row row"]) -> Callable[[Tensor], Tensor] | None:
    """Factor a matrix in float32 and return its solver, or None where it is not positive."""
    if low.device.type != "cpu":
        factor, failed = torch.linalg.cholesky_ex(low)
        return None if failed else lambda v: torch.cholesky_solve(v.float(), factor).double()
    from scipy.linalg import lapack  # torch clears the other triangle, which takes as long again

    factor, failed = lapack.spotrf(low.numpy().T, lower=1, clean=0, overwrite_a=1)
    if failed:
        return None
    return lambda v: torch.from_numpy(lapack.spotrs(factor, v.float().numpy(), lower=1)[0]).double()


def _solve_exactly(G: Float[Tensor, "row row"], D: Float[Tensor, "row k"]) -> Float[Tensor, "row k"]:
    """Solve in float64, with the smallest ridge of 0, 1e-14, 1e-12 ... that lets Cholesky through."""
    diagonal = G.diagonal().amax()
    for ridge in (0.0, 1e-14, 1e-12, 1e-10, 1e-8):
        factor, failed = torch.linalg.cholesky_ex(G + torch.diag(ridge * diagonal.expand(len(G))))
        if not failed:
            break
    return torch.cholesky_solve(D, factor)


def _times(r: Float[Tensor, "i j lags"], x: Float[Tensor, "row k"]) -> Float[Tensor, "row k"]:
    """Multiply G with columns, by FFT: blocks are Toeplitz, r their circulant extension."""
    n, lags = r.shape[0], r.shape[2]
    X = torch.fft.rfft(x.view(n, lags // 2, -1).transpose(1, 2), lags)  # j, k, freq
    Y = (torch.fft.rfft(r)[:, :, None] * X).sum(1)
    return torch.fft.irfft(Y, lags)[..., : lags // 2].transpose(1, 2).reshape(x.shape)


def _checked(estimates: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    if estimates.shape != references.shape or not estimates.is_floating_point():
        raise ValueError(
            f"expected float estimates and references of one shape, got {list(estimates.shape)} "
            f"of {estimates.dtype} and {list(references.shape)}"
        )
    return estimates.double(), references.double()


def _db(signal: Tensor, rest: Tensor, energy: Tensor) -> Tensor:
    rest = torch.maximum(rest, _FLOOR * energy).clamp_min(1e-300)
    return torch.where(energy > 0, 10 * torch.log10(signal / rest), -torch.inf)


def _fast_length(n: int) -> int:
    """Return the least length of at least n whose only factors are 2, 3 and 5, and that is even."""
    best = 1 << (n - 1).bit_length()
    for three in (1, 3, 9, 27):
        for five in (1, 5, 25, 125, 625):
            odd = three * five
            best = min(best, 2 * odd << max(-(-n // (2 * odd)) - 1, 0).bit_length())
    return best
