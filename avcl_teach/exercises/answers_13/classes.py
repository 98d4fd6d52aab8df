"""Exercise 5 of lesson 13: one classifier reads the latents of both modalities."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake


def classified_loss(
    h: Float[Tensor, "n 2 d"],
    x_hat: Float[Tensor, "n 2 d"],
    x: Float[Tensor, "n 2 d"],
    W: Float[Tensor, "d k"],
    y: Int[Tensor, "n"],
    share: float,
) -> Float[Tensor, ""]:
    """Mean squared error of x_hat plus share times the mean cross-entropy of both sides' logits h W."""
    return _error(x_hat, x) + share * F.cross_entropy((h @ W).flatten(0, 1), y.repeat_interleave(2))


def _error(x_hat, x):
    return (x_hat - x).square().mean()


def side_by_side(h, x_hat, x, W, y, share):
    return _error(x_hat, x) + share * (F.cross_entropy(h[:, 0] @ W, y) + F.cross_entropy(h[:, 1] @ W, y)) / 2


def by_log_softmax(h, x_hat, x, W, y, share):
    log_p = (h @ W).log_softmax(-1)
    picked = log_p.gather(2, y[:, None, None].expand(-1, 2, 1))
    return F.mse_loss(x_hat, x) - share * picked.mean()


def _draw(g, n, d, k, share):
    h, x_hat, x = (torch.randn(n, 2, d, generator=g) for _ in range(3))
    return h, x_hat, x, torch.randn(d, k, generator=g), torch.randint(0, k, (n,), generator=g), share


def a_small_share(g):
    return _draw(g, 5, 3, 4, 0.3)


def a_large_share(g):
    return _draw(g, 4, 2, 3, 2.0)


def one_clip(g):
    return _draw(g, 1, 4, 3, 0.5)


def more_classes_than_numbers(g):
    return _draw(g, 6, 2, 7, 0.7)


def unweighted(h, x_hat, x, W, y, share):
    return classified_loss(h, x_hat, x, W, y, 1.0)


def softmax_twice(h, x_hat, x, W, y, share):
    p = (h @ W).softmax(-1)
    return _error(x_hat, x) + share * F.cross_entropy(p.flatten(0, 1), y.repeat_interleave(2))


def reconstruction_read(h, x_hat, x, W, y, share):
    return classified_loss(x_hat, x_hat, x, W, y, share)


def labels_in_blocks(h, x_hat, x, W, y, share):
    return _error(x_hat, x) + share * F.cross_entropy((h @ W).flatten(0, 1), y.repeat(2))


def sounds_only(h, x_hat, x, W, y, share):
    return _error(x_hat, x) + share * F.cross_entropy(h[:, 0] @ W, y)


def mean_latent_read(h, x_hat, x, W, y, share):
    return _error(x_hat, x) + share * F.cross_entropy(h.mean(1) @ W, y)


def softmax_over_clips(h, x_hat, x, W, y, share):
    log_p = (h @ W).flatten(0, 1).log_softmax(0)
    return _error(x_hat, x) + share * F.nll_loss(log_p, y.repeat_interleave(2))


def one_takes_from_the_other(h, x_hat, x, W, y, share):
    return (1 - share) * _error(x_hat, x) + classified_loss(h, x, x, W, y, share)


def share_of_both(h, x_hat, x, W, y, share):
    return share * classified_loss(h, x_hat, x, W, y, 1.0)


def clips_added_up(h, x_hat, x, W, y, share):
    return classified_loss(h, x_hat, x, W, y, share * 2 * len(y))


def latent_held_still(h, x_hat, x, W, y, share):
    return classified_loss(h.detach(), x_hat, x, W, y, share) + 0 * h.sum()


CLASSES = Exercise(
    name="auto_encoders.classified_loss",
    lesson="13",
    title="Classify in the latent",
    stars=1,
    minutes=8,
    reference=classified_loss,
    cases=(a_small_share, a_large_share, one_clip, more_classes_than_numbers),
    gradient="values",
    mistakes=(
        Mistake(
            unweighted, "Set the share to 0: what should be left of the loss, and what is left of yours?"
        ),
        Mistake(
            softmax_twice,
            "Give it logits that are right beyond doubt. Does your loss come near 0?",
        ),
        Mistake(reconstruction_read, "Who reads the latent in yours? And what does the classifier read?"),
        Mistake(labels_in_blocks, "Write down rows and labels of two clips. Whose label has the second row?"),
        Mistake(sounds_only, "Change a picture's latent. Does the classifier in yours notice?"),
        Mistake(
            mean_latent_read,
            "A picture will be looked up without its sound. Does your classifier ever read it alone?",
        ),
        Mistake(softmax_over_clips, "Chances add up to 1 over what: over the clips, or over the classes?"),
        Mistake(
            one_takes_from_the_other, "Double the share: does anything but the classifier's part change?"
        ),
        Mistake(share_of_both, "Which of the two parts has the share as its factor? Try a share of 0."),
        Mistake(clips_added_up, "Put every clip in twice. Does your loss stay?"),
        Mistake(
            latent_held_still,
            "Right value. Does the encoder learn anything from the classes, or the classifier alone?",
        ),
    ),
    alternatives=(side_by_side, by_log_softmax),
)
