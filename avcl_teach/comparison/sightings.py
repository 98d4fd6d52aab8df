"""A few frames and the whole sound of each clip, with the boxes of all that is seen: data of localization."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files
from avcl_teach.features import log_mel

SIZE_PX = N_MELS = 64
N_FFT, HOP_LENGTH, SAMPLE_RATE_HZ = 512, 256, 8000
KNOBS = {"radius": (9 / 64, 12 / 64), "n_silent": (2, 2)}  # boxes of 6 to 14 % of the picture, two silent
_CHUNK = 64


@dataclass(frozen=True)
class Sightings:
    """Hold clips as one sound and a few frames each; row i of every field is clip i, object 0 is heard.

    frames: uint8 · log_mel: nepers of power, float16 · box: (x0, y0, x1, y1) of every object in every kept
    frame, fractions of the side, NaN = not there · object_class: -1 = no object · index: the clip's index in
    the world · where: the arguments of `world.render` that show it whole.
    """

    frames: UInt8[Tensor, "clip frame 3 height width"]
    log_mel: Float[Tensor, "clip mel step"]
    box: Float[Tensor, "clip frame object 4"]
    object_class: Int[Tensor, "clip object"]
    sounding: Bool[Tensor, "clip object"]
    index: Int[Tensor, "clip"]
    where: dict

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        n, t = self.frames.shape[:2]
        return f"Sightings({n} clips, {t} frames each, {self.box.shape[2]} objects; {self.where['layout']})"

    @property
    def label(self) -> Int[Tensor, "clip"]:
        """Return the class that is heard."""
        return self.object_class[:, 0]


def sightings(
    n: int,
    *,
    layout: str = "scene",
    split: str = "train",
    n_frames: int = 1,
    preset: str = "easy",
    seed: int = 0,
    **knobs: object,
) -> Sightings:
    """Render n clips once and keep `n_frames` frames spread over each, its log-mel and its boxes.

    Layouts: "solo", one object, which sounds; "scene", by default one that sounds and two silent ones that
    move by notes nobody hears (`KNOBS`). Cached on disk; 1,000 solo clips take 6 s of one core once, scenes
    12 s. Errors: ValueError for n < 1, n_frames < 1, or what `world.render` refuses. Lesson: 34.
    """
    from avcl_teach import world
    from avcl_teach.features import spectral

    if n < 1 or n_frames < 1:
        raise ValueError(f"expected at least 1 clip and 1 frame, got {n} and {n_frames}")
    where = {"preset": preset, "split": split, "seed": seed, "layout": layout, "size_px": SIZE_PX}
    where |= KNOBS | knobs

    def make():
        parts = [
            _look(range(start, min(n, start + _CHUNK)), where, n_frames) for start in range(0, n, _CHUNK)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, {}

    key = {
        "clips": world.content_hash(range(n), **where),
        "frames": n_frames,
        "code": hash_files(__file__, spectral.__file__),
    }
    found, _ = cached(key, make)
    return Sightings(**found, where=where)


def _look(indices: range, where: dict, n_frames: int) -> dict[str, Tensor]:
    """Render some clips and keep what the lesson needs of them."""
    from avcl_teach import world

    clips = world.render(indices, stems=False, masks=False, **where)
    t = clips.frames.shape[1]
    at = torch.from_numpy(((np.arange(n_frames) + 0.5) * t / n_frames).astype(np.int64))
    L = log_mel(clips.mono, sample_rate_hz=SAMPLE_RATE_HZ, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS)
    return {
        "frames": clips.frames[:, at],
        "log_mel": L.half(),
        "box": clips.box[:, :, at].transpose(1, 2).contiguous(),
        "object_class": clips.object_class,
        "sounding": clips.sounding,
        "index": clips.extra["index"],
    }
