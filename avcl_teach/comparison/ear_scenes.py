"""Scenes heard with two ears, small enough to keep: sound of both ears and a small picture track."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files

SIZE_PX, RMS, _CHUNK = 32, 0.1, 64
KNOBS = {
    "n_sounding": (1, 2),
    "n_silent": (0, 0),
    "n_decoys": (0, 0),
    "radius": (0.2, 0.27),
    "snr_db": (25.0, 35.0),
}


@dataclass(frozen=True)
class EarScenes:
    """Hold scenes of one or two players that sound: row i of every field is one clip.

    sound: left and right ear, 2 s at 8 kHz, their sum brought to a root mean square of 0.1 · frames: 16 small
    pictures at 8 Hz · azimuth: of each player in the middle of the clip, radians to the right, NaN for none ·
    labels: class of each player, -1 for none.
    """

    sound: Float[Tensor, "clip 2 sample"]
    frames: UInt8[Tensor, "clip time 3 32 32"]
    azimuth: Float[Tensor, "clip player"]
    labels: Float[Tensor, "clip player"]

    def __len__(self) -> int:
        return len(self.sound)

    def __getitem__(self, rows: Tensor | slice) -> "EarScenes":
        """Take some of the clips."""
        return EarScenes(**{name: x[rows] for name, x in vars(self).items()})

    def to(self, device: str | torch.device) -> "EarScenes":
        """Move everything to a device."""
        return EarScenes(**{name: x.to(device) for name, x in vars(self).items()})


def ear_scenes(n: int, split: str = "train", *, preset: str = "easy", seed: int = 0) -> EarScenes:
    """Load n scenes with two ears; rendered once (about 25 ms each), then kept.

    Errors: ValueError for no clips, an unknown split or preset. Lesson: 39.
    """
    from avcl_teach import world
    from avcl_teach.world.variants import two_ears

    if n < 1:
        raise ValueError(f"expected at least one clip, got {n}")
    where = {"preset": preset, "split": split, "seed": seed, "size_px": SIZE_PX, "layout": "scene", **KNOBS}

    def make():
        found: list[dict[str, Tensor]] = []
        for start in range(0, n, _CHUNK):
            clips = two_ears.render_two_ears(list(range(start, min(start + _CHUNK, n))), **where)
            level = clips.waveform.sum(1, keepdim=True).square().mean(-1, keepdim=True).sqrt()
            part = {
                "sound": (clips.waveform * (RMS / level.clamp_min(1e-6))).half(),
                "frames": clips.frames,
                "azimuth": clips.extra["azimuth"][..., clips.frames.shape[1] // 2],
                "labels": clips.object_class.float(),
            }
            found.append(part)
        return {name: torch.cat([part[name] for part in found]) for name in found[0]}, {}

    code = hash_files(__file__, two_ears.__file__)
    tensors, _ = cached({"ear scenes": world.content_hash(list(range(n)), **where), "code": code}, make)
    return EarScenes(**{name: x.float() if x.dtype == torch.float16 else x for name, x in tensors.items()})
