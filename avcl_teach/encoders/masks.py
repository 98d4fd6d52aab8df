"""Who may look at whom: Bool masks, True = may look, that broadcast to [batch, head, query, key]."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def padding_mask(lengths: Int[Tensor, "batch"], n: int) -> Bool[Tensor, "batch 1 1 n"]:
    """Let every query look at the first lengths[b] of n keys, at nothing beyond.

    A length of 0 leaves a row without keys: attention then returns zeros.
    Errors: ValueError for lengths outside 0 ... n. Lesson: 10.

    >>> padding_mask(torch.tensor([1, 2]), 2).int().flatten(1).tolist()
    [[1, 0], [1, 1]]
    """
    if lengths.ndim != 1 or (len(lengths) and not 0 <= int(lengths.min()) <= int(lengths.max()) <= n):
        raise ValueError(f"expected lengths [batch] of 0 to {n}, got {lengths.tolist()}")
    return (torch.arange(n, device=lengths.device) < lengths[:, None])[:, None, None]


def causal_mask(n: int, *, device: torch.device | str | None = None) -> Bool[Tensor, "n n"]:
    """Let position i look at positions 0 ... i: itself and its past. Lesson: 12.

    >>> causal_mask(3).int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    return window_mask(n, past=n, future=0, device=device)


def window_mask(
    n: int, *, past: int, future: int, device: torch.device | str | None = None
) -> Bool[Tensor, "n n"]:
    """Let position i look at positions i - past ... i + future.

    Errors: ValueError for negative widths. Lessons: 11, 12, 16.

    >>> window_mask(3, past=1, future=0).int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    if past < 0 or future < 0:
        raise ValueError(f"expected past >= 0 and future >= 0, got {past} and {future}")
    i = torch.arange(n, device=device)
    ahead = i[None, :] - i[:, None]
    return (ahead >= -past) & (ahead <= future)


def check_mask(mask: Tensor | None, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless mask is None or Bool of a shape that broadcasts to [batch, head, query, key].

    Errors: ValueError that names both shapes, TypeError for a mask that is not Bool: numbers added to scores
    and numbers that say yes or no look alike and mean opposite things.
    """
    if mask is None:
        return
    if mask.dtype != torch.bool:
        raise TypeError(f"expected a Bool mask, True = may look, got {mask.dtype}")
    sizes = zip(reversed(mask.shape), reversed(shape), strict=False)
    if mask.ndim > len(shape) or any(m not in (1, n) for m, n in sizes):
        raise ValueError(
            f"expected a mask that broadcasts to [batch, head, query, key] = {list(shape)}, "
            f"got {list(mask.shape)}"
        )
