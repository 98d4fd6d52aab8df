"""Gram matrices of sets of rows, and the triplet over them."""

import pytest
import torch

from avcl_teach.objectives import gram_triplets as G


def sets(seed=0, n=5):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 4, generator=g), torch.randn(n, 7, 4, generator=g)


def test_a_gram_matrix_has_trace_1_and_knows_neither_order_nor_scale():
    a, _ = sets()
    M = G.gram(a)
    torch.testing.assert_close(M.diagonal(dim1=1, dim2=2).sum(1), torch.ones(5))
    torch.testing.assert_close(M, M.mT)
    torch.testing.assert_close(G.gram(a.flip(1)), M)
    torch.testing.assert_close(G.gram(a * torch.rand(5, 3, 1).add(0.1)), M)
    torch.testing.assert_close(G.gram(torch.cat([a, a], 1)), M)


def test_distance_runs_from_0_to_2():
    a, v = sets()
    torch.testing.assert_close(G.gram_distance(a, a.flip(1)), torch.zeros(5))
    east, north = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])
    assert G.gram_distance(east, north).item() == pytest.approx(2)
    assert G.gram_distance(east, -east).item() == pytest.approx(0)  # a sign does not show
    d = G.gram_distance(a, v)
    assert (d >= 0).all() and (d <= 2).all()


def test_one_row_each_is_twice_one_less_the_squared_cosine():
    a, v = (x[:, :1] for x in sets())
    c = torch.cosine_similarity(a[:, 0], v[:, 0])
    torch.testing.assert_close(G.gram_distance(a, v), 2 - 2 * c**2)


def test_triplet_by_loop_with_clips():
    a, v = sets()
    clip, m = torch.tensor([0, 0, 1, 1, 2]), 0.3
    price = [
        (G.gram_distance(a[i], v[i]) - G.gram_distance(a[i], v[j]) + m).clamp_min(0)
        for i in range(5)
        for j in range(5)
        if clip[i] != clip[j]
    ]
    torch.testing.assert_close(G.gram_triplet(a, v, clip, margin=m), torch.stack(price).mean())


def test_no_negative_no_loss_and_gradients_flow():
    a, v = (x.requires_grad_() for x in sets())
    assert G.gram_triplet(a, v, torch.zeros(5, dtype=torch.long)).item() == 0
    G.gram_triplet(a, v, margin=1.0).backward()
    assert a.grad.isfinite().all() and a.grad.abs().sum() > 0 and v.grad.abs().sum() > 0


def test_squared_distances_are_those_of_cdist():
    a, v = (x.flatten(1) for x in (sets()[0], sets(1)[0]))
    torch.testing.assert_close(G.squared_distances(a, v), torch.cdist(a, v).square(), atol=1e-4, rtol=1e-4)


def test_bad_input_is_refused():
    a, v = sets()
    with pytest.raises(ValueError, match="margin"):
        G.gram_triplet(a, v, margin=-1)
    with pytest.raises(ValueError, match="dim"):
        G._check(a, v[..., :3])
    with pytest.raises(ValueError, match="rows"):
        G.gram(torch.zeros(2, 0, 3))
