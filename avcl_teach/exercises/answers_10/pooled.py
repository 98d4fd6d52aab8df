"""Exercise 4 of lesson 10: attention pooling of a padded batch."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def pool_by_attention(
    h: Float[Tensor, "batch position dim"],
    lengths: Int[Tensor, "batch"],
    W: Float[Tensor, "hidden dim"],
    u: Float[Tensor, "hidden"],
    lam: float,
) -> Float[Tensor, "batch dim"]:
    """Return sum_t alpha_t h_t with alpha = softmax(lam u . tanh(W h_t)) over t < length."""
    s = lam * torch.tanh(h @ W.T) @ u
    alpha = s.masked_fill(~_real(h, lengths), -torch.inf).softmax(1)
    return (alpha[..., None] * h).sum(1)


def _real(h, lengths):
    return torch.arange(h.shape[1], device=h.device) < lengths[:, None]


def _scores(h, W, u, lam):
    return lam * torch.tanh(h @ W.T) @ u


def _pool(s, h, lengths):
    return (s.masked_fill(~_real(h, lengths), -torch.inf).softmax(1)[..., None] * h).sum(1)


def row_by_row(h, lengths, W, u, lam):
    rows = []
    for x, n in zip(h, lengths.tolist(), strict=True):
        alpha = (lam * (x[:n] @ W.T).tanh() @ u).softmax(0)
        rows.append(alpha @ x[:n])
    return torch.stack(rows)


def by_einsum(h, lengths, W, u, lam):
    s = torch.einsum("btd,hd->bth", h, W).tanh().mul(u).sum(2) * lam
    least = torch.finfo(s.dtype).min
    alpha = torch.where(_real(h, lengths), s, torch.full_like(s, least)).softmax(1)
    return torch.einsum("bt,btd->bd", alpha, h)


def _case(g, lengths, n, d, hidden, lam):
    h = torch.randn(len(lengths), n, d, generator=g)
    W, u = torch.randn(hidden, d, generator=g), torch.randn(hidden, generator=g)
    return h, torch.tensor(lengths), W, u, lam


def unequal_lengths(g):
    return _case(g, [5, 2, 4], 5, 3, 4, 2.0)


def square(g):
    return _case(g, [4, 3, 2, 1], 4, 4, 4, 0.5)


def one_position(g):
    return _case(g, [1, 3], 3, 5, 2, 3.0)


def no_padding(g):
    return _case(g, [6, 6], 6, 2, 3, 1.5)


def padding_counted(h, lengths, W, u, lam):
    return (_scores(h, W, u, lam).softmax(1)[..., None] * h).sum(1)


def padding_set_to_zero(h, lengths, W, u, lam):
    h = h * _real(h, lengths)[..., None]
    return (_scores(h, W, u, lam).softmax(1)[..., None] * h).sum(1)


def mask_after_softmax(h, lengths, W, u, lam):
    alpha = _scores(h, W, u, lam).softmax(1) * _real(h, lengths)
    return (alpha[..., None] * h).sum(1)


def length_off_by_one(h, lengths, W, u, lam):
    return _pool(_scores(h, W, u, lam), h, lengths + 1)


def lambda_missing(h, lengths, W, u, lam):
    return _pool(_scores(h, W, u, 1.0), h, lengths)


def lambda_inside_the_tanh(h, lengths, W, u, lam):
    return _pool(torch.tanh(lam * h @ W.T) @ u, h, lengths)


def lambda_after_softmax(h, lengths, W, u, lam):
    return lam * _pool(_scores(h, W, u, 1.0), h, lengths)


def divided_by_lambda(h, lengths, W, u, lam):
    return _pool(_scores(h, W, u, 1 / lam), h, lengths)


def tanh_missing(h, lengths, W, u, lam):
    return _pool(lam * (h @ W.T) @ u, h, lengths)


def tanh_outside(h, lengths, W, u, lam):
    return _pool(lam * torch.tanh((h @ W.T) @ u), h, lengths)


def softmax_over_batch(h, lengths, W, u, lam):
    s = _scores(h, W, u, lam).masked_fill(~_real(h, lengths), torch.finfo(h.dtype).min)
    return (s.softmax(0)[..., None] * h).sum(1)


def mean_of_weighted(h, lengths, W, u, lam):
    return pool_by_attention(h, lengths, W, u, lam) / lengths[:, None]


def plain_mean(h, lengths, W, u, lam):
    real = _real(h, lengths)[..., None]
    return (h * real).sum(1) / lengths[:, None] + 0 * (W.sum() + u.sum())


def mask_inverted(h, lengths, W, u, lam):
    s = _scores(h, W, u, lam).masked_fill(_real(h, lengths), torch.finfo(h.dtype).min)
    return (s.softmax(1)[..., None] * h).sum(1)


def padding_does_not_matter(fn, g):
    h, lengths, W, u, lam = unequal_lengths(g)
    other = torch.where(_real(h, lengths)[..., None], h, 5 * torch.randn(h.shape, generator=g))
    return torch.allclose(fn(h, lengths, W, u, lam), fn(other, lengths, W, u, lam), atol=1e-5)


POOLED = Exercise(
    name="attention.pool_by_attention",
    lesson="10",
    title="Pool a padded batch",
    stars=3,
    minutes=12,
    reference=pool_by_attention,
    cases=(unequal_lengths, square, one_position, no_padding),
    mistakes=(
        Mistake(padding_counted, "Change the numbers behind a row's length. Should the answer change?"),
        Mistake(
            padding_set_to_zero,
            "Padding of zeros has a score too. How much weight is left for a short row's real positions?",
        ),
        Mistake(mask_after_softmax, "Put h to 1 everywhere: the answer should be 1. Is it, in a short row?"),
        Mistake(
            length_off_by_one, "Positions count from 0. Which is the last real one of a row of length 2?"
        ),
        Mistake(lambda_missing, "Change lam. Does the answer change?"),
        Mistake(
            lambda_inside_the_tanh,
            "How large can a score of yours be when lam is large? It is meant to widen that bound.",
        ),
        Mistake(lambda_after_softmax, "Put h to 1 everywhere: the answer should be 1 whatever lam is."),
        Mistake(divided_by_lambda, "A larger lam should make the pool surer of itself. Does it, in yours?"),
        Mistake(tanh_missing, "Double W many times over: do your scores stay bounded by what u allows?"),
        Mistake(tanh_outside, "Which is bent: each hidden unit, or their sum? Mind where u stands."),
        Mistake(softmax_over_batch, "Do rows of the batch share weight in yours? Try one row alone."),
        Mistake(mean_of_weighted, "The weights sum to 1 already. Is there anything left to divide by?"),
        Mistake(plain_mean, "Every position counts alike in yours. Where do W and u come in?"),
        Mistake(
            mask_inverted, "Which positions weigh something in yours, those before the length or behind?"
        ),
    ),
    alternatives=(row_by_row, by_einsum),
    properties=(
        Property(
            "padding",
            padding_does_not_matter,
            "Change what stands behind a row's length: nothing should move.",
        ),
        properties.batch_independent(unequal_lengths, arg=(0, 1)),
    ),
)
