"""What a step sees, each a function of the step alone: its samples, random numbers and learning rate."""

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor


def derive_seed(seed: int, *path: int) -> int:
    """Return a 63-bit seed for one place (an epoch, a step) of a run seeded with `seed`."""
    low, high = np.random.SeedSequence([seed, *path]).generate_state(2, np.uint32)
    return int(low) | (int(high) & 0x7FFFFFFF) << 32


def epoch_order(n: int, *, seed: int, epoch: int) -> Int[Tensor, "n"]:
    """Return the order in which epoch number `epoch` visits `n` samples: a permutation."""
    generator = torch.Generator().manual_seed(derive_seed(seed, 0, epoch))
    return torch.randperm(n, generator=generator)


def batches(
    n: int, *, batch_size: int, seed: int, first_step: int, steps: int
) -> Iterator[Int[Tensor, "batch"]]:
    """Yield the sample indices of steps `first_step` to `steps - 1`.

    Every epoch is a new permutation, cut into whole batches; the rest (fewer than `batch_size`) is left
    out of that epoch. The batch of a step depends on seed and step alone, so a resumed run goes on with
    the same batches.

    Raises ValueError where `n` holds no whole batch.
    """
    if not 1 <= batch_size <= n:
        raise ValueError(f"expected 1 <= batch_size <= {n} (the number of samples), got {batch_size}")
    per_epoch, order, epoch = n // batch_size, None, -1
    for step in range(first_step, steps):
        if step // per_epoch != epoch:
            epoch = step // per_epoch
            order = epoch_order(n, seed=seed, epoch=epoch)
        i = step % per_epoch * batch_size
        yield order[i : i + batch_size]


def gather(data: Sequence[Any], index: Int[Tensor, "batch"], device: torch.device) -> tuple[Tensor, ...]:
    """Return the rows `index` of every array (tensor, NumPy array or memory map) on `device`."""
    rows = (
        x[index.to(x.device)] if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x[index.numpy()]))
        for x in data
    )
    return tuple(x.to(device, non_blocking=True) for x in rows)


def seed_step(seed: int, step: int) -> None:
    """Seed Python, NumPy and torch for one step, whatever ran before it."""
    s = derive_seed(seed, 1, step)
    random.seed(s)
    np.random.seed(s & 0xFFFFFFFF)
    torch.manual_seed(s)


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Give the caller's random generators (Python, NumPy, torch, CUDA) back as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def learning_rate(step: int, *, lr: float, steps: int, schedule: str = "cosine", warmup: int = 0) -> float:
    r"""Return the learning rate of a step.

    Linear warm-up: $\eta (s + 1) / (w + 1)$ for $s < w$. Then constant $\eta$, or the cosine
    $\tfrac12 \eta (1 + \cos(\pi (s - w) / (T - w)))$ with $T$ = `steps` (Loshchilov and Hutter 2017,
    "SGDR", without restarts).
    """
    if schedule not in ("cosine", "constant"):
        raise ValueError(f"expected schedule 'cosine' or 'constant', got {schedule!r}")
    if step < warmup:
        return lr * (step + 1) / (warmup + 1)
    if schedule == "constant":
        return lr
    return 0.5 * lr * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
