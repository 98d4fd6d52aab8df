"""Maps against closed forms: overlap, its limits, pointing, and the losses that make maps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from avcl_teach.comparison.pseudo_boxes import balanced_assignment, cluster_embeddings, heat_box
from avcl_teach.encoders.soft_clusters import soft_k_means
from avcl_teach.encoders.sounding_maps import Localizer
from avcl_teach.metrics import localization as loc
from avcl_teach.objectives import tri_maps


def test_a_box_covers_as_many_pixels_as_its_area():
    mask = loc.box_mask(torch.tensor([[0.25, 0.0, 0.75, 0.5], [float("nan")] * 4]), 8)
    assert mask.sum((1, 2)).tolist() == [16, 0]
    assert mask[0, :4, 2:6].all()


def test_two_votes_count_in_full_and_one_for_half():
    masks = torch.tensor([[[True, True, False]], [[True, False, False]], [[True, False, False]]])
    assert loc.consensus_map(masks).tolist() == [[1.0, 0.5, 0.0]]


def test_c_iou_by_hand_and_with_one_exact_box():
    g = torch.tensor([[1.0, 0.5, 0.0, 0.0]])
    found = torch.tensor([[True, False, True, False]])
    assert float(loc.c_iou(found, g)) == pytest.approx(1 / 2.5)
    box = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    assert float(loc.c_iou(found, box)) == pytest.approx(1 / 3)


@given(share=st.integers(1, 31))
@settings(max_examples=20, deadline=None)
def test_the_truth_reaches_the_median_limit_and_nothing_more(share):
    truth = torch.zeros(8, 8)
    truth.view(-1)[:share] = 1
    found = loc.median_mask(truth + 0.01 * torch.linspace(1, 0, 64).view(8, 8))
    limit = loc.median_limit(torch.tensor(share / 64))
    assert_close(loc.c_iou(found, truth), limit)
    assert (float(limit) >= 0.5) == (share >= 16)


def test_top_k_takes_k_even_of_equals():
    assert loc.top_k_mask(torch.zeros(3, 4, 4), 5).sum((1, 2)).tolist() == [5, 5, 5]


def test_auc_of_never_always_and_half():
    assert float(loc.success_auc(torch.zeros(4))) == pytest.approx(0.025)
    assert float(loc.success_auc(torch.ones(4))) == pytest.approx(1.0)
    ious = torch.rand(400, generator=torch.Generator().manual_seed(0))
    assert float(loc.success_auc(ious)) == pytest.approx(float(ious.mean()), abs=0.02)


def test_pointing_counts_an_overlap_for_the_sound_and_shares_sum_to_one():
    boxes = torch.tensor([[[0.0, 0, 0.5, 1], [0.25, 0, 1, 1]]]).expand(3, 2, 4)
    maps = torch.zeros(3, 4, 4)
    maps[0, 0, 1], maps[1, 0, 3], maps[2, 0, 0] = 1, 1, 1
    found = loc.pointing_game(maps, boxes, torch.tensor([[True, False]]).expand(3, 2))
    assert_close(torch.stack(list(found.values())), torch.tensor([2 / 3, 1 / 3, 0]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: loc.top_k_mask(torch.zeros(2, 2), 5),
        lambda: loc.c_iou(torch.zeros(2, 2, dtype=torch.bool), torch.full((2, 2), 2.0)),
        lambda: loc.median_limit(torch.tensor([1.5])),
        lambda: tri_maps.tri_map_loss(torch.zeros(2, 2, 3), high=0.1, low=0.4),
        lambda: heat_box(torch.zeros(2, 2), beta=2),
        lambda: soft_k_means(torch.zeros(1, 2, 3), 3),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()


def test_soft_mean_is_the_weighted_mean_where_weights_are_large_enough():
    S = torch.randn(3, 5, 7)
    m = ((S - 0.2) / 0.3).sigmoid()
    assert_close(tri_maps.soft_mean(S, 0.2, 0.3), (m * S).sum(2) / m.sum(2))
    n = 1 - m
    assert_close(tri_maps.soft_mean(S, 0.2, 0.3, below=True), (n * S).sum(2) / n.sum(2))


def test_an_eps_swallows_what_logarithms_keep():
    S = (0.02 * torch.randn(16, 16, 64, generator=torch.Generator().manual_seed(0))).requires_grad_()
    m = ((S - 0.65) / 0.03).sigmoid()
    P = (m * S).sum(2) / (m.sum(2) + 1e-6)
    frozen = torch.autograd.grad(torch.nn.functional.cross_entropy(P / 0.07, torch.arange(16)), S)[0].norm()
    alive = torch.autograd.grad(tri_maps.bright_place_loss(S), S)[0].norm()
    assert frozen < 0.05 * alive


def test_gradient_lifts_own_bright_places_and_lowers_dark_ones():
    S = torch.zeros(2, 2, 2)
    S[:, :, 0], S[:, :, 1] = 0.8, -0.2
    S.requires_grad_()
    g = torch.autograd.grad(tri_maps.tri_map_loss(S, high=0.4, low=0.1, softness=0.02), S)[0]
    assert g[0, 0, 0] < 0 < g[0, 0, 1]
    assert g[0, 1, 0] > 0
    assert abs(g[0, 1, 1]) < 1e-6


def test_quantiles_are_blind_to_the_level_of_a_map():
    S = torch.randn(4, 4, 20)
    shifted = S + 0.3
    assert_close(tri_maps.quantile_tri_map_loss(S), tri_maps.quantile_tri_map_loss(shifted))


def test_heat_box_boxes_the_piece_of_the_peak_only():
    S = torch.zeros(8, 8)
    S[1:3, 2:5], S[6, 6] = 1.0, 0.9
    assert_close(heat_box(S), torch.tensor([2 / 8, 1 / 8, 5 / 8, 3 / 8]))


def test_balanced_clusters_are_of_one_size_and_find_directions():
    P = balanced_assignment(torch.rand(12, 3))
    assert_close(P.sum(0), torch.full((3,), 4.0), atol=1e-3, rtol=0)
    z = torch.eye(4).repeat_interleave(10, 0) + 0.05 * torch.randn(40, 4)
    _, names = cluster_embeddings(z, 4, seed=1)
    assert sorted(names.bincount(minlength=4).tolist()) == [10] * 4


def test_soft_k_means_finds_two_groups_and_passes_gradients():
    h = torch.tensor([[[1.0, 0.0], [0.98, 0.02], [0.0, 1.0], [0.02, 0.98]]], requires_grad=True)
    c, w = soft_k_means(h, 2)
    assert_close(w.round(), w, atol=1e-3, rtol=0)
    assert w[0, 0].argmax() == w[0, 1].argmax() != w[0, 2].argmax()
    c.square().sum().backward()
    assert torch.isfinite(h.grad).all() and h.grad.abs().sum() > 0


def test_maps_and_sounds_are_unit_vectors_and_a_change_stays_where_it_is():
    model = Localizer().eval()
    x = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8)
    y = x.clone()
    y[..., :4, :4] = 255 - y[..., :4, :4]
    a, v = model(torch.randn(2, 64, 63), torch.cat([x, y]))
    assert_close(a.norm(dim=1), torch.ones(2))
    assert_close(v.norm(dim=1), torch.ones(2, 16, 16))
    far = (v[0] - v[1]).abs().amax(0)
    assert far[0, 0] > 1e-4 and far[8:, 8:].max() < 1e-5
