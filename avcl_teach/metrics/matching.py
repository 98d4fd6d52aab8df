"""Matching metrics of identities: one of k candidates, yes or no, and the same within an attribute."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def choice_accuracy(
    sim: Float[Tensor, "query gallery"],
    query_ids: Int[Tensor, "query"],
    gallery_ids: Int[Tensor, "gallery"],
    *,
    k: int = 2,
    allowed: Bool[Tensor, "query gallery"] | None = None,
) -> float:
    """Share of 1:k choices got right: one candidate is of the query's identity, k - 1 of others.

    The mean over every query and every candidate of its identity of the probability that all k - 1 others,
    drawn without replacement, score lower: prod_{i < k-1} (b - i) / (n - i), with n others of which b lie
    below (a tie counts half). `allowed` narrows the others, say to those of the query's sex. Chance 1 / k,
    whatever the identities. Errors: ValueError for k < 2, ids of another length, or no query that has both
    a partner and k - 1 others. Source: Nagrani et al. 2018 (1:k matching), in expectation. Lesson: 30.

    >>> sim = torch.tensor([[0.9, 0.1, 0.5]])
    >>> choice_accuracy(sim, torch.tensor([0]), torch.tensor([1, 0, 0]))   # right: below, and below
    0.0
    """
    if k < 2:
        raise ValueError(f"expected k >= 2 candidates, got {k}")
    same = _same(sim, query_ids, gallery_ids)
    other = ~same if allowed is None else ~same & allowed
    total, count = 0.0, 0
    for s, positive, negative in zip(sim.double(), same, other, strict=True):
        n = int(negative.sum())
        if not positive.any() or n < k - 1:
            continue
        x, low = s[positive][:, None], s[negative].sort().values
        below = torch.searchsorted(low, x)
        b = (below + torch.searchsorted(low, x, right=True)).double() / 2
        i = torch.arange(k - 1, device=sim.device)
        total += float(((b - i).clamp_min(0) / (n - i)).prod(1).sum())
        count += len(x)
    if not count:
        raise ValueError(f"expected a query with a partner and {k - 1} others, got none")
    return total / count


def verification_auc(
    sim: Float[Tensor, "query gallery"], query_ids: Int[Tensor, "query"], gallery_ids: Int[Tensor, "gallery"]
) -> float:
    """Area under the ROC curve of "same identity?" over all pairs: the chance that a same pair scores higher.

    Ties count half. One threshold for all queries, unlike 1:2 matching. 0.5 is chance. Errors: ValueError for
    ids of another length, or without both kinds of pairs. Lesson: 30.
    """
    same = _same(sim, query_ids, gallery_ids)
    x, low = sim[same].double(), sim[~same].double().sort().values
    if not len(x) or not len(low):
        raise ValueError(f"expected same and other pairs, got {len(x)} and {len(low)}")
    b = (torch.searchsorted(low, x) + torch.searchsorted(low, x, right=True)).double() / 2
    return float(b.mean() / len(low))


def _same(sim: Tensor, query_ids: Tensor, gallery_ids: Tensor) -> Tensor:
    if sim.ndim != 2 or query_ids.shape != sim.shape[:1] or gallery_ids.shape != sim.shape[1:]:
        raise ValueError(
            f"expected sim [query, gallery] with its ids, got {tuple(sim.shape)}, "
            f"{tuple(query_ids.shape)} and {tuple(gallery_ids.shape)}"
        )
    return query_ids[:, None] == gallery_ids
