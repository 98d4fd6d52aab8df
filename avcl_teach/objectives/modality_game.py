"""Objectives with an adversary that tells sound from picture, by itself or beside a metric loss."""

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.encoders.adversarial import reverse_gradient
from avcl_teach.objectives.adversarial import discriminator_log_loss, generator_log_loss
from avcl_teach.objectives.pairwise import check_batch

Map = Callable[[Tensor], Tensor]


def modality_adversary(
    a: Float[Tensor, "batch dim"],
    v: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"] | None = None,
    *,
    discriminator: Map,
    strength: float | int = 1.0,
) -> Float[Tensor, ""]:
    """Let a discriminator learn which modality an embedding is from, and the encoders unlearn it, at once.

    L = L_D(D(a'), D(v')) / 2, x' = x with its gradient times -strength: D descends the cross-entropy,
    encoders climb it. Labels are not used. ln 2 = 0.693 when nothing can be told.
    Shapes: discriminator maps [batch, dim] to logits [batch], high for sound. Errors: ValueError for what is
    no batch of pairs. Source: Ganin et al. 2016 (gradient reversal); the encoders' part is the saturating
    loss. Survey 3.1, generative adversarial networks, i. Lesson: 15.
    """
    check_batch(a, v, labels)
    turned_a, turned_v = reverse_gradient(a, strength=strength), reverse_gradient(v, strength=strength)
    return discriminator_log_loss(discriminator(turned_a), discriminator(turned_v)) / 2


def modality_confusion(
    a: Float[Tensor, "batch dim"],
    v: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"] | None = None,
    *,
    discriminator: Map,
) -> Float[Tensor, ""]:
    """Ask the encoders to be taken for the other modality: the cross-entropy with modality labels flipped.

    L = (1/2) [L_G(-D(a)) + L_G(D(v))], the non-saturating form, for encoders only: D has its own loss and its
    own optimiser (`training.fit_two`). Labels are not used.
    Shapes: as `modality_adversary`. Errors: ValueError for what is no batch of pairs. Source: Zheng et al.
    2021a (AML), "flipped modality labels". Survey 3.1, GANs i. Lesson: 15.
    """
    check_batch(a, v, labels)
    return (generator_log_loss(-discriminator(a)) + generator_log_loss(discriminator(v))) / 2


def adversarial_metric(
    a: Float[Tensor, "batch dim"],
    v: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"] | None = None,
    *,
    metric: Callable,
    discriminator: Map,
    gamma: float | int = 2.0,
    **hyper: object,
) -> Float[Tensor, ""]:
    """Add an adversary to a metric loss: L = metric(a, v, labels, **hyper) + gamma `modality_confusion`.

    Zheng et al. 2021a (AML) join a lifted structure loss (weight 3), a task loss (1) and the adversary (gamma
    = 2), and give D an optimiser of its own. gamma = 0 leaves the metric loss alone.
    Errors: as `metric`; ValueError for gamma < 0. Source: reconstruction after Zheng et al. 2021a; survey
    3.1, GANs iv. Lesson: 15.
    """
    if gamma < 0:
        raise ValueError(f"expected gamma >= 0, got {gamma}")
    pull = metric(a, v, labels, **hyper)
    return pull + gamma * modality_confusion(a, v, discriminator=discriminator) if gamma else pull


def adversarial_transfer(
    student: Float[Tensor, "batch dim"],
    teacher: Float[Tensor, "batch dim"],
    *,
    decoder: Map,
    discriminator: Map,
    alpha: float | int = 1.0,
    beta: float | int = 1.0,
) -> Float[Tensor, ""]:
    """Pull one modality's code onto another's that stands still, sample by sample and as a distribution.

    L = alpha E |Dec(s) - t|^2 / dim + beta L_G(D(s)), s the student's code, t the teacher's, detached. D is
    trained to tell t (1) from s (0) with `discriminator_log_loss`, in its own step.
    Shapes: decoder maps [batch, dim] to [batch, dim], discriminator [batch, dim] to [batch].
    Errors: ValueError for what is no batch of pairs, alpha < 0 or beta < 0.
    Source: reconstruction after Seo et al. 2020 (HMTL); survey 3.1, GANs i and iv. Lesson: 15.
    """
    check_batch(student, teacher)
    if alpha < 0 or beta < 0:
        raise ValueError(f"expected alpha >= 0 and beta >= 0, got {alpha} and {beta}")
    near = F.mse_loss(decoder(student), teacher.detach())
    return alpha * near + beta * generator_log_loss(discriminator(student))
