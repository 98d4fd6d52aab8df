"""What is compared of separation: BSS Eval without permutations, beside the two libraries that have it."""

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.side_by_side.case import FEW, Case, Run, agreement, faster

MIR_EVAL = "mir_eval, no permutations"
FAST = "fast_bss_eval, NumPy, exact, clip by clip"
PEERS = (MIR_EVAL, FAST)
SAMPLE_RATE_HZ, SOURCES = 11025, 2
SIZE = 10


def sources(n: int) -> tuple[Tensor, Tensor]:
    """Draw n clips of 4 s with two coloured noises, and estimates that leak and hiss."""
    g = torch.Generator().manual_seed(0)
    s = torch.randn(n, SOURCES, 4 * SAMPLE_RATE_HZ, generator=g)
    s = s + 0.9 * s.roll(1, -1) + 0.5 * s.roll(2, -1)
    y = s + 0.3 * s.flip(1) + 0.1 * torch.randn(s.shape, generator=g)
    return y, s


def _tensors(figures: list) -> tuple[Tensor, ...]:
    """Figures in dB, [clip, source] each, as one result."""
    return tuple(torch.tensor(np.array(x)) for x in zip(*figures, strict=True))


def mir_eval_run(y: Tensor, s: Tensor) -> Run:
    """Call mir_eval for each clip."""
    import warnings

    from mir_eval.separation import bss_eval_sources

    pairs = list(zip(s.double().numpy(), y.double().numpy(), strict=True))

    def run() -> tuple:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _tensors([bss_eval_sources(a, b, compute_permutation=False)[:3] for a, b in pairs])

    return run


@contextlib.contextmanager
def vectors_as_columns():
    """Let np.linalg.solve take a stack of vectors, as NumPy 1 did; fast_bss_eval 0.1.4 counts on it."""
    solve = np.linalg.solve

    def old(a, b):
        return solve(a, b[..., None])[..., 0] if b.ndim == a.ndim - 1 else solve(a, b)

    np.linalg.solve = old
    try:
        yield
    finally:
        np.linalg.solve = solve


def fast_run(y: Tensor, s: Tensor) -> Run:
    """Call fast_bss_eval's exact NumPy path for each clip: faster than all clips at once."""
    from fast_bss_eval import bss_eval_sources

    pairs = list(zip(s.double().numpy(), y.double().numpy(), strict=True))

    def run() -> tuple:
        with vectors_as_columns():
            return _tensors([bss_eval_sources(a, b, compute_permutation=False)[:3] for a, b in pairs])

    return run


def contenders(n: int) -> dict[str, Callable[[], Run]]:
    """Every way to the same figures, on min(n, 10) clips."""
    from avcl_teach.metrics.separation import bss_eval

    y, s = sources(min(n, SIZE))
    return {
        "bss_eval": lambda: lambda: tuple(bss_eval(y, s)),
        MIR_EVAL: lambda: mir_eval_run(y, s),
        FAST: lambda: fast_run(y, s),
    }


CASES = (
    Case(
        "bss_eval_10", "BSS Eval, 10 clips of 4 s",
        "10 clips, 2 sources, 44,100 samples, filters of 512 taps",
        SIZE, contenders,
        (
            faster("bss_eval", MIR_EVAL, 4.0, prototype=5.9),
            faster("bss_eval", FAST, 1.7, prototype=2.7),
            agreement("bss_eval", MIR_EVAL, 1e-4),  # of figures around 10 dB: 1e-3 dB
        ),
        MIR_EVAL, ("bss_eval", *PEERS), FEW,
    ),
)  # fmt: skip
