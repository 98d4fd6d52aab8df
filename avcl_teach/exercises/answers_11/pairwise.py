"""Exercise 1 of lesson 11: two sequences look at each other."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property

Both = tuple[Float[Tensor, "n_a d"], Float[Tensor, "n_v d"]]


def look_at_each_other(a: Float[Tensor, "n_a d"], v: Float[Tensor, "n_v d"]) -> Both:
    """Return a plus what it sees in v, and v plus what it hears in a."""
    S = a @ v.T / a.shape[1] ** 0.5
    return a + S.softmax(1) @ v, v + S.T.softmax(1) @ a


def on_the_fused_kernel(a, v):
    return (
        a + F.scaled_dot_product_attention(a[None], v[None], v[None])[0],
        v + F.scaled_dot_product_attention(v[None], a[None], a[None])[0],
    )


def by_loop(a, v):
    def look(query, context):
        rows = []
        for q in query:
            weights = torch.stack([q @ k for k in context]).div(len(q) ** 0.5).softmax(0)
            rows.append(q + sum(w * k for w, k in zip(weights, context, strict=True)))
        return torch.stack(rows)

    return look(a, v), look(v, a)


def more_sounds(g):
    return torch.randn(5, 3, generator=g), torch.randn(2, 3, generator=g)


def more_pictures(g):
    return torch.randn(2, 4, generator=g), torch.randn(6, 4, generator=g)


def one_each(g):
    return torch.randn(1, 2, generator=g), torch.randn(1, 2, generator=g)


def square(g):
    return 2 * torch.randn(3, 4, generator=g), torch.randn(3, 4, generator=g)


def _scores(a, v):
    return a @ v.T / a.shape[1] ** 0.5


def over_the_wrong_axis(a, v):
    S = _scores(a, v)
    return a + S.softmax(0) @ v, v + S.T.softmax(0) @ a


def one_softmax_for_both(a, v):
    A = _scores(a, v).softmax(1)
    return a + A @ v, v + A.T @ a


def not_scaled(a, v):
    S = a @ v.T
    return a + S.softmax(1) @ v, v + S.T.softmax(1) @ a


def scaled_by_d(a, v):
    S = a @ v.T / a.shape[1]
    return a + S.softmax(1) @ v, v + S.T.softmax(1) @ a


def no_residual(a, v):
    S = _scores(a, v)
    return S.softmax(1) @ v, S.T.softmax(1) @ a


def one_after_the_other(a, v):
    a = a + _scores(a, v).softmax(1) @ v
    return a, v + _scores(v, a).softmax(1) @ a


def one_way(a, v):
    return a + _scores(a, v).softmax(1) @ v, v


def looks_at_itself(a, v):
    return a + _scores(a, a).softmax(1) @ a, v + _scores(v, v).softmax(1) @ v


def no_softmax(a, v):
    S = _scores(a, v)
    return a + S @ v, v + S.T @ a


def one_softmax_over_the_table(a, v):
    A = _scores(a, v).flatten().softmax(0).view(len(a), len(v))
    return a + A @ v, v + A.T @ a


def _swapped(fn, g):
    a, v = more_sounds(g)
    there, back = fn(a, v), fn(v, a)
    return torch.allclose(there[0], back[1], atol=1e-5) and torch.allclose(there[1], back[0], atol=1e-5)


def _order_free(fn, g):
    a, v = more_pictures(g)
    order = torch.randperm(len(v), generator=g)
    return torch.allclose(fn(a, v)[0], fn(a, v[order])[0], atol=1e-5)


PAIRWISE = Exercise(
    name="co_attention.look_at_each_other",
    lesson="11",
    title="Let two sequences look at each other",
    stars=1,
    minutes=8,
    reference=look_at_each_other,
    cases=(more_sounds, more_pictures, one_each, square),
    mistakes=(
        Mistake(over_the_wrong_axis, "Each step shares out one unit of attention. Over what does it share?"),
        Mistake(
            one_softmax_for_both,
            "Do the weights with which one picture listens sum to 1? Look at the columns of your table.",
        ),
        Mistake(not_scaled, "What happens to your scores when d grows? One factor is missing."),
        Mistake(scaled_by_d, "A sum of d products of unit variance: what is its standard deviation?"),
        Mistake(no_residual, "Where, in your answer, is what a knew before it looked?"),
        Mistake(
            one_after_the_other, "Which a do the pictures listen to: the old one, or the one that has seen?"
        ),
        Mistake(one_way, "Do your pictures learn anything?"),
        Mistake(looks_at_itself, "Change v and nothing else. Does your first output change?"),
        Mistake(no_softmax, "Are your weights positive, and do they sum to 1?"),
        Mistake(one_softmax_over_the_table, "How much attention has each step to give, and how much in all?"),
    ),
    alternatives=(on_the_fused_kernel, by_loop),
    properties=(
        Property("swap", _swapped, "Swap the two inputs: the outputs should swap too, and nothing else."),
        Property("order", _order_free, "Shuffle the pictures: what a sound sees should not change."),
    ),
)
