"""Rows with one segment that matters: what they hold, and that nothing but the search gives the answer."""

from dataclasses import fields

import pytest
import torch
from jaxtyping import config

from avcl_teach.comparison import SegmentSplit, hidden_segments


def made_up_cut(n=60, seed=0):
    """Return segments whose features say who they are: x_a holds class and number, x_v the class seen."""
    g = torch.Generator().manual_seed(seed)
    heard = torch.randint(-1, 8, (n, 8), generator=g)
    viewed = torch.randint(-1, 8, (n, 8), generator=g)
    number = torch.arange(8 * n).view(n, 8)
    x_a = torch.stack([heard, number], dim=2).float()
    x_v = viewed[..., None, None].expand(n, 8, 3, 2).float()
    parts = {"x_a": x_a, "x_v": x_v, "heard": heard, "viewed": viewed, "index": torch.arange(n)}
    parts |= dict.fromkeys(("event", "event_label"), torch.zeros(n, 8, dtype=torch.long))
    covers = [f.name for f in fields(SegmentSplit) if f.name not in parts]  # truth that is not read here
    return SegmentSplit(**parts, **dict.fromkeys(covers, torch.zeros(n, 8, 3)))


def test_rows_hold_one_segment_of_the_class_that_the_picture_shows():
    rows = hidden_segments(made_up_cut(), 300, lengths=(4, 8, 12))
    assert rows.sounds.shape == (300, 12, 2)
    assert sorted(set(rows.lengths.tolist())) == [4, 8, 12]
    classes = rows.sounds[..., 0].long().masked_fill(~rows.mask, -9)
    match = classes == rows.label[:, None]
    assert (match.sum(1) == 1).all()
    assert (match.int().argmax(1) == rows.where).all()
    assert (rows.picture[:, 0].long() == rows.label).all()
    assert (classes[rows.mask] >= 0).all()
    assert not rows.sounds[~rows.mask].any()


def test_source_names_the_segment_each_sound_was_taken_from():
    rows = hidden_segments(made_up_cut(), 50, lengths=(4, 8))
    assert (rows.sounds[..., 1].long()[rows.mask] == rows.source[rows.mask]).all()
    assert (rows.source[~rows.mask] == -1).all()


def test_loudspeakers_play_equally_often_in_every_row_so_that_guessing_is_chance():
    rows = hidden_segments(made_up_cut(), 2000, lengths=(4, 8, 12))
    for speaker in range(4):
        assert ((rows.place == speaker).sum(1) * 4 == rows.lengths).all()
    assert (rows.place[~rows.mask] == -1).all()
    assert (rows.answer == rows.place[torch.arange(2000), rows.where]).all()
    for by in (rows.answer, rows.label):  # neither answer nor class prefers a value
        share = torch.bincount(by).float() / 2000
        assert (share - 1 / len(share)).abs().max() < 0.03
    first = (rows.where == 0).float().mean()
    assert first.item() == pytest.approx((1 / rows.lengths).mean().item(), abs=0.03)


def test_others_and_silence_surround_the_wanted_classes():
    rows = hidden_segments(
        made_up_cut(), 200, lengths=(8, 16), wanted=(1, 3), others=(5, 6), silent=0.5, seed=1
    )
    classes = rows.sounds[..., 0].long()
    at = classes.gather(1, rows.where[:, None])[:, 0]
    assert (at == torch.tensor([1, 3])[rows.label]).all()
    rest = rows.mask.clone()
    rest[torch.arange(200), rows.where] = False
    assert set(classes[rest].tolist()) == {-1, 5, 6}
    assert (classes[rest] == -1).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_a_seed_gives_the_same_rows_again_and_another_seed_others():
    cut = made_up_cut()
    one, two, other = (hidden_segments(cut, 20, lengths=(4,), seed=s) for s in (0, 0, 1))
    assert torch.equal(one.source, two.source)
    assert not torch.equal(one.source, other.source)
    assert torch.equal(one.to("cpu").place, one.place)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"lengths": ()}, {"lengths": (4, 6)}, {"lengths": (0,)}])
def test_bad_sizes_are_refused(wrong):
    was = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(ValueError, match="expected n >= 1 and lengths that 4 divides"):
            hidden_segments(made_up_cut(), **({"n": 5, "lengths": (4,)} | wrong))
    finally:
        config.update("jaxtyping_disable", was)


def test_a_cut_without_the_class_is_refused():
    cut = made_up_cut()
    cut.heard[cut.heard == 2] = 3
    with pytest.raises(ValueError, match="every class"):
        hidden_segments(cut, 50, lengths=(4,))
