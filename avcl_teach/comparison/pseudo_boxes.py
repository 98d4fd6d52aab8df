"""From a heat map to a box, from embeddings to pseudo classes of known size."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def heat_box(S: Float[Tensor, "row column"], *, beta: float = 0.5) -> Float[Tensor, "4"]:
    r"""Box the region around a map's peak that lies above $\beta \max S + (1 - \beta)\,\mathrm{mean}\,S$.

    The threshold follows each map: one for all would be too high for faint maps. The region is the one
    connected piece (by edges) that holds the peak; the box (x0, y0, x1, y1) is in fractions of the side.
    Errors: ValueError for beta outside 0 ... 1. Source: Afouras et al. 2021 (the largest piece there).
    Lesson: 34.
    """
    from scipy.ndimage import find_objects, label

    if S.ndim != 2 or not 0 <= beta <= 1:
        raise ValueError(f"expected a map and 0 <= beta <= 1, got {list(S.shape)} and {beta}")
    pieces, _ = label((beta * S.max() + (1 - beta) * S.mean() <= S).numpy())
    at = divmod(int(S.argmax()), S.shape[1])
    y, x = find_objects(pieces)[pieces[at] - 1]
    h, w = S.shape
    return torch.tensor([x.start / w, y.start / h, x.stop / w, y.stop / h])


def balanced_assignment(
    scores: Float[Tensor, "item cluster"], *, sharpness: float = 20.0, rounds: int = 50
) -> Float[Tensor, "item cluster"]:
    r"""Share items among clusters so that every cluster gets as many: Sinkhorn's iterations.

    $P_{ik} \propto e^{s\,\mathrm{score}_{ik}}$, scaled until rows sum to 1 and columns to items / clusters.
    Without that constraint one cluster may take all. Errors: ValueError for no items. Source: Asano et al.
    2020, used by Afouras et al. 2021. Lesson: 34.
    """
    if scores.ndim != 2 or not scores.numel():
        raise ValueError(f"expected scores [item, cluster], got {list(scores.shape)}")
    log_p = scores.double() * sharpness
    share = torch.tensor(len(scores) / scores.shape[1], dtype=torch.double).log()
    for _ in range(rounds):
        log_p = log_p - log_p.logsumexp(0, keepdim=True) + share
        log_p = log_p - log_p.logsumexp(1, keepdim=True)
    return log_p.exp().to(scores.dtype)


def cluster_embeddings(
    z: Float[Tensor, "item dim"], k: int, *, balanced: bool = True, rounds: int = 20, seed: int = 0
) -> tuple[Float[Tensor, "k dim"], Int[Tensor, "item"]]:
    """Cluster unit vectors into k pseudo classes by turns: assign, then move the centres.

    With `balanced` assignments come from `balanced_assignment`, else each item goes to its nearest centre.
    Errors: ValueError for k outside 1 ... items. Lesson: 34.
    """
    if z.ndim != 2 or not 1 <= k <= len(z):
        raise ValueError(f"expected [item, dim] and 1 <= k <= items, got {list(z.shape)} and {k}")
    z = F.normalize(z.float(), dim=1)
    c = z[torch.randperm(len(z), generator=torch.Generator().manual_seed(seed))[:k]]
    for _ in range(rounds):
        S = z @ c.T
        P = balanced_assignment(S) if balanced else F.one_hot(S.argmax(1), k).float()
        new = F.normalize(P.T @ z, dim=1)
        c = torch.where(P.sum(0)[:, None] > 0, new, c)
    P = balanced_assignment(z @ c.T) if balanced else z @ c.T
    return c, P.argmax(1)
