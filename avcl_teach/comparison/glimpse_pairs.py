"""One picture and half a second of sound of each clip: small enough to be drawn and sounded again."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files
from avcl_teach.features import log_mel, onset_strength

SPLITS = ("train", "val", "test")
SIZE_PX = N_MELS = 32
SAMPLE_RATE_HZ, N_FFT, HOP_LENGTH, N_SAMPLES = 8000, 512, 128, 3968  # 32 frames of half a second
FLOOR, CEILING = math.log(1e-3), math.log(1e3)  # nepers of power that are drawn as 0 and as 1
CLOSE_UP = {"radius": (0.36, 0.42), "drift_per_s": 0.0}  # knobs: the object fills the picture
_BEFORE_S, _CHUNK = 0.04, 64


@dataclass(frozen=True)
class GlimpseSplit:
    """Hold one cut, all values in [0, 1]: row i of x_a belongs to row i of x_v and has class labels[i].

    x_a: log-mel of half a second from 40 ms before the loudest onset, one channel like a grey picture, low
    bands first (`to_log_mel` gives nepers back) · x_v: the frame in which that onset is heard, in colour;
    `grey` has one channel, `drawing` has neither colour nor polarity · index: the clip's index in the world.
    """

    x_a: Float[Tensor, "clip 1 mel frame"]
    x_v: Float[Tensor, "clip 3 height width"]
    labels: Int[Tensor, "clip"]
    index: Int[Tensor, "clip"]

    @property
    def n_clips(self) -> int:
        """Count the clips."""
        return len(self.labels)

    @property
    def grey(self) -> Float[Tensor, "clip 1 height width"]:
        """Return the pictures without colour, the mean of the three channels."""
        return self.x_v.mean(1, keepdim=True)

    @property
    def drawing(self) -> Float[Tensor, "clip 1 height width"]:
        """Return how far each pixel's colour is from the border's, the most distant 2 % as 1.

        A light outline on dark and a dark one on light are the same drawing: what no sound can tell is gone.
        """
        x = self.x_v
        border = torch.cat([x[:, :, 0], x[:, :, -1], x[..., 0], x[..., -1]], dim=2).quantile(0.5, dim=2)
        d = (x - border[:, :, None, None]).square().mean(1, keepdim=True).sqrt()
        far = d.flatten(1).quantile(0.98, dim=1).clamp_min(1e-3)
        return (d / far[:, None, None, None]).clamp_max(1)


@dataclass(frozen=True)
class Glimpses:
    """Hold three cuts of glimpses; val and test show individuals that training never met."""

    name: str
    train: GlimpseSplit
    val: GlimpseSplit
    test: GlimpseSplit
    class_names: tuple[str, ...]
    preset: str
    seed: int

    @property
    def n_classes(self) -> int:
        """Count the classes."""
        return len(self.class_names)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {getattr(self, name).n_clips}" for name in SPLITS)
        return f"Glimpses({self.name}: {sizes}; log-mels and pictures of 32 x 32, {self.n_classes} classes)"


def glimpses(
    n_train: int = 1024, n_test: int = 256, preset: str = "easy", *, seed: int = 0, n_val: int = 128
) -> Glimpses:
    """Take one close-up picture and half a second of sound from each clip of the world, at its loudest onset.

    The object fills the picture (knobs `CLOSE_UP`), so that a decoder of a minute's training draws something
    that can be recognised; sounds are brought to a peak of 1. Cached on disk (1,400 clips take about 10 s
    of processor time once). Errors: ValueError for fewer than 2 clips or an unknown preset.
    Lessons: 13 to 15.
    """
    from avcl_teach import world

    for name, n in {"n_train": n_train, "n_val": n_val, "n_test": n_test}.items():
        if n < 2:
            raise ValueError(f"expected {name} >= 2, got {n}")
    where = {"preset": preset, "seed": seed, "size_px": SIZE_PX, **CLOSE_UP}
    cuts = [_cut(n, split, where) for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True)]
    return Glimpses(f"world, {preset}, close up", *cuts, tuple(world.CLASSES), preset, seed)


def to_unit(L: Float[Tensor, "*batch mel frame"]) -> Float[Tensor, "*batch mel frame"]:
    """Bring nepers of power to [0, 1]: 0 is 1e-3 and less, 1 is 1e3 and more (60 dB). Lesson: 14."""
    return ((L - FLOOR) / (CEILING - FLOOR)).clamp(0, 1)


def to_log_mel(x_a: Float[Tensor, "*batch mel frame"]) -> Float[Tensor, "*batch mel frame"]:
    """Bring values in [0, 1] back to nepers of power, the inverse of `to_unit`. Lesson: 14."""
    return x_a * (CEILING - FLOOR) + FLOOR


def _cut(n: int, split: str, where: dict) -> GlimpseSplit:
    from avcl_teach import world
    from avcl_teach.features import onsets, spectral

    def make():
        chunks = (range(start, min(n, start + _CHUNK)) for start in range(0, n, _CHUNK))
        parts = [_look(world.render(c, split=split, stems=False, masks=False, **where)) for c in chunks]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, {}

    key = {
        "clips": world.content_hash(range(n), split=split, **where),
        "code": hash_files(__file__, onsets.__file__, spectral.__file__),
    }
    found, _ = cached(key, make)
    x_a, x_v = found["x_a"].float(), found["x_v"].float() / 255
    return GlimpseSplit(x_a, x_v, found["labels"], found["index"])


def _look(clips) -> dict[str, Tensor]:
    """Cut picture and sound of rendered clips at their loudest onsets."""
    start_s = loudest_onset_s(clips.mono, room_s=N_SAMPLES / SAMPLE_RATE_HZ)
    first = ((start_s - _BEFORE_S) * SAMPLE_RATE_HZ).round().long()
    rows = torch.arange(len(clips))
    x = clips.mono[rows[:, None], first[:, None] + torch.arange(N_SAMPLES)]
    x = x / x.abs().amax(1, keepdim=True).clamp_min(1e-3)
    L = log_mel(x, sample_rate_hz=SAMPLE_RATE_HZ, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS)
    at = ((start_s + 0.5 / clips.frame_rate_hz) * clips.frame_rate_hz).long()
    return {
        "x_a": to_unit(L)[:, None].half(),
        "x_v": clips.frames[rows, at.clamp_max(clips.frames.shape[1] - 1)],
        "labels": clips.label,
        "index": clips.extra["index"],
    }


def loudest_onset_s(x: Float[Tensor, "clip sample"], *, room_s: float) -> Float[Tensor, "clip"]:
    """Find the strongest onset of each clip that leaves `room_s` seconds from 40 ms before it. Lesson: 14."""
    rate_hz, duration_s = 125, x.shape[1] / SAMPLE_RATE_HZ
    O = onset_strength(x, sample_rate_hz=SAMPLE_RATE_HZ, rate_hz=rate_hz)
    low, high = round(_BEFORE_S * rate_hz + 0.5), int((duration_s - room_s + _BEFORE_S) * rate_hz)
    return (low + O[:, low:high].argmax(1)) / rate_hz
