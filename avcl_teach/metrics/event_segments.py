"""How well events are found in time: one answer a segment, a class or "none"."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def segment_accuracy(
    answer: Int[Tensor, "clip segment"],
    target: Int[Tensor, "clip segment"],
    *,
    present: Bool[Tensor, "clip segment"] | None = None,
) -> float:
    """Share of segments with the right answer, "none" included: the protocol of the AVE data set.

    Every segment counts alike, whichever clip it is in. `present` (True = there) leaves padded segments out.
    Errors: ValueError for unequal shapes or no segment. Source: Tian et al. 2018; AVE has ten segments of a
    second, 28 classes and "none". Lesson: 33.

    >>> segment_accuracy(torch.tensor([[0, 2, 2]]), torch.tensor([[0, 1, 2]]))
    0.6666666666666666
    """
    a, y = _listed(answer, target, present)
    return (a == y).double().mean().item()


def macro_accuracy(
    answer: Int[Tensor, "clip segment"],
    target: Int[Tensor, "clip segment"],
    *,
    present: Bool[Tensor, "clip segment"] | None = None,
) -> float:
    """Mean over the answers that occur in the target ("none" is one) of the share of them that was found.

    Always "none" earns 1 / (number of answers that occur), however common "none" is. Errors: as
    `segment_accuracy`. Lesson: 33.

    >>> macro_accuracy(torch.tensor([[2, 2, 2, 2]]), torch.tensor([[2, 2, 2, 0]]))
    0.5
    """
    a, y = _listed(answer, target, present)
    return torch.stack([(a[y == c] == c).double().mean() for c in y.unique()]).mean().item()


def majority_accuracy(target: Int[Tensor, "clip segment"]) -> float:
    """Accuracy of whoever always gives the most common answer: the chance level of this task. Lesson: 33."""
    _, y = _listed(target, target, None)
    return y.unique(return_counts=True)[1].max().item() / len(y)


def best_guess_accuracy(cue: Int[Tensor, "clip segment"], target: Int[Tensor, "clip segment"]) -> float:
    """Accuracy of the best fixed guess for each value of a cue: the ceiling of whoever knows only the cue.

    For each value of the cue the most common answer beside it is given: (1/n) sum_k max_c n(cue k, answer
    c). With the class that is truly heard as the cue this is the best that perfect ears can do, segment by
    segment. The guess is read off the same segments, so that a cue of very many values flatters itself.
    Errors: as `segment_accuracy`. Lesson: 33.

    >>> heard, target = torch.tensor([[0, 0, 0, 1]]), torch.tensor([[0, 0, 2, 2]])
    >>> best_guess_accuracy(heard, target)
    0.75
    """
    k, y = _listed(cue, target, None)
    pairs, n = torch.stack([k, y]).unique(dim=1, return_counts=True)
    return sum(n[pairs[0] == value].max().item() for value in pairs[0].unique()) / len(y)


def state_report(
    answer: Int[Tensor, "clip segment"], event: Int[Tensor, "clip segment"], *, none: int
) -> dict[str, float]:
    """For each state of a segment, the share in which an event is called, right or wrong.

    States are those of `clips.EVENT_STATES`; one that does not occur is left out. For "match" this is the
    share detected, for all others the share of false alarms. Errors: as `segment_accuracy`. Lesson: 33.
    """
    from avcl_teach.clips import EVENT_STATES

    a, e = _listed(answer, event, None)
    return {
        name: (a[e == k] != none).double().mean().item()
        for k, name in enumerate(EVENT_STATES)
        if bool((e == k).any())
    }


def match_auc(
    score: Float[Tensor, "clip segment"],
    match: Bool[Tensor, "clip segment"],
    *,
    among: Bool[Tensor, "clip segment"] | None = None,
) -> float:
    """Chance that a segment that matches scores above one that does not; ties count half.

    The area under the ROC curve, from ranks: 0.5 without knowledge, and no threshold to choose. `among`
    picks the segments that take part. Errors: ValueError for unequal shapes, NaN, or only one kind.
    Lesson: 33.

    >>> match_auc(torch.tensor([[0.9, 0.2, 0.4]]), torch.tensor([[True, True, False]]))
    0.5
    """
    s, m = _listed(score, match, among)
    if s.isnan().any() or m.all() or not m.any():
        raise ValueError("expected scores without NaN, of segments that match and of segments that do not")
    _, place, n = s.unique(return_inverse=True, return_counts=True)
    rank = (n.cumsum(0) - (n - 1) / 2)[place].double()  # ties share the mean of their ranks
    n_match = m.sum().item()
    over = rank[m].sum().item() - n_match * (n_match + 1) / 2
    return over / (n_match * (len(m) - n_match))


def video_labels(target: Int[Tensor, "clip segment"], *, n_classes: int) -> Float[Tensor, "clip class"]:
    """Say for each clip which classes have an event somewhere in it: all that weak supervision is told.

    `target` holds classes 0 ... n_classes - 1 and n_classes for "none". A clip without events has a row of
    zeros. Errors: ValueError for other values. Lesson: 33.

    >>> video_labels(torch.tensor([[2, 0, 0], [2, 2, 2]]), n_classes=2)
    tensor([[1., 0.],
            [0., 0.]])
    """
    if target.ndim != 2 or not bool(((target >= 0) & (target <= n_classes)).all()):
        raise ValueError(f"expected target [clip, segment] of 0 to {n_classes}")
    found = torch.zeros(len(target), n_classes + 1, device=target.device)
    return found.scatter_(1, target.long(), 1.0)[:, :n_classes]


def runs_of(answer: Int[Tensor, "segment"], *, none: int) -> list[tuple[int, int, int]]:
    """Join neighbours of one class into events: (class, first segment, segment after the last).

    Lesson: 33.

    >>> runs_of(torch.tensor([0, 0, 9, 3, 0]), none=9)
    [(0, 0, 2), (3, 3, 4), (0, 4, 5)]
    """
    if answer.ndim != 1:
        raise ValueError(f"expected the answers of one clip [segment], got {list(answer.shape)}")
    out: list[tuple[int, int, int]] = []
    for t, c in enumerate(answer.tolist()):
        if out and out[-1][0] == c and out[-1][2] == t:
            out[-1] = (c, out[-1][1], t + 1)
        elif c != none:
            out.append((c, t, t + 1))
    return out


def _listed(x: Tensor, y: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
    """Check the shapes and return the segments that are there, in one list."""
    if x.ndim != 2 or x.shape != y.shape or x.numel() == 0:
        raise ValueError(
            f"expected two tables [clip, segment] of one shape, got {list(x.shape)} and {list(y.shape)}"
        )
    if present is None:
        return x.flatten(), y.flatten()
    if present.shape != x.shape or not present.any():
        raise ValueError(f"expected present {list(x.shape)} with at least one segment")
    return x[present], y[present]
