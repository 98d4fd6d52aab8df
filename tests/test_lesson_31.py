"""What lesson 31 says, at small sizes: pretraining pays with few labels, choices count, loss deceives."""

import pytest
import torch

from avcl_teach.comparison.view_steps import concert_steps
from avcl_teach.metrics import transfer
from avcl_teach.systems import _self_supervised as shared
from avcl_teach.systems import patrick2020, recasens2021
from avcl_teach.world.variants import concerts


@pytest.fixture(scope="module")
def split():
    data = concert_steps(512, 384, n_val=128)
    return data.train, data.val, data.test


def seen(split):
    return [(part.x_v, part.y) for part in split]


@pytest.fixture(scope="module")
def brave(split):
    how = {"steps": 80, "batch_size": 64}
    wrong = recasens2021.pretrain(shared.wrongly_paired(split[0], seed=0), **how)
    return {"right": recasens2021.pretrain(split[0], **how), "wrong": wrong}


def test_right_partners_teach_more_than_wrong_ones_and_these_little(brave, split):
    models = {**brave, "untrained": shared.drawn(recasens2021.Brave, 0)}
    found = {
        k: shared.probe_at(shared.Averaged(m.narrow, 4), seen(split), 8, seed=0) for k, m in models.items()
    }
    assert found["right"] > found["wrong"] + 0.08 and found["right"] > 0.4
    assert abs(found["wrong"] - found["untrained"]) < 0.1


def test_a_probe_of_pretrained_features_beats_scratch_where_labels_are_few(brave, split):
    tower = shared.Averaged(brave["right"].narrow, 4)
    fresh = shared.Averaged(shared.drawn(recasens2021.Brave, 0).narrow, 4)
    found = transfer.transfer(tower, fresh, *seen(split), n_classes=8, budgets=(1,), steps=20, lr=3e-3)
    assert found["linear probe"][0] > found["from scratch"][0] + 0.01 > 0.25


def test_the_lowest_loss_is_the_collapse(brave, split):
    loose = recasens2021.pretrain(split[0], arm="none of the three", steps=60, batch_size=64)

    @torch.no_grad()
    def look(model):
        z_n, z_b = model(split[2].x_v[:, :4], split[2].x_a)
        return float(model.loss(z_n, z_b)), float(recasens2021.embedding_spread(z_n))

    (loss, spread), (low, narrow) = look(brave["right"]), look(loose)
    assert low < 0.5 * loss and narrow < 0.3 * spread


def test_when_is_read_off_better_where_versions_are_told_apart(split):
    def when(arm):
        model = patrick2020.pretrain(split[0], arm=arm, steps=60, batch_size=32)
        cut = [patrick2020.windows(part) for part in split]
        rows = [(c[1][c[3] >= 0], c[3][c[3] >= 0]) for c in cut]
        return shared.probe_at(model.v, rows, 16, seed=0)

    assert when("paper") > when("invariant") + 0.02


def test_a_shot_tells_little_of_the_band_and_a_concert_all():
    drawn = concerts.draw_concerts(600, split="test")
    best = [
        transfer.top1(concerts.band_posterior(drawn["instrument"][:, :k]), drawn["band"]) for k in (1, 16)
    ]
    assert 0.2 < best[0] < 0.4 and best[1] > 0.97


def test_the_printed_column_sorts_otherwise_within_a_protocol():
    ucf = {"Patrick": (95.2, "tuned"), "Ma": (94.1, "tuned"), "Recasens": (93.2, "linear")}
    tuned = {"Patrick": 95.2, "Ma": 94.1, "Recasens": 95.7}
    assert max(ucf, key=lambda k: ucf[k][0]) == "Patrick" and max(tuned, key=tuned.get) == "Recasens"
