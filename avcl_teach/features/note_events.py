"""Music as events: note on, note off, wait, how loud. What a player would send to an instrument."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class NoteEvents:
    """Hold a vocabulary: n_degrees on, n_degrees off, waits of 1 ... n_waits units, n_levels of loudness.

    Then start, stop and padding. A performance is its events in time: waits add up until something happens; a
    level holds until the next; notes end by their own off. With `offs` False nothing ends a note (a struck
    bar dies away by itself): it is read as 0.9 of the time to the next one, half a second at most. With
    n_levels 0 loudness is not written, and read as 0.7. Errors: ValueError for an empty vocabulary.
    Source: the events of Foley Music (Gan et al. 2020) and Performance RNN (Oore et al. 2018), there 88 keys,
    32 waits that grow by 15 %, and 32 levels. Lesson: 38.

    >>> events = NoteEvents()
    >>> len(events), events.off(0), events.wait(1), events.level(0), events.start
    (42, 10, 20, 36, 39)
    """

    n_degrees: int = 10
    n_waits: int = 16
    n_levels: int = 3
    unit_s: float = 0.05
    offs: bool = True

    def __post_init__(self) -> None:
        if min(self.n_degrees, self.n_waits, self.n_levels + 1) < 1 or not self.unit_s > 0:
            raise ValueError(f"expected at least one of each event and a unit above 0, got {self}")

    def __len__(self) -> int:
        return self.pad + 1

    def off(self, degree: int) -> int:
        """Return the event that ends a degree; the one that begins it is the degree itself."""
        return self.n_degrees + degree

    def wait(self, units: int) -> int:
        """Return the event that waits for some units, 1 ... n_waits."""
        return (1 + self.offs) * self.n_degrees + units - 1

    def level(self, k: int) -> int:
        """Return the event that sets the loudness of what follows."""
        return self.wait(self.n_waits + 1) + k

    @property
    def start(self) -> int:
        """Return the event that opens a performance."""
        return self.level(self.n_levels)

    @property
    def stop(self) -> int:
        """Return the event that ends it."""
        return self.start + 1

    @property
    def pad(self) -> int:
        """Return the event that fills up shorter ones."""
        return self.start + 2

    def name(self, event: int) -> str:
        """Say an event in words.

        >>> [NoteEvents().name(k) for k in (3, 13, 22, 37)]
        ['on 3', 'off 3', 'wait 0.15 s', 'level 1']
        """
        last = ("start", "stop", "pad")
        if event >= self.start:
            return last[event - self.start]
        if event >= self.level(0):
            return f"level {event - self.level(0)}"
        if event >= self.wait(1):
            return f"wait {(event - self.wait(0)) * self.unit_s:.2f} s"
        return f"on {event}" if event < self.n_degrees else f"off {event - self.n_degrees}"

    def elapsed(self, events: Int[Tensor, "clip position"]) -> Int[Tensor, "clip position"]:
        """Return how many units the waits up to and including each event have made.

        >>> NoteEvents().elapsed(torch.tensor([[3, 20, 5, 22]]))
        tensor([[0, 1, 1, 4]])
        """
        waits = (events >= self.wait(1)) & (events < self.level(0))
        return torch.where(waits, events - self.wait(0), 0).cumsum(1)

    def write(self, notes: Float[Tensor, "clip note 4"]) -> Int[Tensor, "clip position"]:
        """Turn notes (onset_s, duration_s, degree, velocity; NaN = none) into events, stop and padding.

        Times go to the nearest unit; a note is at least one unit long. Errors: ValueError for degrees or
        velocities outside the vocabulary, and for onsets below 0.
        """
        rows = [self._write(clip[~clip[:, 0].isnan()].tolist()) for clip in notes]
        longest = max(map(len, rows))
        return torch.tensor([row + [self.pad] * (longest - len(row)) for row in rows])

    def _write(self, notes: list[list[float]]) -> list[int]:
        happenings = []
        for onset, duration, degree, velocity in notes:
            d = int(degree)
            if not (0 <= d < self.n_degrees and 0 <= velocity <= 1 and onset >= 0):
                raise ValueError(
                    f"expected onsets from 0, degrees below {self.n_degrees} and velocities in 0 ... 1, got "
                    f"{onset:g}, {degree:g}, {velocity:g}"
                )
            at, k = round(onset / self.unit_s), min(int(velocity * self.n_levels), self.n_levels - 1)
            end = max(at + 1, round((onset + duration) / self.unit_s))
            happenings += [(at, 1, d, k), (end, 0, d, k)][: 1 + self.offs]
        events, now, loud = [], 0, None
        for at, is_on, d, k in sorted(happenings):  # what ends at a moment goes before what begins
            while at > now:
                step = min(at - now, self.n_waits)
                events.append(self.wait(step))
                now += step
            if is_on and k != loud and self.n_levels:
                events.append(self.level(k))
                loud = k
            events.append(d if is_on else self.off(d))
        return [*events, self.stop]

    def read(
        self, events: Int[Tensor, "clip position"], *, n_notes: int = 32
    ) -> Float[Tensor, "clip note 4"]:
        """Turn events into notes (NaN = none), up to the stop of each row: undoes `write` to half a unit.

        What a model may write and no player would is set right: an off without its on is passed over, an on
        that never ends lasts half a second, a second on of a degree ends the first. At most n_notes are kept.
        """
        out = torch.full((len(events), n_notes, 4), torch.nan)
        for row, line in enumerate(events.tolist()):
            for k, note in enumerate(sorted(self._read(line))[:n_notes]):
                out[row, k] = torch.tensor(note)
        return out

    def _read(self, line: list[int]) -> list[tuple[float, float, float, float]]:
        notes, running, now, loud = [], {}, 0, 0

        def end(d: int, units: int) -> None:
            began, k = running.pop(d)
            velocity = (k + 0.5) / self.n_levels if self.n_levels else 0.7
            notes.append((began * self.unit_s, (units - began) * self.unit_s, float(d), velocity))

        for event in line:
            if event == self.stop:
                break
            if event < self.n_degrees:
                if event in running:
                    end(event, max(now, running[event][0] + 1))
                running[event] = (now, loud)
            elif event < self.wait(1):
                if event - self.n_degrees in running:
                    end(event - self.n_degrees, max(now, running[event - self.n_degrees][0] + 1))
            elif event < self.level(0):
                now += event - self.wait(0)
            elif event < self.start:
                loud = event - self.level(0)
        for d in list(running):
            end(d, running[d][0] + round(0.5 / self.unit_s))
        return notes if self.offs else _let_ring(notes)


def _let_ring(notes: list[tuple[float, float, float, float]]) -> list[tuple[float, float, float, float]]:
    """Let each note last 0.9 of the time to the next one, half a second at most."""
    onsets = sorted({note[0] for note in notes})
    gap = {a: b - a for a, b in zip(onsets, onsets[1:], strict=False)}
    return [(at, min(0.9 * gap.get(at, 1.0), 0.5), degree, loud) for at, _, degree, loud in notes]
