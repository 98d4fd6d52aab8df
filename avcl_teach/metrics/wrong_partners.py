"""The control that a model must fail: every query meets the partner of another one, of another class."""

import torch
from jaxtyping import Int
from torch import Tensor


def wrong_partners(labels: Int[Tensor, "item"], *, seed: int = 0) -> Int[Tensor, "item"]:
    """Return an order in which no item stands at its own place, nor at that of an item of its class.

    p with labels[p_i] != labels[i] for all i, drawn at random: `v[p]` gives every a_i a wrong partner. A
    partner of the same class would be none, where items of a class count as found. With one label an item
    (identities, clips) it is a permutation without fixed points.
    Errors: ValueError where there is no such order: a class with more than half of the items, or fewer than
    2 items. Lesson: 30.

    >>> wrong_partners(torch.tensor([0, 0, 1, 1])).sort().values.tolist()
    [0, 1, 2, 3]
    """
    counts = labels.unique(return_counts=True)[1]
    if labels.ndim != 1 or len(labels) < 2 or 2 * int(counts.max()) > len(labels):
        raise ValueError(
            f"expected at least 2 items and no class with more than half of them, got {counts.tolist()}"
        )
    g = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=g)
    names = labels.unique()[torch.randperm(len(counts), generator=g)]
    order = torch.cat([order[labels.cpu()[order] == c] for c in names.tolist()])  # class after class
    p = torch.empty_like(order)
    p[order] = order.roll(int(counts.max()))  # a step as long as the largest class leaves every class
    for i, j in torch.randperm(len(p), generator=g)[: len(p) // 2 * 2].view(-1, 2).tolist():
        if labels[p[j]] != labels[i] and labels[p[i]] != labels[j]:
            p[i], p[j] = p[j].clone(), p[i].clone()
    return p.to(labels.device)
