"""What pretrained features are worth: linear probe, fine-tuning and from scratch, each by itself."""

import copy
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.metrics.probes import linear_probe

RIDGES = (0.01, 0.1, 1.0, 10.0)
Labelled = tuple[Tensor, Int[Tensor, "_"]]


def top1(scores: Float[Tensor, "clip class"], labels: Int[Tensor, "clip"]) -> float:
    """Return the share of clips whose own class has the highest score; k classes that tie share it, 1/k each.

    acc = mean_i [s_i(y_i) = max_c s_i(c)] / |{c : s_i(c) = max}|. A model that says the same of every class
    scores 1/K, not what argmax happens to pick. Errors: ValueError for shapes that do not fit, no clips, NaN
    or classes that are not there. Lesson: 31.

    >>> top1(torch.tensor([[0.9, 0.1], [0.5, 0.5]]), torch.tensor([0, 0]))
    0.75
    """
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels) or scores.isnan().any():
        raise ValueError(
            f"expected scores [clip, class] without NaN and as many labels, got {tuple(scores.shape)} and "
            f"{tuple(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"expected classes 0 to {scores.shape[1] - 1}, got {labels.unique().tolist()}")
    best = scores == scores.amax(1, keepdim=True)
    return float((best.gather(1, labels[:, None])[:, 0] / best.sum(1)).double().mean())


def label_budget(labels: Int[Tensor, "clip"], per_class: int, *, seed: int = 0) -> Int[Tensor, "chosen"]:
    """Choose per_class clips of each class by lot: the only ones whose labels a learner is told.

    Budgets of one seed are nested: the smaller is part of the larger. Classes stand in turn, so that any
    prefix is nearly balanced. Errors: ValueError where a class has too few clips. Lesson: 31.

    >>> label_budget(torch.tensor([0, 1, 0, 1]), 1).shape
    torch.Size([2])
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).to(labels.device)
    classes, counts = labels.unique(return_counts=True)
    if per_class < 1 or len(labels) == 0 or per_class > counts.min():
        least = int(counts.min()) if len(counts) else 0
        raise ValueError(f"expected 1 to {least} clips of each class, got {per_class}")
    rows = [order[labels[order] == c][:per_class] for c in classes]
    return torch.stack(rows, dim=1).flatten()


def probe_top1(
    encoder: Callable[[Tensor], Float[Tensor, "clip dim"]],
    told: Labelled,
    val: Labelled,
    test: Labelled,
    *,
    ridges: Sequence[float] = RIDGES,
) -> float:
    """Score a linear probe on frozen features: the encoder is not touched, the ridge is chosen on val.

    The linear classifier is `probes.linear_probe`. Errors: as there. Lesson: 31.
    """
    z, z_val, z_test = (_frozen(encoder, x) for x, _ in (told, val, test))
    found = [linear_probe(z, told[1], z_val, val[1], ridge=r) for r in ridges]
    return linear_probe(z, told[1], z_test, test[1], ridge=ridges[found.index(max(found))])


def fine_tune(
    encoder: nn.Module,
    told: Labelled,
    val: Labelled,
    *,
    n_classes: int,
    steps: int = 60,
    lr: float = 1e-3,
    batch_size: int = 64,
    seed: int = 0,
) -> nn.Module:
    """Train a copy of the encoder and a linear head on labelled clips; the encoder itself stays as it is.

    Cross-entropy; the step with the best top-1 on val is kept. An encoder as drawn by lot makes this training
    from scratch: same head, same steps, same clips. Errors: ValueError for fewer than 2 clips or classes that
    are not there, and those of `training.fit`. Lesson: 31.
    """
    from avcl_teach.training import fit

    x, y = told
    if len(x) < 2 or len(x) != len(y) or y.min() < 0 or y.max() >= n_classes:
        raise ValueError(f"expected at least 2 clips with classes 0 to {n_classes - 1}, got {len(x)} clips")
    dim = _frozen(encoder, x[:2]).shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(dim, n_classes)
    model = nn.Sequential(copy.deepcopy(encoder), head.to(x.device))
    for p in model.parameters():
        p.requires_grad_(True)
    fit(
        model, lambda m, batch: F.cross_entropy(m(batch[0]), batch[1]), (x, y), steps=steps,
        batch_size=min(batch_size, len(x)), lr=lr, seed=seed, progress=False, device=x.device,
        val_fn=lambda m: top1(m(val[0]), val[1]),
    )  # fmt: skip
    return model


def transfer(
    encoder: nn.Module,
    fresh: nn.Module,
    train: Labelled,
    val: Labelled,
    test: Labelled,
    *,
    n_classes: int,
    budgets: Sequence[int],
    seed: int = 0,
    **how: object,
) -> dict[str, list[float]]:
    """Score "linear probe", "fine-tuned" and "from scratch" at each budget of labels a class, on test.

    encoder: pretrained · fresh: the same network as drawn by lot · budgets: labelled clips of each class ·
    how: steps, lr and batch size of `fine_tune`. Only val chooses anything. Errors: those of `label_budget`
    and `fine_tune`. Lesson: 31.
    """
    found: dict[str, list[float]] = {"linear probe": [], "fine-tuned": [], "from scratch": []}
    for per_class in budgets:
        rows = label_budget(train[1], per_class, seed=seed)
        told = train[0][rows], train[1][rows]
        found["linear probe"].append(probe_top1(encoder, told, val, test))
        for name, start in (("fine-tuned", encoder), ("from scratch", fresh)):
            model = fine_tune(start, told, val, n_classes=n_classes, seed=seed, **how)
            found[name].append(top1(_frozen(model, test[0]), test[1]))
    return found


@torch.no_grad()
def _frozen(encoder: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Run an encoder in evaluation mode, and give its mode back as it was."""
    training = getattr(encoder, "training", False)
    if isinstance(encoder, nn.Module):
        encoder.eval()
    z = encoder(x)
    if isinstance(encoder, nn.Module):
        encoder.train(training)
    return z
