"""Graph convolution: who hears whom, what does not matter, and what a body encoder is blind to."""

import pytest
import torch

from avcl_teach.encoders.graphs import BodyEncoder, GraphConvolution, adjacency

EDGES = ((0, 1), (1, 2), (2, 3))


def net(**how) -> GraphConvolution:
    torch.manual_seed(0)
    return GraphConvolution(3, 8, adjacency(4, EDGES), kernel=3, **how)


def test_adjacency_by_hand():
    A = adjacency(3, [(0, 1)])
    torch.testing.assert_close(A, torch.tensor([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1.0]]))
    torch.testing.assert_close(adjacency(4, EDGES), adjacency(4, EDGES).T)
    assert torch.linalg.eigvalsh(adjacency(4, EDGES)).max().item() == pytest.approx(1)
    with pytest.raises(ValueError, match="nodes 0 ... 2"):
        adjacency(3, [(0, 3)])


def test_one_layer_hears_neighbours_and_no_further():
    x = torch.randn(1, 6, 4, 3)
    changed = x.clone()
    changed[:, :, 3] += 1
    moved = (net()(x) - net()(changed)).abs().amax((0, 1, 3))
    assert moved[0] == 0 and moved[1] == 0 and moved[2] > 1e-4 and moved[3] > 1e-4


def test_a_layer_looks_one_step_back_and_ahead():
    x = torch.randn(1, 9, 4, 3)
    changed = x.clone()
    changed[:, 4] += 1
    moved = (net()(x) - net()(changed)).abs().amax((0, 2, 3))
    assert (moved > 1e-4).tolist() == [False] * 3 + [True] * 3 + [False] * 3
    assert net(stride=2)(x).shape == (1, 5, 4, 8)


def test_renaming_the_joints_renames_the_output():
    order = torch.tensor([2, 0, 3, 1])
    x, layer = torch.randn(2, 5, 4, 3), net()
    other = net()
    other.A.copy_(layer.A[order][:, order])
    torch.testing.assert_close(other(x[:, :, order]), layer(x)[:, :, order])


def test_a_body_is_read_wherever_the_camera_stands():
    torch.manual_seed(0)
    body = BodyEncoder(4, EDGES, centre=1, width=8, dim=16)
    x = torch.randn(2, 20, 4, 2)
    torch.testing.assert_close(body(x), body(x + torch.tensor([3.0, -1.0])), atol=1e-5, rtol=1e-5)
    assert body(x).shape == (2, 10, 16)
    body(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in body.parameters())


def test_other_joints_are_refused_and_weights_come_back(tmp_path):
    layer = net()
    with pytest.raises(ValueError, match="expected 4 nodes, got 5"):
        layer(torch.randn(1, 6, 5, 3))
    torch.save(layer.state_dict(), tmp_path / "w.pt")
    again = GraphConvolution(3, 8, torch.zeros(4, 4), kernel=3)
    again.load_state_dict(torch.load(tmp_path / "w.pt", weights_only=True))
    x = torch.randn(1, 6, 4, 3)
    assert torch.equal(again(x), layer(x))
