"""A map of embeddings over a picture and one embedding of a sound, so that every place can be compared."""

import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, channels_last, nn


def conv_block(i: int, o: int, stride: int = 1) -> nn.Sequential:
    """Return a 3x3 convolution with batch norm and ReLU. Lesson: 34."""
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class PictureMap(nn.Module):
    """Map a picture of 64 px to 16 x 16 features, each of which sees 23 px of it; uint8 or 0 ... 255.

    Four convolutions, the first two with stride 2. `features` are before the projection and not negative,
    `forward` are unit vectors. Lesson: 34.
    """

    def __init__(self, d: int = 64, *, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_block(3, width // 4, 2), conv_block(width // 4, width // 2, 2),
            conv_block(width // 2, width), conv_block(width, width),
        )  # fmt: skip
        self.out = nn.Conv2d(width, d, 1)
        self.to(memory_format=channels_last)

    def features(self, x: Shaped[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch width row column"]:
        """Return features; ValueError for pictures of other than 3 channels or sides not divisible by 4."""
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % 4 or x.shape[3] % 4:
            raise ValueError(f"expected pictures [batch, 3, 4 n, 4 m], got {list(x.shape)}")
        return self.body((x.float() / 127.5 - 1).to(memory_format=channels_last))

    def forward(self, x: Shaped[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch d row column"]:
        """Return a unit vector for each place."""
        return F.normalize(self.out(self.features(x)).float(), dim=1)


class SoundVector(nn.Module):
    """Map a log-mel spectrogram of 64 bands to one unit vector, by its strongest moments. Lesson: 34.

    Patches of 4x4, two convolutions, then the bands side by side and the maximum over time; each spectrogram
    is centred and scaled by itself, so that gain does not matter.
    """

    def __init__(self, d: int = 64, *, width: int = 32) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(1, width, 4, 4, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.body = nn.Sequential(stem, conv_block(width, 2 * width, 2), conv_block(2 * width, 2 * width))
        self.mix, self.norm = nn.Conv1d(16 * width, 2 * d, 1), nn.BatchNorm1d(2 * d)
        self.out = nn.Linear(2 * d, d)
        self.to(memory_format=channels_last)

    def forward(self, x: Float[Tensor, "batch 64 step"]) -> Float[Tensor, "batch d"]:
        """Return unit vectors; ValueError for other than 64 bands or fewer than 8 steps."""
        if x.ndim != 3 or x.shape[1] != 64 or x.shape[2] < 8:
            raise ValueError(f"expected log-mel [batch, 64, step >= 8], got {list(x.shape)}")
        x = x.float()
        x = (x - x.mean((1, 2), keepdim=True)) / (x.std((1, 2), keepdim=True) + 1e-3)
        h = self.mix(self.body(x[:, None]).flatten(1, 2))
        return F.normalize(self.out(F.relu(self.norm(h).amax(2))).float(), dim=1)


class Localizer(nn.Module):
    """Hold the map g of the picture, the vector f of the sound, and a head for whole pictures. Lesson: 34."""

    def __init__(self, d: int = 64, *, width: int = 64) -> None:
        super().__init__()
        self.f, self.g, self.norm = SoundVector(d), PictureMap(d, width=width), nn.BatchNorm1d(width)

    def forward(
        self, x_a: Float[Tensor, "batch 64 step"], x_v: Shaped[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch d"], Float[Tensor, "batch d row column"]]:
        """Return the sounds' unit vectors and the pictures' maps of unit vectors."""
        return self.f(x_a), self.g(x_v)

    def whole(self, x_v: Shaped[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch d"]:
        """Return one unit vector a picture: features' maxima over places, then the same projection."""
        h = self.norm(self.g.features(x_v).flatten(2).amax(2).float())
        return F.normalize(self.g.out(h[:, :, None, None])[..., 0, 0].float(), dim=1)
