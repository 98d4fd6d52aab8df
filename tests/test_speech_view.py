"""Talking mouths: pure, in step, alike on the lips where they should be, and free of shortcuts."""

import dataclasses

import numpy as np
import pytest
import torch

from avcl_teach.features import log_mel
from avcl_teach.world.variants import render_speech, speech_clips, speech_sounds
from avcl_teach.world.variants import speech_audit as audit
from avcl_teach.world.variants import speech_words as sw


@pytest.fixture(scope="module")
def clips():
    return render_speech(48, split="val")


def test_shape_rates_and_truth(clips):
    assert clips.frames.shape == (48, 50, 3, 32, 32) and clips.waveform.shape == (48, 1, 16000)
    assert clips.frame_rate_hz == 25 and clips.sample_rate_hz == 8000
    word_s = clips.extra["word_s"]
    assert (word_s[..., 1] > word_s[..., 0]).all() and (word_s[:, 1:, 0] > word_s[:, :-1, 1]).all()
    assert word_s.min() >= 0.1 and word_s.max() < 2.0
    assert ((clips.extra["words"] // 4) == torch.arange(4)).all()
    assert clips.extra["mouth"].min() >= 0 and clips.extra["mouth"].max() <= 1
    vowels = clips.extra["vowel"]
    assert torch.equal(vowels >= 0, clips.extra["sound"] < 5) and vowels.unique().tolist() == [
        -1,
        0,
        1,
        2,
        3,
        4,
    ]


def test_pure_in_index_batch_and_seed(clips):
    again = render_speech([7, 3], split="val", batch_size=1)
    assert torch.equal(again.frames[1], clips.frames[3])
    torch.testing.assert_close(again.waveform[0], clips.waveform[7], atol=1e-6, rtol=0)
    other = render_speech([7], split="val", seed=1)
    assert not torch.equal(other.frames[0], clips.frames[7])
    x, said = speech_sounds(range(5), split="val")
    torch.testing.assert_close(x, clips.mono[:5], atol=1e-6, rtol=0)
    assert torch.equal(said.words, clips.extra["words"][:5])


def test_cache_returns_what_is_rendered(clips, tmp_path, monkeypatch):
    monkeypatch.setenv("AVCL_CACHE", str(tmp_path))
    first, second = (speech_clips([3, 7], split="val") for _ in range(2))
    assert torch.equal(first.frames, second.frames) and torch.equal(first.frames[0], clips.frames[3])


def test_nobody_speaks_in_two_splits():
    seen = {split: set(speech_sounds(60, split=split)[1].speaker.tolist()) for split in sw.SPEAKERS}
    assert not (seen["train"] & seen["val"] or seen["train"] & seen["test"] or seen["val"] & seen["test"])
    assert len(seen["train"]) > 15 and len(seen["test"]) == 6


def test_level_and_speech_inside_the_words(clips):
    x = clips.mono
    assert x.abs().max() < 1 and (x.square().mean(1).sqrt() > 0.05).all()
    t = torch.arange(16000) / 8000
    word = clips.extra["word_s"]
    inside = ((t >= word[..., :1]) & (t < word[..., 1:])).any(1)
    outside = (t > word[:, -1:, 1] + 0.05) | (t < word[:, :1, 0] - 0.05)
    quiet = (x.square() * outside).sum(1) / outside.sum(1)
    assert (quiet < 0.02 * (x.square() * inside).sum(1) / inside.sum(1)).all()


def test_closed_lips_are_seen_when_they_are_heard(clips):
    """The mouth is lowest in m, b, p; and sound follows it: open frames are louder than shut ones."""
    height, sound = clips.extra["mouth"][..., 0], clips.extra["sound"]
    lips = torch.isin(sound, torch.tensor([sw.SOUNDS.index(c) for c in "mbp"]))
    a = sound == sw.SOUNDS.index("a")
    assert height[lips].mean() < 0.08 and height[a].mean() > 0.7
    dark = clips.frames.float().mean(2).flatten(2).amin(2)  # an open mouth shows its dark inside
    assert dark[a].mean() < dark[lips].mean() - 10


def test_picture_and_sound_are_in_step(clips):
    M = log_mel(clips.mono, n_fft=256, hop_length=80, n_mels=32)[:, :, 2:].exp().sum(1).log()
    loud = M[:, : 4 * 49 : 4]  # at the middle of frames 0 to 48
    height = clips.extra["mouth"][:, :49, 0]

    def score(shift):
        a, b = height[:, 6:-6], loud[:, 6 + shift : loud.shape[1] - 6 + shift]
        a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
        return float(((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))).mean())

    scores = {shift: score(shift) for shift in range(-5, 6)}
    assert max(scores, key=scores.get) == 0


def saying(monkeypatch, slot, word, n=4):
    """Render the same speakers, times, light and grain, with one word of a sentence chosen."""
    drawn = sw.uniforms

    def chosen(*args):
        u = drawn(*args).copy()
        if args[3] == "speech":
            u[:, 1 + slot] = (sw.LEXICON[slot].index(word) + 0.5) / 4
        return u

    with monkeypatch.context() as patch:
        patch.setattr(sw, "uniforms", chosen)
        said = sw.plan(np.arange(n), split="val", seed=0)
        clips = render_speech(n, split="val")
    assert torch.equal(clips.extra["words"], said.words)
    assert {sw.WORDS[w] for w in said.words[:, slot].tolist()} == {word}
    return said, clips


@pytest.mark.parametrize("slot", range(4))
def test_homophenes_share_picture_tracks_and_pixels_and_differ_in_sound(monkeypatch, slot):
    double = audit.homophenes()
    a = next(w for w in range(4 * slot, 4 * slot + 4) if w in double)
    (said_a, one), (said_b, two) = (saying(monkeypatch, slot, sw.WORDS[w]) for w in (a, double[a]))
    assert torch.equal(said_a.word_s, said_b.word_s) and torch.equal(said_a.speaker, said_b.speaker)
    assert torch.equal(said_a.mouth, said_b.mouth) and torch.equal(said_a.teeth, said_b.teeth)
    assert torch.equal(one.frames, two.frames)
    t = torch.arange(one.waveform.shape[2]) / one.sample_rate_hz
    start, stop = (one.extra["word_s"][:, slot, k, None] for k in (0, 1))
    inside, before = (t >= start) & (t < stop), t < start - 0.05

    def share(where):
        gap = (one.mono - two.mono).square() * where
        return gap.sum(1) / (one.mono.square() * where).sum(1).clamp_min(1e-9)

    assert (share(inside) > 0.03).all()
    if slot:
        assert (share(before) < share(inside)).all()
    other = next(w for w in range(4 * slot, 4 * slot + 4) if w not in double)
    said, third = saying(monkeypatch, slot, sw.WORDS[other])
    assert (said.mouth - said_a.mouth).abs().amax((1, 2)).min() > 0.1
    gap = (third.frames.float() - one.frames.float()).abs().mean((2, 3, 4)).amax(1)
    assert (gap > 5).all()  # and a word that is no double is seen


def test_homophenes_look_alike_by_name():
    assert len(audit.homophenes()) == 8 and audit.sight_floor() == 0.25
    assert all(sw.looks(sw.WORDS[a]) == sw.looks(sw.WORDS[b]) for a, b in audit.homophenes().items())
    shown = [sw.looks(word) for word in sw.WORDS]
    assert len(set(shown)) == 12
    assert len({w for slot in sw.LEXICON for w in slot}) == 16


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="split"):
        render_speech(1, split="dev")
    with pytest.raises(ValueError, match="size_px"):
        render_speech(1, size_px=8)


def test_audit():
    rows = audit.audit_speech(n_train=320, n_test=120)
    assert [row["name"] for row in rows if not row["passed"]] == []
    assert len(rows) == 13


def spoilt(monkeypatch, change):
    """Run the audit over clips that are changed after they are loaded; return the names of failed rows."""
    load = audit.speech_clips
    monkeypatch.setattr(audit, "speech_clips", lambda *a, **options: change(load(*a, **options)))
    return {row["name"] for row in audit.audit_speech(n_train=320, n_test=120) if not row["passed"]}


def with_extra(clips, **extra):
    return dataclasses.replace(clips, extra=clips.extra | extra)


def test_the_audit_catches_words_that_are_those_of_other_clips(monkeypatch):
    failed = spoilt(monkeypatch, lambda c: with_extra(c, words=c.extra["words"].roll(1, 0)))
    assert failed >= {"word from its sound", "word without a double from the mouth"}


def test_the_audit_catches_doubles_that_the_mouth_tells_apart(monkeypatch):
    def leak(clips):
        extra = clips.extra
        lips = torch.isin(extra["sound"], torch.tensor([sw.SOUNDS.index(c) for c in "bt"]))
        return with_extra(clips, mouth=extra["mouth"] + 0.3 * lips[..., None])

    failed = spoilt(monkeypatch, leak)
    assert "mado or bato from the mouth" in failed and "word from its sound" not in failed


def test_the_audit_catches_a_colour_that_tells_the_word(monkeypatch):
    def leak(clips):
        light = 20 * (clips.extra["words"][:, 0] % 4).view(-1, 1, 1, 1, 1)
        frames = (clips.frames.float() * 0.6 + light).to(torch.uint8)
        return dataclasses.replace(clips, frames=frames)

    assert spoilt(monkeypatch, leak) >= {"word from one still frame"}
