"""Variational auto-encoders: a latent that is a distribution, for one modality and for two."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.encoders.auto_encoders import perceptron


class Gaussian(NamedTuple):
    """Hold a diagonal Gaussian an item: N(mean, exp(log_variance))."""

    mean: Float[Tensor, "batch latent"]
    log_variance: Float[Tensor, "batch latent"]


def reparametrise(
    mean: Float[Tensor, "*batch latent"],
    log_variance: Float[Tensor, "*batch latent"],
    eps: Float[Tensor, "*batch latent"] | None = None,
) -> Float[Tensor, "*batch latent"]:
    r"""Draw from N(mean, exp(log_variance)) so that the gradient goes through the draw.

    $$z = \mu + \sigma \epsilon,\quad \sigma = e^{l/2},\quad \epsilon \sim N(0, I)$$

    The noise is drawn apart from the parameters; dz/d mean = 1 and dz/dl = (z - mean) / 2. `eps` may be
    given; by default it is drawn with torch's generator.
    Errors: ValueError for unequal shapes. Source: Kingma and Welling 2014; survey 3.1, auto-encoders vi.
    Lesson: 14.
    """
    eps = torch.randn_like(mean) if eps is None else eps
    if mean.shape != log_variance.shape or eps.shape != mean.shape:
        raise ValueError(
            f"expected one shape, got mean {tuple(mean.shape)}, log_variance {tuple(log_variance.shape)}, "
            f"eps {tuple(eps.shape)}"
        )
    return mean + (log_variance / 2).exp() * eps


class GaussianEncoder(nn.Module):
    r"""Map an input to a Gaussian over latents: q(z | x) = N(mu(x), exp(l(x))).

    A body of linear maps with GELU (none for hidden=()), and a linear head each for mu and l: any real number
    is a log variance, so nothing has to be kept positive.
    Shapes: x [batch, n_in] -> mean, log_variance [batch, n_latent]. Errors: ValueError for other shapes.
    Source: Kingma and Welling 2014; survey 3.1, auto-encoders vi. Lesson: 14.
    """

    def __init__(self, n_in: int, n_latent: int, *, hidden: Sequence[int] = (256,)) -> None:
        super().__init__()
        self.n_in = n_in
        self.body = nn.Sequential(perceptron(n_in, *hidden), nn.GELU()) if hidden else nn.Identity()
        n_body = hidden[-1] if hidden else n_in
        self.mean, self.log_variance = nn.Linear(n_body, n_latent), nn.Linear(n_body, n_latent)

    def forward(self, x: Float[Tensor, "batch n_in"]) -> Gaussian:
        """Return the posterior of each item."""
        if x.ndim != 2 or x.shape[1] != self.n_in:
            raise ValueError(f"expected x [batch, {self.n_in}], got {list(x.shape)}")
        h = self.body(x)
        return Gaussian(self.mean(h), self.log_variance(h))


class VAE(nn.Module):
    r"""Encode to a Gaussian, draw, decode: trained on -ELBO (`objectives.elbo`).

    In training z is drawn (`reparametrise`); in evaluation z is the mean.
    Shapes: x [batch, n_in] -> (reconstruction [batch, n_in], Gaussian over [batch, n_latent]). Errors:
    ValueError for other shapes. Source: Kingma and Welling 2014; survey 3.1, auto-encoders vi. Lesson: 14.
    """

    def __init__(self, n_in: int, n_latent: int = 16, *, hidden: Sequence[int] = (256,)) -> None:
        super().__init__()
        self.encoder = GaussianEncoder(n_in, n_latent, hidden=hidden)
        self.decoder = perceptron(n_latent, *reversed(hidden), n_in)

    def forward(
        self, x: Float[Tensor, "batch n_in"], eps: Float[Tensor, "batch n_latent"] | None = None
    ) -> tuple[Float[Tensor, "batch n_in"], Gaussian]:
        """Return what is decoded, and the posterior it was drawn from."""
        q = self.encoder(x)
        return self.decoder(draw(q, eps, training=self.training)), q


class FromEither(NamedTuple):
    """Hold what one side gives: sound and picture decoded from its latent, the latent, its posterior."""

    x_a: Float[Tensor, "batch n_a"]
    x_v: Float[Tensor, "batch n_v"]
    z: Float[Tensor, "batch n_latent"]
    q: Gaussian


class SharedDecoderVAE(nn.Module):
    r"""Regenerate both modalities from the latent of either: one encoder a side, ONE decoder (MS-VAE).

    $$z_m = \mu_m(x_m) + \sigma_m(x_m)\,\epsilon,\qquad [\hat x_a; \hat x_v] = \mathrm{Dec}(z_m),
      \qquad m \in \{a, v\}$$

    Train on the sum over m of -ELBO of [x_a; x_v], plus d(q_a, q_v) = `gaussian_wasserstein2`. In evaluation
    z is the mean. `decode(z)` draws and sounds any latent, from whichever side it comes.
    Shapes: x_a [batch, n_a], x_v [batch, n_v] -> (from_a, from_v). Errors: ValueError for other shapes.
    Source: Zhu et al. 2021b (checked against the released code; there five layers, latent of 100,
    features of VGG networks; made small here); survey 3.1, auto-encoders vi. Lesson: 14.
    """

    def __init__(self, n_a: int, n_v: int, n_latent: int = 16, *, hidden: Sequence[int] = (256,)) -> None:
        super().__init__()
        self.n_a, self.n_v = n_a, n_v
        self.encoder_a = GaussianEncoder(n_a, n_latent, hidden=hidden)
        self.encoder_v = GaussianEncoder(n_v, n_latent, hidden=hidden)
        self.decoder = perceptron(n_latent, *reversed(hidden), n_a + n_v)

    def forward(
        self, x_a: Float[Tensor, "batch n_a"], x_v: Float[Tensor, "batch n_v"]
    ) -> tuple[FromEither, FromEither]:
        """Return what sounds give, and what pictures give; neither sees the other."""
        return self._from(self.encoder_a(x_a)), self._from(self.encoder_v(x_v))

    def decode(
        self, z: Float[Tensor, "batch n_latent"]
    ) -> tuple[Float[Tensor, "batch n_a"], Float[Tensor, "batch n_v"]]:
        """Decode latents into sound and picture."""
        x_a, x_v = self.decoder(z).split((self.n_a, self.n_v), dim=1)
        return x_a, x_v

    def _from(self, q: Gaussian) -> FromEither:
        z = draw(q, training=self.training)
        return FromEither(*self.decode(z), z, q)


class Correlated(NamedTuple):
    """Hold what one side of a `CorrelatedVAE` gives: its input again, latent, posterior, class scores."""

    x: Float[Tensor, "batch n_in"]
    z: Float[Tensor, "batch n_latent"]
    q: Gaussian
    scores: Float[Tensor, "batch n_classes"]


class CorrelatedVAE(nn.Module):
    r"""Encode both modalities through shared last layers into latents that class, pair and correlation shape.

    Own first layer a side; shared are the encoder's tail, the heads of mean and log variance, the classifier
    and the decoder's first layer; own again the outputs. Each side regenerates itself. In evaluation z is
    the mean.
    Shapes: x_a [batch, n_a], x_v [batch, n_v] -> (side_a, side_v). Errors: ValueError for other shapes.
    Source: Zhang et al. 2021, sizes of its released code (hidden 512, latent 64); survey 3.1, auto-encoders
    vi. Lesson: 14.
    """

    def __init__(
        self, n_a: int, n_v: int, n_classes: int, *, n_latent: int = 64, n_hidden: int = 512
    ) -> None:
        super().__init__()
        self.first_a, self.first_v = perceptron(n_a, n_hidden), perceptron(n_v, n_hidden)
        self.shared = nn.Sequential(nn.GELU(), perceptron(n_hidden, n_latent), nn.GELU())
        self.posterior = GaussianEncoder(n_latent, n_latent, hidden=())
        self.classifier = nn.Linear(n_latent, n_classes)
        self.back = nn.Sequential(perceptron(n_latent, n_hidden), nn.GELU())
        self.out_a, self.out_v = nn.Linear(n_hidden, n_a), nn.Linear(n_hidden, n_v)

    def forward(
        self, x_a: Float[Tensor, "batch n_a"], x_v: Float[Tensor, "batch n_v"]
    ) -> tuple[Correlated, Correlated]:
        """Return what sounds give, and what pictures give; neither sees the other."""
        _check(x_a, self.out_a.out_features, "x_a")
        _check(x_v, self.out_v.out_features, "x_v")
        return self._side(self.first_a(x_a), self.out_a), self._side(self.first_v(x_v), self.out_v)

    def _side(self, h: Tensor, out: nn.Linear) -> Correlated:
        q = self.posterior(self.shared(h))
        z = draw(q, training=self.training)
        return Correlated(out(self.back(z)), z, q, self.classifier(z))


def draw(
    q: Gaussian, eps: Float[Tensor, "batch latent"] | None = None, *, training: bool
) -> Float[Tensor, "batch latent"]:
    """Draw from q in training, or where eps is given; else return its mean. Lesson: 14."""
    return reparametrise(*q, eps) if training or eps is not None else q.mean


def _check(x: Tensor, n: int, name: str) -> None:
    if x.ndim != 2 or x.shape[1] != n:
        raise ValueError(f"expected {name} [batch, {n}], got {list(x.shape)}")
