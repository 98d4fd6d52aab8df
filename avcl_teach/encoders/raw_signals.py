"""Transformers on raw signals (VATT): pieces of video and waveform as tokens, few of them kept in training.

Akbari et al. 2021. The projection hierarchy v -> va -> vt ends here at va: clips of the world come without
words, so there is no second, finer-grained space to go on to.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from avcl_teach.encoders.positions import SeparablePositions
from avcl_teach.encoders.transformers import TransformerEncoder


def tubelets(
    frames: Shaped[Tensor, "batch time 3 height width"], *, time: int, height: int, width: int
) -> Float[Tensor, "batch token voxel"]:
    """Cut a video into boxes of time x height x width px, each one token of 3 time height width numbers.

    uint8 frames are brought to -1 ... 1, others kept. Tokens run through time, then rows, then columns.
    Errors: ValueError for boxes that do not fill the video. Source: Akbari et al. 2021. Lesson: 12.
    """
    if frames.ndim != 5 or frames.shape[2] != 3:
        raise ValueError(f"expected frames [batch, time, 3, height, width], got {list(frames.shape)}")
    b, t, _, h, w = frames.shape
    if min(time, height, width) < 1 or t % time or h % height or w % width:
        raise ValueError(f"expected boxes that fill {t} x {h} x {w}, got {time} x {height} x {width}")
    x = frames / 127.5 - 1 if frames.dtype == torch.uint8 else frames
    x = x.reshape(b, t // time, time, 3, h // height, height, w // width, width)
    return x.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(1, 3).flatten(2)


def wave_patches(x: Float[Tensor, "batch sample"], *, size: int) -> Float[Tensor, "batch token size"]:
    """Cut a waveform into tokens of `size` samples; samples that fill no token are left out.

    Errors: ValueError for a size that leaves no token. Source: Akbari et al. 2021. Lesson: 12.

    >>> wave_patches(torch.arange(5.0)[None], size=2).tolist()
    [[[0.0, 1.0], [2.0, 3.0]]]
    """
    if x.ndim != 2 or not 1 <= size <= x.shape[1]:
        raise ValueError(f"expected a waveform [batch, sample] of at least size {size}, got {list(x.shape)}")
    n = x.shape[1] // size
    return x[:, : n * size].unflatten(1, (n, size))


def drop_tokens(
    x: Float[Tensor, "batch token dim"], rate: float, *, generator: torch.Generator | None = None
) -> Float[Tensor, "batch kept dim"]:
    """Keep a random share 1 - rate of each clip's tokens (DropToken): others leave the sequence altogether.

    Each clip draws its own, all keep equally many (at least one), in their order. Positions must have been
    added before: afterwards nobody knows where a token came from. For training only. Unlike dropout nothing
    is set to zero or scaled, and cost falls with the number of tokens.
    Errors: ValueError for a rate outside 0 <= rate < 1. Source: Akbari et al. 2021, section 3.3. Lesson: 12.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"expected a rate with 0 <= rate < 1, got {rate}")
    if rate == 0:
        return x
    b, n, _ = x.shape
    kept = max(1, round((1 - rate) * n))
    place = "cpu" if generator is not None and generator.device.type == "cpu" else x.device
    lots = torch.rand(b, n, generator=generator, device=place).to(x.device)
    at = lots.topk(kept, dim=1).indices.sort(dim=1).values
    return x.gather(1, at[..., None].expand(-1, -1, x.shape[2]))


class RawSignalTransformer(nn.Module):
    r"""Encode the tokens of a raw signal as one vector.

    $$y = \mathrm{Enc}([\mathrm{AGG};\ \mathrm{drop}(x W + P)])_0$$

    Tokens are projected, positions added, some dropped (in training only), a learned AGG token put in front;
    its output stands for the whole. A `backbone` may be shared by several modalities: projection, positions
    and AGG stay their own. Shapes: x [batch, token, dim_token], with the tokens of the grid `shape` ->
    [batch, dim]. Errors: ValueError for another number of tokens, a rate outside 0 <= drop < 1.
    Source: Akbari et al. 2021 (VATT). Lesson: 12.
    """

    def __init__(
        self,
        dim_token: int,
        shape: tuple[int, ...],
        *,
        backbone: TransformerEncoder,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= drop < 1:
            raise ValueError(f"expected a rate with 0 <= drop < 1, got {drop}")
        dim = backbone.layers[0].norm1.weight.shape[0]
        self.dim_token, self.drop = dim_token, drop
        self.project, self.positions = nn.Linear(dim_token, dim), SeparablePositions(shape, dim)
        self.aggregate = nn.Parameter(0.02 * torch.randn(dim))
        self.backbone = backbone

    def forward(self, x: Float[Tensor, "batch token dim_token"]) -> Float[Tensor, "batch dim"]:
        """Return the output of the AGG token."""
        if x.ndim != 3 or x.shape[2] != self.dim_token:
            raise ValueError(f"expected tokens [batch, token, {self.dim_token}], got {list(x.shape)}")
        x = self.positions(self.project(x))
        if self.training:
            x = drop_tokens(x, self.drop)
        first = self.aggregate.to(x.dtype).expand(len(x), 1, -1)
        return self.backbone(torch.cat([first, x], dim=1))[:, 0]


class RawSignalPair(nn.Module):
    r"""Embed waveforms and frames, as they are, in one space: f and g of VATT, small.

    $z_a = W y_a$ and $z_v = W_2\, \mathrm{ReLU}(\mathrm{BN}(W_1 y_v))$, both to unit length; y from
    `RawSignalTransformer`. Waveforms are brought to unit power first, so that loudness does not count.
    With `shared` one backbone serves both. Shapes: waveform [batch, sample], frames [batch, time, 3, height,
    width] -> (a, v), both [batch, d]. Errors: ValueError for signals of other sizes than stated.
    Source: Akbari et al. 2021 (VATT); a small reconstruction, without text. Lesson: 12.
    """

    def __init__(
        self,
        *,
        n_samples: int,
        patch: int = 64,
        video: tuple[int, int, int] = (8, 32, 32),
        box: tuple[int, int, int] = (4, 8, 8),
        dim: int = 64,
        n_heads: int = 4,
        n_layers: int = 2,
        drop: float = 0.0,
        shared: bool = False,
        d: int = 64,
    ) -> None:
        super().__init__()
        self.patch, self.box = patch, dict(zip(("time", "height", "width"), box, strict=True))
        backbone_a = TransformerEncoder(dim, n_heads, n_layers)
        backbone_v = backbone_a if shared else TransformerEncoder(dim, n_heads, n_layers)
        grid = tuple(side // part for side, part in zip(video, box, strict=True))
        self.audio = RawSignalTransformer(patch, (n_samples // patch,), backbone=backbone_a, drop=drop)
        voxels = 3 * torch.Size(box).numel()
        self.video = RawSignalTransformer(voxels, grid, backbone=backbone_v, drop=drop)
        self.to_space_a = nn.Linear(dim, d)
        self.to_space_v = nn.Sequential(
            nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, d)
        )

    def forward(
        self,
        waveform: Float[Tensor, "batch sample"],
        frames: Shaped[Tensor, "batch time 3 height width"],
    ) -> tuple[Float[Tensor, "batch d"], Float[Tensor, "batch d"]]:
        """Return embeddings of sound and picture, of unit length."""
        x_a = waveform * (waveform.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        a = self.to_space_a(self.audio(wave_patches(x_a, size=self.patch)))
        v = self.to_space_v(self.video(tubelets(frames, **self.box)))
        return F.normalize(a, dim=1), F.normalize(v, dim=1)
