"""Spoken captions: pure, variable in length, disjoint by speaker, and with exact truth."""

import pytest
import torch

from avcl_teach.world.variants import captions
from avcl_teach.world.variants.retrieval_audit import audit_captions


def test_clips_are_a_pure_function_of_split_seed_image_and_take():
    whole = captions.render_captions(4, per_image=3, size_px=32)
    part = captions.render_captions([2], per_image=3, size_px=32)
    assert torch.equal(whole.waveform[6:9], part.waveform)
    assert torch.equal(whole.frames[6:9], part.frames)
    other = captions.render_captions([2], per_image=3, size_px=32, seed=1)
    assert not torch.equal(other.waveform, part.waveform)


def test_captions_end_where_they_say_and_differ_in_length():
    clips = captions.render_captions(12, per_image=2, size_px=16)
    n = clips.extra["n_samples"]
    beyond = torch.arange(clips.waveform.shape[2]) >= n[:, None]
    assert clips.mono[beyond].abs().max() == 0
    assert n.max() > 1.5 * n.min()
    assert n.max() < clips.waveform.shape[2]
    assert 0.05 < clips.waveform.abs().max() < 1


def test_speakers_and_individuals_of_the_test_never_occur_in_training():
    heard = {
        split: set(captions.render_captions(20, split=split, size_px=16).extra["speaker"].tolist())
        for split in captions.SPEAKERS
    }
    assert not heard["train"] & heard["test"]
    assert not heard["train"] & heard["val"]
    assert len(heard["train"]) > 8


def test_words_follow_the_clauses_and_can_be_spelled():
    clause = torch.tensor([[[2, 0, -1], [3, -1, 1]], [[5, -1, -1], [-1, -1, -1]]])
    words = torch.as_tensor(captions.words_of(clause.numpy()))
    assert captions.spell(words[0]) == "red drum and bow right"
    assert captions.spell(words[1]) == "horn"


def test_truth_is_decided_by_class_colour_and_side():
    facts = torch.tensor([[[2, 0], [3, 4]], [[3, 4], [2, 0]], [[2, 1], [3, 4]], [[2, 0], [5, 5]]])
    clause = torch.tensor(
        [
            [[2, 0, -1], [3, -1, -1]],  # red drum and bow: the first two
            [[3, -1, 1], [2, -1, 0]],  # bow right and drum left: first and third
            [[2, -1, -1], [-1, -1, -1]],  # drum: all
            [[3, 4, 0], [-1, -1, -1]],  # blue bow left: the second alone
        ]
    )
    expected = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1], [0, 1, 0, 0]]).bool()
    assert torch.equal(captions.true_of(clause, facts), expected)


def test_two_clauses_need_two_things():
    twice = torch.tensor([[[2, -1, -1], [2, -1, -1]]])
    assert not captions.true_of(twice, torch.tensor([[[2, 0], [3, 0]]])).any()


def test_every_word_sounds_unlike_every_other():
    assert len(set(captions.LEXICON.values())) == len(captions.LEXICON)
    for word in captions.LEXICON.values():
        assert all(c in captions.CONSONANTS for c in word[::2])
        assert all(c in captions.VOWELS for c in word[1::2])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"images": 0}, "at least 1 image"),
        ({"images": 1, "per_image": 0}, "1 caption"),
        ({"images": 1, "split": "unseen_test"}, "expected a split"),
        ({"images": 1, "snr_db": (9.0, 3.0)}, "low, high"),
    ],
)
def test_bad_input_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        captions.render_captions(**arguments)


def test_audit():
    assert [row for row in audit_captions() if not row["passed"]] == []
