"""The two players: generators, discriminators with a condition or none, and the gradient turned round."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.encoders.auto_encoders import perceptron

SLOPE = 0.2  # of LeakyReLU below 0, the usual one in discriminators


def reverse_gradient(x: Float[Tensor, "..."], *, strength: float | int = 1.0) -> Float[Tensor, "..."]:
    """Leave x as it is, and send back its gradient times -strength.

    Forward x, backward -strength g: whatever comes after descends its loss, whatever came before climbs it.
    Written as sg(x) - strength (x - sg(x)), whose second part is 0; no class of its own is needed.
    Errors: ValueError for strength < 0, or integers. Source: Ganin et al. 2016, eqs. 9 and 10. Survey 3.1,
    generative adversarial networks, i. Lesson: 15.

    >>> x = torch.ones(2, requires_grad=True)
    >>> y = reverse_gradient(x, strength=3); (5 * y).sum().backward(); y.tolist(), x.grad.tolist()
    ([1.0, 1.0], [-15.0, -15.0])
    """
    if strength < 0:
        raise ValueError(f"expected strength >= 0, got {strength}")
    if not x.is_floating_point():
        raise ValueError(f"expected floating-point x, got {x.dtype}")
    still = x.detach()
    return still - strength * (x - still)


def layers(*widths: int, dropout: float = 0.0) -> nn.Sequential:
    """Stack linear layers with LeakyReLU between them: it passes a gradient everywhere, which players need.

    `perceptron` with another activation; errors as there. Lesson: 15.
    """
    return perceptron(*widths, activation=partial(nn.LeakyReLU, SLOPE), dropout=dropout)


class Generator(nn.Module):
    """Turn noise, and what else is known, into a sample: x = G(e, c).

    noise [batch, dim_noise] and, where dim_condition > 0, condition [batch, dim_condition] are laid side by
    side and go through linear layers. Samples that could come from anywhere on the line: no activation at the
    end. Errors: ValueError for another width, or a condition missing or not wanted.
    Source: Goodfellow et al. 2014; with a condition Mirza and Osindero 2014. Lesson: 15.
    """

    def __init__(
        self, dim: int, *, dim_noise: int = 8, dim_condition: int = 0, hidden: int = 64, n_hidden: int = 2
    ):
        super().__init__()
        self.dim, self.dim_noise, self.dim_condition = dim, dim_noise, dim_condition
        self.layers = layers(dim_noise + dim_condition, *[hidden] * n_hidden, dim)

    def forward(
        self, noise: Float[Tensor, "batch noise"], condition: Float[Tensor, "batch condition"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """Generate one sample for each row of noise."""
        check_width("noise", noise, self.dim_noise)
        if (condition is not None) != (self.dim_condition > 0):
            wanted = f"[batch, {self.dim_condition}]" if self.dim_condition else "none"
            found = "none" if condition is None else tuple(condition.shape)
            raise ValueError(f"expected a condition: {wanted}, got {found}")
        if condition is None:
            return self.layers(noise)
        check_width("condition", condition, self.dim_condition)
        return self.layers(torch.cat([noise, condition], 1))

    def sample(
        self, n: int, condition: Float[Tensor, "batch condition"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """Generate n samples from standard normal noise (torch's global generator)."""
        weight = self.layers[0].weight
        return self(torch.randn(n, self.dim_noise, device=weight.device, dtype=weight.dtype), condition)


class Discriminator(nn.Module):
    """Judge samples: a trunk turns x into features h, a head turns h (and a condition c) into one logit.

    logit = head(trunk(x), c), high for real. No sigmoid: the losses of `objectives.adversarial` take logits.
    trunk: [batch, ...] -> [batch, feature]; head: one of `encoders.conditions`. Lesson: 15.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module):
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(
        self, x: Float[Tensor, "batch ..."], condition: Tensor | None = None
    ) -> Float[Tensor, "batch"]:
        """Return one logit a sample."""
        return self.head(self.trunk(x), condition)


class ModalityDiscriminator(nn.Module):
    """Guess from an embedding which modality it comes from: logit above 0 for sound, below for picture.

    Linear layers with LeakyReLU, dropout before each later one. With n_hidden = 0 it is linear, as in Zheng
    et al. 2021a (one layer 128 -> 2); it then only sees a shift of one modality against the other. With
    normalise=True it looks at directions only, so that encoders do not win by shrinking.
    Shapes: x [batch, dim] -> [batch]. Errors: ValueError for another width. Survey 3.1, GANs i. Lesson: 15.
    """

    def __init__(
        self,
        dim: int,
        *,
        hidden: int = 64,
        n_hidden: int = 1,
        dropout: float = 0.0,
        normalise: bool = False,
    ):
        super().__init__()
        self.dim, self.normalise = dim, normalise
        self.layers = layers(dim, *[hidden] * n_hidden, 1, dropout=dropout)

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch"]:
        """Return one logit an embedding."""
        check_width("x", x, self.dim)
        x = F.normalize(x, dim=1) if self.normalise else x
        return self.layers(x).squeeze(1)


def check_width(name: str, x: Tensor, width: int) -> None:
    """Raise ValueError unless x is [batch, width]."""
    if x.ndim != 2 or x.shape[1] != width:
        raise ValueError(f"expected {name} [batch, {width}], got {tuple(x.shape)}")
