"""InfoNCE with one B x B buffer, one pass of exponentials and a closed gradient.

With E_ij = e^{cos(a_i, v_j) / tau}, row sums r and column sums c, the symmetric loss is the mean of
ln(r_i / E_ii) and ln(c_i / E_ii), and its gradient by cos(a_i, v_j) / tau is E_ij (1 / r_i + 1 / c_j) / (2
B), less 1 / B on the diagonal. So E overwrites the cosines, the gradient overwrites E, and one exponential an
entry serves both directions. Cosines lie in [-1, 1]: unless tau is very small, no maximum has to be found
first. Rows are never scaled to length 1: with p and q the inverse lengths of a and v, the cosines are p_i
(a_i . v_j) q_j, and the gradient times p_i q_j gives both gradients from a and v as they came, less what
points along a row. The buffer is worked on in bands of rows that stay in a processor's cache.
"""

import math
import threading

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from avcl_teach.objectives.pairwise import check_batch, check_positive, lift

EPS = 1e-12  # a shorter row counts as this long, as in torch.nn.functional.normalize
_BAND = 2**18  # entries of the buffer that a temporary may be as large as
_KEPT = threading.local()
LONGEST = 1e9  # rows up to this length can be multiplied with each other in float32, at any useful tau


def info_nce(
    a: Float[Tensor, "batch dim"],
    v: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"] | None = None,
    *,
    temperature: float | int | Float[Tensor, ""] = 0.07,
    symmetric: bool = True,
) -> Float[Tensor, ""]:
    """Contrast each pair (a_i, v_i) with the other items of the batch, in about the time of three products.

    Value and gradient (by a, v and the temperature) are those of `avcl_teach.objectives.nce.info_nce`, whose
    docstring has the formula. Memory: one B x B buffer, kept until backward. Can be differentiated once.
    Errors: ValueError for unequal shapes, an empty batch, labels of another length, or temperature <= 0.
    Source: van den Oord, Li, Vinyals 2018; survey equation (5), printed wrong (see the readable form).
    Lesson: 24.

    >>> info_nce(torch.eye(2), torch.eye(2), temperature=1.0)   # ln(1 + 1/e)
    tensor(0.3133)
    """
    check_batch(a, v, labels)
    check_positive(temperature=temperature)
    return _InfoNCE.apply(lift(a), lift(v), labels, temperature, symmetric, True, torch.is_grad_enabled())


def info_nce_of_unit_rows(
    a: Float[Tensor, "batch dim"],
    v: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"] | None = None,
    *,
    temperature: float | int | Float[Tensor, ""] = 0.07,
    symmetric: bool = True,
) -> Float[Tensor, ""]:
    """Contrast embeddings whose rows have length 1 already, as the towers of `encoders` give them.

    The value is that of `info_nce`; products a_i . v_j stand for the cosines, so that the gradient is not
    carried through the lengths (an encoder that scales its rows does that itself) and two passes over a and v
    are saved. The lengths are not checked: other rows give the loss of their dot products.
    Errors: as `info_nce`. Source: the same; open_clip's ClipLoss takes its features so. Lesson: 24.

    >>> info_nce_of_unit_rows(torch.eye(2), torch.eye(2), temperature=1.0)   # ln(1 + 1/e)
    tensor(0.3133)
    """
    check_batch(a, v, labels)
    check_positive(temperature=temperature)
    return _InfoNCE.apply(lift(a), lift(v), labels, temperature, symmetric, False, torch.is_grad_enabled())


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, v, labels, temperature, symmetric, scale_rows, differentiate):
        ctx.t, ctx.temperature = float(temperature), temperature
        a, p, ctx.by_a = moderate_rows(a) if scale_rows else (a, None, None)
        v, q, ctx.by_v = moderate_rows(v) if scale_rows else (v, None, None)
        ctx.scale = 1 / (len(a) * (2 if symmetric else 1))
        differentiate = differentiate and any(ctx.needs_input_grad)
        S = a.new_empty(len(a), len(v))
        for way in (_one_pass, _with_maxima):  # the second where float cannot hold E (a very small tau)
            torch.addmm(S, a, v.T, beta=0, alpha=1 / ctx.t, out=S)  # out=: never lowered by autocast
            loss = way(S, p, q, labels, ctx.t, symmetric, differentiate)
            if loss is not None:
                break
        if differentiate:
            ctx.save_for_backward(S, a, v, p, q)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        G, a, v, p, q = ctx.saved_tensors
        needs_a, needs_v, _, needs_t, *_ = ctx.needs_input_grad
        alpha = float(grad) * ctx.scale / ctx.t
        da = dv = along = None
        if needs_a or (needs_t and not needs_v):
            da, along = _gradient(G, v, a, p, ctx.by_a, alpha, needs_t)
        if needs_v:
            dv, along = _gradient(G.T, a, v, q, ctx.by_v, alpha, needs_t)
        # sum_ij dL/dS_ij S_ij = sum_i a_i . dL/da_i, rows taken as if of length 1
        dt = (-along.sum() / ctx.t).to(ctx.temperature) if needs_t else None
        return da if needs_a else None, dv, None, dt, None, None, None


def _gradient(G, other, own, inverse, factor, alpha, needs_along) -> tuple[Tensor, Tensor | None]:
    """Gradient by the rows of one side, [row, dim], and how much of it points along each row [row, 1]."""
    g = torch.empty_like(own)
    torch.addmm(g, G, other, beta=0, alpha=alpha, out=g)
    along = radial_part(g, own) if needs_along or inverse is not None else None
    if inverse is not None:
        inverse = inverse[:, None]
        part = inverse.square().mul_(along).masked_fill_(inverse >= 1 / EPS, 0.0)
        g.addcmul_(own, part, value=-1)
    return g if factor is None else g.mul_(factor), along


def inverse_lengths(x: Tensor) -> Tensor:
    """What each row must be multiplied by for length 1, [row, 1]; never more than 1 / EPS."""
    return torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min_(EPS).reciprocal_()


def moderate_rows(x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Rows whose products cannot overflow, their inverse lengths [row], and what each was multiplied by.

    The factor is None unless some row is longer than LONGEST: cosines do not feel it, gradients do.
    """
    inverse = inverse_lengths(x)
    if float(inverse.min()) > 1 / LONGEST:
        return x, inverse[:, 0], None
    factor = inverse.clamp_max(1.0)
    x = x * factor
    return x, inverse_lengths(x)[:, 0], factor


def radial_part(g: Tensor, row: Tensor) -> Tensor:
    """Dot product of each row of a gradient with the row that it belongs to, [row, 1]."""
    along = g.new_empty(len(g), 1)
    for i, j in bands(g):
        product = torch.mul(row[i:j], g[i:j], out=scratch(g[i:j]))
        torch.sum(product, 1, keepdim=True, out=along[i:j])
    return along


def through_length(g: Tensor, unit: Tensor, inverse: Tensor, radial: Tensor) -> Tensor:
    """Carry a gradient by unit rows back to the rows, in place."""
    return g.addcmul_(unit, torch.where(inverse < 1 / EPS, radial, 0.0), value=-1).mul_(inverse)


def window(t: float, dtype: torch.dtype) -> tuple[float, bool, float]:
    """How e^{cos / tau - shift} fits into the numbers of a dtype.

    Returns the shift, whether all cosines fit, and else the least that the exponential of a positive may be.
    """
    room = 0.8 * math.log(torch.finfo(dtype).max)  # 71 in float32: 10^7 exponentials of 71 have a finite sum
    return max(0.0, 1 / t - room), 1 / t <= room, torch.finfo(dtype).tiny * 1e8


def mean_of_terms(rest: Tensor, d: Tensor, t: float) -> Tensor:
    """Mean of ln((d + rest) / d), with all digits of small and of huge ratios."""
    ratio = rest / d
    if 2 / t < 0.8 * math.log(torch.finfo(d.dtype).max):
        return ratio.log1p_().mean()
    return torch.where(ratio.isfinite(), ratio.log1p(), (rest + d).log() - d.log()).mean()


def _one_pass(S, p, q, labels, t, symmetric, differentiate) -> Tensor | None:
    """Turn S into its exponentials E, then into the gradient by S, unscaled; None where E does not fit."""
    shift, fits, least = window(t, S.dtype)
    d = S.diagonal().clone()
    S.fill_diagonal_(-math.inf)
    d = d if p is None else d.mul_(p).mul_(q)
    d = (d.sub_(shift) if shift else d).exp_()
    rest = S.new_empty(2 if symmetric else 1, len(S))
    for n, (i, j) in enumerate(bands(S)):
        E = scale(S[i:j], None if p is None else p[i:j], q)
        E = (E.sub_(shift) if shift else E).exp_()
        if labels is not None:
            E.masked_fill_(labels[i:j, None] == labels, 0.0)
        torch.sum(E, 1, out=rest[0, i:j])
        if symmetric and n == 0:
            torch.sum(E, 0, out=rest[1])
        elif symmetric:
            rest[1] += E.sum(0)
    total = rest + d
    if not (fits and p is not None) and not (float(d.min()) >= least and float(total.max()) < math.inf):
        return None
    if differentiate:
        weight = total.reciprocal_()
        weigh(S, weight[0], weight[1] if symmetric else None, p, q)
        share = torch.sum(rest * weight, 0)
        S.diagonal().sub_(share if p is None else share.mul_(p).mul_(q))
    return mean_of_terms(rest, d, t)


def _with_maxima(S, p, q, labels, t, symmetric, differentiate) -> Tensor:
    """The same from two softmaxes, each with its own maximum: any tau, twice the time."""
    scale(S, p, q)
    leave_out_class(S, labels, float("-inf"))
    d, r = S.diagonal().clone(), S.logsumexp(1)
    loss = (r - d).mean()
    c = S.logsumexp(0) if symmetric else None
    if symmetric:
        loss = (loss + (c - d).mean()) / 2
    if differentiate:
        by_column = (S - c).exp_() if symmetric else None
        S.sub_(r[:, None]).exp_()
        if symmetric:
            S += by_column
        S.diagonal().sub_(2 if symmetric else 1)
        scale(S, p, q)
    return loss


def scale(S: Tensor, p: Tensor | None, q: Tensor | None) -> Tensor:
    """Multiply S_ij in place by p_i q_j, inverse lengths [row] and [column]; by 1 where those are None."""
    return S if p is None else S.mul_(q).mul_(p[:, None])


def leave_out_class(S: Tensor, labels: Tensor | None, value: float) -> None:
    """Write a value in place where two different items have one label."""
    if labels is None:
        return
    d = S.diagonal().clone()
    for i, j in bands(S):
        S[i:j].masked_fill_(labels[i:j, None] == labels, value)
    S.diagonal().copy_(d)


def weigh(
    E: Tensor, by_row: Tensor, by_column: Tensor | None, p: Tensor | None = None, q: Tensor | None = None
) -> None:
    """Multiply E_ij in place by (by_row_i + by_column_j) p_i q_j; what is None is left out."""
    if by_column is None:
        scale(E.mul_(by_row[:, None]), p, q)
        return
    by_column = by_column if p is None else by_column * q
    for i, j in bands(E):
        sums, row = scratch(E[i:j]), by_row[i:j, None]
        if p is None:
            E[i:j].mul_(torch.add(row, by_column, out=sums))
        else:
            E[i:j].mul_(torch.addcmul(by_column, row, q, out=sums)).mul_(p[i:j, None])


def bands(S: Tensor) -> list[tuple[int, int]]:
    """Rows from i to j at a time that stay in a processor's cache; all rows at once on other devices."""
    n, rows = len(S), max(1, _BAND // S.shape[1]) if S.device.type == "cpu" else len(S)
    return [(i, min(i + rows, n)) for i in range(0, n, rows)]


def scratch(like: Tensor) -> Tensor:
    """Room for a temporary of a band's shape: on the processor the same for every call of a thread.

    Fresh pages cost more than what is computed in them. What stays is 1 MiB in float32 (more where one row
    is longer), and nothing of it may be kept.
    """
    if like.device.type != "cpu":
        return torch.empty_like(like)
    room = getattr(_KEPT, "room", None)
    if room is not None and room.shape == like.shape and room.dtype == like.dtype:
        return room
    with torch.inference_mode(False):  # may be written to in any mode later
        if room is None or room.dtype != like.dtype or _KEPT.whole.numel() < like.numel():
            _KEPT.whole = torch.empty(max(_BAND, like.numel()), dtype=like.dtype)
        _KEPT.room = _KEPT.whole[: like.numel()].view(like.shape)
    return _KEPT.room
