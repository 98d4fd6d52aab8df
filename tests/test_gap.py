"""The heterogeneity gap: known clouds, the objective's own MMD, error rates of the test."""

import doctest
import inspect

import pytest
import torch

from avcl_teach import objectives
from avcl_teach.metrics import gap


def clouds(n=60, dim=5, *, shift=0.0, scale=1.0, tie=0.0, seed=0):
    """Draw a and v of one distribution but for a shift and a scale; tie: correlation of partners."""
    g = torch.Generator().manual_seed(seed)
    shared, own = torch.randn(n, dim, generator=g), torch.randn(2, n, dim, generator=g)
    a, v = (tie**0.5 * shared + (1 - tie) ** 0.5 * x for x in own)
    return a, scale * v + shift


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(gap).failed == 0


@pytest.mark.parametrize("shift", [0.0, 0.4, 2.0])
def test_mmd_of_the_test_is_that_of_the_objective(shift):
    a, v = clouds(shift=shift)
    found = gap.two_sample_test(a, v, n_permutations=3).mmd2
    assert found == pytest.approx(float(objectives.mmd(a.double(), v.double())), abs=1e-9)


def test_permutations_are_mmds_of_permuted_clouds():
    a, v = clouds(8, 3, shift=0.3)
    test = gap.two_sample_test(a, v, n_permutations=5, seed=3)
    g = torch.Generator().manual_seed(3)
    swap = torch.randint(2, (5, 8), generator=g) == 0
    for found, s in zip(test.permuted, swap, strict=True):
        a2, v2 = torch.where(s[:, None], v, a).double(), torch.where(s[:, None], a, v).double()
        assert float(found) == pytest.approx(float(objectives.mmd(a2, v2)), abs=1e-9)


def test_a_gap_is_found_in_place_and_in_shape():
    for how in ({"shift": 0.7}, {"scale": 2.0}):
        assert gap.two_sample_test(*clouds(**how)).p == pytest.approx(1 / 200)
    a, v = clouds(shift=1.5)
    assert gap.modality_probe(a, v, *clouds(shift=1.5, seed=1)) > 0.9
    # same means, other spread: the linear probe is blind to it
    a, v = clouds(400, scale=3.0)
    assert abs(gap.modality_probe(a, v, *clouds(400, scale=3.0, seed=1)) - 0.5) < 0.08


@pytest.mark.parametrize("tie", [0.0, 0.9])
def test_without_a_gap_p_is_below_5_percent_in_5_percent_of_cases(tie):
    p = torch.tensor(
        [gap.two_sample_test(*clouds(24, 3, tie=tie, seed=s), n_permutations=99).p for s in range(200)]
    )
    assert 0.015 < (p <= 0.05).float().mean() < 0.105  # 95 % of such tests with 200 draws
    assert 0.4 < p.mean() < 0.6


def test_dealing_all_rows_anew_is_too_cautious_for_close_pairs():
    def found(in_pairs):
        return torch.tensor(
            [
                gap.two_sample_test(
                    *clouds(24, 3, tie=0.9, shift=0.2, seed=s), n_permutations=99, in_pairs=in_pairs
                ).p
                for s in range(40)
            ]
        )

    assert (found(True) <= 0.05).float().mean() > (found(False) <= 0.05).float().mean() + 0.3


def test_the_probe_on_its_own_training_set_sees_a_gap_in_noise():
    a, v = clouds(20, 30)
    assert gap.modality_probe(a, v, a, v) > 0.9
    held_out = [gap.modality_probe(a, v, *clouds(20, 30, seed=s)) for s in range(1, 11)]
    assert abs(sum(held_out) / 10 - 0.5) < 0.12


def test_who_belongs_to_whom_does_not_matter():
    a, v = clouds(tie=0.9)
    order = torch.randperm(len(v), generator=torch.Generator().manual_seed(5))
    one, other = gap.two_sample_test(a, v), gap.two_sample_test(a, v[order])
    assert one.mmd2 == pytest.approx(other.mmd2, abs=1e-9)
    assert float(gap.centroid_gap(a, v)) == pytest.approx(float(gap.centroid_gap(a, v[order])), abs=1e-6)


def test_unexplained_share():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) + 3
    mean = x.mean(0)
    assert gap.unexplained(x, x, mean) == 0
    assert gap.unexplained(x, mean.expand_as(x), mean) == pytest.approx(1)
    assert gap.unexplained(x, x + 10, mean) > 1


def test_bad_input_is_refused():
    a, v = clouds(6, 3)
    two_sample_test, modality_probe = inspect.unwrap(gap.two_sample_test), inspect.unwrap(gap.modality_probe)
    with pytest.raises(ValueError, match="one shape"):
        two_sample_test(a, v[:5])
    with pytest.raises(ValueError, match="n_permutations"):
        two_sample_test(a, v, n_permutations=0)
    with pytest.raises(ValueError, match="one shape"):
        modality_probe(a, v, a, v[:5])
    with pytest.raises(ValueError, match="of one dim"):
        inspect.unwrap(gap.centroid_gap)(a, v[:, :2])
    with pytest.raises(ValueError, match="reconstruction of shape"):
        inspect.unwrap(gap.unexplained)(a, v[:5])
