"""Concordance and unweighted recall: closed forms, properties, scikit-learn as oracle."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from sklearn.metrics import balanced_accuracy_score

from avcl_teach.metrics.affect import ccc, class_recalls, uar

BAD = (ValueError, TypeCheckError)  # with shapes checked at run time, the second comes first
CURVES = st.lists(st.floats(-5, 5, allow_nan=False, width=32), min_size=3, max_size=12)


def test_ccc_of_curves_known_by_hand():
    y = torch.tensor([0.0, 1.0, 2.0, 3.0])  # variance 1.25
    assert ccc(y, y).item() == pytest.approx(1.0)
    assert ccc(y + 1, y).item() == pytest.approx(2.5 / 3.5)
    assert ccc(y / 2, y).item() == pytest.approx(1.25 / (1.25 * 1.25 + 0.5625))
    assert ccc(y.flip(0), y).item() == pytest.approx(-1.0)
    assert ccc(torch.full((4,), 1.5), y).item() == 0.0


@settings(max_examples=40, deadline=None)
@given(CURVES, st.integers(0, 99))
def test_ccc_is_symmetric_and_no_larger_than_correlation(values, seed):
    x = torch.tensor(values, dtype=torch.float64)
    y = torch.randn(len(x), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    c = ccc(x, y)
    assert c.item() == pytest.approx(ccc(y, x).item(), abs=1e-12)
    assert -1 <= c <= 1
    if x.std() > 1e-3:
        rho = torch.corrcoef(torch.stack([x, y]))[0, 1]
        assert c.abs() <= rho.abs() + 1e-9
        standard = [(z - z.mean()) / z.std() for z in (x, y)]
        assert ccc(*standard).item() == pytest.approx(rho.item(), abs=1e-9)


def test_ccc_is_one_less_the_squared_error_over_its_denominator():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(6, 7, generator=g), torch.randn(6, 7, generator=g) + 0.5
    below = x.var(unbiased=False) + y.var(unbiased=False) + (x.mean() - y.mean()) ** 2
    torch.testing.assert_close(ccc(x, y), 1 - (x - y).square().mean() / below)


def test_ccc_agrees_with_torchmetrics_which_takes_moments_over_n_less_1():
    from torchmetrics.regression import ConcordanceCorrCoef

    g = torch.Generator().manual_seed(1)
    x = torch.randn(50, generator=g, dtype=torch.float64)
    y = 0.6 * x + 0.8 * torch.randn(50, generator=g, dtype=torch.float64)

    def peer(a, b):
        return ConcordanceCorrCoef().set_dtype(torch.float64)(a, b)

    x, y = x - x.mean(), 1.7 * (y - y.mean())  # no term of the means: the choice drops out
    torch.testing.assert_close(ccc(x, y), peer(x, y).to(x))
    gap = 0.9  # with it, n - 1 stands where n does: an exact factor
    below = x.var() + y.var() + gap**2 * 50 / 49
    expected = peer(x + gap, y).to(x) * (x.var() + y.var() + gap**2) / below
    torch.testing.assert_close(ccc(x + gap, y), expected)
    assert (ccc(x + gap, y) - peer(x + gap, y)).abs() > 1e-3


def test_end_to_end_is_not_the_mean_over_clips():
    level = torch.tensor([[-1.0], [1.0]])
    y = level + 0.1 * torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
    x = level.expand(2, 3)
    assert ccc(x, y) > 0.98
    assert all(ccc(p, q) == 0 for p, q in zip(x, y, strict=True))


def test_ccc_climbs_by_its_gradient():
    y = torch.linspace(-1, 1, 20)
    x = torch.zeros(20).add(0.3 * torch.cos(9 * y)).requires_grad_()
    before = ccc(x, y)
    before.backward()
    assert ccc(x.detach() + 0.5 * x.grad, y) > before + 0.01


def test_bad_curves_are_told():
    one = torch.ones(3)
    with pytest.raises(BAD):
        ccc(one, torch.ones(4))
    with pytest.raises(ValueError, match="two equal shapes of at least 2 points"):
        ccc(one[:1], one[:1])
    with pytest.raises(ValueError, match="finite"):
        ccc(torch.tensor([0.0, float("nan")]), torch.zeros(2))
    with pytest.raises(ValueError, match="same constant on both sides"):
        ccc(one, one)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_uar_is_balanced_accuracy(rows):
    said, labels = (torch.tensor(column) for column in zip(*rows, strict=True))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of answers that are no class
        expected = balanced_accuracy_score(labels.numpy(), said.numpy())
    assert uar(said, labels) == pytest.approx(float(expected))


def test_chance_of_uar_is_one_in_c_whatever_the_shares():
    labels = torch.tensor([0] * 90 + [1] * 9 + [2])
    for c in range(3):
        assert uar(torch.full((100,), c), labels) == pytest.approx(1 / 3)
    assert class_recalls(labels, labels, n_classes=4).isnan().tolist() == [False, False, False, True]


def test_bad_classes_are_told():
    two = torch.tensor([0, 1])
    with pytest.raises(BAD):
        uar(two, torch.tensor([0]))
    with pytest.raises(ValueError, match="expected predictions of 0 to 1, got 0 to 2"):
        uar(torch.tensor([0, 2]), two, n_classes=2)
    with pytest.raises(ValueError, match="of one length"):
        uar(two[:0], two[:0])
