"""Scores of transcribed or translated notes, each a (slot, degree)."""

from collections.abc import Sequence

Notes = set[tuple[int, int]]


def note_scores(found: Sequence[Notes], true: Sequence[Notes]) -> dict[str, float]:
    r"""Return F1 of whole notes, F1 of onsets, and how many degrees are right where the onset is right.

    $F_1 = 2\,|found \cap true| / (|found| + |true|)$, counted over all clips together; 0 where nothing is
    found. Slots and degrees must agree exactly. Errors: ValueError for lists of unequal length, or no notes
    in truth. Lesson: 12.

    >>> note_scores([{(0, 1), (3, 2)}], [{(0, 1), (3, 5)}])
    {'F1': 0.5, 'onset F1': 1.0, 'pitch': 0.5}
    """
    if len(found) != len(true) or not any(true):
        sizes = f"{len(found)} and {len(true)}"
        raise ValueError(f"expected lists of one length with notes in truth, got {sizes}")
    onsets = [({s for s, _ in p}, {s for s, _ in q}) for p, q in zip(found, true, strict=True)]
    both = sum(len(p & q) for p, q in onsets)
    right = sum(len(p & q) for p, q in zip(found, true, strict=True))
    return {
        "F1": 2 * right / (sum(map(len, found)) + sum(map(len, true))),
        "onset F1": 2 * both / sum(len(p) + len(q) for p, q in onsets),
        "pitch": right / both if both else 0.0,
    }
