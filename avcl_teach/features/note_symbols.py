"""Notes as symbols: a performance written as a sequence that a decoder can write one symbol at a time."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class NoteSymbols:
    """Hold a vocabulary: n_slots symbols for when, n_degrees for how high, then start, stop and padding.

    A note is two symbols, when and how high; a performance is its notes in time, then the stop.
    Errors: ValueError for an empty vocabulary. Source: a small form of the event tokens of Foley Music (Gan
    et al. 2020). Lesson: 12.

    >>> names = NoteSymbols(n_slots=16)
    >>> names.start, names.stop, names.pad, len(names)
    (26, 27, 28, 29)
    """

    n_slots: int = 16
    n_degrees: int = 10

    def __post_init__(self) -> None:
        if self.n_slots < 1 or self.n_degrees < 1:
            raise ValueError(f"expected at least one slot and one degree, got {self}")

    def __len__(self) -> int:
        return self.n_slots + self.n_degrees + 3

    @property
    def start(self) -> int:
        """Return the symbol that opens a performance."""
        return self.n_slots + self.n_degrees

    @property
    def stop(self) -> int:
        """Return the symbol that ends it."""
        return self.start + 1

    @property
    def pad(self) -> int:
        """Return the symbol that fills up shorter ones."""
        return self.start + 2

    def write(self, notes: Float[Tensor, "clip note 4"], *, slots_hz: float) -> Int[Tensor, "clip position"]:
        """Turn notes (onset_s, duration_s, degree, velocity; NaN = none) into symbols, 2 notes + 1 long.

        An onset goes to the nearest of the slots, which follow each other slots_hz times a second. Errors:
        ValueError for onsets or degrees outside the vocabulary, or a missing note before another.
        """
        there = ~notes[..., 0].isnan()
        if bool((there[:, 1:] & ~there[:, :-1]).any()):
            raise ValueError("expected notes first and missing ones (NaN) after them")
        slot, degree = (notes[..., 0] * slots_hz).round(), notes[..., 2]
        fits = (slot >= 0) & (slot < self.n_slots) & (degree >= 0) & (degree < self.n_degrees)
        if bool((there & ~fits).any()):
            raise ValueError(f"expected slots below {self.n_slots} and degrees below {self.n_degrees}")
        pairs = torch.stack([slot, degree + self.n_slots], dim=-1)
        symbols = torch.where(there[..., None], pairs, self.pad).long().flatten(1)
        symbols = torch.cat([symbols, torch.full_like(symbols[:, :1], self.pad)], dim=1)
        return symbols.scatter(1, 2 * there.sum(1, keepdim=True), self.stop)

    def read(self, symbols: Int[Tensor, "clip position"]) -> list[set[tuple[int, int]]]:
        """Return the notes (slot, degree) of each row up to its stop; symbols out of turn are passed over.

        >>> sorted(NoteSymbols().read(torch.tensor([[3, 20, 20, 5, 16, 27, 6, 17]]))[0])
        [(3, 4), (5, 0)]
        """
        found = []
        for row in symbols.tolist():
            row = row[: row.index(self.stop)] if self.stop in row else row
            pairs = zip(row, row[1:], strict=False)
            found.append({(s, d - self.n_slots) for s, d in pairs if s < self.n_slots <= d < self.start})
        return found
