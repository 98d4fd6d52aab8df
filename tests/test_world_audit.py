"""The audit of shortcuts, within its bounds; and the probes, on cases with known answers."""

import numpy as np
import pytest
import torch

from avcl_teach import world
from avcl_teach.clips import Clips
from avcl_teach.world import localization_probes as where
from avcl_teach.world import probes
from avcl_teach.world.shortcuts import BOUNDS, audit_events, run_audit


def test_no_shortcut_passes_its_bound():
    report = run_audit()
    assert [check["name"] for check in report["checks"]] == list(BOUNDS)
    assert report["passed"], [check for check in report["checks"] if not check["passed"]]


def test_the_audit_catches_a_cheating_world():
    knobs = world.resolve("standard", colour_class_correlation=1.0)
    from avcl_teach.world.shortcuts import solo_features

    train = solo_features(512, split="train", seed=0, knobs=knobs)
    test = solo_features(256, split="test", seed=0, knobs=knobs)
    cue = "class from object colour"
    assert probes.linear_probe(train[cue], train["label"], test[cue], test["label"]) > 0.30


def test_the_event_audit_catches_a_leak():
    leak = audit_events(n=1500, seed=0, knobs=world.resolve("standard", mismatch=0.0))
    assert leak["event label from sound alone"] > 70


def test_linear_probe_on_known_cases():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 600)
    separable = np.eye(4)[y] + 0.01 * rng.standard_normal((600, 4))
    assert probes.linear_probe(separable[:400], y[:400], separable[400:], y[400:]) == 1.0
    noise = rng.standard_normal((600, 4))
    assert probes.linear_probe(noise[:400], y[:400], noise[400:], y[400:]) < 0.4


def test_event_view_counts_runs():
    view = probes.event_view(np.array([[2, 2, -1, 3]]))
    assert view[:, 0].tolist() == [1, 1, 0, 1]
    assert view[:, 1].tolist() == [2, 2, 1, 1] and view[:, 2].tolist() == [0, 1, 0, 0]
    assert view[0, 4] == 0.5 and view[3, 5] == 0.25


def still(colour=(200, 100, 50), level=0.1):
    frames = torch.tensor(colour, dtype=torch.uint8)[None, None, :, None, None].expand(1, 4, 3, 16, 16)
    return Clips(
        frames=frames.contiguous(),
        waveform=torch.full((1, 1, 8000), level),
        frame_rate_hz=8.0,
        sample_rate_hz=8000,
        mask=torch.ones(1, 1, 4, 16, 16, dtype=torch.bool),
        object_class=torch.zeros(1, 1, dtype=torch.int64),
    )


def test_features_on_a_still_and_steady_clip():
    clip = still()
    assert probes.mean_colour(clip)[0].tolist() == [200, 100, 50]
    histogram = probes.colour_histogram(clip)[0]
    assert histogram[3 * 16 + 1 * 4 + 0] == 1.0 and histogram.sum() == 1.0
    hue = np.radians(20)  # of (200, 100, 50): a warm orange
    assert probes.object_colour(clip)[0] == pytest.approx(
        [200 / 255, 100 / 255, 50 / 255, np.cos(hue), np.sin(hue)], abs=0.02
    )
    assert probes.loudness_db(clip)[0, 0] == pytest.approx(-20.0, abs=1e-4)
    assert probes.envelope_db(clip, n=4)[0] == pytest.approx([-20.0] * 4, abs=1e-4)
    assert probes.motion_energy(clip)[0].tolist() == [0.0, 0.0]
    assert probes.area(clip)[0].tolist() == [1.0, 0.0]


def test_iou_by_hand():
    a = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.2, 0.2]])
    b = torch.tensor([[0.25, 0.0, 0.75, 0.5], [0.0, 0.0, 1.0, 1.0], [float("nan")] * 4])
    assert torch.allclose(where.iou(a, b), torch.tensor([1 / 3, 1.0, 0.0]))


def test_every_audit_of_a_variant_is_there_and_every_module_of_audits_is_run(monkeypatch):
    import importlib
    from pathlib import Path

    from avcl_teach.world import variants

    homes = [home.split(":") for home in variants.AUDITS.values()]
    for module, function in homes:
        assert callable(getattr(importlib.import_module(f"{variants.__name__}.{module}"), function))
    found = {path.stem for path in Path(variants.__file__).parent.glob("*_audit.py")}
    assert found <= {module for module, _ in homes}
    quick = {name: variants.AUDITS[name] for name in ("performers", "sentences")}
    monkeypatch.setattr(variants, "AUDITS", quick)
    rows = variants.audit_variants()
    assert {row["name"].split(":")[0] for row in rows} == set(quick)
    assert all({"name", "percent", "low", "high", "chance", "passed"} == set(row) for row in rows)


def test_the_command_audits_every_layout(monkeypatch):
    """The audits have tests of their own; here only that all are in the report and any can break it."""
    from avcl_teach.world import emotion_probes, long_audit, variants
    from avcl_teach.world import shortcuts as base

    one = {"percent": 25.0, "low": 0, "high": 30, "chance": 25.0, "passed": True}
    monkeypatch.setattr(base, "run_audit", lambda **_: {"passed": True, "checks": [{"name": "a", **one}]})
    monkeypatch.setattr(long_audit, "audit_long", lambda: {"b": {k: one[k] for k in one if k != "low"}})
    monkeypatch.setattr(variants, "audit_variants", lambda: [{"name": "v: d", **one}])
    for passed in (True, False):  # and a second call works like the first
        monkeypatch.setattr(
            emotion_probes, "checks", lambda passed=passed: [{"name": "c", **one, "passed": passed}]
        )
        report = world.audit()
        assert [check["name"] for check in report["checks"]] == ["a", "long: b", "c", "v: d"]
        assert report["passed"] is passed and all("low" in check for check in report["checks"])
