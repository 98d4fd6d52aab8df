"""The audit of emotion clips: what each sense tells of arousal, valence and irony, and what must not."""

from __future__ import annotations

import numpy as np
import torch

from avcl_teach.clips import Clips
from avcl_teach.world import probes
from avcl_teach.world.emotions import EMOTIONS
from avcl_teach.world.knobs import Knobs, resolve
from avcl_teach.world.render import render_batches
from avcl_teach.world.scenes import sample_scenes
from avcl_teach.world.splits import find_split

# name: (lowest, highest) in percent; chance is 20 for the five emotions, correlations are times 100.
BOUNDS = {
    "emotion from mean colour": (0, 28),
    "emotion from colour histogram": (0, 28),
    "emotion from loudness": (0, 38),
    "emotion from place and size": (0, 28),
    "emotion from motion energy": (0, 38),
    "emotion by a perfect ear": (75, 85),
    "emotion by a perfect eye": (75, 85),
    "emotion by both": (97, 100),
    "arousal from sound": (55, 95),
    "arousal from picture": (0, 45),
    "valence from sound": (5, 50),
}


def prosody(clips: Clips) -> np.ndarray:
    """Describe how a voice speaks: syllables, their range, the last one against the mean: [clip, 5].

    From the notes that were played, as a good pitch tracker would hear them: number of syllables, mean gap,
    deviation of the degrees, mean velocity, degree of the last one less the mean of the others.
    """
    rows = []
    for notes in clips.notes[:, 0].numpy():
        onset, _, degree, velocity = notes[np.isfinite(notes[:, 0])].T
        gap = np.diff(onset).mean() if len(onset) > 1 else 0.5
        last = degree[-1] - degree[:-1].mean() if len(onset) > 1 else 0.0
        rows.append([len(onset), gap, degree[:-1].std() if len(onset) > 1 else 0.0, velocity.mean(), last])
    return np.array(rows)


def place_and_size(clips: Clips) -> np.ndarray:
    """Return where the face is and how large: mean centre and mean box: [clip, 4]."""
    box = clips.box[:, 0].nanmean(dim=1)
    return torch.cat([clips.centre[:, 0].nanmean(dim=1), box[:, 2:] - box[:, :2]], dim=1).numpy()


def face(clips: Clips) -> np.ndarray:
    """Return what a good reader of faces sees, mean bend of the mouth and height of the brows: [clip, 2]."""
    return torch.stack([clips.extra[name].mean(dim=1) for name in ("face_valence", "brow")], dim=1).numpy()


SEEN = {
    "colour": probes.mean_colour,
    "histogram": probes.colour_histogram,
    "loudness": probes.loudness_db,
    "place": place_and_size,
    "motion": probes.motion_energy,
    "prosody": prosody,
    "face": face,
}


def features(n: int, *, split: str, seed: int, knobs: Knobs) -> dict[str, np.ndarray]:
    """Render n emotion clips and keep what the probes see of them, with emotion, mean arousal and valence."""
    rows: dict[str, list[np.ndarray]] = {}
    how = {"layout": "emotion", "size_px": 32, "stems": False, "masks": False}
    for clips in render_batches(n, preset=knobs, split=split, seed=seed, **how):
        found = {name: see(clips) for name, see in SEEN.items()} | {"emotion": clips.extra["emotion"].numpy()}
        found |= {name: clips.extra[name].mean(dim=1).numpy() for name in ("arousal", "valence")}
        for name, values in found.items():
            rows.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def correlation_probe(
    x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> float:
    """Fit a ridge regression; return the correlation of predictions and truth on the test part."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 6))).fit(x_train, y_train)
    return float(np.corrcoef(probe.predict(x_test), y_test)[0, 1])


def best_guess(cells: np.ndarray, emotion: np.ndarray) -> float:
    """Score the best guess of who perceives nothing but a cell: the commonest emotion of each cell."""
    table = np.zeros((cells.max() + 1, len(EMOTIONS)))
    np.add.at(table, (cells, emotion), 1)
    return float(table.max(axis=1).sum() / len(emotion))


def audit_emotions(*, n_train: int, n_test: int, n_plans: int, seed: int, knobs: Knobs) -> dict[str, float]:
    """Measure every line of `BOUNDS` on individuals never met in training; percent, or 100 x correlation.

    The perfect senses know the signs that the plan drew: an ear those of arousal and the voice's valence, an
    eye those of arousal (which brows betray only weakly: an upper bound) and of the mouth.
    """
    train = features(n_train, split="train", seed=seed, knobs=knobs)
    test = features(n_test, split="test", seed=seed, knobs=knobs)

    def accuracy(cue: str) -> float:
        return probes.linear_probe(train[cue], train["emotion"], test[cue], test["emotion"])

    def correlation(cue: str, of: str) -> float:
        return correlation_probe(train[cue], train[of], test[cue], test[of])

    plans = sample_scenes(range(n_plans), knobs=knobs, split=find_split("train"), seed=seed, layout="emotion")
    high_a, high_b, high_face = (
        (plans.truth[name].mean(axis=1) > 0).astype(int) for name in ("arousal", "valence", "face_valence")
    )
    emotion = plans.truth["emotion"]
    found = {
        "emotion from mean colour": accuracy("colour"),
        "emotion from colour histogram": accuracy("histogram"),
        "emotion from loudness": accuracy("loudness"),
        "emotion from place and size": accuracy("place"),
        "emotion from motion energy": accuracy("motion"),
        "emotion by a perfect ear": best_guess(2 * high_a + high_b, emotion),
        "emotion by a perfect eye": best_guess(2 * high_a + high_face, emotion),
        "emotion by both": best_guess(4 * high_a + 2 * high_b + high_face, emotion),
        "arousal from sound": correlation("prosody", "arousal"),
        "arousal from picture": correlation("face", "arousal"),
        "valence from sound": correlation("prosody", "valence"),
    }
    return {name: 100 * float(value) for name, value in found.items()}


def checks(
    *, n_train: int = 512, n_test: int = 384, n_plans: int = 1500, seed: int = 0, preset: str = "standard"
) -> list[dict]:
    """Run the audit and hold it against its bounds: [{name, percent, low, high, chance, passed}]."""
    measured = audit_emotions(
        n_train=n_train, n_test=n_test, n_plans=n_plans, seed=seed, knobs=resolve(preset)
    )
    return [
        {
            "name": name,
            "percent": round(measured[name], 1),
            "low": low,
            "high": high,
            "chance": 100 / len(EMOTIONS) if name.startswith("emotion") else 0.0,
            "passed": bool(low <= measured[name] <= high),
        }
        for name, (low, high) in BOUNDS.items()
    ]
