"""How a common space is judged on the bench, with its chance level and its controls."""

from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.metrics import retrieval_report
from avcl_teach.metrics.probes import linear_probe


def report(
    a: Float[Tensor, "pair dim"],
    v: Float[Tensor, "pair dim"],
    labels: Int[Tensor, "pair"],
    *,
    train: tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"], Int[Tensor, "n"]] | None = None,
    k: int = 10,
) -> dict[str, float]:
    """Judge embeddings of test pairs by retrieval and by a linear probe; all values are shares in [0, 1].

    "R@10 a2v", "R@10 v2a": the partner is among the first k (ties shared). "mAP a2v", "mAP v2a", "mAP":
    items of the query's class over the whole gallery, and the mean of both ways. "probe": accuracy of a
    linear classifier on frozen embeddings, mean of both sides, fitted on `train` (a, v, labels), or without
    it on one half of each class and judged on the other, both ways (NaN where no class has two items).
    Controls: "chance R@10", "chance mAP", "chance probe" (most frequent class); "wrong R@10", "wrong mAP"
    (partner and class of every query are those of its neighbours in the list, mean of both ways); "class
    R@10" (expected of a space that knows the class and nothing else).
    Errors: ValueError for shapes that do not fit, NaN, or fewer than 2 pairs. Lesson: 26.
    """
    if a.ndim != 2 or a.shape != v.shape or labels.shape != a.shape[:1] or len(a) < 2:
        raise ValueError(
            f"expected a and v [pair, dim] and labels [pair] of at least 2 pairs, got {tuple(a.shape)}, "
            f"{tuple(v.shape)}, {tuple(labels.shape)}"
        )
    found = retrieval_report(a, v, labels=labels, ks=(k,))
    wrong = retrieval_report(a, v.roll(1, 0), labels=(labels, labels.roll(2)), ks=(k,))
    name = f"R@{k}"
    out = {f"{name} {way}": found[way][name] for way in ("a2v", "v2a")}
    out |= {f"mAP {way}": found[way]["mAP"] for way in ("a2v", "v2a")}
    out["mAP"] = (out["mAP a2v"] + out["mAP v2a"]) / 2
    out["probe"] = _probe(a, v, labels, train)
    out[f"chance {name}"] = found["chance"][name]
    out["chance mAP"] = found["chance"]["mAP"]
    counts = labels.bincount().double()
    out["chance probe"] = float(counts.max() / counts.sum())
    out[f"wrong {name}"] = (wrong["a2v"][name] + wrong["v2a"][name]) / 2
    out["wrong mAP"] = (wrong["a2v"]["mAP"] + wrong["v2a"]["mAP"]) / 2
    out[f"class {name}"] = float((k / counts[labels]).clamp_max(1).mean())
    return out


def _probe(a: Tensor, v: Tensor, labels: Tensor, train: tuple | None) -> float:
    same = labels[:, None] == labels
    first = same.tril(-1).sum(1) % 2 == 0  # every other item of a class
    if train is None and bool(first.all()):
        return float("nan")
    scores = []
    for side, z in enumerate((a, v)):
        if train is not None:
            scores.append(linear_probe(train[side], train[2], z, labels))
        else:
            for fit in (first, ~first):
                scores.append(linear_probe(z[fit], labels[fit], z[~fit], labels[~fit]))
    return sum(scores) / len(scores)
