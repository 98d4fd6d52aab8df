"""The audit of long scenes: only the cues' sound and picture together with the query tell the answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from avcl_teach.world.knobs import CLASSES, Knobs, resolve
from avcl_teach.world.long_scenes import N_TONES
from avcl_teach.world.scenes import Scenes, sample_scenes
from avcl_teach.world.splits import find_split

SLACK = 4.0
"""Percent above chance that a shortcut may reach; about four standard errors of 2000 clips."""


def one_hot(x: np.ndarray, n: int) -> np.ndarray:
    """Turn whole numbers [clip, ...] into flags, one row a clip; -1 gives no flag."""
    return (x[..., None] == np.arange(n)).reshape(len(x), -1).astype(float)


def looks(scenes: Scenes) -> np.ndarray:
    """Collect all that a still picture shows: class, individual, colour, size, place, the hands' degree."""
    n, parts = scenes.knobs.n_cues, [scenes.colour, scenes.radius[..., None], scenes.place, scenes.parts]
    seen = np.concatenate([x[:, :n].reshape(len(x), -1) for x in parts], axis=1)
    hands = one_hot(scenes.notes[:, :n, 0, 2].astype(int), N_TONES)
    return np.concatenate([seen, one_hot(scenes.cls[:, :n], len(CLASSES)), hands], axis=1)


def levels(scenes: Scenes) -> np.ndarray:
    """Collect loudness and timbre: gains, equalisers, velocities of cues and query, noise, traits."""
    traits = [x for name, x in scenes.timbre.items() if name != "register"]
    flat = [scenes.gain_db, *traits, np.nan_to_num(scenes.notes[..., 3])]
    flat = [x.reshape(len(x), -1) for x in [*flat, scenes.eq_db]]
    return np.concatenate([*flat, scenes.snr_db[:, None], scenes.reverb_s[:, None]], axis=1)


def ear(scenes: Scenes) -> np.ndarray:
    """Collect what a perfect ear hears: the tone and the class of every cue, those of the query, when."""
    order, truth = scenes.truth["cue_order"], scenes.truth
    tones = np.take_along_axis(truth["tone"], order, axis=1)
    voices = np.take_along_axis(scenes.cls, np.append(order, np.full_like(order[:, :1], -1), axis=1), axis=1)
    match = (tones == truth["query_tone"][:, None]).astype(float)
    parts = [one_hot(tones, N_TONES), one_hot(voices, len(CLASSES)), match, one_hot(scenes.event, 5)]
    return np.concatenate([*parts, one_hot(truth["query_tone"], N_TONES)], axis=1)


def eye(scenes: Scenes) -> np.ndarray:
    """Collect what a perfect eye sees: who moves in which cue, and all the looks."""
    return np.concatenate([one_hot(scenes.truth["cue_order"], scenes.knobs.n_cues), looks(scenes)], axis=1)


def cues(scenes: Scenes) -> np.ndarray:
    """Collect what the cues bind, without the query: the tone of every place, and when it rang."""
    tones = one_hot(scenes.truth["tone"][:, : scenes.knobs.n_cues], N_TONES)
    return np.concatenate([tones, one_hot(scenes.truth["cue_order"], scenes.knobs.n_cues)], axis=1)


def query(scenes: Scenes) -> np.ndarray:
    """Collect what the query says: its tone and the class of its voice."""
    voice = one_hot(scenes.cls[:, -1], len(CLASSES))
    return np.concatenate([one_hot(scenes.truth["query_tone"], N_TONES), voice], axis=1)


VIEWS: dict[str, Callable[[Scenes], np.ndarray]] = {
    "answer from looks": looks,
    "answer from loudness and timbre": levels,
    "answer from sound alone": ear,
    "answer from picture alone": eye,
    "answer from the cues alone": cues,
    "answer from the query alone": query,
    "answer from the delay": lambda scenes: one_hot(scenes.truth["delay"], 65),
}


def audit_long(
    *, n_train: int = 1000, n_test: int = 2000, seed: int = 0, preset: str | Knobs = "standard"
) -> dict[str, dict]:
    """Try to answer long scenes from one cue at a time: {name: {percent, chance, high, passed}}.

    Needs no rendering: the probes (boosted trees) get the truth of what each sense could perceive at best.
    "tone from ..." asks whether looks or voice of an object tell its tone, "last cue" and "first cue" guess
    who played there.
    """
    knobs = resolve(preset, delay=(2, 16))
    how = {"knobs": knobs, "split": find_split("train"), "seed": seed, "layout": "long"}
    train = sample_scenes(range(n_train), **how)
    test = sample_scenes(range(n_train, n_train + n_test), **how)
    y_train, y_test = train.truth["answer"], test.truth["answer"]
    chance = 100 / knobs.n_cues
    found = {name: (accuracy(see(train), y_train, see(test), y_test), chance) for name, see in VIEWS.items()}
    order = test.truth["cue_order"]
    found["answer is the most frequent place"] = (np.bincount(y_test).max() / n_test, chance)
    found["answer is the last cue"] = ((order[:, -1] == y_test).mean(), chance)
    found["answer is the first cue"] = ((order[:, 0] == y_test).mean(), chance)
    for name, see in (("looks", looks), ("loudness and timbre", levels)):
        tones = train.truth["tone"][:, 0], test.truth["tone"][:, 0]
        right = accuracy(see(train), tones[0], see(test), tones[1])
        found[f"tone from {name}"] = (right, 100 / N_TONES)
    return {
        name: {
            "percent": round(100 * float(right), 1),
            "chance": round(by_luck, 1),
            "high": round(by_luck + SLACK, 1),
            "passed": bool(100 * right <= by_luck + SLACK),
        }
        for name, (right, by_luck) in found.items()
    }


def accuracy(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    """Fit boosted trees and return their accuracy on the test part, 0..1."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    if not np.ptp(x_train, axis=0).any():
        return float((y_test == np.bincount(y_train).argmax()).mean())
    trees = HistGradientBoostingClassifier(max_iter=15, max_depth=3, random_state=0)
    return float(trees.fit(x_train, y_train).score(x_test, y_test))


def by_the_rule(scenes: Scenes) -> np.ndarray:
    """Answer with sound and picture of the cues and the query: the place whose tone comes back."""
    return (scenes.truth["tone"] == scenes.truth["query_tone"][:, None]).argmax(axis=1)
