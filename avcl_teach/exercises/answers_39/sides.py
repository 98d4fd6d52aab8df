"""Exercise 2 of lesson 39: likeness should lean to the side on which it is louder."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def side_consistency(
    C: Float[Tensor, "patch row column"],
    l: Float[Tensor, "patch"],  # noqa: E741
    r: Float[Tensor, "patch"],
    w: Float[Tensor, "column"],
) -> Float[Tensor, ""]:
    """Mean over patches of BCE(P_av, P_a); P_av = sigmoid(mean of C w), P_a = sigmoid(l - r), a target."""
    return F.binary_cross_entropy_with_logits(_likeness(C, w), torch.sigmoid(l - r).detach())


def by_softplus(C, l, r, w):  # noqa: E741
    z = torch.einsum("prc,c->p", C, w) / (C.shape[1] * C.shape[2])
    return (F.softplus(z) - z / (1 + torch.exp(r - l)).detach()).mean()


def scenes(g):
    C = 4 * torch.rand(5, 2, 3, generator=g) - 2
    return C, 2 * torch.rand(5, generator=g), 2 * torch.rand(5, generator=g), _ramp(3)


def wide(g):
    C = 4 * torch.rand(3, 3, 4, generator=g) - 2
    return C, 3 * torch.rand(3, generator=g), torch.rand(3, generator=g), _ramp(4)


def one_patch(g):
    return 2 * torch.rand(1, 2, 2, generator=g), torch.rand(1, generator=g), torch.zeros(1), _ramp(2)


def target_not_detached(C, l, r, w):  # noqa: E741
    return F.binary_cross_entropy_with_logits(_likeness(C, w), torch.sigmoid(l - r))


def roles_swapped(C, l, r, w):  # noqa: E741
    return F.binary_cross_entropy_with_logits(l - r, torch.sigmoid(_likeness(C, w)))


def sides_swapped(C, l, r, w):  # noqa: E741
    return F.binary_cross_entropy_with_logits(_likeness(C, w), torch.sigmoid(r - l).detach())


def ramp_turned(C, l, r, w):  # noqa: E741
    return F.binary_cross_entropy_with_logits(-_likeness(C, w).flip(0), torch.sigmoid(l - r).detach())


def places_summed(C, l, r, w):  # noqa: E741
    return F.binary_cross_entropy_with_logits((C * w).sum((1, 2)), torch.sigmoid(l - r).detach())


def hard_target(C, l, r, w):  # noqa: E741
    return F.binary_cross_entropy_with_logits(_likeness(C, w), (l > r).float())


def squared_error(C, l, r, w):  # noqa: E741
    return F.mse_loss(torch.sigmoid(_likeness(C, w)), torch.sigmoid(l - r).detach())


def sigmoid_twice(C, l, r, w):  # noqa: E741
    P_av = torch.sigmoid(_likeness(C, w))
    return F.binary_cross_entropy_with_logits(P_av, torch.sigmoid(l - r).detach())


def patches_averaged_first(C, l, r, w):  # noqa: E741
    return F.binary_cross_entropy_with_logits(_likeness(C, w).mean(), torch.sigmoid((l - r).mean()).detach())


def ramp_forgotten(C, l, r, w):  # noqa: E741
    return F.binary_cross_entropy_with_logits(C.mean((1, 2)) + 0 * w.sum(), torch.sigmoid(l - r).detach())


def _likeness(C, w):
    return (C * w).mean((1, 2))


def _ramp(n):
    x = torch.linspace(-2, 2, n)
    return torch.sigmoid(-2 * x) - torch.sigmoid(2 * x)


SIDES = Exercise(
    name="spatial.side_consistency",
    lesson="39",
    title="Ask the likeness which side it is on",
    stars=2,
    minutes=10,
    reference=side_consistency,
    gradient="values",
    cases=(scenes, wide, one_patch),
    mistakes=(
        Mistake(
            target_not_detached, "Right values. Does a gradient reach l and r in yours? Who should move?"
        ),
        Mistake(roles_swapped, "Which of the two is the guess, and which the target that stays put?"),
        Mistake(sides_swapped, "Where it is louder on the left, is your target above one half?"),
        Mistake(ramp_turned, "Each patch of sound has its own likeness. Do sign and order agree in yours?"),
        Mistake(places_summed, "Would a picture of twice the size change your guess?"),
        Mistake(hard_target, "Two ears nearly equal: what does your target say, and how surely?"),
        Mistake(squared_error, "How is a guess between 0 and 1 priced here? Look at the name of the loss."),
        Mistake(sigmoid_twice, "How often is the likeness squeezed into 0 to 1 in yours?"),
        Mistake(
            patches_averaged_first, "One patch leans left, one right: what is left of them in your mean?"
        ),
        Mistake(ramp_forgotten, "Mirror the likeness. Does your result notice?"),
    ),
    alternatives=(by_softplus,),
    properties=(properties.bounded(scenes, low=0, hint="A cross-entropy is never below 0."),),
)
