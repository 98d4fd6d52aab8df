"""Convolution over a graph of joints and over time: a body in motion as features (ST-GCN)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def adjacency(n_nodes: int, edges: Sequence[tuple[int, int]]) -> Float[Tensor, "node node"]:
    r"""Return the normalised adjacency with self-loops, $D^{-1/2}(A + I)D^{-1/2}$.

    Errors: ValueError for an edge to a node that is not there. Source: Kipf and Welling 2017. Lesson: 38.

    >>> adjacency(2, [(0, 1)])
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    A = torch.eye(n_nodes)
    for a, b in edges:
        if not (0 <= a < n_nodes and 0 <= b < n_nodes):
            raise ValueError(f"expected edges between nodes 0 ... {n_nodes - 1}, got {(a, b)}")
        A[a, b] = A[b, a] = 1
    d = A.sum(1).rsqrt()
    return d[:, None] * A * d


class GraphConvolution(nn.Module):
    r"""Mix each joint with its neighbours, then with its own past and future.

    $$H' = \mathrm{relu}\big(\mathrm{conv}_t\big((A \odot M)\, H\, W\big) + U H\big)$$

    M are learned weights of the edges, 1 at first; conv_t goes over k moments; U is a linear shortcut. No
    joint hears another that is not its neighbour, within one layer. Shapes: [clip, time, node, n_in] ->
    [clip, time / stride, node, n_out]. Errors: ValueError for other nodes.
    Source: Yan et al. 2018 (ST-GCN), with one subset of neighbours. Lesson: 38.
    """

    def __init__(
        self, n_in: int, n_out: int, A: Float[Tensor, "node node"], *, kernel: int = 5, stride: int = 1
    ) -> None:
        super().__init__()
        self.register_buffer("A", A)
        self.importance = nn.Parameter(torch.ones_like(A))
        self.mix = nn.Linear(n_in, n_out)
        self.along = nn.Conv2d(n_out, n_out, (kernel, 1), (stride, 1), (kernel // 2, 0))
        self.shortcut = nn.Linear(n_in, n_out)
        self.stride = stride
        self.norm = nn.LayerNorm(n_out)

    def forward(self, H: Float[Tensor, "clip time node n_in"]) -> Float[Tensor, "clip steps node n_out"]:
        """Return the features of every joint."""
        if H.shape[2] != len(self.A):
            raise ValueError(f"expected {len(self.A)} nodes, got {H.shape[2]}")
        mixed = (self.A * self.importance) @ self.mix(H)
        y = self.along(mixed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # channels last: nothing is copied
        return torch.relu(self.norm(y + self.shortcut(H[:, :: self.stride])))


class BodyEncoder(nn.Module):
    r"""Read a moving body: graph convolutions, then the joints side by side as one vector a moment.

    Joints come relative to one of them (the hip), with how far each has moved since the frame before, so that
    where the camera stands does not matter; times 4 and 10, which brings both to about 1. Shapes:
    [clip, time, joint, 2] -> [clip, time / stride, dim].
    Errors: ValueError for other joints. Source: after the pose encoder of Foley Music (Gan et al. 2020),
    which has 10 layers and 65 joints. Lesson: 38.
    """

    def __init__(
        self, n_joints: int, edges: Sequence[tuple[int, int]], *, centre: int, width: int = 32, dim: int = 64,
        n_layers: int = 3, stride: int = 2,
    ) -> None:  # fmt: skip
        super().__init__()
        A = adjacency(n_joints, edges)
        self.centre = centre
        self.layers = nn.Sequential(
            *(GraphConvolution(4 if k == 0 else width, width, A, stride=stride if k == n_layers - 1 else 1)
              for k in range(n_layers))
        )  # fmt: skip
        self.join = nn.Linear(n_joints * width, dim)

    def forward(self, x: Float[Tensor, "clip time joint 2"]) -> Float[Tensor, "clip steps dim"]:
        """Return one vector a moment, `stride` frames apart."""
        seen = x - x[:, :, self.centre : self.centre + 1]
        moved = torch.cat([torch.zeros_like(seen[:, :1]), seen.diff(dim=1)], 1)
        return self.join(self.layers(torch.cat([4 * seen, 10 * moved], -1)).flatten(2))
