"""Factorized bilinear pooling: against its bilinear forms, and what root and length do to gradients."""

import pytest
import torch

from avcl_teach.encoders.bilinear_fusion import FactorizedBilinear, signed_root, sum_pool


def test_outputs_are_bilinear_forms_of_rank_k():
    torch.manual_seed(0)
    fuse = FactorizedBilinear(5, 4, n_out=3, n_factors=2, dropout=0.0, bias=False)
    a, v = torch.randn(6, 5), torch.randn(6, 4)
    U, V = (m.weight.unflatten(0, (3, 2)) for m in (fuse.U, fuse.V))
    W = torch.einsum("oka,okv->oav", U, V)
    torch.testing.assert_close(fuse.products(a, v), torch.einsum("na,oav,nv->no", a, W, v))
    assert all(torch.linalg.matrix_rank(w) == 2 for w in W)
    torch.testing.assert_close(fuse.products(3 * a, v), 3 * fuse.products(a, v))


def test_the_fused_vector_has_length_1_and_keeps_signs():
    torch.manual_seed(0)
    fuse = FactorizedBilinear(5, 4).eval()
    a, v = torch.randn(6, 5), torch.randn(6, 4)
    z = fuse(a, v)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(6))
    assert torch.equal(z.sign(), fuse.products(a, v).sign())


def test_sum_pool_adds_neighbours():
    x = torch.arange(6.0)[None]
    assert sum_pool(x, n_factors=2).tolist() == [[1.0, 5.0, 9.0]]
    assert sum_pool(x, n_factors=3).tolist() == [[3.0, 12.0]]
    with pytest.raises(ValueError, match="divides by 4 factors, got 6"):
        sum_pool(x, n_factors=4)


def test_the_root_has_a_finite_slope_at_0():
    x = torch.tensor([0.0, 4.0, -9.0], requires_grad=True)
    y = signed_root(x)
    torch.testing.assert_close(y, torch.tensor([0.0, 2.0, -3.0]))
    y.sum().backward()
    assert torch.isfinite(x.grad).all() and x.grad[1].item() == pytest.approx(0.25)


def test_bad_sizes_are_told():
    with pytest.raises(ValueError, match="expected n_factors >= 1, got 0"):
        FactorizedBilinear(3, 3, n_factors=0)
