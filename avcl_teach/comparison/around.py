"""Panoramas small enough to keep: a picture all around, and what any turn of its sound is computed from."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files

HEIGHT_PX, N_MELS, N_STEPS, _CHUNK = 32, 32, 32, 64
N_FFT, HOP_LENGTH = 256, 512
KEPT_FRAMES = (2, 6, 10, 14)


@dataclass(frozen=True)
class Around:
    """Hold panoramas: row i of every field is one clip.

    frames: 4 pictures [3, 32, 128] that wrap · power: mel power [clip, 6, mel, step] of the products WW, YY,
    XX, YX, WY, WX of the channels (real parts): a turn mixes them by sines and cosines, see `turned_power` ·
    azimuth: of each player, radians to the right · sounding: who of them sounds.
    """

    frames: UInt8[Tensor, "clip 4 3 32 128"]
    power: Float[Tensor, "clip 6 32 32"]
    azimuth: Float[Tensor, "clip player"]
    sounding: Bool[Tensor, "clip player"]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: Tensor | slice) -> "Around":
        """Take some of the clips."""
        return Around(**{name: x[rows] for name, x in vars(self).items()})

    def to(self, device: str | torch.device) -> "Around":
        """Move everything to a device."""
        return Around(**{name: x.to(device) for name, x in vars(self).items()})


def around(n: int, split: str = "train", *, preset: str = "easy", seed: int = 0) -> Around:
    """Load n panoramas of two players that sound and one that does not; rendered once, then kept.

    Errors: ValueError for no clips, an unknown split or preset. Lesson: 39.
    """
    from avcl_teach import world
    from avcl_teach.world.variants import panoramas

    if n < 1:
        raise ValueError(f"expected at least one clip, got {n}")
    where = {"preset": preset, "split": split, "seed": seed}

    def make():
        found = []
        for start in range(0, n, _CHUNK):
            rows = list(range(start, min(start + _CHUNK, n)))
            clips = panoramas.render_panoramas(rows, height_px=HEIGHT_PX, **where)
            part = {
                "frames": clips.frames[:, list(KEPT_FRAMES)],
                "power": mel_products(clips.waveform).half(),
            }
            middle = clips.extra["azimuth"][..., clips.frames.shape[1] // 2]
            found.append(part | {"azimuth": middle, "sounding": clips.sounding})
        return {name: torch.cat([part[name] for part in found]) for name in found[0]}, {}

    code = hash_files(__file__, panoramas.__file__)
    tensors, _ = cached({"around": world.content_hash(list(range(n)), **where), "code": code}, make)
    return Around(**{name: x.float() if x.dtype == torch.float16 else x for name, x in tensors.items()})


def mel_products(w: Float[Tensor, "clip 4 sample"]) -> Float[Tensor, "clip 6 32 32"]:
    """Return the mel power of WW, YY, XX and of the real parts of Y X*, W Y*, W X*, over 32 steps of 64 ms.

    Scaled by 1000, so that they fit half precision. Errors: ValueError for other than four channels.
    """
    from avcl_teach.features.spectral import mel_filters, stft

    if w.shape[1] != 4:
        raise ValueError(f"expected the four channels W, Y, Z, X, got {w.shape[1]}")
    S = stft(w, n_fft=N_FFT, hop_length=HOP_LENGTH)[..., :N_STEPS]
    W, Y, _, X = S.unbind(1)
    pairs = ((W, W), (Y, Y), (X, X), (Y, X), (W, Y), (W, X))
    products = torch.stack([(p * q.conj()).real for p, q in pairs], 1)
    return 1000 * (mel_filters(sample_rate_hz=8000, n_fft=N_FFT, n_mels=N_MELS).to(products) @ products)


def turned_power(
    power: Float[Tensor, "clip 6 mel step"], yaw: Float[Tensor, "clip"]
) -> Float[Tensor, "clip 6 mel step"]:
    """Return the same six products after the listener has turned by yaw to the right: exact, no sound needed.

    Y' = Y c + X s and X' = X c - Y s give YY' = c^2 YY + s^2 XX + 2 c s YX and so on. Lesson: 39.
    """
    c, s = (f(yaw)[:, None, None] for f in (torch.cos, torch.sin))
    WW, YY, XX, YX, WY, WX = power.unbind(1)
    YY2 = c * c * YY + s * s * XX + 2 * c * s * YX
    XX2 = c * c * XX + s * s * YY - 2 * c * s * YX
    YX2 = (c * c - s * s) * YX + c * s * (XX - YY)
    return torch.stack([WW, YY2, XX2, YX2, c * WY + s * WX, c * WX - s * WY], 1)


def heard(
    power: Float[Tensor, "clip 6 mel step"], *, directions: bool = False
) -> Float[Tensor, "clip channel mel step"]:
    """Return what a network is shown: log magnitudes of W, Y, X, which hide left and right; with `directions`
    also the intensities WY / WW and WX / WW, which do not. Lesson: 39."""
    logs = (power[:, :3].clamp_min(0) + 1e-3).log()
    logs = (logs - logs[:, :1].mean((2, 3), keepdim=True)) / 3
    if not directions:
        return logs
    return torch.cat([logs, power[:, 4:] / (power[:, :1] + 1e-2)], 1)


def evenly(n: int, n_views: int, draws: torch.Generator) -> Float[Tensor, "clip view"]:
    """Draw n_views directions a clip: evenly spread, with 20 degrees of jitter, turned at random."""
    first = 2 * math.pi * torch.rand(n, 1, generator=draws)
    jitter = math.radians(20) * (2 * torch.rand(n, n_views, generator=draws) - 1)
    return first + jitter + 2 * math.pi * torch.arange(n_views) / n_views
