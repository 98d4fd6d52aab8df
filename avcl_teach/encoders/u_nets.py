"""A small U-Net on a spectrogram: down, an optional word from the picture at the narrowest place, and up."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

STRIDES = ((2, 2), (2, 2), (2, 1), (2, 1))  # frequency, time: 64 x 64 ends as 4 x 16


class UNet(nn.Module):
    r"""Map a spectrogram to K maps of its size; each level up also sees the level down of its size.

    Time shrinks by 4 only, so that the narrowest place still knows when things happen. With `condition`, a
    module (H [batch, place, dim], C [batch, key, context]) -> H as those of `conditioned_decoders`, every
    narrow column of frequencies hears the context of its own moment: C [batch, step, context], one step for
    all, or as many as the narrow map has columns.
    Shapes: [batch, n_in, row, frame] -> [batch, n_out, row, frame], both sides multiples of 16 and 4.
    `encode` and `decode` are separate, so that two contexts share one encoding.
    Errors: ValueError for other sides or steps. Source: Ronneberger et al. 2015; for sound Zhao et al. 2018.
    Lesson: 35.
    """

    def __init__(
        self,
        n_out: int,
        *,
        n_in: int = 1,
        width: int = 16,
        condition: nn.Module | None = None,
    ) -> None:
        super().__init__()
        widths = [n_in, width, 2 * width, 4 * width, 4 * width]
        self.condition = condition
        self.down = nn.ModuleList(_down(*c, s) for c, s in zip(_pairs(widths), STRIDES, strict=True))
        back = [n_out, *widths[1:]]
        self.up = nn.ModuleList(
            _up(back[i + 1] * (1 if i == 3 else 2), back[i], STRIDES[i], last=i == 0) for i in (3, 2, 1, 0)
        )
        self.narrow = widths[-1]
        self.to(memory_format=torch.channels_last)

    def encode(self, x: Float[Tensor, "batch channel row frame"]) -> list[Tensor]:
        """Return the maps of every level, the narrowest last."""
        if x.ndim != 4 or x.shape[2] % 16 or x.shape[3] % 4:
            raise ValueError(f"expected [batch, channel, 16 n rows, 4 n frames], got {list(x.shape)}")
        x = x.contiguous(memory_format=torch.channels_last)
        levels = []
        for down in self.down:
            x = down(x)
            levels.append(x)
        return levels

    def decode(
        self, levels: list[Tensor], C: Float[Tensor, "batch step context"] | None = None
    ) -> Float[Tensor, "batch out row frame"]:
        """Return the maps for a context."""
        x = levels[-1]
        if C is not None:
            x = self._told(x, C)
        for k, up in enumerate(self.up):
            x = up(x if k == 0 else torch.cat([x, levels[-1 - k]], 1))
        return x

    def forward(
        self,
        x: Float[Tensor, "batch channel row frame"],
        C: Float[Tensor, "batch step context"] | None = None,
    ) -> Float[Tensor, "batch out row frame"]:
        """Encode and decode."""
        return self.decode(self.encode(x), C)

    def _told(self, H: Tensor, C: Tensor) -> Tensor:
        b, d, f, t = H.shape
        if self.condition is None or C.shape[1] not in (1, t):
            raise ValueError(f"expected a condition and 1 or {t} steps of context, got {list(C.shape)}")
        C = C.expand(-1, t, -1).reshape(b * t, 1, -1)
        H = self.condition(H.permute(0, 3, 2, 1).reshape(b * t, f, d), C)
        return H.view(b, t, f, d).permute(0, 3, 2, 1)


def _pairs(widths: list[int]) -> list[tuple[int, int]]:
    return list(zip(widths, widths[1:], strict=False))


def _kernel(stride: tuple[int, int]) -> tuple[int, int]:
    return tuple(4 if s == 2 else 3 for s in stride)


def _down(n_in: int, n_out: int, stride: tuple[int, int]) -> nn.Module:
    conv = nn.Conv2d(n_in, n_out, _kernel(stride), stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2))


def _up(n_in: int, n_out: int, stride: tuple[int, int], *, last: bool) -> nn.Module:
    conv = nn.ConvTranspose2d(n_in, n_out, _kernel(stride), stride, 1, bias=last)
    return conv if last else nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU())
