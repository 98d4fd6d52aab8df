"""Exercise 3 of lesson 16: run a memory over a batch of clips."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def run_memory(
    w: Float[Tensor, "clip n slot"], values: Float[Tensor, "clip n m"], asks: Bool[Tensor, "clip n"]
) -> Float[Tensor, "clip n m"]:
    """Write (unless the segment asks), then read, every clip from an empty memory."""
    return _run(w, values, asks)


def _run(w, values, asks, *, erase=1.0, read_first=False, write_all=False, start=None):
    M = torch.zeros(len(w), w.shape[2], values.shape[2]).to(values) if start is None else start
    reads = []
    for t in range(w.shape[1]):
        before = M
        strength = w[:, t] if write_all else torch.where(asks[:, t, None], 0.0, w[:, t])
        strength = strength[..., None]
        M = (1 - erase * strength) * M + strength * values[:, t, None]
        reads.append((w[:, t, None] @ (before if read_first else M))[:, 0])
    return torch.stack(reads, 1)


def clip_by_clip(w, values, asks):
    out = []
    for c in range(len(w)):
        M, reads = torch.zeros(w.shape[2], values.shape[2]).to(values), []
        for t in range(w.shape[1]):
            if not asks[c, t]:
                M = M - w[c, t][:, None] * M + torch.outer(w[c, t], values[c, t])
            reads.append(w[c, t] @ M)
        out.append(torch.stack(reads))
    return torch.stack(out)


def as_one_sum(w, values, asks):
    n = w.shape[1]
    strength = torch.where(asks[..., None], 0.0, w)
    out = []
    for t in range(n):
        shares = []
        for s in range(t + 1):
            kept = (1 - strength[:, s + 1 : t + 1]).prod(1)  # [clip, slot]
            shares.append((w[:, t] * kept * strength[:, s]).sum(-1))
        out.append((torch.stack(shares, 1)[..., None] * values[:, : t + 1]).sum(1))
    return torch.stack(out, 1)


def usual(g):
    w = (2 * torch.randn(3, 5, 4, generator=g)).softmax(-1)
    asks = torch.tensor([[0, 0, 1, 0, 1], [0, 1, 0, 0, 1], [1, 0, 0, 0, 0]]).bool()
    return w, torch.randn(3, 5, 2, generator=g), asks


def sharp_addresses(g):
    w = torch.eye(3)[torch.tensor([[0, 1, 0, 0], [2, 2, 1, 2]])]
    asks = torch.tensor([[0, 0, 0, 1], [0, 0, 0, 1]]).bool()
    return w, torch.randn(2, 4, 3, generator=g), asks


def nobody_asks(g):
    w, values, asks = usual(g)
    return w, values, torch.zeros_like(asks)


def one_clip(g):
    w, values, asks = usual(g)
    return w[:1], values[:1], asks[:1]


def not_reset_between_clips(w, values, asks):
    b, n = asks.shape
    return _run(w.reshape(1, b * n, -1), values.reshape(1, b * n, -1), asks.reshape(1, -1)).view_as(values)


def read_before_write(w, values, asks):
    return _run(w, values, asks, read_first=True)


def questions_are_stored(w, values, asks):
    return _run(w, values, asks, write_all=True)


def nothing_is_erased(w, values, asks):
    return _run(w, values, asks, erase=0.0)


def erase_sign(w, values, asks):
    return _run(w, values, asks, erase=-1.0)


def asks_turned_round(w, values, asks):
    return _run(w, values, ~asks)


def one_memory_for_the_batch(w, values, asks):
    M, reads = torch.zeros(w.shape[2], values.shape[2]).to(values), []
    for t in range(w.shape[1]):
        strength = torch.where(asks[:, t, None], 0.0, w[:, t])[..., None]
        M = ((1 - strength) * M + strength * values[:, t, None]).mean(0)
        reads.append(w[:, t] @ M)
    return torch.stack(reads, 1)


def reads_the_end(w, values, asks):
    strength = torch.where(asks[..., None], 0.0, w)
    M = torch.zeros(len(w), w.shape[2], values.shape[2]).to(values)
    for t in range(w.shape[1]):
        M = (1 - strength[:, t, :, None]) * M + strength[:, t, :, None] * values[:, t, None]
    return w @ M


def silent_unless_asked(w, values, asks):
    return torch.where(asks[..., None], _run(w, values, asks), 0.0)


def erased_but_not_stored(w, values, asks):
    """Let a segment that asks erase what it reads, and store nothing."""
    M, reads = torch.zeros(len(w), w.shape[2], values.shape[2]).to(values), []
    for t in range(w.shape[1]):
        reads_now = None
        if bool(asks[:, t].any()):
            reads_now = (w[:, t, None] @ M)[:, 0]
        keep = torch.where(asks[:, t, None], 0.0, w[:, t])[..., None]
        M = (1 - w[:, t, :, None]) * M + keep * values[:, t, None]
        now = (w[:, t, None] @ M)[:, 0]
        reads.append(now if reads_now is None else torch.where(asks[:, t, None], reads_now, now))
    return torch.stack(reads, 1)


RUNNING = Exercise(
    name="memory.run_memory",
    lesson="16",
    title="Run a memory over a batch of clips",
    stars=3,
    minutes=15,
    reference=run_memory,
    cases=(usual, sharp_addresses, nobody_asks, one_clip),
    mistakes=(
        Mistake(
            not_reset_between_clips,
            "The first clip is right and the later ones are not. What is in the memory when a clip begins?",
        ),
        Mistake(read_before_write, "The very first segment stores a value. What can it read in yours?"),
        Mistake(
            questions_are_stored, "After a question the memory should hold what it held before. Does yours?"
        ),
        Mistake(
            nothing_is_erased, "Write two values to one slot, one after the other. Which should a read find?"
        ),
        Mistake(erase_sign, "Write the same slot again and again: do the numbers stay within those written?"),
        Mistake(asks_turned_round, "Which segments store something in yours: those that ask or the others?"),
        Mistake(
            one_memory_for_the_batch,
            "Run one clip alone, then among others. Is its answer the same? How many memories do you hold?",
        ),
        Mistake(reads_the_end, "A segment in the middle reads: may it know what is written after it?"),
        Mistake(silent_unless_asked, "Every segment reads, also those that write. What do yours return?"),
        Mistake(
            erased_but_not_stored, "Ask the same question twice in a row. Is the second answer the first one?"
        ),
    ),
    alternatives=(clip_by_clip, as_one_sum),
    properties=(
        properties.permutation_equivariant(
            usual, arg=(0, 1, 2), hint="Clips do not know of each other: their order is that of the answers."
        ),
    ),
)
