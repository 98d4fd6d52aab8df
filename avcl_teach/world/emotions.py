"""Emotion: a talker whose face and voice follow arousal and valence, and sometimes disagree (irony)."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from avcl_teach.world.draws import generator, spread
from avcl_teach.world.knobs import CLASSES, Knobs

if TYPE_CHECKING:
    from avcl_teach.world.scenes import Scenes
    from avcl_teach.world.splits import Split

EMOTIONS = ("sad", "calm", "angry", "happy", "ironic")
"""Quadrants of (arousal, valence), low before high, valence the faster; then the one where face and voice
disagree."""
IRONIC = EMOTIONS.index("ironic")
TIME_CONSTANT_S = 1.5
LEVEL = (0.3, 0.9)
"""How far from 0 the levels of a clip lie, on either side."""
WIGGLE = 0.2
"""Standard deviation of the tracks about their level."""
RADIUS = (0.26, 0.32)


def talkers_only(split: Split) -> Split:
    """Leave of a split its talkers. Raises ValueError when it has none."""
    talker = CLASSES.index("talker")
    members = tuple(who if c == talker else () for c, who in enumerate(split.members))
    if not members[talker]:
        raise ValueError(f"expected a split with talkers, got {split.name!r}")
    return dataclasses.replace(split, members=members, pairs=None)


def emote(scenes: Scenes) -> Scenes:
    """Let the talkers of solo scenes feel: rewrite their notes and give them a face.

    Arousal a(t) and valence b(t), each in -1..1: a level of the clip, |level| in 0.3..0.9, and an AR(1) walk
    about it (time constant 1.5 s). Voice: syllables come faster, range wider and are louder with a; the last
    one lies above or below the mean by a weak function of b. Face: corners of the mouth follow b, brows
    follow a weakly (a third of a, and a resting height of the clip's own). With probability ``irony`` the
    face smiles (b > 0) while the voice is that of the sad quadrant: neither alone can tell, the two together
    can. Truth by name: emotion [clip] (EMOTIONS), arousal, valence (the voice's), face_valence, brow [clip,
    time].
    """
    draws = [
        _draw(generator(scenes.seed, scenes.split, int(i), "emotion-plan"), scenes.knobs)
        for i in scenes.index
    ]
    if not draws:
        return scenes
    n_notes = max(len(d["notes"]) for d in draws)
    notes = np.full((len(draws), 1, n_notes, 4), np.nan)
    for clip, d in enumerate(draws):
        notes[clip, 0, : len(d["notes"])] = d["notes"]
    syllable = np.arange(n_notes) % scenes.vowel.shape[-1]
    truth = {name: np.array([d[name] for d in draws]) for name in draws[0] if name != "notes"}
    return dataclasses.replace(
        scenes,
        notes=notes,
        vowel=scenes.vowel[..., syllable],
        consonant=scenes.consonant[..., syllable],
        gain_db=scenes.gain_db + 1.2 * truth["arousal"].mean(axis=1, keepdims=True),
        radius=spread(scenes.parts[..., 3], *RADIUS),
        truth=truth,
    )


def walk(rng: np.random.Generator, n: int, *, rate_hz: float) -> np.ndarray:
    """Draw an AR(1) walk of unit variance: x_t = phi x_(t-1) + sqrt(1 - phi^2) e_t, phi = e^(-1/(rate T))."""
    phi = math.exp(-1 / (rate_hz * TIME_CONSTANT_S))
    e = rng.standard_normal(n)
    x = np.empty(n)
    x[0] = e[0]
    for t in range(1, n):
        x[t] = phi * x[t - 1] + math.sqrt(1 - phi * phi) * e[t]
    return x


def _draw(rng: np.random.Generator, knobs: Knobs) -> dict[str, np.ndarray]:
    """Draw what one clip feels, and what it says accordingly."""
    ironic = rng.random() < knobs.irony
    quadrant = int(rng.integers(4))
    size_a, size_b, size_face = rng.uniform(*LEVEL, size=3)
    a = -size_a if ironic or quadrant < 2 else size_a
    b = -size_b if ironic or quadrant % 2 == 0 else size_b
    rate, n = knobs.frame_rate_hz, knobs.n_frames
    wiggle_a, wiggle_b = (WIGGLE * walk(rng, n, rate_hz=rate) for _ in range(2))
    arousal, valence = np.clip(a + wiggle_a, -1, 1), np.clip(b + wiggle_b, -1, 1)
    face = np.clip(size_face + wiggle_b, -1, 1) if ironic else valence
    return {
        "notes": _say(rng, arousal, b, knobs),
        "emotion": np.int64(IRONIC if ironic else quadrant),
        "arousal": arousal,
        "valence": valence,
        "face_valence": face,
        "brow": 0.35 * arousal + 0.6 * rng.standard_normal(),
    }


def _say(rng: np.random.Generator, arousal: np.ndarray, b: float, knobs: Knobs) -> np.ndarray:
    """Draw syllables [note, 4] (onset_s, duration_s, degree, velocity): much arousal, a little valence."""
    times = np.arange(len(arousal)) / knobs.frame_rate_hz
    pace_s, voice = 0.05 * rng.standard_normal(), 0.09 * rng.standard_normal()  # the speaker's own
    reach = rng.uniform(0.5, 1.5)
    onset, rows = rng.uniform(0.03, 0.3), []
    while onset < knobs.duration_s - 0.12:
        a = float(np.interp(onset, times, arousal))
        gap = np.clip(0.40 - 0.08 * a + pace_s + rng.uniform(-0.05, 0.05), 0.24, 0.60)
        degree = 4.5 + reach * (1.0 + 1.0 * (1 + a)) * rng.uniform(-1, 1)
        velocity = np.clip(0.75 + 0.12 * a + voice + 0.06 * rng.standard_normal(), 0.4, 1.0)
        lasts = min(gap, knobs.duration_s - onset) * rng.uniform(0.65, 0.95)
        rows.append([onset, lasts, degree, velocity])
        onset += gap
    notes = np.array(rows)
    notes[-1, 2] = notes[:-1, 2].mean() + 1.5 * b + 1.6 * rng.standard_normal() if len(rows) > 1 else 4.5
    notes[:, 2] = np.clip(np.round(notes[:, 2]), 0, 9)
    return notes
