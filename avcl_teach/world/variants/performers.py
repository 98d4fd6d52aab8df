"""Performers at ten bars: a body of nine joints whose right arm plays what is heard, note by note.

The tip of the mallet touches bar d at every onset: when it touches is when it sounds, where along the bars is
the degree, how high it was raised is the velocity. Arms are bent by the law of cosines, so limbs keep their
lengths; performers differ in them, and a camera turns, scales and shifts the whole body. Units: a bar row is
about 0.9 wide. Lesson: 38.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.world.draws import generator
from avcl_teach.world.knobs import CLASSES, Knobs, resolve
from avcl_teach.world.render import as_indices
from avcl_teach.world.scenes import sample_scenes
from avcl_teach.world.splits import Split, find_split

JOINTS = (
    "head",
    "neck",
    "hip",
    "right shoulder",
    "right elbow",
    "right wrist",
    "mallet tip",
    "left elbow",
    "left hand",
)
EDGES = ((0, 1), (1, 2), (1, 3), (3, 4), (4, 5), (5, 6), (1, 7), (7, 8))
ARM = (4, 5, 6)
"""The joints that hold the pitch: right elbow, right wrist, mallet tip."""
DURATION_S, FRAME_RATE_HZ, N_NOTES, N_DEGREES = 4.0, 20.0, 16, 10
N_FRAMES = round(DURATION_S * FRAME_RATE_HZ)
BAR_X = np.linspace(-0.45, 0.45, N_DEGREES)
LIMBS = np.array([(0.9, 1.15), (0.14, 0.2), (0.42, 0.5), (0.4, 0.48)])
"""Least and most of a performer's height, half width of the shoulders, upper and lower arm."""
REST_HEIGHT, NOD, SETTLED_S = 0.22, 0.05, 0.06


class Performances(NamedTuple):
    """Hold what performers do: joints seen at 20 Hz; notes (onset_s, duration_s, degree, velocity; NaN =
    none); who plays, at which beat; and the camera: seen place = camera[:, :2] place + camera[:, 2]."""

    keypoints: Float[Tensor, "clip time joint 2"]
    notes: Float[Tensor, "clip note 4"]
    instance: Int[Tensor, "clip"]
    tempo_bpm: Float[Tensor, "clip"]
    camera: Float[Tensor, "clip 2 3"]
    index: Int[Tensor, "clip"]


def perform(
    indices: int | Sequence[int], *, split: str = "train", seed: int = 0, noise: float = 0.005
) -> Performances:
    """Let performers play for 4 s: a pure function of (seed, split, index), no pictures, no sound (2 ms).

    `noise`: standard deviation of every joint's place, as of a pose estimator. Errors: ValueError for no
    clips, an unknown split, or negative noise. Lesson: 38.
    """
    found = as_indices(indices)
    if not found or noise < 0:
        raise ValueError(f"expected at least one clip and noise of at least 0, got {len(found)} and {noise}")
    of = players_of(find_split(split, seed=seed))
    members = of.members[CLASSES.index("mallet")]
    rows = [_perform(generator(seed, of.name, i, "performance"), members, noise, seed) for i in found]
    keypoints, notes, instance, tempo, camera = zip(*rows, strict=True)
    return Performances(
        torch.from_numpy(np.stack(keypoints)).float(),
        torch.from_numpy(np.stack(notes)).float(),
        torch.tensor(instance),
        torch.tensor(tempo, dtype=torch.float32),
        torch.from_numpy(np.stack(camera)).float(),
        torch.tensor(found),
    )


def players_of(split: Split) -> Split:
    """Leave of a split its mallets. Errors: ValueError when it has none."""
    k = CLASSES.index("mallet")
    if not split.members[k]:
        raise ValueError(f"expected a split with mallets, got {split.name!r}")
    members = tuple(who if c == k else () for c, who in enumerate(split.members))
    return dataclasses.replace(split, members=members, pairs=None)


def play(
    notes: Float[Tensor, "clip note 4"],
    *,
    split: str = "train",
    seed: int = 0,
    preset: str | Knobs = "easy",
) -> Float[Tensor, "clip sample"]:
    """Play note lists (NaN = none) on the bars of the world, 4 s at 8 kHz, without noise.

    The instrument of clip i is that of the split's i-th player. Errors: ValueError for degrees beyond
    0 ... 9. Lesson: 38.
    """
    from avcl_teach.world.sounds import synthesize

    there = ~notes[..., 0].isnan()
    degree = notes[..., 2][there]
    if len(degree) and (degree.min() < 0 or degree.max() >= N_DEGREES):
        raise ValueError(f"expected degrees 0 ... {N_DEGREES - 1}, got {degree.min():g} ... {degree.max():g}")
    return synthesize(_scenes(range(len(notes)), notes, split=split, seed=seed, preset=preset))[:, 0]


def render_performers(
    indices: int | Sequence[int],
    *,
    split: str = "train",
    seed: int = 0,
    noise: float = 0.0,
    preset: str | Knobs = "easy",
    size_px: int = 96,
) -> Clips:
    """Render performers as line figures with their sound: frames [clip, 80, 3, size, size] at 20 Hz.

    Extra truth: keypoints [clip, 1, time, joint * 2], tempo_bpm, index. Memory: 2 MB a clip at 96 px; for
    training take `perform`, which needs no pictures. Errors: as `perform`. Lesson: 38.
    """
    from avcl_teach.world.sounds import mix, synthesize

    played = perform(indices, split=split, seed=seed, noise=noise)
    scenes = _scenes(played.index.tolist(), played.notes, split=split, seed=seed, preset=preset)
    stem = synthesize(scenes)
    waveform, _ = mix(scenes, stem)
    frames = torch.stack(
        [draw(x, camera=c, size_px=size_px) for x, c in zip(played.keypoints, played.camera, strict=True)]
    )
    mallet = torch.full((len(frames), 1), CLASSES.index("mallet"))
    return Clips(
        frames=frames,
        waveform=waveform,
        frame_rate_hz=FRAME_RATE_HZ,
        sample_rate_hz=scenes.knobs.sample_rate_hz,
        label=mallet[:, 0],
        object_class=mallet,
        instance=played.instance[:, None],
        sounding=torch.ones_like(mallet, dtype=torch.bool),
        visible=torch.ones_like(mallet, dtype=torch.bool),
        stem=stem[:, :, None],
        notes=played.notes[:, None],
        extra={
            "keypoints": played.keypoints.flatten(2)[:, None],
            "tempo_bpm": played.tempo_bpm,
            "index": played.index,
        },
        meta={
            "source": "world",
            "variant": "performers",
            "split": split,
            "seed": seed,
            "class_names": list(CLASSES),
        },
    )


def draw(
    figure: Float[Tensor, "time joint 2"], *, camera: Float[Tensor, "2 3"] | None = None, size_px: int = 96
) -> Tensor:
    """Draw a figure and its bars as the camera sees them: uint8 [time, 3, size, size]. Lesson: 38."""
    at = (torch.arange(size_px) + 0.5) / size_px
    x, y = 1.9 * (at - 0.5), 1.9 * (0.5 - at) + 0.45
    p = torch.stack([x.expand(size_px, size_px), y[:, None].expand(size_px, size_px)], -1)
    soft = 1.9 / size_px
    picture = torch.full((len(figure), 3, size_px, size_px), 0.93)
    q = p if camera is None else (p - camera[:, 2]) @ torch.linalg.inv(camera[:, :2]).T
    bars = (q[..., 1] + 0.05).abs() < 0.03
    bars &= ((q[..., 0] + 0.5).remainder(0.1) - 0.05).abs() < 0.036
    bars &= q[..., 0].abs() < 0.5
    picture = torch.where(bars, torch.tensor([0.55, 0.45, 0.3])[:, None, None], picture)
    ends = torch.tensor(EDGES)
    a, b = figure[:, ends[:, 0], None, None], figure[:, ends[:, 1], None, None]
    for k in range(len(EDGES)):
        d = b[:, k] - a[:, k]
        s = (((p - a[:, k]) * d).sum(-1) / (d * d).sum(-1).clamp_min(1e-6)).clamp(0, 1)
        gap = (p - a[:, k] - s[..., None] * d).norm(dim=-1)
        colour = (0.8, 0.33, 0.0) if k in (3, 4, 5) else (0.0, 0.35, 0.6)
        _cover(picture, (0.022 - gap) / soft + 0.5, colour)
    _cover(picture, (0.09 - (p - figure[:, 0, None, None]).norm(dim=-1)) / soft + 0.5, (0.0, 0.35, 0.6))
    _cover(picture, (0.035 - (p - figure[:, 6, None, None]).norm(dim=-1)) / soft + 0.5, (0.6, 0.0, 0.2))
    return picture.mul(255).round().to(torch.uint8)


def _cover(picture: Tensor, alpha: Tensor, colour: tuple[float, float, float]) -> None:
    alpha = alpha.clamp(0, 1)[:, None]
    picture += alpha * (torch.tensor(colour)[:, None, None] - picture)


def _perform(draws: np.random.Generator, members: Sequence[int], noise: float, seed: int) -> tuple:
    instance = int(members[draws.integers(len(members))])
    tempo = draws.uniform(85, 150)
    step = 30 / tempo
    beats = np.arange(draws.uniform(0.2, 0.5), DURATION_S - 0.25, step)
    played = np.flatnonzero(draws.random(len(beats)) < 0.6)
    played = played if len(played) >= 4 else np.arange(0, len(beats), 2)
    onset = beats[played][:N_NOTES]
    degree, velocity = draws.integers(0, N_DEGREES, len(onset)), draws.uniform(0.4, 1.0, len(onset))
    ends = np.append(onset[1:], DURATION_S)
    notes = np.full((N_NOTES, 4), np.nan)
    notes[: len(onset)] = np.stack([onset, np.minimum(0.9 * (ends - onset), 0.5), degree, velocity], 1)
    body = generator(seed, "performers", instance, "limbs").random(4)
    joints = _joints(onset, degree, velocity, body)
    turn, size = math.radians(draws.uniform(-8, 8)), draws.uniform(0.85, 1.15)
    R = size * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    shift = draws.uniform(-0.1, 0.1, 2)
    seen = joints @ R.T + shift + noise * draws.standard_normal(joints.shape)
    return seen, notes, instance, tempo, np.concatenate([R, shift[:, None]], 1)


def _joints(onset: np.ndarray, degree: np.ndarray, velocity: np.ndarray, body: np.ndarray) -> np.ndarray:
    t = np.arange(N_FRAMES) / FRAME_RATE_HZ
    before, after = np.append(-0.4, onset), np.append(onset, onset[-1] + 0.5)
    k = np.searchsorted(onset, t, side="right")
    s = np.clip((t - before[k]) / (after[k] - before[k]), 0, 1)
    x_from, x_to = (
        np.append(BAR_X[degree[0]], BAR_X[degree])[k],
        np.append(BAR_X[degree], BAR_X[degree[-1]])[k],
    )
    gap = after[k] - before[k]
    reach = np.clip(s * gap / np.maximum(gap - SETTLED_S, 1e-3), 0, 1)
    tip_x = x_from + (x_to - x_from) * reach * reach * (3 - 2 * reach)
    height = np.append(velocity, 0.6)[k] * REST_HEIGHT * np.minimum(1, gap / 0.4)
    tip_y = np.where(k == len(onset), height * np.sin(0.5 * np.pi * s), height * np.sin(np.pi * s))
    tip = np.stack([tip_x, tip_y], 1)
    since = np.where(k > 0, t - before[k], 9.0)
    nod = NOD * np.exp(-since / 0.08)
    size, width, upper, lower = LIMBS[:, 0] + (LIMBS[:, 1] - LIMBS[:, 0]) * body
    neck = np.stack([0.02 * tip_x, 0.78 * size - 0.3 * nod], 1)
    shoulder = neck + [width, -0.05]
    wrist = tip + np.array([0.05, 0.17])
    elbow = bend(shoulder, wrist, upper=upper, lower=lower)
    hand = np.stack([np.full_like(t, -0.42), 0.3 - 0.8 * nod], 1)
    head, hip = neck + np.stack([0 * t, 0.2 - nod], 1), np.stack([0 * t, 0 * t + 0.3 * size], 1)
    left = bend(neck - [width, 0.05], hand, upper=0.4, lower=0.38, side=-1)
    return np.stack([head, neck, hip, shoulder, elbow, wrist, tip, left, hand], 1)


def bend(
    a: Float[np.ndarray, "time 2"],
    b: Float[np.ndarray, "time 2"],
    *,
    upper: float,
    lower: float,
    side: int = 1,
) -> Float[np.ndarray, "time 2"]:
    """Return the elbow between a shoulder a and a wrist b, by the law of cosines; `side` 1 bends right.

    A wrist out of reach stretches the arm straight.
    """
    d = b - a
    r = np.clip(np.linalg.norm(d, axis=1), abs(upper - lower) + 1e-6, upper + lower - 1e-6)
    cosine = (upper**2 + r**2 - lower**2) / (2 * upper * r)
    unit = d / np.linalg.norm(d, axis=1, keepdims=True)
    normal = side * np.stack([-unit[:, 1], unit[:, 0]], 1)
    return a + upper * (cosine[:, None] * unit + np.sqrt(1 - cosine**2)[:, None] * normal)


def _scenes(indices: Sequence[int], notes: Tensor, *, split: str, seed: int, preset: str | Knobs):
    knobs = resolve(preset, duration_s=DURATION_S)
    scenes = sample_scenes(
        list(indices), knobs=knobs, split=players_of(find_split(split, seed=seed)), seed=seed
    )
    listed = notes.double().numpy()[:, None]
    return dataclasses.replace(
        scenes,
        notes=listed,
        vowel=np.zeros(listed.shape[:3], int),
        consonant=np.zeros(listed.shape[:3], int),
    )
