"""What lesson 32 says, at small sizes: corners, products, concordance, noise."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.metrics.affect import ccc, uar
from avcl_teach.objectives.deep_correlation import canonical_correlations
from avcl_teach.systems import zhang2019

CORNERS = torch.tensor([[-1.0, -1, -1], [-1, 1, 1], [1, -1, -1], [1, 1, 1], [-1, -1, 1]])


def linear_rule(X, y):
    X = torch.cat([X, torch.ones(len(X), 1)], 1)
    W = torch.linalg.lstsq(X, F.one_hot(y).float()).solution
    return ((X @ W).argmax(1) == y).float().mean().item()


def test_a_sum_tells_five_corners_apart_and_not_whether_two_signs_agree():
    assert linear_rule(CORNERS, torch.arange(5)) == 1.0
    fits = (CORNERS[:, 0] == CORNERS[:, 2]).long()
    pair = CORNERS[:, [0, 2]]
    assert linear_rule(pair, fits) < 0.9
    assert linear_rule(torch.cat([pair, pair.prod(1, keepdim=True)], 1), fits) == 1.0


def learnt(kind, seed):
    """Train a fusion on whether a and v have one sign, and return its score on new rows."""
    torch.manual_seed(seed)
    a, v = torch.randn(600, 4), torch.randn(600, 4)
    y = (a[:, 0] * v[:, 0] > 0).long()
    net = nn.ModuleDict({"fuse": kind(4, 4, n_out=8, n_factors=2, dropout=0.0), "out": nn.Linear(8, 2)})
    training.fit(net, lambda m, b: F.cross_entropy(m["out"](5 * m["fuse"](b[0], b[1])), b[2]),
                 (a[:400], v[:400], y[:400]), steps=120, batch_size=64, lr=1e-2, seed=seed,
                 progress=False, device="cpu")  # fmt: skip
    with torch.no_grad():
        return uar(net["out"](5 * net["fuse"](a[400:], v[400:])).argmax(1), y[400:])


def test_what_needs_a_product_a_sum_does_not_learn():
    products = [learnt(zhang2019.FactorizedBilinear, s) for s in (0, 1)]
    sums = [learnt(zhang2019.Sum, s) for s in (0, 1)]
    assert min(products) > 0.85
    assert max(sums) < 0.6  # 200 rows: chance 0.5, standard error 0.035


def test_concat_learns_it_too():
    class Both(zhang2019.Concat):
        def __init__(self, dim, _, *, n_out, n_factors, dropout):
            super().__init__(dim, n_out=n_out, hidden=32)

    assert learnt(Both, 0) > 0.8


def test_noise_agrees_in_a_batch_as_small_as_its_features():
    torch.manual_seed(0)
    rho = {n: canonical_correlations(*torch.randn(2, n, 16), ridge=1e-3).mean().item() for n in (17, 64, 512)}
    assert rho[17] > 0.85
    assert rho[512] < 0.2 < rho[64] < rho[17]


def test_a_level_told_right_scores_end_to_end_and_not_within_clips():
    g = torch.Generator().manual_seed(0)
    level = torch.randn(200, 1, generator=g)
    y = level + 0.2 * torch.randn(200, 16, generator=g)
    x = level + 0.2 * torch.randn(200, 16, generator=g)
    assert ccc(x, y) > 0.9
    assert torch.stack([ccc(p, q) for p, q in zip(x, y, strict=True)]).mean() < 0.1


def test_always_the_commonest_is_chance_in_uar_and_not_in_accuracy():
    labels = torch.tensor([1, 1, 1, 1, 1, 0, 0, 4])
    always = torch.ones_like(labels)
    assert (always == labels).float().mean().item() == pytest.approx(5 / 8)
    assert uar(always, labels) == pytest.approx(1 / 3)
