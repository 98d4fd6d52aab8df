"""Exercise of lesson 30: search in the nearest lists."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def search_lists(
    q: Float[Tensor, "dim"],
    gallery: Float[Tensor, "item dim"],
    centres: Float[Tensor, "list dim"],
    own: Int[Tensor, "item"],
    k: int,
    n_probe: int,
) -> Int[Tensor, "found"]:
    """Return the k most alike items, best first, of the n_probe lists whose centres are most alike."""
    near = (centres @ q).topk(n_probe).indices
    rows = torch.isin(own, near).nonzero()[:, 0]
    S = gallery[rows] @ q
    return rows[S.topk(min(k, len(rows))).indices]


def with_a_mask(q, gallery, centres, own, k, n_probe):
    order = (centres @ q).argsort(descending=True)
    open_ = (own[:, None] == order[:n_probe]).any(1)
    S = (gallery @ q).masked_fill(~open_, float("-inf"))
    return S.argsort(descending=True)[: min(k, int(open_.sum()))]


def _drawn(g, n, n_lists, k, n_probe):
    x = F.normalize(torch.randn(n, 4, generator=g))
    C = F.normalize(torch.randn(n_lists, 4, generator=g))
    return F.normalize(torch.randn(4, generator=g), dim=0), x, C, (x @ C.T).argmax(1), k, n_probe


def two_lists(g):
    return _drawn(g, 24, 5, 4, 2)


def one_list(g):
    return _drawn(g, 16, 4, 3, 1)


def all_lists(g):
    return _drawn(g, 12, 3, 12, 3)


def short_list(g):
    x = torch.eye(4)[[0, 0, 1, 2, 3]]
    return F.normalize(torch.tensor([1.0, 0.3, 0.2, 0.1]), dim=0), x, torch.eye(4), x.argmax(1), 4, 1


def places_among_candidates(q, gallery, centres, own, k, n_probe):
    rows = torch.isin(own, (centres @ q).topk(n_probe).indices).nonzero()[:, 0]
    return (gallery[rows] @ q).topk(min(k, len(rows))).indices


def the_farthest_lists(q, gallery, centres, own, k, n_probe):
    near = (centres @ q).topk(n_probe, largest=False).indices
    rows = torch.isin(own, near).nonzero()[:, 0]
    return rows[(gallery[rows] @ q).topk(min(k, len(rows))).indices]


def one_list_alone(q, gallery, centres, own, k, n_probe):
    return search_lists(q, gallery, centres, own, k, 1)


def all_of_them(q, gallery, centres, own, k, n_probe):
    return search_lists(q, gallery, centres, own, k, len(centres))


def worst_first(q, gallery, centres, own, k, n_probe):
    return search_lists(q, gallery, centres, own, k, n_probe).flip(0)


def in_order_of_place(q, gallery, centres, own, k, n_probe):
    return search_lists(q, gallery, centres, own, k, n_probe).sort().values


def never_sorted(q, gallery, centres, own, k, n_probe):
    return torch.isin(own, (centres @ q).topk(n_probe).indices).nonzero()[:, 0][:k]


def k_of_each_list(q, gallery, centres, own, k, n_probe):
    near = (centres @ q).topk(n_probe).indices
    return torch.cat([search_lists(q, gallery, centres[c][None], (own != c).long(), k, 1) for c in near])


def _nothing_else(fn, g):
    q, x, C, own, k, n_probe = _drawn(g, 40, 6, 5, 2)
    near = (C @ q).topk(n_probe).indices
    return bool(torch.isin(own[fn(q, x, C, own, k, n_probe)], near).all())


INVERTED = Exercise(
    name="search.in_lists",
    lesson="30",
    title="Search the nearest lists",
    stars=2,
    minutes=10,
    reference=search_lists,
    cases=(two_lists, one_list, all_lists, short_list),
    mistakes=(
        Mistake(
            places_among_candidates, "Look your answers up in the gallery: are those the items you scored?"
        ),
        Mistake(the_farthest_lists, "Into which lists would you look, those alike or those unlike?"),
        Mistake(one_list_alone, "Does n_probe change anything?"),
        Mistake(all_of_them, "How many items did you compare the query with?"),
        Mistake(worst_first, "Which item should stand first?"),
        Mistake(
            in_order_of_place,
            "By what are the answers ordered: by how alike they are, or by where they stand?",
        ),
        Mistake(never_sorted, "Are those the most alike of the lists, or the first of them?"),
        Mistake(k_of_each_list, "How many items come back when two lists are opened?"),
    ),
    alternatives=(with_a_mask,),
    properties=(Property("only opened lists", _nothing_else, "In which lists do your answers stand?"),),
    gradient="off",
    large_values=None,
)
