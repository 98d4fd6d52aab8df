"""Long scenes: who rang which tone, and many segments later the tone alone (delayed association)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from avcl_teach.world.draws import generator, spread
from avcl_teach.world.events import MATCH, MISMATCH, VIDEO_ONLY
from avcl_teach.world.knobs import CLASSES, PENTATONIC, Knobs

if TYPE_CHECKING:
    from avcl_teach.world.scenes import Scenes
    from avcl_teach.world.splits import Split

PITCHED = ("pluck", "mallet", "bow", "flute", "horn", "talker")
"""Classes whose notes have one steady pitch; the others never stand in a long scene."""
N_TONES = 10
SLOT = 2
"""Segments that a cue, a stray note and the query take each."""
PLACES = {
    2: ((0.25, 0.5), (0.75, 0.5)),
    3: ((0.25, 0.25), (0.75, 0.25), (0.5, 0.75)),
    4: ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)),
}
"""Centres (x, y) of the objects, in fractions of the side; object k stands at place k."""
RADIUS = (0.13, 0.165)


def long_knobs(knobs: Knobs) -> Knobs:
    """Set the duration that a long scene takes: a slot a cue, the longest delay, a slot for the query."""
    segments = SLOT * (knobs.n_cues + 1) + knobs.delay[1]
    return dataclasses.replace(knobs, duration_s=segments * knobs.segment_s)


def pitched_split(split: Split) -> Split:
    """Leave of a split the classes with a pitch. Raises ValueError when none is left."""
    kept = [name in PITCHED for name in CLASSES]
    members = tuple(who if keep else () for who, keep in zip(split.members, kept, strict=True))
    if not any(members):
        raise ValueError(f"expected a split with a class of {PITCHED}, got {split.name!r}")
    pairs = None if split.pairs is None else tuple(p for p in split.pairs if kept[p[0]] and kept[p[1]])
    return dataclasses.replace(split, members=members, pairs=pairs)


def arrange(scenes: Scenes) -> Scenes:
    """Turn drawn objects into long scenes: the last object is a voice off screen, the others get a tone each.

    Cue k takes the segments 2 k and 2 k + 1: one object plays one note of its tone, the others stand still.
    After ``delay`` segments, in which the voice may play stray notes of other tones, it plays the query: the
    tone of one of the objects. Who plays when, which tone is whose, and which one comes back are drawn for
    each clip by themselves. A hand shows the degree of its note: all hands of a clip show the same one, and
    registers make the tones. Truth by name: tone [clip, object] 0..9, -1 for the voice · cue_order [clip,
    cue], who plays in it · query_tone, answer (the object, which is also its place), delay and query_segment
    [clip].
    """
    knobs, n = scenes.knobs, scenes.knobs.n_cues
    draws = [_draw(generator(scenes.seed, scenes.split, int(i), "long-plan"), knobs) for i in scenes.index]
    plan = {name: np.array([d[name] for d in draws]) for name in draws[0]} if draws else {}
    who = np.arange(n)
    place = np.array(PLACES[n]) + spread(scenes.place[:, :n] % 1.0, -0.01, 0.01)
    out = {
        "notes": plan["notes"],
        "on": plan["on"],
        "vowel": _repeat(scenes.vowel, plan["notes"].shape[2]),
        "consonant": _repeat(scenes.consonant, plan["notes"].shape[2]),
        "place": np.concatenate([place, np.full_like(place[:, :1], 0.5)], axis=1),
        "velocity": np.zeros_like(scenes.velocity),
        "radius": spread(scenes.parts[..., 3], *RADIUS),
    }
    parts = scenes.parts.copy()
    parts[..., 4] = 0.0  # hardly any slow change of size: who does not play stands still
    seen, visible = scenes.seen.copy(), scenes.visible.copy()
    seen[:, n], visible[:, n] = np.nan, False
    label = np.where(plan["event"] == MATCH, np.take_along_axis(scenes.cls, plan["actor"], axis=1), -1)
    timbre = scenes.timbre | {"register": plan["register"] - 12 * _octaves(scenes.cls)}
    truth = {"tone": np.concatenate([plan["tone"], np.full_like(plan["tone"][:, :1], -1)], axis=1)}
    truth |= {k: plan[k] for k in ("cue_order", "query_tone", "answer", "delay", "query_segment")}
    assert (np.sort(plan["cue_order"], axis=1) == who).all()
    return dataclasses.replace(
        scenes, **out, parts=parts, seen=seen, visible=visible, timbre=timbre, event=plan["event"],
        event_label=label, truth=truth,
    )  # fmt: skip


def _draw(rng: np.random.Generator, knobs: Knobs) -> dict[str, np.ndarray]:
    """Draw the plan of one clip: everything but looks and voices."""
    n, segment_s = knobs.n_cues, knobs.segment_s
    tones = rng.permutation(N_TONES).tolist()
    order, hand, answer = rng.permutation(n).tolist(), int(rng.integers(N_TONES)), int(rng.integers(n))
    delay = int(rng.integers(knobs.delay[0], knobs.delay[1] + 1))
    most = knobs.delay[1] // SLOT
    stray = (rng.random(most) < knobs.stray) & (np.arange(most) < delay // SLOT)
    first = SLOT * n
    query = first + delay
    notes = np.full((n + 1, most + 1, 4), np.nan)
    on = np.full((n + 1, most + 1, 2), np.nan)
    event = np.full(knobs.n_segments, VIDEO_ONLY)
    actor = np.zeros(knobs.n_segments, np.int64)
    event[: SLOT * n], actor[: SLOT * n] = MATCH, np.repeat(order, SLOT)

    def play(who: int, note: int, segment: int, degree: int) -> None:
        start = segment * segment_s
        onset, lasts, velocity = rng.uniform(0.03, 0.11), rng.uniform(0.24, 0.34), rng.uniform(0.7, 1.0)
        notes[who, note] = start + onset, lasts, degree, velocity
        on[who, note] = start, start + SLOT * segment_s
        if who == n:
            event[segment : segment + SLOT] = MISMATCH

    for k, who in enumerate(order):
        play(who, 0, SLOT * k, hand)
    for note, k in enumerate(np.flatnonzero(stray).tolist()):
        play(n, note, first + SLOT * k, tones[n + int(rng.integers(N_TONES - n))])
    play(n, int(stray.sum()), query, tones[answer])
    semitones = np.array(PENTATONIC)
    return {
        "notes": notes,
        "on": on,
        "event": event,
        "actor": actor,
        "register": np.append(semitones[tones[:n]] - semitones[hand], 0).astype(float),
        "tone": tones[:n],
        "cue_order": order,
        "query_tone": tones[answer],
        "answer": answer,
        "delay": delay,
        "query_segment": query,
    }


def _octaves(cls: np.ndarray) -> np.ndarray:
    """Return by how many octaves a class plays above the written pitch."""
    from avcl_teach.world.sounds.notes import OCTAVE

    return np.array([OCTAVE.get(name, 0) for name in CLASSES])[np.maximum(cls, 0)]


def _repeat(x: np.ndarray, n_notes: int) -> np.ndarray:
    """Give a list of syllables the length of the longest list of notes."""
    return x[..., np.arange(n_notes) % x.shape[-1]]
