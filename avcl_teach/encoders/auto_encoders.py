"""Auto-encoders: say it in few numbers, and say it back."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def perceptron(
    *sizes: int, activation: Callable[[], nn.Module] = nn.GELU, dropout: float = 0.0
) -> nn.Sequential:
    """Stack linear layers of the given sizes with an activation between them, none after the last.

    x [batch, sizes[0]] -> [batch, sizes[-1]]. Errors: ValueError for fewer than two sizes or one below 1.
    Lesson: 13.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"expected at least two sizes of at least 1, got {sizes}")
    layers: list[nn.Module] = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), activation()] + ([nn.Dropout(dropout)] if dropout else [])
    return nn.Sequential(*layers[: -2 if dropout else -1])


class TiedAutoEncoder(nn.Module):
    r"""Encode with a matrix, decode with its transpose.

    $$h = W (x - b),\qquad \hat{x} = W^\top h + b$$

    Linear. With the least squared error the rows of W span the first principal components: PCA is the best
    linear auto-encoder (Baldi and Hornik 1989), and what follows has to beat it.
    Shapes: x [batch, feature] -> h [batch, dim], x_hat [batch, feature]. Errors: ValueError for dim outside
    1 ... n_features. Lesson: 13.
    """

    def __init__(self, n_features: int, dim: int) -> None:
        super().__init__()
        if not 1 <= dim <= n_features:
            raise ValueError(f"expected dim in 1 ... {n_features}, got {dim}")
        self.weight = nn.Parameter(torch.empty(dim, n_features))
        self.bias = nn.Parameter(torch.zeros(n_features))
        nn.init.orthogonal_(self.weight)

    def encode(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch dim"]:
        """Return h = W (x - b)."""
        return (x - self.bias) @ self.weight.T

    def decode(self, h: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch feature"]:
        """Return W' h + b."""
        return h @ self.weight + self.bias

    def forward(
        self, x: Float[Tensor, "batch feature"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch feature"]]:
        """Return latent and reconstruction."""
        h = self.encode(x)
        return h, self.decode(h)


class AutoEncoder(nn.Module):
    r"""Encode and decode with any two networks.

    $$h = f_{\theta_1}(x),\qquad \hat{x} = g_{\theta_2}(h)$$

    The survey calls the second "the inverse mapping" and the latent one that "preserves the distribution":
    a latent with fewer numbers than x has no inverse, and keeps what lowers the squared error, large
    variances first.
    Shapes: x [batch, ...] -> h [batch, dim], x_hat as x. Source: survey 3.1, auto-encoders. Lesson: 13.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(
        self, x: Float[Tensor, "batch *feature"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch *feature"]]:
        """Return latent and reconstruction."""
        h = self.encoder(x)
        return h, self.decoder(h)


class ClassifiedLatent(nn.Module):
    r"""Let a classifier read the latent that the decoder reads.

    $$h, \hat{x} = \mathrm{model}(x),\qquad y' = W h + b$$

    The loss is reconstruction plus a share of cross-entropy: the latent then keeps what tells classes, which
    the squared error alone has no reason to keep. `model` is any auto-encoder here; where it gives one latent
    a modality [batch, modality, dim], one classifier reads them all, which draws the modalities together.
    Shapes: as `model`, and logits [batch, class] or [batch, modality, class].
    Source: survey 3.1, auto-encoders ii (Rajan et al. 2021, there on the weak modality's code). Lesson: 13.
    """

    def __init__(self, model: nn.Module, dim: int, n_classes: int) -> None:
        super().__init__()
        if n_classes < 2:
            raise ValueError(f"expected n_classes >= 2, got {n_classes}")
        self.model, self.classifier = model, nn.Linear(dim, n_classes)

    def forward(self, *inputs, **settings) -> tuple:
        """Return what the model returns, and the logits."""
        h, x_hat = self.model(*inputs, **settings)
        return h, x_hat, self.classifier(h)

    def alone(self, xs: Sequence[Tensor]) -> list[Float[Tensor, "batch dim"]]:
        """Return what the model's `alone` returns."""
        return self.model.alone(xs)

    @property
    def decoders(self) -> nn.ModuleList:
        """Return the model's decoders."""
        return self.model.decoders


class AlignedLatents(nn.Module):
    r"""Give each modality an auto-encoder of its own, with latents of one size that a loss can compare.

    $$h_m = f_m(x_m),\qquad \hat{x}_m = g_m(h_m)$$

    Without a term on the latents they are separate: nothing makes the two spaces agree. Cao et al. 2016 add
    |h_a - h_v|^2 (`objectives.pair_squared_distance`) and, with labels, `code_similarity`; Rajan et al. 2021
    the correlation (`objectives.deep_cca`).
    Shapes: x_m [batch, ...] for each modality -> h [batch, modality, dim], list of x_hat_m as x_m. Errors:
    ValueError for other numbers of inputs or batches of unequal size.
    Source: survey 3.1, auto-encoders iii; form of the loss after Cao et al. 2016 from memory. Lesson: 13.
    """

    def __init__(self, encoders: Sequence[nn.Module], decoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.encoders, self.decoders = as_lists(encoders, decoders)

    def forward(
        self, xs: Sequence[Tensor]
    ) -> tuple[Float[Tensor, "batch modality dim"], list[Float[Tensor, "batch ..."]]]:
        """Return the latents, and every modality's own reconstruction."""
        check_inputs(xs, self.encoders)
        hs = [f(x) for f, x in zip(self.encoders, xs, strict=True)]
        return torch.stack(hs, 1), [g(h) for g, h in zip(self.decoders, hs, strict=True)]

    def alone(self, xs: Sequence[Tensor]) -> list[Float[Tensor, "batch dim"]]:
        """Return the latent of each modality, which never saw its partner."""
        return [f(x) for f, x in zip(self.encoders, xs, strict=True)]


class CrossReconstruction(nn.Module):
    r"""Decode every modality from every modality's latent.

    $$\hat{x}_{m \to n} = g_n(f_m(x_m))\qquad L = \sum_{m,n} w_{mn}\, |\hat{x}_{m \to n} - x_n|^2$$

    m = n: own reconstruction; m != n: cross-reconstruction, what the picture says the sound must be. A
    decoder that reads both latents makes them interchangeable as far as it needs. What only one side knows
    cannot be drawn from the other: there the mean comes out.
    Shapes: x_m [batch, ...] -> h [batch, modality, dim], x_hat[m][n] as x_n. Errors: as `AlignedLatents`.
    Source: survey 3.1, auto-encoders v; Zheng et al. 2021b (own and cross terms and |z_1 - z_2|, called
    "cross-cycle" there; no cycle is closed). Recasens et al. 2021, whom the survey cites too, reconstruct
    nothing. Lesson: 13.
    """

    def __init__(self, encoders: Sequence[nn.Module], decoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.encoders, self.decoders = as_lists(encoders, decoders)

    def forward(
        self, xs: Sequence[Tensor]
    ) -> tuple[Float[Tensor, "batch modality dim"], list[list[Float[Tensor, "batch ..."]]]]:
        """Return the latents, and x_hat[from][to]."""
        check_inputs(xs, self.encoders)
        hs = [f(x) for f, x in zip(self.encoders, xs, strict=True)]
        return torch.stack(hs, 1), [[g(h) for g in self.decoders] for h in hs]

    def alone(self, xs: Sequence[Tensor]) -> list[Float[Tensor, "batch dim"]]:
        """Return the latent of each modality, which never saw its partner."""
        return [f(x) for f, x in zip(self.encoders, xs, strict=True)]


def cross_errors(x_hat: Sequence[Sequence[Tensor]], xs: Sequence[Tensor]) -> Float[Tensor, "source target"]:
    """Return the mean squared error of x_hat[from][to] against x[to]: own on the diagonal, cross beside it.

    The target is what the *other* side showed, x_to, and stands still: it is data. Weigh and add the entries
    for a loss. Errors: ValueError for another number of reconstructions. Lesson: 13.
    """
    if any(len(row) != len(xs) for row in x_hat):
        raise ValueError(f"expected {len(xs)} reconstructions of each latent, got {[len(r) for r in x_hat]}")
    rows = [torch.stack([(y - x).square().mean() for y, x in zip(row, xs, strict=True)]) for row in x_hat]
    return torch.stack(rows)


def as_lists(
    encoders: Sequence[nn.Module], decoders: Sequence[nn.Module]
) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Hold one encoder and one decoder a modality; ValueError where their numbers differ."""
    if len(encoders) != len(decoders) or not len(encoders):
        raise ValueError(f"expected one decoder an encoder, got {len(encoders)} and {len(decoders)}")
    return nn.ModuleList(encoders), nn.ModuleList(decoders)


def check_inputs(xs: Sequence[Tensor], encoders: nn.ModuleList) -> None:
    """Raise ValueError unless there is one batch a modality, all of one size."""
    if len(xs) != len(encoders) or len({len(x) for x in xs}) != 1:
        raise ValueError(
            f"expected {len(encoders)} modalities with batches of one size, got {[list(x.shape) for x in xs]}"
        )
