"""Exercise 2 of lesson 15: a step of the discriminator that leaves the generator alone."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake


def judge_loss(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], w: Float[Tensor, "d"], b: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """L_D of D(x) = x.w + b, with a gradient for w and b and none for fake or real."""
    real, fake = real.detach() @ w + b, fake.detach() @ w + b
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _L(real, fake, w, b):
    return F.softplus(-(real @ w + b)).mean() + F.softplus(fake @ w + b).mean()


def in_one_go(real, fake, w, b):
    logits = torch.cat([real, fake]).detach() @ w + b
    of_real, of_fake = logits.split([len(real), len(fake)])
    return -(F.logsigmoid(of_real).mean() + F.logsigmoid(-of_fake).mean())


def three_numbers_each(g):
    return (
        torch.randn(4, 3, generator=g), torch.randn(5, 3, generator=g), torch.randn(3, generator=g),
        torch.randn((), generator=g),
    )  # fmt: skip


def one_number(g):
    return (
        torch.randn(2, 1, generator=g), torch.randn(2, 1, generator=g), torch.randn(1, generator=g),
        torch.randn((), generator=g),
    )  # fmt: skip


def nothing_detached(real, fake, w, b):
    return _L(real, fake, w, b)


def only_real_detached(real, fake, w, b):
    return _L(real.detach(), fake, w, b)


def only_fake_detached(real, fake, w, b):
    return _L(real, fake.detach(), w, b)


def logit_detached(real, fake, w, b):
    f = (fake @ w + b).detach()
    return F.softplus(-(real.detach() @ w + b)).mean() + F.softplus(f).mean()


def both_logits_detached(real, fake, w, b):
    return _L(real, fake, w, b).detach()


def weights_detached(real, fake, w, b):
    return _L(real, fake, w.detach(), b)


def weights_stopped_bias_too(real, fake, w, b):
    return _L(real, fake, w.detach(), b.detach())


def sign_turned(real, fake, w, b):
    return -_L(real.detach(), fake.detach(), w, b)


def swapped(real, fake, w, b):
    return _L(fake.detach(), real.detach(), w, b)


def no_bias(real, fake, w, b):
    return _L(real.detach(), fake.detach(), w, 0 * b)


def generators_loss(real, fake, w, b):
    return F.softplus(-(fake.detach() @ w + b)).mean()


DETACHED = Exercise(
    name="adversarial.judge_loss",
    lesson="15",
    title="Move the judge and nothing else",
    stars=2,
    minutes=8,
    reference=judge_loss,
    cases=(three_numbers_each, one_number),
    mistakes=(
        Mistake(nothing_detached, "The value is right. What else does a backward pass reach from here?"),
        Mistake(only_real_detached, "Behind one of the two kinds of samples stands a network. Which?"),
        Mistake(
            only_fake_detached,
            "The generator is safe. The data asks for no gradient either: spend none on it.",
        ),
        Mistake(logit_detached, "Where did you cut: before D, or after? D should learn from fakes, too."),
        Mistake(both_logits_detached, "Now nobody moves. Who should?"),
        Mistake(weights_detached, "Whose step is this? Look at what w receives."),
        Mistake(weights_stopped_bias_too, "This is the cut for the other player's step: D stands still."),
        Mistake(sign_turned, "The optimiser goes down. Is less of your loss a better judge?"),
        Mistake(swapped, "Which samples should have high logits?"),
        Mistake(no_bias, "D(x) = x.w + b. Move b by 1: does your loss change?"),
        Mistake(generators_loss, "That is what the generator wants. What does the judge want?"),
    ),
    alternatives=(in_one_go,),
    gradient="values",
)
