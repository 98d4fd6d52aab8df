"""What the systems that retrieve by class share: how they are judged, and beside what."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.comparison.ceilings import told_class_map
from avcl_teach.comparison.pairs import Split
from avcl_teach.metrics import chance_map, cosine_similarity, mean_average_precision
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.table1 import Outcome

CEILING = (
    "the class of the other side is told, and this side read by a linear classifier (mean of both sides)"
)
CHANCE = "expected mAP of a random order, from the class counts of the gallery"


def class_maps(
    a: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"], labels: Int[Tensor, "n"]
) -> tuple[float, float]:
    """Return class mAP over all ranks by cosine: sound to picture, and picture to sound."""
    S = cosine_similarity(a, v)
    return tuple(float(mean_average_precision(M, labels, labels)) for M in (S, S.T))


def class_outcome(
    a: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"], train: Split, test: Split, *, seed: int = 0
) -> Outcome:
    """Judge embeddings of test pairs by class mAP, mean of both ways, with chance, control and ceiling."""
    y = test.labels
    there, back = class_maps(a, v, y)
    wrong = class_maps(a, v[wrong_partners(y, seed=seed)], y)
    return Outcome(
        score=(there + back) / 2,
        chance=chance_map(y, y),
        wrong_partner=sum(wrong) / 2,
        ceiling=told_class_map(train, test),
        extra={"sound to picture": there, "picture to sound": back},
    )


def mean_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the mean of several outcomes (folds), figure by figure."""

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    fields = ("score", "chance", "wrong_partner", "ceiling")
    extra = {name: mean([one.extra[name] for one in outcomes]) for name in outcomes[0].extra}
    return Outcome(*(mean([getattr(one, f) for one in outcomes]) for f in fields), extra=extra)


def on(split: Split, device: str | torch.device) -> Split:
    """Bring a cut to a device."""
    return Split(*(x.to(device) for x in split))
