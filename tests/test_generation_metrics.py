"""Differing bins, informativity and copies: closed forms, peers, and what real data scores."""

import math

import pytest
import torch

from avcl_teach.metrics.generation import (
    Bins,
    count_in_bins,
    differing_bins,
    fit_bins,
    informativity,
    ndb,
    nearest_distance,
)  # fmt: skip


def test_the_z_test_by_hand():
    # 30 of 100 against 10 of 100: p = .2, spread = sqrt(.2 .8 .02) = .0566, z = 3.54
    assert differing_bins(torch.tensor([30, 70]), torch.tensor([10, 90])) == [True, True]
    # 12 against 10 of 100: z = .45
    assert differing_bins(torch.tensor([12, 88]), torch.tensor([10, 90])) == [False, False]


def test_the_edge_of_the_level_is_where_scipy_puts_it():
    from scipy.stats import norm

    for x, y in ((30, 18), (31, 18), (40, 25), (22, 12)):
        p = (x + y) / 200
        z = (x - y) / 100 / math.sqrt(p * (1 - p) * 0.02)
        found = differing_bins(torch.tensor([x, 100 - x]), torch.tensor([y, 100 - y]))
        assert found[0] == (2 * norm.sf(abs(z)) < 0.05)


def test_bins_that_are_empty_or_full_in_both_do_not_differ():
    assert differing_bins(torch.tensor([0, 10]), torch.tensor([0, 50])) == [False, False]


def test_real_data_differs_in_about_one_bin_in_twenty_and_a_missing_mode_in_many():
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(8000, 4, generator=draws)
    bins = fit_bins(x[:4000], n_bins=40)
    assert int(bins.count.sum()) == 4000
    assert ndb(bins, x[4000:]) <= 6  # binomial(40, .05): above 6 once in 300
    half = x[4000:][x[4000:, 0] > 0]
    assert ndb(bins, half) > 25
    assert ndb(bins, x[:4000]) == 0


def test_counting_is_by_the_nearest_centre():
    centre = torch.tensor([[0.0, 0.0], [1.0, 0.0], [9.0, 9.0]])
    assert count_in_bins(torch.tensor([[0.4, 0.0], [0.6, 0.0], [2.0, 0.0]]), centre).tolist() == [1, 2, 0]
    assert ndb(Bins(centre, torch.tensor([50, 50, 0])), torch.tensor([[0.0, 0.0]]).repeat(100, 1)) == 2


def test_informativity_asks_each_drawing_s_own_judge():
    judged = torch.tensor([[0.9, 0.9], [0.2, 0.9], [0.1, 0.4], [0.6, 0.5]])
    found = informativity(judged, torch.tensor([0, 0, 1, 1]))
    assert found == {"all": 0.5, "any": 0.75, "class 0": 0.5, "class 1": 0.5}
    uneven = informativity(judged, torch.tensor([0, 1, 1, 1]))  # classes count alike, drawings do not
    assert uneven["all"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_copy_is_at_distance_0():
    known = torch.randn(700, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        nearest_distance(known[:5] + 0, known, chunk=2), torch.zeros(5), atol=1e-3, rtol=0
    )
    assert nearest_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)).item() == pytest.approx(5)


def test_bad_input_is_told():
    with pytest.raises(ValueError, match="5 examples a bin"):
        fit_bins(torch.randn(9, 2), n_bins=2)
    with pytest.raises(ValueError, match="same bins"):
        differing_bins(torch.tensor([1, 2]), torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="probabilities"):
        informativity(torch.tensor([[1.5]]), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"labels 0 ... 0, got 1 ... 1"):
        informativity(torch.tensor([[0.5]]), torch.tensor([1]))
    with pytest.raises(ValueError, match="at least one known"):
        nearest_distance(torch.randn(2, 2), torch.zeros(0, 2))
