"""How much one symbol of n can change what a transformer of fixed size says: Hahn's limit, measured."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from avcl_teach.encoders.transformers import TransformerEncoder


class BitReader(nn.Module):
    r"""Read n bits with attention of fixed size and answer at the last position.

    Bits and positions are random vectors of the same size (drawn anew for each length), then
    `TransformerEncoder`. Logits of attention are multiplied by `sharpness(n)`: 1 is the soft attention of the
    theorem; ln n keeps pace with the length (Chiang and Cholak 2022). Shapes: bits Int [batch, n] -> [batch,
    dim]. Source: a reconstruction of the setting of Hahn 2020. Lesson: 12.
    """

    def __init__(
        self,
        *,
        dim: int = 32,
        n_heads: int = 4,
        n_layers: int = 2,
        seed: int = 0,
        sharpness: Callable[[int], float] = lambda n: 1.0,
    ) -> None:
        super().__init__()
        self.sharpness = sharpness
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Embedding(2, dim)
            self.encoder = TransformerEncoder(dim, n_heads, n_layers)
        self.seed = seed

    def forward(self, bits: Int[Tensor, "batch n"]) -> Float[Tensor, "batch dim"]:
        """Return the encoding at the last position."""
        n, g = bits.shape[1], torch.Generator().manual_seed(self.seed)
        positions = torch.randn(n, self.embed.embedding_dim, generator=g).to(bits.device)
        root = self.sharpness(n) ** 0.5  # on queries and on keys
        return self.encoder(self.embed(bits) + positions, rotate=lambda x: x * root)[:, -1]


@torch.no_grad()
def influence(
    read: Callable[[Int[Tensor, "batch n"]], Float[Tensor, "batch dim"]],
    n: int,
    *,
    n_inputs: int = 20,
    at: int = 0,
    seed: int = 0,
) -> float:
    r"""Flip bit `at` of random inputs and return the mean change of the answer, $\|y(b) - y(b')\|$.

    Keep `at` away from the position that answers: the residual path carries its own bit past all attention.
    Errors: ValueError for n < 1, an `at` outside 0 ... n - 1. Source: Hahn 2020, Lemma 5 bounds it by O(1/n).
    Lesson: 12.
    """
    if n < 1 or not 0 <= at < n:
        raise ValueError(f"expected a position of {n} to flip, got {at}")
    g = torch.Generator().manual_seed(seed)
    bits = torch.randint(2, (n_inputs, n), generator=g)
    flipped = bits.clone()
    flipped[:, at] = 1 - flipped[:, at]
    return float((read(bits) - read(flipped)).norm(dim=1).mean())


def log_slope(x: Sequence[int | float], y: Sequence[int | float]) -> tuple[float, float]:
    r"""Fit $y = c\, x^s$ by least squares of logarithms and return (s, c).

    Errors: ValueError for fewer than two points, unequal lengths or values that are not positive. Lesson: 12.

    >>> [round(v, 3) for v in log_slope([1, 2, 4], [3, 6, 12])]
    [1.0, 3.0]
    """
    u, w = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    if len(u) != len(w) or len(u) < 2 or not bool((u > 0).all() & (w > 0).all()):
        raise ValueError(f"expected at least two pairs of positive numbers, got {list(x)} and {list(y)}")
    u, w = u.log(), w.log()
    s = ((u - u.mean()) * (w - w.mean())).sum() / (u - u.mean()).square().sum()
    return float(s), float((w.mean() - s * u.mean()).exp())
