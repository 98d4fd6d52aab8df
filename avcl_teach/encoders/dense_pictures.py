"""Sound to picture after Fanzeres and Nadeu 2021: a dense generator, a judge told late, yes/no judges."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.encoders.adversarial import SLOPE, check_width

SIDE = 2  # of the map that a code becomes, and where D hears it


class DenseBlock(nn.Module):
    """Convolve three times, each time everything found so far: x_k = f_k([x_0; ...; x_(k-1)]).

    Then all of it is mixed, place by place, and the side doubles. A late layer reads early maps directly, so
    that little of a code is lost. Shapes: [batch, n_in, side, side] -> [batch, n_out, 2 side, 2 side].
    Source: Huang et al. 2017; in a generator Fanzeres and Nadeu 2021. Lesson: 36.
    """

    def __init__(self, n_in: int, n_out: int, *, growth: int = 8):
        super().__init__()
        widths = [n_in, n_in + growth, n_in + 2 * growth]
        self.layers = nn.ModuleList(nn.Conv2d(n, growth, 3, padding=1) for n in widths)
        self.norms = nn.ModuleList(nn.GroupNorm(2, growth) for _ in widths)
        self.mix = nn.Conv2d(n_in + 3 * growth, n_out, 1)
        self.up = nn.ConvTranspose2d(n_out, n_out, 4, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "batch n_in side side"]) -> Float[Tensor, "batch n_out twice twice"]:
        """Return maps of twice the side."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = torch.cat([x, F.leaky_relu(norm(layer(x)), SLOPE)], 1)
        return F.leaky_relu(self.up(self.mix(x)), SLOPE)


class DenseGenerator(nn.Module):
    """Draw a picture from the code of a sound: no label, no noise.

    The code is a map of dim / 4 channels and side 2; a first layer takes it to side 4, three dense blocks to
    side 32. Shapes: code [batch, dim_code] -> [batch, channel, 32, 32] in [0, 1]. Errors: ValueError for a
    width that is not a multiple of 4, or another one. Source: Fanzeres and Nadeu 2021 (checked against the
    released models: six blocks up to 96 x 96; made small here). Lesson: 36.
    """

    def __init__(self, dim_code: int, *, n_channels: int = 1, width: int = 12):
        super().__init__()
        if dim_code < 4 or dim_code % 4:
            raise ValueError(f"expected a code of a multiple of 4 numbers, got {dim_code}")
        self.dim_code = dim_code
        widths = (4 * width, 3 * width, 2 * width, width)
        self.start = nn.ConvTranspose2d(dim_code // 4, widths[0], 4, stride=2, padding=1)
        self.blocks = nn.Sequential(*(DenseBlock(*io) for io in zip(widths, widths[1:], strict=False)))
        self.last = nn.Conv2d(width, n_channels, 3, padding=1)

    def forward(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch channel 32 32"]:
        """Draw one picture for each code."""
        check_width("code", code, self.dim_code)
        x = F.leaky_relu(self.start(code.unflatten(1, (-1, SIDE, SIDE))), SLOPE)
        return torch.sigmoid(self.last(self.blocks(x)))


class LateCodeDiscriminator(nn.Module):
    """Judge a picture beside a code: the code joins where the picture is a map of side 2, before the logit.

    One layer after the joining may ask whether both agree. No label enters. Shapes: x [batch, channel, 32,
    32], code [batch, dim_code] -> [batch]. Errors: ValueError for another width.
    Source: Fanzeres and Nadeu 2021 (12 layers, dropout 0.5; four here). Lesson: 36.
    """

    def __init__(self, dim_code: int, *, n_channels: int = 1, width: int = 16, dropout: float = 0.0):
        super().__init__()
        self.dim_code = dim_code
        widths = (n_channels, width, 2 * width, 4 * width, 4 * width)
        self.down = nn.ModuleList(
            nn.Conv2d(n_in, n_out, 4, stride=2, padding=1)
            for n_in, n_out in zip(widths, widths[1:], strict=False)
        )
        self.dropout = nn.Dropout(dropout)
        self.joined = nn.Conv2d(4 * width + dim_code // 4, 128, SIDE)
        self.score = nn.Linear(128, 1)

    def forward(
        self, x: Float[Tensor, "batch channel 32 32"], code: Float[Tensor, "batch code"]
    ) -> Float[Tensor, "batch"]:
        """Return one logit a picture: real, and of this sound?"""
        check_width("code", code, self.dim_code)
        for down in self.down:
            x = F.leaky_relu(down(x), SLOPE)
        x = torch.cat([self.dropout(x), code.unflatten(1, (-1, SIDE, SIDE))], 1)
        return self.score(F.leaky_relu(self.joined(x).flatten(1), SLOPE)).squeeze(1)


class YesNoJudges(nn.Module):
    """Ask of a picture, for each class apart: is this one, and can it be recognised?

    One small network a class, none of whose weights another shares (groups). A picture may convince several
    judges, or none. Shapes: [batch, channel, 32, 32] -> logits [batch, class].
    Source: Fanzeres and Nadeu 2021 (five convolutions each; four here). Lesson: 36.
    """

    def __init__(self, n_classes: int, *, n_channels: int = 1, width: int = 8, dropout: float = 0.3):
        super().__init__()
        w, k = width * n_classes, n_classes
        self.layers = nn.Sequential(
            nn.Conv2d(n_channels, w, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE),
            nn.Conv2d(w, 2 * w, 4, stride=2, padding=1, groups=k), nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * w, 2 * w, 4, stride=2, padding=1, groups=k), nn.LeakyReLU(SLOPE),
            nn.Dropout2d(dropout), nn.Conv2d(2 * w, 2 * w, 4, groups=k), nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * w, k, 1, groups=k), nn.Flatten(),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "batch channel 32 32"]) -> Float[Tensor, "batch class"]:
        """Return one logit a judge."""
        return self.layers(x)
