"""What lesson 34 says: floors of the world, the oracle under two rules, and weights that listen."""

import pytest
import torch

from avcl_teach.comparison import localizers, train_localizer
from avcl_teach.comparison.sightings import sightings
from avcl_teach.metrics import localization as loc
from avcl_teach.metrics.wrong_partners import wrong_partners


@pytest.fixture(scope="module")
def test():
    return sightings(192, split="test")


def test_no_guess_without_listening_points_right_half_of_the_time(test):
    for floor in ("centre", "random place", "random true box"):
        assert localizers.pointing(localizers.floor_maps(floor, test), test)["sounding"] < 0.5
    truth = localizers.pointing(localizers.floor_maps("truth", test), test)
    assert truth["sounding"] == 1.0


def test_the_truth_fails_under_the_median_rule_alone(test):
    truth = localizers.floor_maps("truth", test)
    k = loc.mean_box_pixels(test.box[:, :, 0], 64)
    assert localizers.overlap_scores(loc.median_mask(truth), test)["cIoU@.5"] == 0
    assert localizers.overlap_scores(loc.top_k_mask(truth, k), test)["cIoU@.5"] > 0.9


def test_clips_are_kept_as_they_were_rendered(test):
    again = sightings(8, split="test", n_frames=2)
    assert torch.equal(again.object_class, test.object_class[:8])
    assert (test.label[:, None] != test.object_class[:, 1:]).all()
    with pytest.raises(ValueError, match="at least 1"):
        sightings(0)


def test_shipped_weights_point_at_what_sounds_and_follow_a_foreign_sound(test):
    model, card = train_localizer.stored()
    other = wrong_partners(test.label)
    right, wrong = (
        localizers.pointing(localizers.heat_maps(model, x, test.frames[:, 0]), test)["sounding"]
        for x in (test.log_mel, test.log_mel[other])
    )
    assert right == pytest.approx(card["right partners"]["sounding"], abs=0.1)
    assert (
        right > localizers.pointing(localizers.floor_maps("random true box", test), test)["sounding"] + 0.15
    )
    assert wrong < right - 0.2
