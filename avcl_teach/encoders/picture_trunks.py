"""A tiny picture network that keeps places: 32 x 32 pixels in, maps of 4 x 4 out."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn


class PictureMaps(nn.Module):
    """See a picture of 32 x 32 as maps of 4 x 4: three convolutions that halve the side, and one more.

    Shapes: [picture, n_in, 32, 32], uint8 or floats around 0 -> [picture, n_out, 4, 4] (other sides that 8
    divides: an eighth). Errors: ValueError for other channels. Lesson: 35.
    """

    def __init__(self, n_out: int, *, width: int = 16, n_in: int = 3) -> None:
        super().__init__()
        sizes = [(n_in, width), (width, 2 * width), (2 * width, 4 * width)]
        self.body = nn.Sequential(*(halve(*size) for size in sizes))
        self.last = nn.Conv2d(4 * width, n_out, 3, padding=1)
        self.n_in = n_in
        self.to(memory_format=torch.channels_last)

    def forward(
        self, pictures: Shaped[Tensor, "picture channel height width"]
    ) -> Float[Tensor, "picture out row column"]:
        """Return the maps."""
        if pictures.ndim != 4 or pictures.shape[1] != self.n_in:
            raise ValueError(f"expected [picture, {self.n_in}, height, width], got {list(pictures.shape)}")
        x = pictures.float() / 127.5 - 1 if pictures.dtype == torch.uint8 else pictures
        return self.last(self.body(x.contiguous(memory_format=torch.channels_last)))


def halve(n_in: int, n_out: int) -> nn.Module:
    """Build a convolution of stride 2 with batch norm and ReLU."""
    return nn.Sequential(nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())
