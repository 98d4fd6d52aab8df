"""Pictures drawn from sounds: the parts of each arm, and the stored weights with the scores they claim."""

import json

import pytest
import torch

from avcl_teach import comparison
from avcl_teach.comparison import sound_to_picture as stp
from avcl_teach.comparison import train_pictures


@pytest.fixture(scope="module")
def seen():
    return comparison.glimpses(64, train_pictures.SIZES["n_test"], n_val=2)


@pytest.mark.parametrize("arm", stp.ARMS)
def test_every_arm_trains_and_gives_a_generator(arm, seen):
    reader = stp.SoundReader().eval()
    data = stp.training_data(reader, seen)
    G, duel = stp.train_arm(arm, data, 8, steps=2, seed=1)
    assert stp.draw(G, data[2][:3]).shape == (3, 3, 32, 32)
    assert (duel is None) == (arm == "L1 alone")
    with pytest.raises(ValueError, match="expected an arm"):
        stp.train_arm(f"no {arm}", data, 8, steps=1)


def test_sets_of_classes_never_read_the_labels_of_the_second_half(seen):
    code, y = torch.randn(64, stp.DIM_CODE), seen.train.labels
    other = torch.cat([y[:32], (y[32:] + 1) % 8])
    assert torch.equal(stp.predicted_sets(code, y, 8), stp.predicted_sets(code, other, 8))


@pytest.mark.parametrize("file", list(train_pictures.FILES))
def test_stored_files_are_small_and_their_cards_say_how_they_came_about(file):
    path = stp.STORED.with_name(f"{file}.safetensors")
    assert path.stat().st_size < 2_000_000
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert {"command", "commit", "device", "levels", "runs"} <= set(card)
    for run in card["runs"]:
        assert {"arm", "steps", "seed", "processor_s", "recognised", "shuffled", "frechet"} <= set(run)


def test_stored_generators_reach_the_scores_they_claim(seen):
    reader, judge = train_pictures.stored_tools()
    code = reader(seen.test.x_a)
    for arm in (train_pictures.LONG, "label"):
        G, card = train_pictures.stored(arm)
        claimed = next(run for run in card["runs"] if run["arm"] == arm and run["seed"] == 0)
        found = stp.judge_pictures(G, judge, code, seen.test)
        assert found["recognised"] == pytest.approx(claimed["recognised"], abs=0.01)
        assert found["shuffled"] == pytest.approx(card["levels"]["chance"], abs=0.06)
        assert found["frechet"] == pytest.approx(claimed["frechet"], rel=0.02)
        assert found["recognised"] > found["shuffled"] + 0.2
