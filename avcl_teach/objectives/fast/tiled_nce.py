"""InfoNCE that never holds the B x B matrix: the batch grows, the memory does not.

Forward needs only the row and column sums of the exponentials, 2 B numbers, taken a strip of rows at a time.
Backward makes each strip again from the embeddings, turns it into the gradient by the cosines and adds its
two products to the gradients by a and v: one more product of B x B x D, and no B x B numbers kept. Rows are
scaled to length 1 within the strips too, so that beyond a, v and their gradients only strips take memory.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from avcl_teach.objectives.fast.nce import (
    inverse_lengths,
    mean_of_terms,
    radial_part,
    through_length,
    weigh,
    window,
)
from avcl_teach.objectives.pairwise import check_batch, check_positive, lift

_STRIP = 2**22  # entries of a strip: 16 MiB in float32


def tiled_info_nce(
    a: Float[Tensor, "batch dim"],
    v: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"] | None = None,
    *,
    temperature: float | int | Float[Tensor, ""] = 0.07,
    symmetric: bool = True,
    strip_rows: int | None = None,
) -> Float[Tensor, ""]:
    """Contrast each pair with the other items of a batch of any size, `strip_rows` rows at a time.

    Value and gradient (by a, v and the temperature) are those of `info_nce`. Extra memory: the gradients and
    about one strip [strip_rows, B], of 512 rows and at most 4 million entries unless told otherwise, where
    the plain form keeps several B x B matrices. Can be differentiated once.
    Errors: as `info_nce`, and ValueError for strip_rows < 1.
    Source: the loss of van den Oord, Li, Vinyals 2018; parts of the matrix made again as in Inf-CL (Cheng et
    al. 2024). Lessons: 24, 40.

    >>> tiled_info_nce(torch.eye(2), torch.eye(2), temperature=1.0, strip_rows=1)   # ln(1 + 1/e)
    tensor(0.3133)
    """
    check_batch(a, v, labels)
    check_positive(temperature=temperature)
    if strip_rows is not None and strip_rows < 1:
        raise ValueError(f"expected strip_rows >= 1, got {strip_rows}")
    rows = min(512, max(16, _STRIP // len(a))) if strip_rows is None else strip_rows
    return _TiledInfoNCE.apply(lift(a), lift(v), labels, temperature, symmetric, min(rows, len(a)))


class _TiledInfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, v, labels, temperature, symmetric, rows):
        ctx.temperature, ctx.symmetric, ctx.rows = temperature, symmetric, rows
        strips = _Strips(a, v, labels, float(temperature), rows)
        sums = strips.sums()
        ctx.one_shift = sums is not None
        if not ctx.one_shift:
            sums = strips.log_sums()
        kept = sums[: 2 if symmetric else 1]
        ctx.save_for_backward(a, v, labels, kept, sums[2])
        return mean_of_terms(kept, sums[2], strips.t) if ctx.one_shift else (kept - sums[2]).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        a, v, labels, sums, d = ctx.saved_tensors
        strips = _Strips(a, v, labels, float(ctx.temperature), ctx.rows)
        gradient = strips.gradient_by_weights if ctx.one_shift else strips.gradient_by_softmaxes
        da, dv = torch.empty_like(a), torch.zeros_like(v)
        alpha, radial = float(grad) / sums.numel() / strips.t, 0.0
        for i, j, A, S in strips:
            G = gradient(i, j, S, sums, d)
            torch.addmm(dv, G.T, A, alpha=alpha, out=dv)
            torch.addmm(da[i:j], G.mul_(strips.per_v), v, beta=0, alpha=alpha, out=da[i:j])
            along = radial_part(da[i:j], A)
            through_length(da[i:j], A, strips.per_a[i:j, None], along)
            radial += along.sum()
        for i in range(0, len(v), strips.rows):
            part = slice(i, i + strips.rows)
            V = v[part] * strips.per_v[part, None]
            through_length(dv[part], V, strips.per_v[part, None], radial_part(dv[part], V))
        dt = (-radial / strips.t).to(ctx.temperature) if ctx.needs_input_grad[3] else None
        return da, dv, None, dt, None, None


@dataclass
class _Strips:
    """The cosines over tau of a batch, `rows` rows at a time, never all at once."""

    a: Tensor
    v: Tensor
    labels: Tensor | None
    t: float
    rows: int

    def __post_init__(self):
        self.per_a, self.per_v = inverse_lengths(self.a)[:, 0], inverse_lengths(self.v)[:, 0]
        self.buffer = self.a.new_empty(self.rows, len(self.a))
        self.shift, self.fits, self.least = window(self.t, self.a.dtype)

    def __iter__(self):
        """Yield (first row, last row + 1, unit rows of a, their cosines over tau)."""
        for i in range(0, len(self.a), self.rows):
            j = min(i + self.rows, len(self.a))
            A = self.a[i:j] * self.per_a[i:j, None]
            S = self.buffer[: j - i]
            torch.addmm(S, A, self.v.T, beta=0, alpha=1 / self.t, out=S)  # out=: never lowered by autocast
            yield i, j, A, S.mul_(self.per_v)

    def exponentials(self, i: int, j: int, S: Tensor) -> Tensor:
        """Turn a strip into exponentials, 0 at its positives and at other items of their class."""
        E = (S.sub_(self.shift) if self.shift else S).exp_()
        self.leave_out(i, j, E, 0.0)
        E.diagonal(i).zero_()
        return E

    def sums(self) -> Tensor | None:
        """Row sums, column sums and positives of the exponentials [3, B]; None where those do not fit."""
        row, column, d = torch.zeros(3, len(self.a), dtype=self.a.dtype, device=self.a.device)
        for i, j, _, S in self:
            d[i:j] = (S.diagonal(i) - self.shift).exp()
            E = self.exponentials(i, j, S)
            row[i:j] = E.sum(1)
            column += E.sum(0)
        return torch.stack([row, column, d]) if self.fits or bool(d.min() >= self.least) else None

    def log_sums(self) -> Tensor:
        """Row and column sums in logarithms, and the positives' cosines over tau [3, B]: for any tau."""
        row, column, d = torch.zeros(3, len(self.a), dtype=self.a.dtype, device=self.a.device)
        column.fill_(float("-inf"))
        for i, j, _, S in self:
            d[i:j] = S.diagonal(i)
            self.leave_out(i, j, S, float("-inf"))
            S.diagonal(i).copy_(d[i:j])
            row[i:j] = S.logsumexp(1)
            column = torch.logaddexp(column, S.logsumexp(0))
        return torch.stack([row, column, d])

    def gradient_by_weights(self, i: int, j: int, S: Tensor, sums: Tensor, d: Tensor) -> Tensor:
        """Gradient by a strip's cosines over tau, unscaled, from the sums of exponentials."""
        E, weight = self.exponentials(i, j, S), 1 / (sums + d)
        weigh(E, weight[0, i:j], weight[1] if len(sums) == 2 else None)
        E.diagonal(i).copy_(-(sums * weight).sum(0)[i:j])
        return E

    def gradient_by_softmaxes(self, i: int, j: int, S: Tensor, sums: Tensor, d: Tensor) -> Tensor:
        """The same from logarithms of the sums."""
        G = (S - sums[0, i:j, None]).exp_()
        if len(sums) == 2:
            G += S.sub_(sums[1]).exp_()
        self.leave_out(i, j, G, 0.0)
        G.diagonal(i).copy_((d - sums).exp().sum(0)[i:j] - len(sums))
        return G

    def leave_out(self, i: int, j: int, S: Tensor, value: float) -> None:
        """Write a value in place where two items have one label (positives too)."""
        if self.labels is not None:
            S.masked_fill_(self.labels[i:j, None] == self.labels, value)
