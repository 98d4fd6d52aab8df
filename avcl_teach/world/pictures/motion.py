"""Motion that follows notes: what an object's hands do between two onsets."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from jaxtyping import Float

from avcl_teach.world.envelopes import class_envelope
from avcl_teach.world.scenes import Scenes

STROKE_S = 0.18
"""A hand falls this long before a contact and rises this long after it (as in the keypoints)."""
FAR_S = 100.0
"""Stands for no note before, or none to come."""
JOLT = 0.13
"""Recoil of every body at an onset of velocity 1, in its radii: what all classes share of a note."""


@dataclasses.dataclass(frozen=True)
class Cues:
    """Hold what the notes say about each object at each frame: float64 [clip, object, time] each.

    time_s · age_s since the last onset · duration_s, degree 0..9, velocity, vowel, consonant of that note ·
    number: how many onsets so far · next_s until the next onset, next_degree · loud: velocity times the
    class's envelope · travel_s: the integral of the envelope from the onset to now, span_s: to the note's
    end · smile, brow: what a face shows beside its notes, 0 where nothing is felt.
    """

    time_s: np.ndarray
    age_s: np.ndarray
    duration_s: np.ndarray
    degree: np.ndarray
    velocity: np.ndarray
    vowel: np.ndarray
    consonant: np.ndarray
    number: np.ndarray
    next_s: np.ndarray
    next_degree: np.ndarray
    loud: np.ndarray
    travel_s: np.ndarray
    span_s: np.ndarray
    smile: np.ndarray
    brow: np.ndarray

    def pick(self, clip: np.ndarray, thing: np.ndarray) -> Cues:
        """Take the objects ``thing`` of the clips ``clip``: fields become [len(clip), time]."""
        return Cues(
            **{field.name: getattr(self, field.name)[clip, thing] for field in dataclasses.fields(self)}
        )


def frame_times_s(scenes: Scenes) -> Float[np.ndarray, "time"]:
    """Return the time of each frame: frame k shows the moment k / rate."""
    return np.arange(scenes.knobs.n_frames) / scenes.knobs.frame_rate_hz


def smooth(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Rise from 0 at x <= 0 to 1 at x >= 1: 3 x^2 - 2 x^3."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def read_notes(scenes: Scenes) -> Cues:
    """Find for every object and frame the note that sounds and the one to come."""
    times = frame_times_s(scenes)
    notes = scenes.notes
    onset = np.where(np.isnan(notes[..., 0]), FAR_S, notes[..., 0])
    number = (onset[..., None, :] <= times[:, None]).sum(axis=-1)
    shape = number.shape
    last, coming = np.maximum(number - 1, 0), np.minimum(number, onset.shape[-1] - 1)
    begun = number > 0
    field = {
        name: np.take_along_axis(np.nan_to_num(notes[..., k]), last, axis=-1)
        for k, name in enumerate(("onset_s", "duration_s", "degree", "velocity"))
    }
    age = np.where(begun, times - field.pop("onset_s"), FAR_S)
    waits = np.take_along_axis(onset, coming, axis=-1)
    ahead = (number < onset.shape[-1]) & (waits < FAR_S)
    next_degree = np.where(
        ahead, np.take_along_axis(np.nan_to_num(notes[..., 2]), coming, axis=-1), field["degree"]
    )
    field["degree"] = np.where(begun, field["degree"], next_degree)
    field["velocity"] = np.where(begun, field["velocity"], 0.0)
    said = {
        name: np.take_along_axis(getattr(scenes, name), last, axis=-1).astype(float)
        for name in ("vowel", "consonant")
    }
    decay = np.broadcast_to(scenes.timbre["decay"][..., None], shape)
    shell = envelope(scenes.cls, age, field["duration_s"], decay)
    travel, span = (
        integral(scenes.cls, upto, field["duration_s"], decay)
        for upto in (np.minimum(age, field["duration_s"] + 0.2), field["duration_s"] + 0.2)
    )
    return Cues(
        time_s=np.broadcast_to(times, shape),
        age_s=age,
        number=number.astype(float),
        next_s=np.where(ahead, waits - times, FAR_S),
        next_degree=next_degree,
        loud=np.where(begun, field["velocity"] * shell, 0.0),
        travel_s=np.where(begun, travel, 0.0),
        span_s=span,
        **{name: _felt(scenes, key, shape) for name, key in (("smile", "face_valence"), ("brow", "brow"))},
        **field,
        **said,
    )


def _felt(scenes: Scenes, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a track of the scenes' truth for each object and frame, 0 where there is none."""
    return np.broadcast_to(scenes.truth[name][:, None] if name in scenes.truth else 0.0, shape)


def envelope(cls: np.ndarray, age_s: np.ndarray, duration_s: np.ndarray, decay: np.ndarray) -> np.ndarray:
    """Evaluate the classes' loudness in 0..1; an object of no class decays like a pluck."""
    number = torch.as_tensor(np.where(cls < 0, 0, cls))
    number = number.reshape(*number.shape, *[1] * (age_s.ndim - number.ndim)).expand(*age_s.shape)
    age, duration, fade = (
        torch.as_tensor(np.ascontiguousarray(values)) for values in (age_s, duration_s, decay)
    )
    return class_envelope(number, age, duration, fade).numpy()


def integral(
    cls: np.ndarray, upto_s: np.ndarray, duration_s: np.ndarray, decay: np.ndarray, *, n: int = 12
) -> np.ndarray:
    """Integrate the envelope from the onset to ``upto_s`` in seconds, by the midpoint rule."""
    middles = (np.arange(n) + 0.5) / n * upto_s[..., None]
    spread = (
        np.broadcast_to(duration_s[..., None], middles.shape),
        np.broadcast_to(decay[..., None], middles.shape),
    )
    return envelope(cls, middles, *spread).mean(axis=-1) * upto_s


def hand(cues: Cues) -> Float[np.ndarray, "*shape"]:
    """Return where the hand is, 0 low to 1 high: it goes to the next pitch while the next note is near."""
    near = smooth(1.0 - cues.next_s / STROKE_S)
    return (cues.degree + near * (cues.next_degree - cues.degree)) / 9.0


def height(cues: Cues) -> Float[np.ndarray, "*shape"]:
    """Return the height of a striking hand: 0 at an onset, 1 from 0.18 s before to 0.18 s after, h = 1 - (1
    - x)^2."""
    x = np.clip(np.minimum(cues.age_s, cues.next_s) / STROKE_S, 0.0, 1.0)
    return 1.0 - (1.0 - x) ** 2


def jolt(cues: Cues, *, fade_s: float = 0.12) -> Float[np.ndarray, "*shape"]:
    """Return the recoil of a body from its onsets: v exp(-age / fade)."""
    return cues.velocity * np.exp(-cues.age_s / fade_s)


def ring(cues: Cues, *, fade_s: float = 0.22) -> Float[np.ndarray, "*shape"]:
    """Return the amplitude of a plucked string: v exp(-age / 0.22 s)."""
    return cues.velocity * np.exp(-cues.age_s / fade_s)


def swing(cues: Cues, *, rate_hz: float = 3.4) -> Float[np.ndarray, "*shape"]:
    """Return the phase of a vibrating string, slowed down for the eye: cos(2 pi f age)."""
    return np.cos(2.0 * np.pi * rate_hz * np.minimum(cues.age_s, FAR_S))


def stroke(cues: Cues) -> Float[np.ndarray, "*shape"]:
    """Return the place of a bow, about -1..1: its speed is the loudness, its direction flips with every
    note."""
    side = np.where(cues.number % 2 == 1, 1.0, -1.0)
    reach = side * cues.velocity * (cues.travel_s - 0.5 * cues.span_s)
    return reach / 0.25


def zoom(
    parts: Float[np.ndarray, "clip object 8"], times_s: Float[np.ndarray, "time"]
) -> Float[np.ndarray, "clip object time"]:
    """Return the size of each object over time, at most 1: it comes nearer and goes away by 4 to 16 % of its
    size.

    The change is slow (0.2 to 0.6 Hz) and the same for every class, and larger than what a pose does to the
    area.
    """
    deep, rate, phase = (parts[..., None, k] for k in (4, 5, 6))
    wave = np.sin(2.0 * np.pi * ((0.2 + 0.4 * rate) * times_s + phase))
    return 1.0 - (0.04 + 0.12 * deep) * (0.5 + 0.5 * wave)


def bounce(
    place: Float[np.ndarray, "*#shape"], low: Float[np.ndarray, "*#shape"], high: Float[np.ndarray, "*#shape"]
) -> Float[np.ndarray, "*shape"]:
    """Fold a straight path back at two walls; where the walls cross, stay in the middle."""
    width = np.maximum(high - low, 1e-9)
    folded = np.mod(place - low, 2.0 * width)
    return np.where(high > low, low + np.minimum(folded, 2.0 * width - folded), 0.5 * (low + high))
