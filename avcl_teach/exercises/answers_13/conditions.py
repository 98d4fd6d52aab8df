"""Exercise 8 of lesson 13: the steps of one latent look up the other modality before they are decoded."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def conditioned_decoder(
    H: Float[Tensor, "n t d"],
    K: Float[Tensor, "n s d"],
    V: Float[Tensor, "n s d"],
    D: Float[Tensor, "d p"],
) -> Float[Tensor, "n t p"]:
    """x_hat = (H + softmax(H K' / sqrt(d)) V) D, the softmax over the s steps of the other side."""
    A = _weights(H, K)
    return (H + A @ V) @ D


def _weights(H, K, scale=None, dim=-1):
    scale = H.shape[-1] ** -0.5 if scale is None else scale
    return (H @ K.mT * scale).softmax(dim)


def by_torch(H, K, V, D):
    return (H + F.scaled_dot_product_attention(H, K, V)) @ D


def by_einsum(H, K, V, D):
    A = (torch.einsum("ntd,nsd->nts", H, K) / H.shape[-1] ** 0.5).softmax(2)
    return H @ D + torch.einsum("nts,nsd,dp->ntp", A, V, D)


def _draw(g, n, t, s, d, p):
    return tuple(torch.randn(size, generator=g) for size in ((n, t, d), (n, s, d), (n, s, d), (d, p)))


def more_steps(g):
    return _draw(g, 2, 5, 3, 4, 2)


def fewer_steps(g):
    return _draw(g, 3, 2, 4, 3, 5)


def one_clip(g):
    return _draw(g, 1, 4, 4, 3, 3)


def one_step_to_look_at(g):
    return _draw(g, 2, 3, 1, 4, 2)


def softmax_over_queries(H, K, V, D):
    return (H + _weights(H, K, dim=-2) @ V) @ D


def softmax_over_clips(H, K, V, D):
    return (H + _weights(H, K, dim=0) @ V) @ D


def root_of_the_steps(H, K, V, D):
    return (H + (H @ K.mT / K.shape[1] ** 0.5).softmax(-1) @ V) @ D


def cosines_for_products(H, K, V, D):
    H_1, K_1 = (x / x.norm(dim=-1, keepdim=True) for x in (H, K))
    return (H + (H_1 @ K_1.mT / H.shape[-1] ** 0.5).softmax(-1) @ V) @ D


def root_missing(H, K, V, D):
    return (H + _weights(H, K, 1.0) @ V) @ D


def divided_by_d(H, K, V, D):
    return (H + _weights(H, K, 1 / H.shape[-1]) @ V) @ D


def root_multiplied(H, K, V, D):
    return (H + _weights(H, K, H.shape[-1] ** 0.5) @ V) @ D


def own_latent_lost(H, K, V, D):
    return _weights(H, K) @ V @ D


def keys_for_values(H, K, V, D):
    return (H + _weights(H, K) @ K) @ D


def values_for_keys(H, K, V, D):
    return (H + _weights(H, V) @ V) @ D


def looks_at_itself(H, K, V, D):
    return (H + _weights(H, H) @ H) @ D


def tiled(H, K, V, D):
    return (H + V.mean(1, keepdim=True)) @ D


def unconditioned(H, K, V, D):
    return H @ D + 0 * (K.sum() + V.sum())


def no_softmax(H, K, V, D):
    return (H + H @ K.mT @ V / H.shape[-1] ** 0.5) @ D


CONDITIONS = Exercise(
    name="auto_encoders.conditioned_decoder",
    lesson="13",
    title="Look up the other side",
    stars=2,
    minutes=10,
    reference=conditioned_decoder,
    cases=(more_steps, fewer_steps, one_clip, one_step_to_look_at),
    gradient="values",
    mistakes=(
        Mistake(
            softmax_over_queries,
            "Each step of the sound shares out one look. Over which axis do your weights add up to 1?",
        ),
        Mistake(softmax_over_clips, "Does one clip's answer change with the other clips in the batch?"),
        Mistake(
            root_missing, "Products of long vectors are large. What in the formula keeps them in bounds?"
        ),
        Mistake(root_of_the_steps, "Over what does one product add up: over steps, or over features?"),
        Mistake(cosines_for_products, "Make every key twice as long. Should the weights stay as they are?"),
        Mistake(divided_by_d, "By how much do products of d numbers spread: like d, or more slowly?"),
        Mistake(
            root_multiplied, "With more numbers, should the weights become sharper because of the factor?"
        ),
        Mistake(
            own_latent_lost, "If the other side shows nothing (V = 0), what is still known about the sound?"
        ),
        Mistake(keys_for_values, "Keys say where to look. What is it that is found there?"),
        Mistake(values_for_keys, "Change K alone: does your answer change?"),
        Mistake(looks_at_itself, "Show another picture. Does your reconstruction of the sound notice?"),
        Mistake(tiled, "Every step gets the same from the picture in yours. Which steps should look where?"),
        Mistake(unconditioned, "What does your decoder know of the picture?"),
        Mistake(
            no_softmax, "Let all rows of V be one vector. Should what is found be that vector, whatever K is?"
        ),
    ),
    alternatives=(by_torch, by_einsum),
    properties=(properties.permutation_equivariant(more_steps, dim_in=1, dim_out=1),),
)
