"""People: a face and a voice each, tied but not determined, met several times with other words and light.

Five traits of a face and five of a voice are standard normal and tied two by two: a trait of the voice is
rho times that of the face plus noise of its own. A binary attribute (as sex is in people) shifts two of the
pairs in both, so that much of a match between strangers can be had from the attribute alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.world.draws import generator, spread, uniforms
from avcl_teach.world.knobs import Knobs, resolve
from avcl_teach.world.render import as_indices, render_scenes
from avcl_teach.world.scenes import Scenes, sample_scenes
from avcl_teach.world.splits import find_split

TIES = (
    ("pitch", "aspect"),
    ("vocal tract", "fringe"),
    ("tilt", "skin value"),
    ("presence", "skin hue"),
    ("pace", "hair value"),
)
"""Trait of the voice and trait of the face, tied two by two."""
RHO = 0.6
SHIFT = (1.0, 1.0, 0.0, 0.0, 0.0)
"""How far the attribute moves each tied pair, up or down, in standard deviations."""
SPLITS = ("train", "val", "test")


def draw_people(
    people: int | Sequence[int], *, split: str = "train", seed: int = 0, rho: float = RHO
) -> dict[str, np.ndarray]:
    """Draw who they are: attribute [person] 0 or 1, face and voice [person, 5], shifts included.

    face = SHIFT (2 attribute - 1) + z_f, voice = SHIFT (2 attribute - 1) + rho z_f + sqrt(1 - rho^2) z_v.
    Errors: ValueError for rho outside 0 ... 1 or a split without people.
    """
    if split not in SPLITS:
        raise ValueError(f"expected a split of {SPLITS}, got {split!r}")
    if not 0 <= rho <= 1:
        raise ValueError(f"expected 0 <= rho <= 1, got {rho}")
    index = np.asarray(as_indices(people))
    z = np.stack([generator(seed, split, int(i), "people").standard_normal((2, len(TIES))) for i in index])
    attribute = (uniforms(seed, split, index, "people-attribute", 1)[:, 0] < 0.5).astype(np.int64)
    shift = np.array(SHIFT) * (2 * attribute[:, None] - 1)
    voice = rho * z[:, 0] + math.sqrt(1 - rho * rho) * z[:, 1]
    return {"person": index, "attribute": attribute, "face": shift + z[:, 0], "voice": shift + voice}


def best_similarity(
    voice: Float[Tensor, "voice trait"], face: Float[Tensor, "face trait"], *, rho: float = RHO
) -> Float[Tensor, "voice face"]:
    """Score every voice against every face as well as can be: ln p(v, f) - ln p(v) - ln p(f).

    Densities of the model in `draw_people`, the attribute unknown: mixtures of two Gaussians of covariance 1
    (rho across). The ceiling of every matcher of strangers, with traits known exactly. Errors: ValueError for
    rho outside 0 ... 1.
    """
    if not 0 <= rho < 1:
        raise ValueError(f"expected 0 <= rho < 1, got {rho}")
    s = torch.tensor(SHIFT, dtype=voice.dtype, device=voice.device)
    joint, one_v, one_f = [], [], []
    for sign in (-1.0, 1.0):
        v, f = voice - sign * s, face - sign * s
        quad = (v * v).sum(1)[:, None] + (f * f).sum(1) - 2 * rho * v @ f.T
        joint.append(-quad / (2 * (1 - rho * rho)) - len(s) / 2 * math.log(1 - rho * rho))
        one_v.append(-(v * v).sum(1) / 2)
        one_f.append(-(f * f).sum(1) / 2)
    both, v, f = (torch.stack(x).logsumexp(0) - math.log(2) for x in (joint, one_v, one_f))
    return both - v[:, None] - f


def people_scenes(
    people: dict[str, np.ndarray], n_samples: int, *, split: str, seed: int, knobs: Knobs
) -> Scenes:
    """Draw n_samples meetings with each person: other words, place, light, room; the same face and voice."""
    from avcl_teach.world.emotions import talkers_only

    index = (people["person"][:, None] * 64 + np.arange(n_samples)).ravel()
    scenes = sample_scenes(
        index.tolist(),
        knobs=knobs,
        split=talkers_only(find_split(split, seed=seed)),
        seed=seed,
        layout="solo",
    )
    face, voice = (np.repeat(people[name], n_samples, axis=0)[:, None] for name in ("face", "voice"))
    u = uniforms(seed, split, index, "people-meeting", 8)[:, None]
    at = {f: face[..., k] for k, (_, f) in enumerate(TIES)} | {
        v: voice[..., k] for k, (v, _) in enumerate(TIES)
    }
    timbre = scenes.timbre | {
        "register": 4.4 * at["pitch"] + spread(u[..., 0], -1.0, 1.0) - 2.0,
        "vocal_tract": np.clip(1.02 + 0.08 * at["vocal tract"], 0.75, 1.35),
        "aspect": np.clip(1.0 + 0.19 * at["aspect"], 0.45, 1.8),
        "layout": np.clip(0.25 + 0.11 * at["fringe"], 0.0, 0.5),
        "tilt_low": -0.8 * at["tilt"],
        "tilt_mid": 0.8 * at["presence"],
        "tilt_high": 0.8 * at["tilt"],
        "noise": np.full_like(at["tilt"], 0.2),
        "decay": np.full_like(at["tilt"], 0.5),
    }
    light = spread(u[..., 1], -0.06, 0.06)
    colour = np.stack(
        [
            np.mod(0.07 + 0.025 * at["skin hue"], 1.0),
            np.full_like(light, 0.5),
            np.clip(0.68 + 0.12 * at["skin value"] + light, 0.25, 1.0),
        ],
        axis=-1,
    )
    parts = scenes.parts.copy()
    parts[..., 0], parts[..., 1], parts[..., 3] = 0.75, 0.4, 0.5
    parts[..., 2] = np.clip(0.4 + 0.2 * at["hair value"] + light, 0.0, 1.0)
    pace = np.exp(-0.16 * at["pace"][..., None] + spread(u[..., 2:3], -0.05, 0.05))
    notes = scenes.notes.copy()
    notes[..., 0] = notes[..., 0] * pace
    notes[..., 1] = notes[..., 1] * pace
    notes[..., 2] = np.clip(np.round(4.5 + 0.35 * (notes[..., 2] - 4.5)), 0, 9)  # little melody in speech
    notes[notes[..., 0] > knobs.duration_s - 0.12] = np.nan
    return dataclasses.replace(scenes, timbre=timbre, colour=colour, parts=parts, notes=notes)


def render_people(
    people: int | Sequence[int],
    *,
    split: str = "train",
    seed: int = 0,
    n_samples: int = 4,
    rho: float = RHO,
    size_px: int = 64,
    frame_rate_hz: float = 8.0,
    batch_size: int = 64,
) -> Clips:
    """Render talking people, `n_samples` clips of 2 s in turn for each.

    extra: person [clip] (numbered within the split; no person is in two splits) · sample 0..n_samples-1 ·
    attribute 0 or 1 · face_traits, voice_traits [clip, 5], see TIES; box is where the face is. A pure
    function of (split, seed, person, sample, rho). Errors: ValueError for an unknown split, no person,
    n_samples outside 1 ... 64, or rho outside 0 ... 1. Lesson: 30.
    """
    found = as_indices(people)
    if not found or not 1 <= n_samples <= 64:
        raise ValueError(f"expected a person and 1 to 64 samples, got {len(found)} and {n_samples}")
    knobs = resolve(
        "standard", radius=(0.22, 0.26), frame_rate_hz=frame_rate_hz, eq_db=4.0, snr_db=(12.0, 22.0)
    )
    parts = []
    for i in range(0, len(found), max(1, batch_size // n_samples)):
        who = draw_people(found[i : i + max(1, batch_size // n_samples)], split=split, seed=seed, rho=rho)
        scenes = people_scenes(who, n_samples, split=split, seed=seed, knobs=knobs)
        scenes = dataclasses.replace(scenes, eq_db=0.3 * scenes.eq_db)
        meta = {"source": "world identities", "split": split, "seed": seed, "rho": rho}
        clips = render_scenes(scenes, size_px=size_px, stems=False, masks=False, meta=meta)
        again = {k: np.repeat(x, n_samples, axis=0) for k, x in who.items()}
        extra = {
            "person": torch.as_tensor(again["person"]),
            "sample": torch.arange(n_samples).repeat(len(who["person"])),
            "attribute": torch.as_tensor(again["attribute"]),
            "face_traits": torch.as_tensor(again["face"]).float(),
            "voice_traits": torch.as_tensor(again["voice"]).float(),
        }
        clips = clips.drop("instance", "event", "event_label")  # what only the world's own individuals mean
        parts.append(dataclasses.replace(clips, label=None, extra=extra))
    return Clips.cat(parts) if len(parts) > 1 else parts[0]


def realized_rho(
    voice: Float[Tensor, "person trait"],
    face: Float[Tensor, "person trait"],
    attribute: Int[Tensor, "person"],
) -> Float[Tensor, "trait"]:
    """Correlate tied traits within the attribute: its two means are taken out first. Lesson: 30."""
    out = []
    for x in (voice, face):
        x = x.clone().double()
        for g in (0, 1):
            x[attribute == g] -= x[attribute == g].mean(0)
        out.append(x / x.std(0))
    return (out[0] * out[1]).sum(0) / (len(out[0]) - 1)
