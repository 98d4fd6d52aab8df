"""Two players, two losses: what a discriminator and a generator minimise, and penalties that calm the game.

D gives logits, never probabilities: log sigma(x) = -softplus(-x) is then finite everywhere. Means over the
batch throughout.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.objectives.pairwise import lift

Judge = Callable[[Tensor], Tensor]  # what D says of a batch of samples: one logit each


def discriminator_log_loss(real: Float[Tensor, "*batch"], fake: Float[Tensor, "*other"]) -> Float[Tensor, ""]:
    """Tell real samples from generated ones: L_D = -E ln sigma(real) - E ln(1 - sigma(fake)).

    Binary cross-entropy of both kinds, added. Its floor for a given generator is ln 4 - 2 JS(p, q), reached
    where the logit is ln p(x) / q(x); D that knows nothing pays ln 4.
    Errors: ValueError for an empty batch. Source: Goodfellow et al. 2014, eq. 1. Lesson: 15.

    >>> discriminator_log_loss(torch.zeros(2), torch.zeros(3))
    tensor(1.3863)
    """
    real, fake = _checked(real, fake)
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_log_loss(fake: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """Make generated samples count as real: L_G = -E ln sigma(fake), the non-saturating form.

    Its slope in the logit is sigma(fake) - 1: near -1 where D is sure of a fake, so that a generator that
    loses learns fastest. Errors: ValueError for an empty batch. Source: Goodfellow et al. 2014, section 3.
    Lesson: 15.

    >>> generator_log_loss(torch.zeros(2))
    tensor(0.6931)
    """
    return F.softplus(-_checked(fake)[0]).mean()


def generator_saturating_loss(fake: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """Make generated samples not count as generated: L_G = E ln(1 - sigma(fake)), the minimax form.

    The other player's loss with its sign turned. Its slope is -sigma(fake): 0 where D is sure of a fake.
    Errors: ValueError for an empty batch. Source: Goodfellow et al. 2014, eq. 1. Lesson: 15.

    >>> generator_saturating_loss(torch.zeros(2))
    tensor(-0.6931)
    """
    return -F.softplus(_checked(fake)[0]).mean()


def discriminator_squares_loss(
    real: Float[Tensor, "*batch"], fake: Float[Tensor, "*other"]
) -> Float[Tensor, ""]:
    """Regress real samples to 1 and generated ones to 0: L_D = (1/2) E (real - 1)^2 + (1/2) E fake^2.

    Errors: ValueError for an empty batch. Source: Mao et al. 2017 (a = 0, b = c = 1); the release of Zheng
    et al. 2021b (ANTS) plays it without the halves. Lesson: 15.

    >>> discriminator_squares_loss(torch.ones(2), torch.ones(2))
    tensor(0.5000)
    """
    real, fake = _checked(real, fake)
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def generator_squares_loss(fake: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """Regress what D says of generated samples to 1: L_G = (1/2) E (fake - 1)^2.

    Errors: ValueError for an empty batch. Source: Mao et al. 2017. Lesson: 15.

    >>> generator_squares_loss(torch.zeros(2))
    tensor(0.5000)
    """
    return (_checked(fake)[0] - 1).square().mean() / 2


def discriminator_hinge_loss(
    real: Float[Tensor, "*batch"], fake: Float[Tensor, "*other"]
) -> Float[Tensor, ""]:
    """Push real samples above 1 and generated ones below -1, and stop: E [1 - real]_+ + E [1 + fake]_+.

    Errors: ValueError for an empty batch. Source: Lim and Ye 2017; Miyato et al. 2018. Lesson: 15.

    >>> discriminator_hinge_loss(torch.full((2,), 3.0), torch.zeros(2))
    tensor(1.)
    """
    real, fake = _checked(real, fake)
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def discriminator_wasserstein_loss(
    real: Float[Tensor, "*batch"], fake: Float[Tensor, "*other"]
) -> Float[Tensor, ""]:
    """Widen the gap between both means: L_D = E fake - E real.

    -L_D is the 1-Wasserstein distance when D is the best of all functions of slope at most 1; without a bound
    on the slope (`gradient_penalty`) it has no floor. Errors: ValueError for an empty batch.
    Source: Arjovsky et al. 2017; Mira et al. 2021 play it with two critics. Lesson: 15.

    >>> discriminator_wasserstein_loss(torch.ones(2), torch.zeros(2))
    tensor(-1.)
    """
    real, fake = _checked(real, fake)
    return fake.mean() - real.mean()


def generator_mean_loss(fake: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """Raise what D says of generated samples: L_G = -E fake. Goes with the hinge and with Wasserstein.

    Errors: ValueError for an empty batch. Source: Arjovsky et al. 2017. Lesson: 15.

    >>> generator_mean_loss(torch.ones(2))
    tensor(-1.)
    """
    return -_checked(fake)[0].mean()


class Game(NamedTuple):
    """Hold the losses of both players: discriminator(real, fake) and generator(fake), all logits."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


NON_SATURATING = Game(discriminator_log_loss, generator_log_loss)
SATURATING = Game(discriminator_log_loss, generator_saturating_loss)
LEAST_SQUARES = Game(discriminator_squares_loss, generator_squares_loss)
HINGE = Game(discriminator_hinge_loss, generator_mean_loss)
WASSERSTEIN = Game(discriminator_wasserstein_loss, generator_mean_loss)


def r1_penalty(judge: Judge, real: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
    """Punish the slope of D at real samples: R_1 = (1/2) E |grad_x D(x)|^2.

    At the end of the game D should be flat where the data is; without the penalty it keeps a slope there that
    throws the generator off again. The gradient of D is taken with respect to the samples and is itself
    differentiable (create_graph), so that the penalty reaches D's weights.
    Shapes: judge maps [batch, ...] to [batch]. Errors: ValueError for an empty batch, or a judge that does
    not give one logit a sample. Source: Mescheder et al. 2018, eq. 9, without the factor gamma. Lesson: 15.

    >>> r1_penalty(lambda x: 3 * x[:, 0] + 4 * x[:, 1], torch.zeros(5, 2))
    tensor(12.5000)
    """
    return slopes(judge, real).square().mean() / 2


def gradient_penalty(
    judge: Judge,
    real: Float[Tensor, "batch ..."],
    fake: Float[Tensor, "batch ..."],
    *,
    target: float | int = 1.0,
) -> Float[Tensor, ""]:
    """Keep the slope of D between real and generated samples near 1: E (|grad_x D(x)| - target)^2.

    x = u real + (1 - u) fake, one u ~ U(0, 1) a sample (torch's global generator draws it), for pairs in the
    order they come. target 0 is the zero-centred form. fake gets no gradient.
    Shapes: judge maps [batch, ...] to [batch]. Errors: ValueError for unequal shapes, an empty batch, or a
    judge that does not give one logit a sample. Source: Gulrajani et al. 2017, eq. 3, without the factor
    lambda = 10; Thanh-Tung et al. 2019 (target 0). Lesson: 15.
    """
    if real.shape != fake.shape:
        raise ValueError(f"expected real and fake of one shape, got {tuple(real.shape)}, {tuple(fake.shape)}")
    u = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = u * real.detach() + (1 - u) * fake.detach()
    return (slopes(judge, between) - target).square().mean()


def slopes(judge: Judge, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch"]:
    """Return |grad_x D(x)| for every sample, differentiable with respect to D's weights. Lesson: 15."""
    if len(x) == 0:
        raise ValueError(f"expected at least one sample, got shape {tuple(x.shape)}")
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logit = judge(x)
        if logit.shape != x.shape[:1]:
            raise ValueError(f"expected one logit a sample, [{len(x)}], got {tuple(logit.shape)}")
        (grad,) = torch.autograd.grad(logit.sum(), x, create_graph=True)
    squares = lift(grad).flatten(1).square().sum(1)
    # a length has no finite gradient at 0: there the slope is 0 with gradient 0
    flat = squares == 0
    return torch.where(flat, 1.0, squares).sqrt() * ~flat


def _checked(*logits: Tensor) -> tuple[Tensor, ...]:
    """Refuse empty batches; compute in float32 or finer."""
    for x in logits:
        if x.numel() == 0:
            raise ValueError(f"expected at least one logit, got shape {tuple(x.shape)}")
    return tuple(lift(x) for x in logits)


def class_set_loss(
    logits: Float[Tensor, "batch class"], sets: Bool[Tensor, "batch class"]
) -> Float[Tensor, ""]:
    """Ask that a sample be classified as some class of its set: the mean of -ln sum_{c in set} p_c.

    With one class a set it is cross-entropy; with all classes 0. Samples with an empty set do not count.
    Errors: ValueError for unequal shapes. Source: reconstruction after Athanasiadis et al. 2020, who
    condition with sets from conformal prediction (`encoders.conditions.conformal_sets`). Lesson: 15.

    >>> class_set_loss(torch.zeros(1, 4), torch.tensor([[True, True, False, False]]))
    tensor(0.6931)
    """
    if logits.shape != sets.shape or len(logits) == 0:
        raise ValueError(f"expected sets {tuple(logits.shape)}, got {tuple(sets.shape)}")
    logits, some = lift(logits), sets.any(1)
    inside = torch.where(sets | ~some[:, None], logits, float("-inf"))
    losses = logits.logsumexp(1) - inside.logsumexp(1)
    return (losses * some).sum() / some.sum().clamp_min(1)
