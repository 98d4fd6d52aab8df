"""What lesson 30 says, at a small size with fixed seeds."""

import pytest
import torch
from torch.nn import functional as F

from avcl_teach import metrics
from avcl_teach.comparison import toy_pairs
from avcl_teach.metrics import neighbours
from avcl_teach.systems import zeng2020, zhen2019
from avcl_teach.systems._classes import class_outcome

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def pairs():
    return {s: toy_pairs(512, 256, seed=s) for s in SEEDS}


def test_the_two_precisions_at_k_differ_by_a_factor_for_a_search_that_knows_one_item_a_class():
    y = torch.arange(200) % 10
    S = torch.rand(200, 200, generator=torch.Generator().manual_seed(0))
    S[:, :10] += 1 + 9.0 * (y[:, None] == y[:10])
    capped = float(metrics.mean_average_precision(S, y, y, 10))
    found = float(metrics.mean_average_precision_found(S, y, y, 10))
    assert capped == pytest.approx(0.1) and found == pytest.approx(1.0)


def test_the_numbers_of_the_small_example():
    S = torch.tensor(
        [[0.9, 0.2, 0.4, 0.8, 0.1, 0.3], [0.5, 0.6, 0.3, 0.2, 0.7, 0.1], [0.1, 0.6, 0.4, 0.5, 0.2, 0.3]]
    )
    q, g = torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2, 0, 1, 0])
    assert metrics.expected_rank(S).tolist() == [1, 2, 3]
    assert float(metrics.mean_average_precision(S, q, g)) == pytest.approx((11 / 12 + 1 + 1 / 3) / 3)
    assert float(metrics.mean_average_precision(S, q, g, 3)) == pytest.approx((2 / 3 + 1 + 1 / 3) / 3)
    assert float(metrics.mean_average_precision_found(S, q, g, 3)) == pytest.approx((1 + 1 + 1 / 3) / 3)


def test_labels_in_stage_one_help_and_too_many_components_hurt(pairs):
    for seed, p in pairs.items():
        labelled = zeng2020.retrieve(p.train, p.test, arm="C-CCA", seed=seed)
        plain = zeng2020.retrieve(p.train, p.test, arm="CCA", seed=seed)
        assert labelled.score > plain.score > plain.chance + 0.05
        space = zeng2020.first_stage(p.train, n_components=40)
        a, v, _ = zeng2020.through(space, p.test)
        assert class_outcome(a, v, p.train, p.test).score < labelled.score - 0.05


def test_a_wrong_partner_takes_a_class_metric_to_chance_or_below(pairs):
    for seed, p in pairs.items():
        found = zeng2020.retrieve(p.train, p.test, arm="C-CCA", seed=seed)
        assert found.wrong_partner < found.chance + 0.02 < found.score < found.ceiling + 0.02


def test_of_dscmr_the_labels_do_the_work_and_the_likelihood_is_idle(pairs):
    scores = {}
    for arm in ("paper", "without J1", "without J2"):
        for seed, p in pairs.items():
            model = zhen2019.train_space(p.train, arm=arm, seed=seed, steps=60)
            a, v = model(p.test.x_a, p.test.x_v)
            scores.setdefault(arm, []).append(class_outcome(a, v, p.train, p.test).score)
    for full, no_labels, no_likelihood in zip(*scores.values(), strict=True):
        assert full > no_labels + 0.2
        assert abs(full - no_likelihood) < 0.02


def test_at_its_published_weight_the_likelihood_pulls_a_thousandth_of_the_labels(pairs):
    torch.manual_seed(0)
    p = pairs[0]
    model = zhen2019.CommonSpace(40, 40, 10)
    J1, J2, _ = zhen2019.terms(model, type(p.train)(*(x[:100] for x in p.train)))
    pulls = [torch.autograd.grad(J, model.top_a.weight, retain_graph=True)[0].norm() for J in (J1, 1e-3 * J2)]
    assert pulls[1] < 2e-3 * pulls[0]


def test_lists_find_most_of_the_nearest_in_a_part_of_the_gallery():
    g = torch.Generator().manual_seed(0)
    bunch = torch.randn(16, 32, generator=g).repeat_interleave(125, 0)
    x = F.normalize(bunch + torch.randn(2000, 32, generator=g))
    q = F.normalize(x[::40] + 0.07 * torch.randn(50, 32, generator=g))
    lists, exact = neighbours.make_lists(x, n_lists=20), neighbours.nearest_exact(q, x)
    recall = neighbours.recall_against_exact(neighbours.nearest_in_lists(q, lists, n_probe=4), exact)
    assert recall > 0.8
