"""Everything about the world that can be turned: one dataclass, three presets."""

from __future__ import annotations

import dataclasses
import math

CLASSES = ("pluck", "mallet", "drum", "bow", "flute", "horn", "talker", "chirp")
N_INSTANCES = 16
N_NOTES = 8
PENTATONIC = (0, 2, 4, 7, 9, 12, 14, 16, 19, 21)
BASE_HZ = 196.0


@dataclasses.dataclass(frozen=True)
class Knobs:
    """Hold every difficulty knob of the world; ranges are (low, high) and drawn uniformly.

    Lengths in the picture are fractions of its side, so a scene has no resolution of its own.
    ``n_sounding`` counts sounding objects, ``n_silent`` objects that move by a note list nobody hears. Long
    scenes alone: ``n_cues`` objects ring a tone each, ``delay`` segments pass until one tone comes back, and
    two of them hold a stray note with probability ``stray``. Emotion scenes alone: ``irony`` is the share of
    clips whose face and voice disagree.
    """

    duration_s: float = 2.0
    frame_rate_hz: float = 8.0
    sample_rate_hz: int = 8000
    segment_s: float = 0.25
    n_sounding: tuple[int, int] = (1, 1)
    n_silent: tuple[int, int] = (2, 2)
    n_decoys: tuple[int, int] = (0, 1)
    same_class: float = 0.0
    off_screen: float = 0.0
    mismatch: float = 0.20
    timbre_spread: float = 1.0
    eq_db: float = 5.0
    snr_db: tuple[float, float] = (4.0, 12.0)
    reverb_s: tuple[float, float] = (0.1, 0.4)
    gain_db: float = 3.0
    pitch_overlap: float = 1.0
    onset_sync: float = 0.0
    av_offset_s: float = 0.0
    radius: tuple[float, float] = (9 / 64, 14 / 64)
    drift_per_s: float = 4 / 64
    camera_jitter: float = 1 / 64
    pixel_noise: float = 0.02
    keypoint_noise: float = 0.0
    label_fraction: float = 1.0
    colour_class_correlation: float = 0.0
    n_cues: int = 4
    delay: tuple[int, int] = (4, 4)
    stray: float = 0.5
    irony: float = 0.2

    def __post_init__(self) -> None:
        for name in ("n_sounding", "n_silent", "n_decoys", "snr_db", "reverb_s", "radius", "delay"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name} is (low, high) with low <= high, got {(low, high)}")
        for name in (
            "same_class",
            "off_screen",
            "onset_sync",
            "label_fraction",
            "colour_class_correlation",
            "pitch_overlap",
            "stray",
            "irony",
        ):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} lies in 0..1, got {getattr(self, name)}")
        for name in ("duration_s", "frame_rate_hz", "sample_rate_hz", "segment_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is positive, got {getattr(self, name)}")
        if self.n_sounding[0] < 1 or self.n_sounding[1] > 3 or self.n_silent[0] < 0 or self.n_silent[1] > 3:
            raise ValueError(
                f"expected 1 to 3 sounding and 0 to 3 silent objects, "
                f"got {self.n_sounding} and {self.n_silent}"
            )
        if not 2 <= self.n_cues <= 4 or self.delay[0] < 0:
            raise ValueError(
                f"expected 2 to 4 cues and delays of at least 0 segments, got {self.n_cues} and {self.delay}"
            )
        segments = self.duration_s / self.segment_s
        if abs(segments - round(segments)) > 1e-9:
            raise ValueError(f"duration_s is a whole number of segments, got {segments:.3f} of them")

    @property
    def n_frames(self) -> int:
        """Count the frames of a clip."""
        return round(self.duration_s * self.frame_rate_hz)

    @property
    def n_samples(self) -> int:
        """Count the samples of a clip."""
        return round(self.duration_s * self.sample_rate_hz)

    @property
    def n_segments(self) -> int:
        """Count the segments that carry an event label."""
        return round(self.duration_s / self.segment_s)


PRESETS = {
    "easy": Knobs(
        eq_db=2.0,
        snr_db=(15.0, 25.0),
        reverb_s=(0.05, 0.1),
        timbre_spread=0.5,
        gain_db=1.0,
        n_silent=(1, 1),
        n_decoys=(0, 0),
        camera_jitter=0.0,
        pixel_noise=0.005,
        radius=(12 / 64, 15 / 64),
    ),
    "standard": Knobs(),
    "hard": Knobs(
        eq_db=9.0,
        snr_db=(-3.0, 6.0),
        reverb_s=(0.2, 0.6),
        n_sounding=(1, 2),
        n_silent=(2, 3),
        n_decoys=(1, 2),
        off_screen=0.3,
        onset_sync=0.2,
        same_class=0.3,
        radius=(7 / 64, 14 / 64),
        drift_per_s=8 / 64,
        camera_jitter=2 / 64,
        pixel_noise=0.04,
    ),
}


def resolve(preset: str | Knobs, **overrides: object) -> Knobs:
    """Return the knobs of a preset with some of them turned.

    Raises ValueError on a preset or a knob that does not exist.
    """
    if isinstance(preset, str):
        if preset not in PRESETS:
            raise ValueError(f"expected a preset of {sorted(PRESETS)} or a Knobs, got {preset!r}")
        preset = PRESETS[preset]
    known = {field.name for field in dataclasses.fields(Knobs)}
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise ValueError(f"unknown knob {unknown[0]!r}; there are {sorted(known)}")
    return dataclasses.replace(preset, **overrides)


def pitch_hz(degree: float, register: float) -> float:
    """Turn a scale degree and a register in semitones into hertz: f = 196 * 2^((register + SCALE[degree]) /
    12)."""
    return BASE_HZ * math.pow(2.0, (register + PENTATONIC[int(degree)]) / 12.0)
