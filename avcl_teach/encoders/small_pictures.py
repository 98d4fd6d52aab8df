"""Networks for 32 x 32: a generator fed by a code, a trunk that looks, an auto-encoder of log-mels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.encoders.adversarial import SLOPE, check_width
from avcl_teach.encoders.auto_encoders import AutoEncoder

SIZE_PX = 32


class PictureGenerator(nn.Module):
    """Draw a picture from another modality's code, and from noise for what the code does not say.

    [e; z] -> linear -> 4 x 4 -> three stages that double the side, each of which hears the code again: every
    channel is scaled and shifted by what the code and noise say (FiLM), after a norm over groups, which needs
    no other sample of the batch. Values in [0, 1] (sigmoid).
    Shapes: code [batch, dim_code], noise [batch, dim_noise] -> [batch, channel, 32, 32]. Errors: ValueError
    for other widths. Source: reconstruction after Fanzeres and Nadeu 2021 (a code and no random vector there;
    dense blocks up to 96 x 96); FiLM Perez et al. 2018. Survey 3.1, GANs ii. Lesson: 15.
    """

    def __init__(self, dim_code: int, *, dim_noise: int = 16, n_channels: int = 3, width: int = 32):
        super().__init__()
        self.dim_code, self.dim_noise, self.width = dim_code, dim_noise, width
        widths = (4 * width, 2 * width, width, width // 2)
        self.start = nn.Linear(dim_code + dim_noise, widths[0] * 16)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1)
            for n_in, n_out in zip(widths, widths[1:], strict=False)
        )
        self.norm = nn.ModuleList(nn.GroupNorm(4, n, affine=False) for n in widths[1:])
        self.film = nn.ModuleList(nn.Linear(dim_code + dim_noise, 2 * n) for n in widths[1:])
        self.last = nn.Conv2d(widths[-1], n_channels, 3, padding=1)

    def forward(
        self, code: Float[Tensor, "batch code"], noise: Float[Tensor, "batch noise"]
    ) -> Float[Tensor, "batch channel 32 32"]:
        """Draw one picture for each row."""
        check_width("code", code, self.dim_code)
        check_width("noise", noise, self.dim_noise)
        e = torch.cat([code, noise], 1)
        x = F.leaky_relu(self.start(e).unflatten(1, (-1, 4, 4)), SLOPE)
        for up, norm, film in zip(self.up, self.norm, self.film, strict=True):
            scale, shift = film(e)[..., None, None].chunk(2, 1)
            x = F.leaky_relu(norm(up(x)) * (1 + scale) + shift, SLOPE)
        return torch.sigmoid(self.last(x))

    def sample(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch channel 32 32"]:
        """Draw with fresh standard normal noise (torch's global generator)."""
        return self(code, torch.randn(len(code), self.dim_noise, device=code.device, dtype=code.dtype))


class PictureTrunk(nn.Module):
    """Look at a picture: three convolutions that halve the side, then one linear layer; no norm.

    No batch norm: in a discriminator its statistics would mix real and generated samples, and a gradient
    penalty needs every sample judged by itself. Shapes: [batch, channel, 32, 32] -> [batch, dim].
    Errors: ValueError for another shape. Lesson: 15.
    """

    def __init__(self, dim: int = 128, *, n_channels: int = 3, width: int = 32, dropout: float = 0.0):
        super().__init__()
        widths = (n_channels, width, 2 * width, 4 * width)
        self.down = nn.ModuleList(
            nn.Conv2d(n_in, n_out, 4, stride=2, padding=1)
            for n_in, n_out in zip(widths, widths[1:], strict=False)
        )
        self.last, self.dropout = nn.Linear(widths[-1] * 16, dim), nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "batch channel 32 32"]) -> Float[Tensor, "batch dim"]:
        """Return features."""
        wanted = (self.down[0].in_channels, SIZE_PX, SIZE_PX)
        if x.ndim != 4 or x.shape[1:] != wanted:
            raise ValueError(f"expected x [batch, {', '.join(map(str, wanted))}], got {tuple(x.shape)}")
        for down in self.down:
            x = F.leaky_relu(down(x), SLOPE)
        return F.leaky_relu(self.last(self.dropout(x.flatten(1))), SLOPE)


def sound_auto_encoder(dim_code: int = 32, *, width: int = 16) -> AutoEncoder:
    """Build an auto-encoder of log-mels [batch, 1, 32, 32]: its code is learned without pictures or labels.

    h = f(x) [batch, dim_code], x_hat = g(h) in [0, 1]. Source: after Fanzeres and Nadeu 2021 (13 layers, code
    of 128 to 2048). Survey 3.1, auto-encoders and GANs ii. Lesson: 15.
    """
    encoder = nn.Sequential(
        PictureTrunk(128, n_channels=1, width=width), nn.Linear(128, dim_code), nn.LayerNorm(dim_code)
    )
    decoder = nn.Sequential(
        nn.Linear(dim_code, 4 * width * 16), nn.LeakyReLU(SLOPE), nn.Unflatten(1, (4 * width, 4, 4)),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    return AutoEncoder(encoder, decoder)
