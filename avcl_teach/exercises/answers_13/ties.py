"""Exercise 1 of lesson 13: decode with the encoder's own weights."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def tied_auto_encoder(
    x: Float[Tensor, "n feature"], W: Float[Tensor, "dim feature"], b: Float[Tensor, "feature"]
) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n feature"]]:
    """Return h = tanh(W (x - b)) and x_hat = W' h + b."""
    h = torch.tanh((x - b) @ W.T)
    return h, h @ W + b


def by_linear(x, W, b):
    h = F.linear(x - b, W).tanh()
    return h, F.linear(h, W.T, b)


def row_by_row(x, W, b):
    hs = [torch.tanh(W @ (row - b)) for row in x]
    return torch.stack(hs), torch.stack([W.T @ h + b for h in hs])


def few_numbers(g):
    return torch.randn(5, 4, generator=g), 0.5 * torch.randn(2, 4, generator=g), torch.randn(4, generator=g)


def as_many_numbers(g):
    return torch.randn(6, 3, generator=g), 0.5 * torch.randn(3, 3, generator=g), torch.randn(3, generator=g)


def one_item(g):
    return torch.randn(1, 5, generator=g), 0.5 * torch.randn(1, 5, generator=g), torch.randn(5, generator=g)


def bias_left_in(x, W, b):
    h = torch.tanh(x @ W.T)
    return h, h @ W + b


def bias_not_put_back(x, W, b):
    h = torch.tanh((x - b) @ W.T)
    return h, h @ W


def bias_taken_off_twice(x, W, b):
    h = torch.tanh((x - b) @ W.T)
    return h, h @ W - b


def bias_added_before(x, W, b):
    h = torch.tanh((x + b) @ W.T)
    return h, h @ W + b


def linear(x, W, b):
    h = (x - b) @ W.T
    return h, h @ W + b


def squashed_reconstruction(x, W, b):
    h = torch.tanh((x - b) @ W.T)
    return h, torch.tanh(h @ W) + b


def everything_squashed(x, W, b):
    h = torch.tanh((x - b) @ W.T)
    return h, torch.tanh(h @ W + b)


def decoded_before_the_squash(x, W, b):
    z = (x - b) @ W.T
    return torch.tanh(z), z @ W + b


def true_inverse(x, W, b):
    h = torch.tanh((x - b) @ W.T)
    return h, h @ torch.linalg.pinv(W).T + b


def target_mean_for_bias(x, W, b):
    h = torch.tanh((x - x.mean(0)) @ W.T)
    return h, h @ W + x.mean(0)


def input_returned(x, W, b):
    return torch.tanh((x - b) @ W.T), x.clone()


def weights_held_still(x, W, b):
    h = torch.tanh((x - b) @ W.T)
    return h, h @ W.detach() + b


TIES = Exercise(
    name="auto_encoders.tied_auto_encoder",
    lesson="13",
    title="Decode with the encoder's own weights",
    stars=1,
    minutes=6,
    reference=tied_auto_encoder,
    cases=(few_numbers, as_many_numbers, one_item),
    gradient="values",
    mistakes=(
        Mistake(bias_left_in, "What comes off x before the product? Yours takes nothing off."),
        Mistake(bias_not_put_back, "Let h be 0. What should come out then, and what does?"),
        Mistake(bias_taken_off_twice, "The decoder undoes the encoder: which sign has its bias?"),
        Mistake(bias_added_before, "Look at the sign of the bias in the encoder."),
        Mistake(linear, "Your latent can grow without bound. Which function keeps it between -1 and 1?"),
        Mistake(squashed_reconstruction, "Which of the two steps has the tanh? Yours has it in both."),
        Mistake(everything_squashed, "Can your reconstruction reach 3, where a feature is 3?"),
        Mistake(decoded_before_the_squash, "What does your decoder read: the latent that you return?"),
        Mistake(
            true_inverse,
            "The decoder of a tied auto-encoder needs no solving: it has the encoder's own numbers.",
        ),
        Mistake(target_mean_for_bias, "What does your answer do with b?"),
        Mistake(input_returned, "A perfect reconstruction, from how many numbers? Does it pass through h?"),
        Mistake(
            weights_held_still,
            "Right values. W stands in encoder and decoder: through how many of them does its gradient flow?",
        ),
    ),
    alternatives=(by_linear, row_by_row),
    properties=(properties.batch_independent(few_numbers),),
)
