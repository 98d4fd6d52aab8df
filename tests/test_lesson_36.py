"""What lesson 36 says: tricks and the questions that find them, stored drawings, ranks of a class, sets."""

import math

import pytest
import torch
from torch.nn import functional as F

from avcl_teach import comparison
from avcl_teach.comparison.train_drawings import SIZES, STORED, stored_card, stored_drawers
from avcl_teach.encoders.conditions import conformal_sets
from avcl_teach.metrics import frechet, generation, ranks
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.systems import fanzeres2021, zhu2021b


@pytest.fixture(scope="module")
def seen():
    return comparison.glimpses(192, SIZES["n_test"], n_val=2)


@pytest.fixture(scope="module")
def drawers():
    return stored_drawers()


@pytest.fixture(scope="module")
def found(seen, drawers):
    reader, judges, G = drawers
    return fanzeres2021.measure(G, reader, judges, seen)


def _describe(x):
    cells = F.unfold(x, 8, stride=8)
    return torch.cat([cells.mean(1), cells.std(1)], 1)


def _informs(judges, x, labels):
    return fanzeres2021.judged(judges, x, labels)["all"]


def test_the_stored_generator_reproduces_its_card(found):
    card = stored_card()
    assert STORED.stat().st_size < 2_000_000
    assert {"command", "commit", "device", "steps", "seed", "processor_s"} <= set(card)
    assert found.score == pytest.approx(card["scores"]["informativity"], abs=0.02)
    assert found.ceiling == pytest.approx(card["scores"]["real pictures"], abs=0.02)


def test_it_draws_what_it_hears(found):
    """Far above chance and above wrong sounds; 512 drawings: two standard errors are 0.045."""
    assert found.score > found.chance + 0.1
    assert found.wrong_partner < found.chance


def test_each_trick_passes_a_question_and_fails_another(seen, drawers):
    judges, train, test = drawers[1], seen.train, seen.test
    draws = torch.Generator().manual_seed(1)
    thief = train.drawing[torch.randint(train.n_clips, (test.n_clips,), generator=draws)]
    average = torch.stack([train.drawing[train.labels == c].mean(0) for c in range(8)])[test.labels]
    nearest = torch.cdist(test.x_a.flatten(1), train.x_a.flatten(1)).argmin(1)
    real = _informs(judges, test.drawing, test.labels)
    assert abs(_informs(judges, thief, test.labels) - 1 / 8) < 0.06
    assert _informs(judges, average, test.labels) > real - 0.15
    assert _informs(judges, train.drawing[nearest], test.labels) > 0.6
    far = {
        name: frechet.frechet_distance(_describe(train.drawing), _describe(x[:256]))
        for name, x in {"thief": thief, "average": average, "real": test.drawing}.items()
    }
    assert far["thief"] < 2 * far["real"] < far["average"] / 3
    copies = generation.nearest_distance(thief[:64].flatten(1), train.drawing.flatten(1))
    assert float(copies.max()) < 0.1


def test_judges_refuse_most_of_what_is_spoilt(seen, drawers):
    torch.manual_seed(0)
    x = seen.test.drawing[:240]
    spoilt = fanzeres2021.spoil(x)
    own = _informs(drawers[1], x, seen.test.labels[:240])
    assert own > 0.75 and _informs(drawers[1], spoilt, seen.test.labels[:240]) < own - 0.4


def test_crossing_clouds_need_the_matrix_root():
    C_x = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64)
    C_y = torch.tensor([[1.0, -0.9], [-0.9, 1.0]], dtype=torch.float64)
    roots = torch.linalg.eigvals(C_x @ C_y).real.sqrt().sum()
    assert float(4 - 2 * roots) == pytest.approx(2.2565, abs=1e-3)
    assert float(4 - 2 * (C_x.diagonal() * C_y.diagonal()).sqrt().sum()) == 0
    corners = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    x, y = (0.75**0.5 * corners @ torch.linalg.cholesky(C).T for C in (C_x, C_y))
    torch.testing.assert_close(torch.cov(x.T), C_x)
    assert frechet.frechet_distance(x, y) == pytest.approx(float(4 - 2 * roots), abs=1e-6)


@pytest.mark.parametrize("drawn", [30, 38, 39, 50])
def test_the_z_worked_by_hand_decides_as_the_tested_function(drawn):
    p = (30 + drawn) / 400
    z = (30 - drawn) / 200 / (p * (1 - p) * 2 / 200) ** 0.5
    counts = torch.tensor([30, 170]), torch.tensor([drawn, 200 - drawn])
    assert generation.differing_bins(*counts) == [abs(z) > 1.96] * 2


def test_a_wrong_face_is_any_other_clip_s():
    order = wrong_partners(torch.arange(40))
    assert not (order == torch.arange(40)).any()
    right = ((order < 20) == (torch.arange(40) < 20)).double().mean()  # of the same state by luck
    assert 0.2 < right < 0.8


def test_the_mrr_worked_by_hand_and_its_chance():
    S = torch.tensor([[0.9, 0.2, 0.5, 0.1, 0.4], [0.3, 0.8, 0.7, 0.6, 0.1], [0.5, 0.4, 0.3, 0.2, 0.6]])
    relevant = torch.tensor([0, 1, 2])[:, None] == torch.tensor([0, 0, 1, 1, 2])
    assert float(ranks.mean_reciprocal_rank(S, relevant)) == pytest.approx((1 + 1 / 2 + 1) / 3)
    for C in (8, 28):
        y = torch.arange(C).repeat(40)
        chance = zhu2021b.class_mrr(torch.zeros(C, len(y)), torch.arange(C), y)
        assert chance == pytest.approx(math.log(C) / (C - 1), rel=0.03)


def test_either_side_finds_the_class_of_the_other():
    """57 queries: a standard error is about 0.05, and the short run is 0.3 above chance."""
    pairs, asked = zhu2021b.matched_pairs(0, n_train=128, n_test=64)
    net = zhu2021b.train_vae(pairs, arm="paper", steps=350, batch_size=64)
    found = zhu2021b.measure(net, pairs, asked)
    assert found.score > found.chance + 0.12 and found.wrong_partner < found.chance + 0.05


def test_one_ranking_for_all_scores_by_luck():
    draws = torch.Generator().manual_seed(0)
    y = torch.randint(8, (200,), generator=draws)
    S = torch.randn(200, 200, generator=draws)
    stale = torch.tensor([zhu2021b.class_mrr(S[k].expand_as(S), y, y) for k in range(0, 200, 10)])
    assert stale.std() > 0.01 and abs(float(stale.mean()) - math.log(8) / 7) < 0.05


def test_sets_hold_the_truth_as_promised_unless_calibrated_where_they_were_fitted():
    """600 draws of a poor classifier, 100 rows to calibrate on: 0.80 within four standard errors."""
    draws = torch.Generator().manual_seed(0)
    y = torch.randint(4, (1100,), generator=draws)
    p = (F.one_hot(y, 4) + torch.randn(1100, 4, generator=draws)).softmax(1)
    held = []
    for _ in range(10):
        rows = torch.randperm(1100, generator=draws)
        known, new = rows[:100], rows[100:160]
        sets = conformal_sets(p[new], p[known], y[known], level=0.8)
        held.append(float(sets.gather(1, y[new, None]).double().mean()))
    assert abs(sum(held) / 10 - 0.8) < 0.07
    fitted = F.one_hot(y[:100], 4) * 0.9 + 0.025  # what a network says of rows it knows by heart
    sets = conformal_sets(p[100:700], fitted, y[:100], level=0.8)
    assert float(sets.gather(1, y[100:700, None]).double().mean()) < 0.6


def test_wrong_sounds_are_of_another_class(seen):
    y = seen.test.labels
    assert not (y[wrong_partners(y)] == y).any()
