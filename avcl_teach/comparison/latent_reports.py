"""Judge the latents of two modalities: retrieval, classes, the gap between them, what can be drawn back."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.pairs import Pairs
from avcl_teach.comparison.reports import report
from avcl_teach.metrics.gap import centroid_gap, modality_probe, two_sample_test, unexplained


@torch.no_grad()
def latent_report(model: nn.Module, pairs: Pairs, *, n_permutations: int = 199) -> dict[str, float]:
    """Judge an auto-encoder by the latents that each modality gives alone (`model.alone`).

    What `space_report` returns, and "sound from sound", "sound from picture": share of the test sounds that
    stays unexplained when the sound's decoder reads either latent (1 = no better than the mean). Runs on the
    model's device. Lesson: 13.
    """
    device = next(model.parameters()).device
    known, (a, v) = (model.alone([x.to(device) for x in split[:2]]) for split in (pairs.train, pairs.test))
    found = space_report((a.cpu(), v.cpu()), tuple(x.cpu() for x in known), pairs, n_permutations)
    for name, h in (("sound", a), ("picture", v)):
        found[f"sound from {name}"] = unexplained(pairs.test.x_a, model.decoders[0](h).cpu())
    return found


def space_report(
    test: tuple[Float[Tensor, "pair dim"], Float[Tensor, "pair dim"]],
    train: tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]],
    pairs: Pairs,
    n_permutations: int = 199,
) -> dict[str, float]:
    """Judge any common space: `report` with its probe fitted on train, R@10 of both ways, and the gap.

    "modality probe" (0.5 = none found), "MMD2" and "p" of the two-sample test with swapped pairs,
    "centroids".
    Lesson: 13.
    """
    found = report(*test, pairs.test.labels, train=(*train, pairs.train.labels))
    found["R@10"] = (found["R@10 a2v"] + found["R@10 v2a"]) / 2
    mmd = two_sample_test(*test, n_permutations=n_permutations)
    gap = {"modality probe": modality_probe(*train, *test), "MMD2": mmd.mmd2, "p": mmd.p}
    return found | gap | {"centroids": float(centroid_gap(*test))}
