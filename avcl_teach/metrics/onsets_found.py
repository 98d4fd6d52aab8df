"""Are the right notes played at the right time: matched onsets within a tolerance."""

from jaxtyping import Float
from torch import Tensor


def matched(found: list[float], true: list[float], *, tolerance_s: float) -> list[tuple[int, int]]:
    """Match times one to one, as many as lie within the tolerance: pairs of places in both sorted lists.

    Both lists sorted; the earliest that fits is taken, which on a line is the largest matching.

    >>> matched([0.0, 1.0, 2.0], [0.04, 0.9, 2.02], tolerance_s=0.05)
    [(0, 0), (2, 2)]
    """
    pairs, i, j = [], 0, 0
    while i < len(found) and j < len(true):
        gap = found[i] - true[j]
        if abs(gap) <= tolerance_s + 1e-9:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif gap < 0:
            i += 1
        else:
            j += 1
    return pairs


def performance_scores(
    found: Float[Tensor, "clip note 4"], true: Float[Tensor, "clip others 4"], *, tolerance_s: float = 0.05
) -> dict[str, float]:
    """Return F1 of notes, F1 of onsets, and how many degrees are right where the onset is right.

    A note (onset_s, duration_s, degree, velocity; NaN = none) is found when its degree is played within the
    tolerance of its onset, one to one; for onsets degrees do not count. F1 = 2 matched / (found + true), over
    all clips together. Errors: ValueError for unequal numbers of clips, or no note in truth. Source: as
    mir_eval.transcription (onsets). Lesson: 38.
    """
    if len(found) != len(true) or bool(true[..., 0].isnan().all()):
        raise ValueError(f"expected as many clips, with notes in truth, got {len(found)} and {len(true)}")
    n_found = n_true = onsets = notes = pitches = 0
    for x, y in zip(found, true, strict=True):
        x, y = (sorted(z[~z[:, 0].isnan()].tolist()) for z in (x, y))
        n_found, n_true = n_found + len(x), n_true + len(y)
        pairs = matched([a[0] for a in x], [b[0] for b in y], tolerance_s=tolerance_s)
        onsets += len(pairs)
        pitches += sum(x[i][2] == y[j][2] for i, j in pairs)
        for degree in {a[2] for a in x} & {b[2] for b in y}:
            one, other = ([z[0] for z in side if z[2] == degree] for side in (x, y))
            notes += len(matched(one, other, tolerance_s=tolerance_s))
    return {
        "F1": 2 * notes / (n_found + n_true),
        "onset F1": 2 * onsets / (n_found + n_true),
        "pitch": pitches / onsets if onsets else 0.0,
    }
