"""Nearest items of a gallery too large to look at whole: exact search, lists to look into, what they miss."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

_CELLS = 2**22  # similarities that exist at a time


class Lists(NamedTuple):
    """Hold a gallery of unit rows cut into lists, each around its centre (an inverted file).

    items: the rows, list after list · place: where each of them stood in the gallery · start: where each
    list begins, and at last the number of rows.
    """

    centres: Float[Tensor, "list dim"]
    items: Float[Tensor, "item dim"]
    place: Int[Tensor, "item"]
    start: Int[Tensor, "bound"]


def nearest_exact(
    queries: Float[Tensor, "query dim"], gallery: Float[Tensor, "item dim"], k: int = 10
) -> Int[Tensor, "query k"]:
    """Return the k most alike items of each query by cosine, best first, looking at every item.

    Never more than 4 million similarities at a time. Errors: ValueError for k outside 1 ... items.
    Lesson: 30.
    """
    _check(queries, gallery, k)
    q, x = F.normalize(queries), F.normalize(gallery)
    rows = max(1, _CELLS // len(x))
    return torch.cat([(some @ x.T).topk(k).indices for some in q.split(rows)])


def make_lists(
    gallery: Float[Tensor, "item dim"], *, n_lists: int, rounds: int = 8, seed: int = 0, sample: int = 50_000
) -> Lists:
    """Cut a gallery into lists by k-means on the sphere: each item goes to the centre it is most alike.

    Centres start at items drawn at random and are `rounds` times the mean direction of their list, found on
    a sample of the gallery. Errors: ValueError for n_lists outside 1 ... items or rounds < 0. Lesson: 30.
    """
    if not 1 <= n_lists <= len(gallery) or rounds < 0:
        raise ValueError(f"expected 1 to {len(gallery)} lists and rounds >= 0, got {n_lists} and {rounds}")
    g = torch.Generator().manual_seed(seed)
    x = F.normalize(gallery)
    some = x[torch.randperm(len(x), generator=g)[: max(sample, n_lists)].to(x.device)]
    C = some[:n_lists]
    for _ in range(rounds):
        mean = torch.zeros_like(C).index_add(0, _most_alike(some, C), some)
        C = F.normalize(torch.where(mean.norm(dim=1, keepdim=True) > 0, mean, C))
    own = _most_alike(x, C)
    place = own.argsort(stable=True)
    start = F.pad(own.bincount(minlength=n_lists).cumsum(0), (1, 0))
    return Lists(C, x[place], place, start)


def nearest_in_lists(
    queries: Float[Tensor, "query dim"], lists: Lists, k: int = 10, *, n_probe: int = 1
) -> Int[Tensor, "query k"]:
    """Return up to k most alike items of each query, looking into the n_probe lists it is most alike alone.

    Places in the gallery, best first; -1 where those lists hold fewer than k. With all lists it is exact.
    Errors: ValueError for k < 1, or n_probe outside 1 ... lists. Source: Jegou et al. 2011 (inverted file
    without their product code), as faiss's IndexIVFFlat. Lesson: 30.
    """
    if k < 1 or not 1 <= n_probe <= len(lists.centres):
        raise ValueError(f"expected k >= 1 and 1 to {len(lists.centres)} lists, got {k} and {n_probe}")
    q = F.normalize(queries)
    found = torch.full((len(q), k), -1, device=q.device)
    start = lists.start.tolist()
    probes = (q @ lists.centres.T).topk(n_probe).indices.tolist()
    for i, probe in enumerate(probes):
        cuts = [slice(start[p], start[p + 1]) for p in probe]
        x, place = (torch.cat([of[cut] for cut in cuts]) for of in (lists.items, lists.place))
        best = (x @ q[i]).topk(min(k, len(x))).indices
        found[i, : len(best)] = place[best]
    return found


def nearest_with_faiss(
    queries: Float[Tensor, "query dim"],
    gallery: Float[Tensor, "item dim"],
    k: int = 10,
    *,
    n_lists: int,
    n_probe: int = 1,
) -> Int[Tensor, "query k"]:
    """Do as `make_lists` and `nearest_in_lists`, with faiss.

    Errors: ImportError, with what to install, where faiss is not there. Lesson: 30.
    """
    try:
        import faiss
    except ImportError as error:
        raise ImportError("this search needs faiss: pip install faiss-cpu") from error
    _check(queries, gallery, k)
    q, x = (F.normalize(z.detach().float().cpu()).numpy() for z in (queries, gallery))
    dim = x.shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, n_lists, faiss.METRIC_INNER_PRODUCT)
    index.verbose = False
    index.cp.min_points_per_centroid = 1
    index.train(x)
    index.add(x)
    index.nprobe = n_probe
    return torch.from_numpy(index.search(q, k)[1]).to(queries.device)


def recall_against_exact(found: Int[Tensor, "query k"], exact: Int[Tensor, "query k"]) -> float:
    """Share of the truly nearest k items that a search returned, whatever their order (-1 is none).

    Says how good the search is, not how good the embeddings are: that is R@k. Errors: ValueError for unequal
    shapes. Lesson: 30.

    >>> recall_against_exact(torch.tensor([[4, 2, -1]]), torch.tensor([[2, 3, 4]]))
    0.6666666666666666
    """
    if found.shape != exact.shape or found.ndim != 2:
        raise ValueError(f"expected two tables [query, k], got {tuple(found.shape)} and {tuple(exact.shape)}")
    return float((exact[:, :, None] == found[:, None, :]).any(2).double().mean())


def _most_alike(x: Tensor, C: Tensor) -> Tensor:
    return torch.cat([(some @ C.T).argmax(1) for some in x.split(max(1, _CELLS // len(C)))])


def _check(queries: Tensor, gallery: Tensor, k: int) -> None:
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        shapes = tuple(queries.shape), tuple(gallery.shape)
        raise ValueError(f"expected embeddings [n, dim] of one dim, got {shapes[0]} and {shapes[1]}")
    if not 1 <= k <= len(gallery):
        raise ValueError(f"expected k of 1 to {len(gallery)}, got {k}")
