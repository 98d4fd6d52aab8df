"""Sentences of emotion clips: words side with the face, nine times in ten, and tell nothing else."""

import pytest
import torch

from avcl_teach import world
from avcl_teach.world import variants
from avcl_teach.world.variants import sentences

QUICK = {"size_px": 32}


def test_words_agree_with_the_sign_at_the_stated_rate():
    positive = [i % 2 == 0 for i in range(3000)]
    token = sentences.say(range(3000), positive)
    sign = torch.tensor([1.0 if p else -1.0 for p in positive])[:, None]
    fits = (sentences.valences(token) * sign)[:, [1, 3, 4]]
    assert fits.abs().eq(1).all()
    torch.testing.assert_close((fits > 0).float().mean(0), torch.full((3,), 0.9), atol=0.02, rtol=0)
    agree = (fits > 0).float() - 0.9
    assert abs((agree[:, 0] * agree[:, 1]).mean()) < 0.01  # independent of each other
    assert sentences.valences(token)[:, [0, 2]].eq(0).all()


def test_every_word_comes_and_in_its_own_slot():
    token = sentences.say(range(2000), [i % 2 == 0 for i in range(2000)])
    used = [set(column.tolist()) for column in token.T]
    assert [len(words) for words in used] == [4, 8, 4, 8, 8]
    assert sum(len(words) for words in used) == len(sentences.WORDS) == len(set.union(*used))
    counts = torch.bincount(token[:, 0], minlength=4)[:4]
    assert counts.min() > 400
    assert len(set(sentences.WORDS)) == len(sentences.WORDS) == len(sentences.WORD_VALENCE)


def test_a_sentence_follows_from_seed_split_and_index_alone():
    one, many = sentences.say([7], [True]), sentences.say(range(9), [True] * 9)
    assert torch.equal(one[0], many[7])
    assert not torch.equal(sentences.say(range(9), [True] * 9, seed=1), many)
    assert not torch.equal(sentences.say(range(9), [True] * 9, split="test"), many)


def test_reliability_moves_from_always_to_never():
    sure = sentences.valences(sentences.say(range(50), [True] * 50, reliability=1.0))
    never = sentences.valences(sentences.say(range(50), [True] * 50, reliability=0.0))
    assert (sure.sum(1) == 3).all() and (never.sum(1) == -3).all()


def test_clips_speak_as_their_faces_look_and_are_cached():
    clips = variants.spoken_emotions(24, irony=1.0, reliability=1.0, **QUICK)
    assert clips.extra["token"].shape == (24, 5) and clips.meta["words"] == list(sentences.WORDS)
    face = clips.extra["face_valence"].mean(1) > 0
    assert torch.equal(sentences.valences(clips.extra["token"]).sum(1) > 0, face)
    again = variants.spoken_emotions(24, irony=1.0, reliability=1.0, **QUICK)
    assert torch.equal(again.extra["token"], clips.extra["token"])
    plain = world.render(24, layout="emotion", stems=False, masks=False, irony=1.0, **QUICK)
    assert torch.equal(plain.frames, clips.frames)


def test_text_can_be_read():
    assert sentences.as_text(torch.tensor([0, 4, 12, 16, 24])) == "we feared quite bitter losses"


def test_the_audit_passes_and_notices_words_that_tell_too_much():
    rows = sentences.audit()
    assert [row["name"] for row in rows] == list(sentences.BOUNDS)
    assert not [row for row in rows if not row["passed"]]
    loose = {row["name"]: row for row in sentences.audit(reliability=1.0)}
    assert not loose["sign of the valence from one word"]["passed"]
    assert not loose["sign of the valence from all words"]["passed"]


def test_bad_input_is_told():
    with pytest.raises(ValueError, match="reliability lies in 0..1, got 1.5"):
        sentences.say([0], [True], reliability=1.5)
    with pytest.raises(ValueError, match="a sign for each, got 2 and 1"):
        sentences.say([0, 1], [True])
    solo = world.render(1, stems=False, masks=False, **QUICK)
    with pytest.raises(ValueError, match="expected clips of layout 'emotion', got 'solo'"):
        sentences.with_sentences(solo)
    with pytest.raises(ValueError, match="unknown knob"):
        sentences.spoken_emotions(1, loudness=2)
