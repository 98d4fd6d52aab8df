"""Exercise 4 of lesson 36: where the first item of the query's class stands."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property
from avcl_teach.metrics.ranks import mean_reciprocal_rank


def rank_classes(
    q: Float[Tensor, "query dim"],
    g: Float[Tensor, "item dim"],
    from_q: Float[Tensor, "query feature"],
    from_g: Float[Tensor, "item feature"],
    label_q: Int[Tensor, "query"],
    label_g: Int[Tensor, "item"],
) -> float:
    """MRR of the first item of the query's class, by |q - g| / 2 + MSE(from_q, from_g) / 2."""
    return float(mean_reciprocal_rank(-_unlike(q, g, from_q, from_g), label_q[:, None] == label_g))


def _unlike(q, g, from_q, from_g, *, latents=1.0, outputs=1.0):
    apart = (q[:, None] - g[None]).norm(dim=2)
    error = (from_q[:, None] - from_g[None]).square().mean(2)
    return latents * apart / 2 + outputs * error / 2


def _first_ranks(S, relevant):
    order = S.argsort(dim=1, stable=True)
    hit = relevant.gather(1, order)
    return 1 + hit.double().argmax(1)


def _mrr(S, label_q, label_g):
    return float((1 / _first_ranks(S, label_q[:, None] == label_g)).mean())


def by_counting(q, g, from_q, from_g, label_q, label_g):
    S = _unlike(q, g, from_q, from_g)
    own = torch.where(label_q[:, None] == label_g, S, torch.inf).amin(1)
    return float((1 / (1 + (own[:, None] > S).sum(1)).double()).mean())


def by_loop(q, g, from_q, from_g, label_q, label_g):
    total = 0.0
    for i in range(len(q)):
        found = []
        for j in range(len(g)):
            apart = float((q[i] - g[j]).square().sum()) ** 0.5
            error = float((from_q[i] - from_g[j]).square().mean())
            found.append((apart / 2 + error / 2, j))
        ranked = [int(label_g[j]) for _, j in sorted(found)]
        total += 1 / (1 + ranked.index(int(label_q[i])))
    return total / len(q)


def last_query_for_all(q, g, from_q, from_g, label_q, label_g):
    S = _unlike(q, g, from_q, from_g)
    return _mrr(S[-1:].expand_as(S), label_q, label_g)


def farthest_first(q, g, from_q, from_g, label_q, label_g):
    return _mrr(-_unlike(q, g, from_q, from_g), label_q, label_g)


def the_partner_alone(q, g, from_q, from_g, label_q, label_g):
    n = torch.arange(len(q))
    return _mrr(_unlike(q, g, from_q, from_g), n, torch.arange(len(g)))


def latents_alone(q, g, from_q, from_g, label_q, label_g):
    return _mrr(_unlike(q, g, from_q, from_g, outputs=0), label_q, label_g)


def outputs_alone(q, g, from_q, from_g, label_q, label_g):
    return _mrr(_unlike(q, g, from_q, from_g, latents=0), label_q, label_g)


def latents_squared(q, g, from_q, from_g, label_q, label_g):
    S = _unlike(q, g, from_q, from_g, latents=0)
    return _mrr(S + torch.cdist(q, g).square() / 2, label_q, label_g)


def errors_summed(q, g, from_q, from_g, label_q, label_g):
    S = _unlike(q, g, from_q, from_g, outputs=from_q.shape[1])
    return _mrr(S, label_q, label_g)


def one_over_the_mean_rank(q, g, from_q, from_g, label_q, label_g):
    ranks = _first_ranks(_unlike(q, g, from_q, from_g), label_q[:, None] == label_g)
    return float(1 / ranks.double().mean())


def mean_rank(q, g, from_q, from_g, label_q, label_g):
    ranks = _first_ranks(_unlike(q, g, from_q, from_g), label_q[:, None] == label_g)
    return float(ranks.double().mean())


def all_of_the_class(q, g, from_q, from_g, label_q, label_g):
    order = _unlike(q, g, from_q, from_g).argsort(dim=1, stable=True)
    hit = (label_q[:, None] == label_g).gather(1, order).double()
    each = hit / torch.arange(1, len(g) + 1)
    return float((each.sum(1) / hit.sum(1)).mean())


def first_place_only(q, g, from_q, from_g, label_q, label_g):
    ranks = _first_ranks(_unlike(q, g, from_q, from_g), label_q[:, None] == label_g)
    return float((ranks == 1).double().mean())


def items_look_for_queries(q, g, from_q, from_g, label_q, label_g):
    return rank_classes(g, q, from_g, from_q, label_g, label_q)


def _case(gen, n, m, dim, feature, label_q, label_g, scale=1.0):
    q, g = torch.randn(n, dim, generator=gen), torch.randn(m, dim, generator=gen)
    from_q, from_g = (scale * torch.randn(k, feature, generator=gen) for k in (n, m))
    return q, g, from_q, from_g, torch.tensor(label_q), torch.tensor(label_g)


def three_classes(gen):
    return _case(gen, 5, 8, 3, 4, [0, 1, 2, 0, 1], [2, 2, 1, 0, 0, 1, 2, 1])


def rare_class(gen):
    return _case(gen, 4, 7, 2, 6, [0, 1, 1, 1], [1, 1, 1, 0, 1, 1, 1], 1.5)


def one_feature(gen):
    return _case(gen, 3, 6, 1, 1, [2, 0, 1], [0, 1, 2, 0, 1, 2])


def many_classes(gen):
    return _case(gen, 6, 12, 3, 3, [0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5], 1.2)


def _each_query_counts(fn, gen):
    q, g, from_q, from_g, label_q, label_g = many_classes(gen)
    whole = float(fn(q, g, from_q, from_g, label_q, label_g))
    single = [
        float(fn(q[i : i + 1], g, from_q[i : i + 1], from_g, label_q[i : i + 1], label_g))
        for i in range(len(q))
    ]
    return abs(whole - sum(single) / len(single)) < 1e-4


RANKS = Exercise(
    name="pictures.rank_classes",
    lesson="36",
    title="Find the first of the class",
    stars=2,
    minutes=12,
    reference=rank_classes,
    cases=(three_classes, rare_class, one_feature, many_classes),
    mistakes=(
        Mistake(
            last_query_for_all, "Two queries of different sounds: are their rankings different in yours?"
        ),
        Mistake(farthest_first, "A query meets its own copy: is the number small or large, and its rank?"),
        Mistake(the_partner_alone, "Another clip of the same class is found first. Is that a hit here?"),
        Mistake(latents_alone, "The number has two halves. Where does what was decoded come in?"),
        Mistake(outputs_alone, "The number has two halves. Where do the latents come in?"),
        Mistake(latents_squared, "One of the two halves is squared, the other one is not."),
        Mistake(errors_summed, "Decode twice as many features, each as far off: should the half grow?"),
        Mistake(
            one_over_the_mean_rank, "Ranks 1 and 100: mean of 1 and 1/100, or 1 over the mean of 1 and 100?"
        ),
        Mistake(mean_rank, "A perfect ranking should score 1, and no ranking more."),
        Mistake(all_of_the_class, "The first of the class is found at once. Do the others still matter?"),
        Mistake(first_place_only, "Found at the second place: worth nothing, or a half?"),
        Mistake(items_look_for_queries, "Who asks, and who is ranked?"),
    ),
    alternatives=(by_counting, by_loop),
    properties=(
        Property(
            "each query is ranked by itself",
            _each_query_counts,
            "Ask one query at a time, and take the mean.",
        ),
    ),
    gradient="off",
    large_values=None,
)
