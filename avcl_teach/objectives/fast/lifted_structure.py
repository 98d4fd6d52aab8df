"""The lifted structured loss of both modalities' items with its gradient in closed form.

With E_in = e^{zeta - D_in} over the negatives n of item i, r_i its sum and T_ij = r_i + r_j, the smooth
maximum of a pair is J_ij = [D_ij + ln T_ij]_+ and the loss (sum J^2) / (2 |P|). A distance moves it as a
positive's, J_ij / |P|, and as a negative's, -E_ij (h_i + h_j) with h_i = sum_j J_ij / (|P| T_ij). D is
symmetric, so all these tables are, and one product with the rows gives the gradient.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from avcl_teach.objectives import lifted_structure as readable
from avcl_teach.objectives.fast.nce import inverse_lengths, radial_part, through_length
from avcl_teach.objectives.pairwise import check_batch, check_positive, lift

LARGEST = 60.0  # e^margin may leave float32 in a sum above it, and the readable form is used


def lifted_joint(
    a: Float[Tensor, "batch dim"],
    v: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"] | None = None,
    *,
    margin: float = 1.0,
) -> Float[Tensor, ""]:
    """Pull all positive pairs of 2B items together against the negatives of both of their ends.

    Value, gradient, errors and source: `lifted_structure.lifted_joint`. Can be differentiated once. Lesson:
    22.
    """
    check_batch(a, v, labels)
    check_positive(margin=margin)
    if margin > LARGEST:
        return readable.lifted_joint(a, v, labels, margin=margin)
    y = torch.arange(len(a), device=a.device) if labels is None else labels
    return _LiftedJoint.apply(lift(torch.cat([a, v])), torch.cat([y, y]), margin)


class _LiftedJoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, labels: Tensor, margin: float) -> Tensor:
        inverse = inverse_lengths(x)
        X = x * inverse
        D = _distances(X, (x != 0).any(1).to(x))
        same = labels[:, None] == labels
        E = torch.sub(margin, D).exp_().masked_fill_(same, 0.0)
        r = E.sum(1)
        T = r[:, None] + r
        P = same.fill_diagonal_(False)
        n = P.sum().clamp_min_(1)
        J = T.log().add_(D).clamp_min_(0.0).masked_fill_((T == 0) | ~P, 0.0)  # T = 0: no negatives at all
        ctx.save_for_backward(X, inverse, D, E, T, J, n)
        return J.square().sum() / (2 * n)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        X, inverse, D, E, T, J, n = ctx.saved_tensors
        h = (J / T.clamp_min(torch.finfo(T.dtype).tiny)).sum(1)
        G = torch.addcmul(J, E, h[:, None] + h, value=-1)  # by the distances, times |P|
        G.div_(D).masked_fill_(D == 0, 0.0)  # no direction where two rows are equal
        g = torch.empty_like(X)
        torch.mm(G, X, out=g)
        g.mul_(grad * -2 / n)
        return through_length(g, X, inverse, radial_part(g, X)), None, None


def _distances(X: Tensor, square: Tensor) -> Tensor:
    """Euclidean distances of rows whose squared lengths are given, [row, row]; those of rows are 1 or 0."""
    D = square[:, None] + square
    return torch.addmm(D, X, X.T, alpha=-2, out=D).clamp_min_(0.0).sqrt_()
