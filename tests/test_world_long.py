"""Long scenes: what is bound, when it comes back, and that nothing else tells the answer."""

import numpy as np
import pytest
import torch

from avcl_teach import world
from avcl_teach.comparison import delayed
from avcl_teach.features import tones
from avcl_teach.world.knobs import BASE_HZ, CLASSES, PENTATONIC
from avcl_teach.world.long_audit import SLACK, VIEWS, audit_long, by_the_rule
from avcl_teach.world.long_scenes import PITCHED, PLACES, SLOT, pitched_split
from avcl_teach.world.sounds.notes import OCTAVE


def draw(n=200, *, split="train", seed=0, preset="easy", **knobs):
    how = {"knobs": world.resolve(preset, **knobs), "split": world.find_split(split), "seed": seed}
    return world.sample_scenes(range(n) if isinstance(n, int) else n, layout="long", **how)


@pytest.fixture(scope="module")
def clips():
    return world.render(48, layout="long", preset="easy", split="test", size_px=32, delay=(4, 4))


@pytest.mark.parametrize("n_cues", [2, 3, 4])
def test_each_object_rings_its_own_tone_once_and_one_of_them_comes_back(n_cues):
    scenes = draw(100, n_cues=n_cues, delay=(2, 10))
    truth, n = scenes.truth, n_cues
    assert scenes.cls.shape == (100, n + 1) and scenes.knobs.n_segments == SLOT * (n + 1) + 10
    assert (np.sort(truth["cue_order"], axis=1) == np.arange(n)).all()
    own = np.sort(truth["tone"][:, :n], axis=1)
    assert (np.diff(own, axis=1) > 0).all() and own.min() >= 0 and own.max() <= 9
    assert (truth["tone"][np.arange(100), truth["answer"]] == truth["query_tone"]).all()
    assert (by_the_rule(scenes) == truth["answer"]).all()
    assert set(truth["delay"]) == set(range(2, 11))
    assert (truth["query_segment"] == SLOT * n + truth["delay"]).all()
    assert set(np.unique(scenes.cls)) <= {CLASSES.index(name) for name in PITCHED}


def test_the_pitch_that_sounds_is_the_tone_whatever_plays_it():
    scenes = draw(200, delay=(16, 16), stray=1.0)
    octave = np.array([OCTAVE.get(name, 0) for name in CLASSES])[scenes.cls]
    degree = np.nan_to_num(scenes.notes[..., 2]).astype(int)
    heard = scenes.timbre["register"][..., None] + np.array(PENTATONIC)[degree] + 12 * octave[..., None]
    there = np.isfinite(scenes.notes[..., 2])
    pitch = np.array(PENTATONIC)
    assert there[:, :4].sum(-1).tolist() == [[1] * 4] * 200
    assert np.array_equal(heard[:, :4, 0], pitch[scenes.truth["tone"][:, :4]])
    voice, n_notes = heard[:, 4], there[:, 4].sum(-1)
    assert (n_notes == 9).all()
    assert np.array_equal(voice[:, 8], pitch[scenes.truth["query_tone"]])
    stray = voice[:, :8]
    rung = pitch[scenes.truth["tone"][:, :4]]
    assert not (stray[:, :, None] == rung[:, None]).any(), "no stray note is one that an object rang"


def test_hands_of_a_clip_show_one_degree_and_nobody_else_moves():
    scenes = draw(100)
    hands = scenes.notes[:, :4, 0, 2]
    assert (hands == hands[:, :1]).all()
    assert (scenes.velocity == 0).all() and (scenes.parts[..., 4] == 0).all()
    assert not scenes.visible[:, 4].any() and scenes.visible[:, :4].all()
    reach = 1.42 * scenes.radius[:, :4]
    gaps = np.abs(scenes.place[:, 0] - scenes.place[:, 1])[:, 0]
    assert (gaps > reach[:, 0] + reach[:, 1]).all(), "objects side by side do not touch"


def test_sound_and_motion_are_where_the_truth_says(clips):
    truth = clips.extra
    level = clips.stem[:, :, 0].unflatten(-1, (14, 2000)).square().mean(-1)
    slots = level[:, :, :8].unflatten(-1, (4, 2)).sum(-1)  # [clip, object, cue]
    assert torch.equal(slots[:, :4].argmax(1), truth["cue_order"])
    assert (level[:, :4, 8:] == 0).all() and (level[:, 4, :8] == 0).all()
    assert (level[:, 4, 12] > 1e-6).all()
    motion = tones.place_motion(clips.frames, n_segments=14, places=PLACES[4])
    who = motion[:, :8].unflatten(1, (4, 2)).sum(2).argmax(-1)
    assert (who == truth["cue_order"]).float().mean() > 0.95
    assert (clips.event[:, :8] == 4).all() and (clips.event[:, 12:] == 3).all()
    actor = torch.gather(clips.object_class, 1, truth["cue_order"])
    assert torch.equal(clips.event_label[:, 0:8:2], actor) and (clips.event_label[:, 8:] == -1).all()


def test_a_clip_is_the_same_alone_and_in_any_batch():
    how = {"layout": "long", "size_px": 32, "delay": (2, 8)}
    together, alone = world.render([7, 3, 40], **how), world.render([3], **how)
    assert torch.equal(together.frames[1], alone.frames[0])
    torch.testing.assert_close(together.waveform[1], alone.waveform[0], atol=1e-6, rtol=0)
    for name in ("tone", "cue_order", "answer", "delay", "query_segment"):
        assert torch.equal(together.extra[name][1], alone.extra[name][0])
    other = world.render([3], **how, seed=1)
    assert not torch.equal(other.extra["tone"], alone.extra["tone"]) or not torch.equal(
        other.extra["cue_order"], alone.extra["cue_order"]
    )


def test_no_shortcut_passes_its_bound():
    found = audit_long()
    assert set(VIEWS) < set(found)
    assert all(check["passed"] for check in found.values()), found
    assert all(check["high"] == pytest.approx(check["chance"] + SLACK, abs=0.11) for check in found.values())


def test_the_audit_catches_a_leak(monkeypatch):
    def leaking(scenes):
        scenes.truth["answer"] = scenes.truth["cue_order"][:, -1]
        return scenes

    from avcl_teach.world import long_audit

    honest = long_audit.sample_scenes
    monkeypatch.setattr(long_audit, "sample_scenes", lambda *a, **k: leaking(honest(*a, **k)))
    found = audit_long(n_train=400, n_test=400)
    assert not found["answer is the last cue"]["passed"]
    assert not found["answer from picture alone"]["passed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_cues": 5}, "2 to 4 cues"),
        ({"delay": (-1, 2)}, "delays of at least 0"),
        ({"delay": (4, 2)}, "low <= high"),
        ({"stray": 1.5}, "lies in 0..1"),
        ({"split": "unseen_test"}, "expected a split with a class"),
    ],
)
def test_bad_requests_say_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        world.render(1, layout="long", **arguments)


def test_splits_keep_their_promises():
    held_out = pitched_split(world.find_split("pairs_train"))
    assert held_out.pairs and all(CLASSES[c] in PITCHED for pair in held_out.pairs for c in pair)
    assert set(draw(60, split="test").instance[:, :4].ravel()) <= {14, 15}


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVCL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield delayed.long_scenes(96, 96, n_val=2, delay=4)


def test_features_hold_the_answer_and_one_sense_does_not(long):
    def score(x_a, x_v):
        found = delayed.answer_by_rule(x_a, x_v, n_cues=4)
        return (found == long.test.answer).float().mean()

    x_a, x_v = long.test.x_a, long.test.x_v
    assert score(x_a, x_v) > 0.9
    assert score(x_a, x_v.roll(1, 0)) < 0.25 + 0.14  # three standard errors of 96 clips
    assert score(x_a.roll(1, 0), x_v) < 0.25 + 0.14


def test_waits_are_stretched_from_a_clips_own_slots(long):
    split, g = long.test, torch.Generator().manual_seed(0)
    for delay in (0, 2, 16):
        x_a, x_v = split.at_delay(delay, generator=g)
        assert x_a.shape[1] == x_v.shape[1] == 8 + delay + 2
        assert torch.equal(x_a[:, :8], split.x_a[:, :8]) and torch.equal(x_v[:, -2:], split.x_v[:, -2:])
        own = split.x_a[:, 8:-2].unflatten(1, (2, 2))
        for slot in x_a[:, 8:-2].unflatten(1, (-1, 2)).unbind(1) if delay else ():
            assert (slot[:, None] == own).flatten(2).all(-1).any(1).all()
    with pytest.raises(ValueError, match="whole slots"):
        split.at_delay(3)


def test_features_are_standardised_on_train_only(long):
    torch.testing.assert_close(long.train.x_a.mean((0, 1)), torch.zeros(46), atol=1e-4, rtol=0)
    torch.testing.assert_close(long.train.x_v.std(), torch.tensor(1.0), atol=1e-4, rtol=0)
    assert long.test.x_a.mean((0, 1)).abs().max() > 1e-3
    assert "96" in repr(long) and long.n_places == 4
    for bad in ({"n_train": 1}, {"delay": 3}):
        with pytest.raises(ValueError, match="expected"):
            delayed.long_scenes(**bad)


def test_tone_bands_find_a_sine_in_its_band():
    t = torch.arange(4000) / 8000
    x = torch.stack([(2 * torch.pi * BASE_HZ * 2 ** (k / 12) * t).sin() for k in (0, 7, 21)])
    E = tones.tone_bands(x, n_segments=2)
    assert E.shape == (3, 2, 46)
    assert E.argmax(-1).tolist() == [[12, 12], [19, 19], [33, 33]]
    for bad in ({"n_segments": 3}, {"n_segments": 2, "n_bands": 70}):
        with pytest.raises(ValueError, match="expected"):
            tones.tone_bands(x, **bad)


def test_place_motion_is_the_change_around_the_place():
    frames = torch.zeros(1, 4, 3, 8, 8, dtype=torch.uint8)
    frames[0, 1, :, :4, 4:] = 255
    found = tones.place_motion(frames, n_segments=2, places=PLACES[4])
    assert found.shape == (1, 2, 4)
    torch.testing.assert_close(found[0], torch.tensor([[0, 0.5, 0, 0], [0, 0.5, 0, 0]]))
    with pytest.raises(ValueError, match="expected 3 segments"):
        tones.place_motion(frames, n_segments=3, places=PLACES[4])
