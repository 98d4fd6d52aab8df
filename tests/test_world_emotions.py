"""Emotion clips: tracks, voices and faces as their truth says, and the audit of shortcuts."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from avcl_teach import world
from avcl_teach.world import emotion_probes
from avcl_teach.world.emotions import EMOTIONS, IRONIC, TIME_CONSTANT_S, talkers_only, walk
from avcl_teach.world.scenes import sample_scenes
from avcl_teach.world.splits import find_split
from avcl_teach.world.variants import emotion_audit

QUICK = {"layout": "emotion", "size_px": 32, "stems": False, "masks": False}


@pytest.fixture(scope="module")
def plans():
    knobs = world.resolve("standard")
    return sample_scenes(range(1500), knobs=knobs, split=find_split("train"), layout="emotion")


def test_every_clip_is_one_talker_with_the_truth_of_each_frame():
    clips = world.render(6, **QUICK)
    assert (clips.label == world.CLASSES.index("talker")).all() and clips.object_class.shape == (6, 1)
    assert clips.extra["emotion"].dtype == torch.int64
    for name in ("arousal", "valence", "face_valence", "brow"):
        assert clips.extra[name].shape == (6, 16) and clips.extra[name].dtype == torch.float32
        assert name == "brow" or clips.extra[name].abs().max() <= 1


def test_a_clip_does_not_depend_on_its_batch_and_seeds_differ():
    many, one = world.render(range(5), **QUICK), world.render([3], **QUICK)
    assert torch.equal(many.frames[3], one.frames[0])
    assert torch.allclose(many.waveform[3], one.waveform[0], atol=1e-6)
    assert torch.equal(many.extra["arousal"][3], one.extra["arousal"][0])
    other = world.render([3], seed=1, **QUICK)
    assert not torch.equal(one.extra["arousal"], other.extra["arousal"])


def test_emotions_are_the_quadrants_of_the_levels(plans):
    emotion, share = plans.truth["emotion"], np.bincount(plans.truth["emotion"], minlength=5) / 1500
    np.testing.assert_allclose(share, 0.2, atol=0.035)  # 0.01 is one standard error
    a, b = (plans.truth[name].mean(axis=1) > 0 for name in ("arousal", "valence"))
    plain = emotion != IRONIC
    assert (emotion == 2 * a + b)[plain].mean() > 0.97
    same = plans.truth["valence"] == plans.truth["face_valence"]
    assert same[plain].all() and not same[~plain].any()
    assert (plans.truth["valence"][~plain].mean(axis=1) < 0.1).mean() > 0.97
    assert (plans.truth["face_valence"][~plain].mean(axis=1) > -0.1).mean() > 0.97
    assert EMOTIONS[IRONIC] == "ironic" and len(EMOTIONS) == 5


def test_without_irony_face_and_voice_agree():
    clips = world.render(12, irony=0.0, **QUICK)
    assert torch.equal(clips.extra["valence"], clips.extra["face_valence"])
    assert (world.render(12, irony=1.0, **QUICK).extra["emotion"] == IRONIC).all()


def test_the_walk_has_its_variance_and_time_constant():
    rng = np.random.default_rng(0)
    x = np.stack([walk(rng, 200, rate_hz=8.0) for _ in range(400)])
    assert x.var() == pytest.approx(1.0, abs=0.06)
    lag = round(TIME_CONSTANT_S * 8)
    assert (x[:, lag:] * x[:, :-lag]).mean() == pytest.approx(np.exp(-1), abs=0.06)


def test_aroused_voices_speak_faster_and_louder(plans):
    notes, a = plans.notes[:, 0], plans.truth["arousal"].mean(axis=1)
    n, velocity = np.isfinite(notes[..., 0]).sum(axis=1), np.nanmean(notes[..., 3], axis=1)
    assert n[a > 0.5].mean() > n[a < -0.5].mean() + 0.5
    assert velocity[a > 0.5].mean() > velocity[a < -0.5].mean() + 0.1
    starts = notes[..., 0]
    assert np.nanmin(starts) >= 0.03 and np.nanmax(starts) < 2.0
    assert np.nanmin(np.diff(starts, axis=1)) >= 0.24 - 1e-9
    ends = starts + notes[..., 1]
    assert np.nanmax(ends) <= 2.0 + 1e-9


def test_a_longer_clip_has_longer_tracks_and_more_syllables():
    clips = world.render(2, duration_s=6.0, **QUICK)
    assert clips.extra["arousal"].shape == (2, 48) and clips.frames.shape[1] == 48
    assert int(torch.isfinite(clips.notes[0, 0, :, 0]).sum()) > 8
    assert clips.waveform[:, :, -8000:].square().mean() > 0


def test_the_mouth_bends_with_valence_and_nothing_else_does():
    from dataclasses import replace

    from avcl_teach.world.render import render_scenes

    knobs = world.resolve("easy", pixel_noise=0.0)
    scenes = sample_scenes([0], knobs=knobs, split=find_split("train"), layout="emotion")
    faces = []
    for value in (-0.8, 0.8):
        truth = scenes.truth | {"face_valence": np.full_like(scenes.truth["valence"], value)}
        faces.append(render_scenes(replace(scenes, truth=truth), size_px=96, stems=False, masks=False).frames)
    changed = (faces[0] != faces[1]).any(dim=2)[0]  # [time, row, column]
    rows = changed.any(dim=2).float()
    assert changed.any() and rows.sum(dim=1).max() < 0.35 * 96  # no taller than a mouth
    centre = render_scenes(scenes, size_px=96, stems=False).centre[0, 0, :, 1] * 96
    middle = (rows * torch.arange(96)).sum(dim=1) / rows.sum(dim=1)
    assert (middle > centre).all()  # below the middle of the face


def test_bad_input_is_told():
    with pytest.raises(ValueError, match="irony lies in 0..1, got 1.5"):
        world.render(1, irony=1.5, **QUICK)
    with pytest.raises(ValueError, match="expected a split with talkers, got 'unseen_test'"):
        world.render(1, split="unseen_test", **QUICK)
    assert talkers_only(find_split("test")).classes.tolist() == [world.CLASSES.index("talker")]


def test_no_shortcut_to_the_emotion_passes_its_bound():
    checks = emotion_probes.checks()
    assert [check["name"] for check in checks] == list(emotion_probes.BOUNDS)
    assert not [check for check in checks if not check["passed"]]
    found = {check["name"]: check["percent"] for check in checks}
    # the ear is the stronger sense for arousal; the eye for valence, see what is rendered
    assert found["arousal from sound"] > found["arousal from picture"] + 20


HOW = {"n_train": 160, "n_test": 120}
MOUTH, VOICE = "valence from pixels of the mouth x 100", "arousal from the waveform x 100"


@pytest.fixture(scope="module")
def rendered():
    """Clips that the audit of what is rendered looks at, rendered once: a stand-in for `render`."""
    return functools.cache(emotion_audit.render)


def as_rendered(monkeypatch, render):
    monkeypatch.setattr(emotion_audit, "render", render)
    rows = emotion_audit.checks(**HOW)
    assert [row["name"] for row in rows] == list(emotion_audit.BOUNDS)
    return {row["name"]: row for row in rows}


def test_feelings_can_be_read_off_what_is_rendered(monkeypatch, rendered):
    rows = as_rendered(monkeypatch, rendered)
    assert [row for row in rows.values() if not row["passed"]] == []
    assert rows[MOUTH]["percent"] > 50 + rows["valence from the waveform x 100"]["percent"]


@pytest.mark.parametrize(("field", "failed"), [("frames", MOUTH), ("waveform", VOICE)])
def test_the_audit_catches_faces_and_voices_of_other_clips(monkeypatch, rendered, field, failed):
    def shuffled(*args, **options):
        clips = rendered(*args, **options)
        return dataclasses.replace(clips, **{field: getattr(clips, field).roll(7, 0)})

    rows = as_rendered(monkeypatch, shuffled)
    assert failed in [name for name, row in rows.items() if not row["passed"]]
    assert abs(rows[failed]["percent"]) < 30


def test_the_audit_catches_mouths_that_never_bend(monkeypatch):
    from avcl_teach.world.render import render_scenes

    def unmoved(n, *, split, seed, layout, **options):
        options.pop("batch_size")
        knobs = world.resolve("standard")
        scenes = sample_scenes(range(n), knobs=knobs, split=find_split(split), seed=seed, layout=layout)
        flat = scenes.truth | {"face_valence": np.zeros_like(scenes.truth["valence"])}
        return render_scenes(dataclasses.replace(scenes, truth=flat), **options)

    rows = as_rendered(monkeypatch, unmoved)
    assert not rows[MOUTH]["passed"] and abs(rows[MOUTH]["percent"]) < 40
    assert rows[VOICE]["passed"]


def test_pictures_without_anything_in_them_tell_nothing(monkeypatch, rendered):
    def grey(*args, **options):
        clips = rendered(*args, **options)
        return dataclasses.replace(clips, frames=torch.full_like(clips.frames, 128))

    rows = as_rendered(monkeypatch, grey)
    assert rows[MOUTH]["percent"] == 0 and not rows[MOUTH]["passed"]


def test_the_audit_catches_a_voice_that_gives_irony_away():
    cells = np.array([0, 0, 1, 1, 2, 3])
    assert emotion_probes.best_guess(cells, np.array([0, 4, 1, 1, 2, 3])) == pytest.approx(5 / 6)
    assert emotion_probes.best_guess(cells, np.array([0, 0, 1, 1, 2, 3])) == 1.0
    rng = np.random.default_rng(0)
    y = rng.standard_normal(300)
    x = np.stack([y + 0.01 * rng.standard_normal(300), rng.standard_normal(300)], axis=1)
    assert emotion_probes.correlation_probe(x[:200], y[:200], x[200:], y[200:]) > 0.99
    assert abs(emotion_probes.correlation_probe(x[:200, 1:], y[:200], x[200:, 1:], y[200:])) < 0.3


def test_batches_with_unlike_numbers_of_notes_join():
    how = {"layout": "emotion", "split": "test", "size_px": 16, "stems": False, "masks": False}
    one, many = (world.render(48, batch_size=n, **how).tensors() for n in (48, 7))
    assert one["notes"].isnan().any()  # not all talkers say as much
    for name, x in one.items():
        torch.testing.assert_close(many[name], x, rtol=0, atol=1e-6, equal_nan=True)
