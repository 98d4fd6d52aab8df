"""Music clips: a moving picture and a soundtrack that fits it by mood and rhythm, as many others would.

A clip has a mood (arousal, valence), each in -1 ... 1. The picture shows two dancers whose colours follow the
valence and whose moves follow a beat; the soundtrack is a tune and a drum whose beat follows the arousal and
whose register, brightness and articulation follow the mood. Picture and sound each follow the mood with an
error of their own, so that for every picture many soundtracks are as plausible as its own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.world.draws import choice, generator, spread, uniforms
from avcl_teach.world.knobs import CLASSES, Knobs, resolve
from avcl_teach.world.render import as_indices, render_scenes
from avcl_teach.world.scenes import Scenes, sample_scenes
from avcl_teach.world.splits import find_split

GENRES = ("pluck", "mallet", "bow", "flute", "horn")
"""The instrument of the tune; independent of mood and picture."""
ERROR = 0.3
"""Standard deviation of what picture and sound each make of the mood."""
DURATION_S = 4.0
N_BEATS = 24
SPLITS = ("train", "val", "test", "tagged")
"""``tagged``: further soundtracks, with tags, on which audio features may be learned."""


def draw_moods(clips: int | Sequence[int], *, split: str = "train", seed: int = 0) -> dict[str, np.ndarray]:
    """Draw the mood of each clip and what sound and picture make of it.

    mood [clip, (arousal, valence)] uniform in -1 ... 1; heard = mood + ERROR e, seen = mood + ERROR e', kept
    in -1.2 ... 1.2; genre [clip]; beat_s, the beat of the sound, 0.30 to 0.75 s: exp(-0.38 heard arousal) and
    5 % of its own; the dancers' beat_seen_s likewise. Errors: ValueError for an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"expected a split of {SPLITS}, got {split!r}")
    index = np.asarray(as_indices(clips))
    u = uniforms(seed, split, index, "music-mood", 4)
    e = np.stack([generator(seed, split, int(i), "music-error").standard_normal((3, 2)) for i in index])
    mood = spread(u[:, :2], -1, 1)
    heard, seen = (np.clip(mood + ERROR * e[:, k], -1.2, 1.2) for k in (0, 1))
    beat_s, beat_seen_s = (
        0.48 * np.exp(-0.38 * x[:, 0] + 0.05 * e[:, 2, k]) for k, x in enumerate((heard, seen))
    )
    return {
        "index": index,
        "mood": mood,
        "heard": heard,
        "seen": seen,
        "genre": choice(u[:, 2], len(GENRES)),
        "beat_s": beat_s,
        "beat_seen_s": beat_seen_s,
    }


def best_similarity(
    heard: Float[Tensor, "sound two"], seen: Float[Tensor, "picture two"]
) -> Float[Tensor, "sound picture"]:
    """Score soundtracks against pictures by what is known of their moods: - |heard - seen|^2 / (4 ERROR^2).

    The log-likelihood of one mood behind both, away from the borders of the moods, up to what does not depend
    on the pair: the ceiling of every recommender that knows no more than moods.
    """
    return -(heard[:, None] - seen).square().sum(-1) / (4 * ERROR**2)


def music_scenes(moods: dict[str, np.ndarray], *, split: str, seed: int, knobs: Knobs) -> Scenes:
    """Set the stage: object 0 the tune and 1 the drum, heard only; 2 and 3 the dancers, seen only."""
    where = find_split("train" if split == "tagged" else split, seed=seed)
    offset = 1 << 24 if split == "tagged" else 0
    scenes = sample_scenes(
        (moods["index"] + offset).tolist(), knobs=knobs, split=where, seed=seed, layout="scene"
    )
    n = len(scenes)
    heard, seen = moods["heard"], moods["seen"]
    u = uniforms(seed, split, moods["index"], "music-stage", 16)
    cls = scenes.cls.copy()
    cls[:, 0] = np.array([CLASSES.index(name) for name in GENRES])[moods["genre"]]
    cls[:, 1] = CLASSES.index("drum")
    notes = np.full((n, 4, N_BEATS, 4), np.nan)
    for clip in range(n):
        rng = generator(seed, split, int(moods["index"][clip]), "music-notes")
        notes[clip, 0] = tune(rng, moods["beat_s"][clip], heard[clip], knobs.duration_s)
        notes[clip, 1] = beats(rng, 2 * moods["beat_s"][clip], knobs.duration_s, velocity=0.9)
        phase = rng.uniform(0, 1)
        for k in (2, 3):
            notes[clip, k] = beats(rng, moods["beat_seen_s"][clip], knobs.duration_s, phase=phase)
    sounding, visible = np.zeros((2, n, 4), bool)
    sounding[:, :2], visible[:, 2:] = True, True
    whole = np.broadcast_to(np.array([0.0, knobs.duration_s]), (n, 4, 1, 2))
    syllable = np.arange(N_BEATS) % scenes.vowel.shape[-1]
    timbre = {name: x.copy() for name, x in scenes.timbre.items()}
    timbre["register"][:, 0] = np.round(5 * heard[:, 1] + 2 * spread(u[:, 0], -1, 1))
    for name in ("brightness", "decay"):
        low, high = (0.3, 0.9) if name == "brightness" else (0.9, 0.25)
        timbre[name][:, 0] = np.clip((low + high) / 2 + (high - low) / 2 * heard[:, 1], 0.25, 0.9)
    timbre["tilt_high"][:, 0] = 0.8 * heard[:, 1]
    gain_db = scenes.gain_db.copy()
    gain_db[:, 1] = -4.0
    hue = 0.66 - 0.28 * (1 + seen[:, 1:2]) + spread(u[:, 1:5], -0.07, 0.07)  # blue when sad, warm when glad
    colour = np.stack(
        [
            np.mod(hue, 1.0),
            np.clip(0.55 + 0.2 * seen[:, 1:2] + spread(u[:, 5:9], -0.15, 0.15), 0.1, 1.0),
            np.clip(0.7 + 0.15 * seen[:, 1:2] + spread(u[:, 9:13], -0.15, 0.15), 0.3, 1.0),
        ],
        axis=-1,
    )
    parts = scenes.parts.copy()
    parts[:, 2:, 0] = 4 / 3  # second colours of the body's own hue
    place = scenes.place.copy()
    place[:, 2:] = np.stack(
        [np.array([[0.28, 0.72]]) + 0 * u[:, :2], 0.5 + 0.1 * (u[:, 13:15] - 0.5)], axis=-1
    )
    return dataclasses.replace(
        scenes,
        cls=cls,
        sounding=sounding,
        visible=visible,
        decoy=np.zeros_like(sounding),
        notes=notes,
        vowel=scenes.vowel[..., syllable],
        consonant=scenes.consonant[..., syllable],
        on=np.where(sounding[..., None, None], whole, np.nan),
        seen=np.where(visible[..., None, None], whole, np.nan),
        timbre=timbre,
        gain_db=gain_db,
        colour=colour,
        parts=parts,
        place=place,
        velocity=scenes.velocity * 0.5,
    )


def tune(
    rng: np.random.Generator, beat_s: float, heard: Float[np.ndarray, "two"], duration_s: float
) -> Float[np.ndarray, "note four"]:
    """Write a tune [note, (onset_s, duration_s, degree, velocity)]: steps on the beat, some in halves of it.

    Arousal adds halves, leaps and force; valence shortens the notes and lets the tune rise.
    """
    out = np.full((N_BEATS, 4), np.nan)
    t, degree, k = rng.uniform(0.02, beat_s), 4.0, 0
    while t < duration_s - 0.15 and k < N_BEATS:
        half = rng.random() < 0.25 + 0.15 * heard[0]
        step = beat_s * (0.5 if half else 1.0)
        lasts = step * np.clip(0.72 - 0.25 * heard[1] + rng.uniform(-0.05, 0.05), 0.3, 1.0)
        degree += rng.choice((-2, -1, -1, 1, 1, 2)) * (1 + (rng.random() < 0.2 + 0.2 * heard[0]))
        degree = np.clip(degree + 0.15 * (4.5 - degree), 0, 9)
        out[k] = (
            t,
            lasts,
            round(float(degree)),
            np.clip(0.75 + 0.2 * heard[0] + rng.uniform(-0.08, 0.08), 0.3, 1),
        )
        t, k = t + step, k + 1
    return out


def beats(
    rng: np.random.Generator,
    beat_s: float,
    duration_s: float,
    *,
    phase: float | None = None,
    velocity: float = 1.0,
) -> Float[np.ndarray, "note four"]:
    """Write even beats, the first one at ``phase`` of a beat (drawn when None)."""
    out = np.full((N_BEATS, 4), np.nan)
    start = beat_s * (rng.uniform(0.05, 1) if phase is None else phase) + 0.02
    onset = np.arange(start, duration_s - 0.15, beat_s)[:N_BEATS]
    out[: len(onset), 0], out[: len(onset), 1] = onset, 0.6 * beat_s
    out[: len(onset), 2], out[: len(onset), 3] = rng.integers(0, 10, len(onset)), velocity
    return out


def render_music(
    clips: int | Sequence[int],
    *,
    split: str = "train",
    seed: int = 0,
    size_px: int = 64,
    frame_rate_hz: float = 8.0,
    pictures: bool = True,
    batch_size: int = 32,
) -> Clips:
    """Render music clips of 4 s: two dancers, and a tune with a drum that fits their mood and rhythm.

    extra: mood, heard, seen [clip, (arousal, valence)] · beat_s, beat_seen_s · genre [clip]. The beats of
    sound and picture go at about one pace, but not in step. ``pictures`` False paints them at 8 px, for who
    wants the sound alone. A pure function of (split, seed, clip). Errors: ValueError for an unknown split or
    no clip. Lesson: 30.
    """
    found = as_indices(clips)
    if not found:
        raise ValueError("expected at least 1 clip to render, got none")
    knobs = resolve(
        "standard", duration_s=DURATION_S, frame_rate_hz=frame_rate_hz, n_sounding=(2, 2), n_silent=(2, 2),
        n_decoys=(0, 0), radius=(0.15, 0.19), snr_db=(14.0, 24.0), eq_db=4.0,
    )  # fmt: skip
    parts = []
    for i in range(0, len(found), batch_size):
        moods = draw_moods(found[i : i + batch_size], split=split, seed=seed)
        scenes = music_scenes(moods, split=split, seed=seed, knobs=knobs)
        meta = {"source": "world music", "split": split, "seed": seed, "genres": list(GENRES)}
        made = render_scenes(scenes, size_px=size_px if pictures else 8, stems=False, masks=False, meta=meta)
        extra = {
            name: torch.as_tensor(x) if x.dtype.kind == "i" else torch.as_tensor(x).float()
            for name, x in moods.items()
        }
        parts.append(
            dataclasses.replace(made, label=None, instance=None, event=None, event_label=None, extra=extra)
        )
    return Clips.cat(parts) if len(parts) > 1 else parts[0]


def n_plausible(
    heard: Float[Tensor, "sound two"], seen: Float[Tensor, "picture two"]
) -> Float[Tensor, "picture"]:
    """Count for each picture the soundtracks that fit at least as well as its own (row i belongs to i)."""
    S = best_similarity(heard, seen)
    return (S.diagonal() <= S).sum(0).float()


def expected_error() -> float:
    """Return the mean distance between what is heard and what is seen of one mood, away from the borders.

    E|e - e'| of two-dimensional normal errors: ERROR sqrt(2) sqrt(pi / 2).
    """
    return ERROR * math.sqrt(math.pi)
