"""The audit of shortcuts: nothing in a clip may give the answer away but what the lesson is about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from avcl_teach.world import localization_probes as where
from avcl_teach.world import probes
from avcl_teach.world.knobs import CLASSES, Knobs, resolve
from avcl_teach.world.render import render_batches
from avcl_teach.world.scenes import sample_scenes
from avcl_teach.world.splits import find_split

# name: (lowest, highest) in percent; None = told, not bounded.
BOUNDS = {
    "class from mean colour": (0, 20),
    "class from colour histogram": (0, 20),
    "class from object colour": (0, 20),
    "class from loudness": (0, 16),
    "class from motion energy": (0, 25),
    "class from object area": (0, 25),
    "class from amplitude envelope": None,
    "class from mean spectrum": (75, 85),
    "class from the clip before": (0, 16),
    "left or right from mono sound": (0, 55),
    "event label from sound alone": (0, 67),
    "event label from picture alone": (0, 67),
    "localization by centre prior": (0, 10),
    "localization by biggest motion": (0, 25),
    "localization by a random true box": (0, 40),
    "localization by smoothed truth": (90, 100),
    "sounding object is the larger": (40, 60),
    "sounding object is in front": (40, 60),
}
CHANCE = {"class": 100 / len(CLASSES), "left": 50.0, "sounding": 50.0}

FEATURES: dict[str, Callable] = {
    "class from mean colour": probes.mean_colour,
    "class from colour histogram": probes.colour_histogram,
    "class from object colour": probes.object_colour,
    "class from loudness": probes.loudness_db,
    "class from motion energy": probes.motion_energy,
    "class from object area": probes.area,
    "class from amplitude envelope": probes.envelope_db,
    "class from mean spectrum": probes.mean_spectrum,
}


def solo_features(n: int, *, split: str, seed: int, knobs: Knobs) -> dict[str, np.ndarray]:
    """Render n solo clips and keep only what the probes see of them, with label and horizontal place."""
    rows: dict[str, list[np.ndarray]] = {}
    for clips in render_batches(n, preset=knobs, split=split, seed=seed, stems=False):
        found = {name: see(clips) for name, see in FEATURES.items()}
        found |= {"label": clips.label.numpy(), "x": clips.centre[:, 0, :, 0].nanmean(dim=1).numpy()}
        for name, values in found.items():
            rows.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def audit_solo(*, n_train: int, n_test: int, seed: int, knobs: Knobs) -> dict[str, float]:
    """Try to tell the class of solo clips of unknown individuals from one cue at a time; percent right."""
    train = solo_features(n_train, split="train", seed=seed, knobs=knobs)
    test = solo_features(n_test, split="test", seed=seed, knobs=knobs)
    found = {
        name: probes.linear_probe(train[name], train["label"], test[name], test["label"]) for name in FEATURES
    }
    found["class from the clip before"] = (test["label"][1:] == test["label"][:-1]).mean()
    found["left or right from mono sound"] = probes.linear_probe(
        train["class from mean spectrum"], train["x"] > 0.5, test["class from mean spectrum"], test["x"] > 0.5
    )
    return {name: 100 * float(value) for name, value in found.items()}


def audit_events(*, n: int, seed: int, knobs: Knobs) -> dict[str, float]:
    """Try to tell event labels with a perfect ear, then with a perfect eye; percent right. Needs no
    rendering."""
    scenes = sample_scenes(range(n), knobs=knobs, split=find_split("train"), seed=seed, layout="event")
    middle = (np.arange(knobs.n_segments) + 0.5) * knobs.segment_s
    found = {}
    for name, intervals in (("sound", scenes.on), ("picture", scenes.seen)):
        inside = (intervals[:, :, None, :, 0] <= middle[:, None]) & (
            middle[:, None] < intervals[:, :, None, :, 1]
        )
        active = inside.any(axis=-1)
        perceived = np.where(
            active.any(axis=1), np.take_along_axis(scenes.cls, active.argmax(axis=1), axis=1), -1
        )
        found[f"event label from {name} alone"] = 100 * probes.one_sense_accuracy(
            perceived, scenes.event_label
        )
    return found


def audit_localization(*, n: int, seed: int, knobs: Knobs) -> dict[str, float]:
    """Try to find the one sounding object among two silent ones without listening; percent of clips."""
    generator = torch.Generator().manual_seed(seed)
    hits: dict[str, list[torch.Tensor]] = {}
    for clips in render_batches(n, preset=knobs, split="test", seed=seed, layout="scene", stems=False):
        for name, values in {
            "localization by centre prior": where.centre_prior(clips),
            "localization by biggest motion": where.biggest_motion(clips),
            "localization by a random true box": where.random_true_box(clips, generator),
            "localization by smoothed truth": where.smoothed_truth(clips),
        }.items():
            hits.setdefault(name, []).append(values)
    scenes = sample_scenes(range(4 * n), knobs=knobs, split=find_split("test"), seed=seed, layout="scene")
    found = {name: 100 * float(torch.cat(values).float().mean()) for name, values in hits.items()}
    found["sounding object is the larger"] = 100 * float((scenes.radius[:, 0] > scenes.radius[:, 1]).mean())
    found["sounding object is in front"] = 100 * float((scenes.order[:, 0] > scenes.order[:, 1]).mean())
    return found


def run_audit(
    *,
    n_train: int = 2048,
    n_test: int = 1024,
    n_scenes: int = 384,
    n_events: int = 6000,
    seed: int = 0,
    preset: str | Knobs = "standard",
) -> dict:
    """Run the whole audit: {"passed", "preset", "seed", "sizes", "checks": [{name, percent, low, high,
    passed}]}.

    Chance for the eight classes is 12.5 %. Class probes train on individuals 0-11 and are scored on 14-15.
    """
    knobs = resolve(preset)
    scene_knobs = resolve(knobs, n_sounding=(1, 1), n_silent=(2, 2))
    measured = audit_solo(n_train=n_train, n_test=n_test, seed=seed, knobs=knobs)
    measured |= audit_events(n=n_events, seed=seed, knobs=knobs)
    measured |= audit_localization(n=n_scenes, seed=seed, knobs=scene_knobs)
    checks = []
    for name, bounds in BOUNDS.items():
        low, high = bounds or (0, 100)
        checks.append(
            {
                "name": name,
                "percent": round(measured[name], 1),
                "low": low,
                "high": high,
                "chance": CHANCE.get(name.split()[0]),
                "passed": bool(low <= measured[name] <= high),
            }
        )
    return {
        "passed": all(check["passed"] for check in checks),
        "preset": preset if isinstance(preset, str) else "custom",
        "seed": seed,
        "sizes": {"n_train": n_train, "n_test": n_test, "n_scenes": n_scenes, "n_events": n_events},
        "checks": checks,
    }
