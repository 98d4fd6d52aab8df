"""Fill in the hidden steps of a sound, with the moving picture as context: a task for conditions."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.encoders.blocks import TransformerBlock
from avcl_teach.encoders.conditioned_decoders import AttendingCondition, ConditionedDecoder
from avcl_teach.encoders.positions import sinusoidal_positions


class SeriesFiller(nn.Module):
    r"""Reconstruct a series of sound from what is left of it and from what is seen.

    Latent H: a row a step of the sound, made of the step and both beside it. Context C: a row a step of the
    picture's motion, made in the same way, and one row of its look. Both carry the same clock (sinusoidal
    positions). A `ConditionedDecoder` with the given condition, a `TransformerBlock` and a linear map give
    the series back.
    Shapes: x [batch, step, channel], motion [batch, step, 1], look [batch, feature] -> as x. Lesson: 13.
    """

    def __init__(
        self,
        condition: nn.Module,
        *,
        n_steps: int = 16,
        n_channels: int = 16,
        n_look: int = 256,
        dim: int = 32,
        loudness_of_clock: float = 2.0,
    ) -> None:
        super().__init__()
        self.sound, self.motion = nn.Linear(3 * n_channels, dim), nn.Linear(3, dim)
        self.look = nn.Linear(n_look, dim)
        clock = loudness_of_clock * sinusoidal_positions(n_steps, dim, base=8.0)
        self.register_buffer("clock", clock, persistent=False)
        block = TransformerBlock(dim, 4, hidden=2 * dim)
        out = nn.Sequential(block, nn.LayerNorm(dim), nn.Linear(dim, n_channels))
        self.decoder = ConditionedDecoder(condition, out)

    def latents(
        self,
        x: Float[Tensor, "batch step channel"],
        motion: Float[Tensor, "batch step 1"],
        look: Float[Tensor, "batch feature"],
    ) -> tuple[Float[Tensor, "batch step dim"], Float[Tensor, "batch key dim"]]:
        """Return latent H and context C, the look as its last row."""
        C = torch.cat([self.motion(_windows(motion)) + self.clock, self.look(look)[:, None]], 1)
        return self.sound(_windows(x)) + self.clock, C

    def forward(
        self,
        x: Float[Tensor, "batch step channel"],
        motion: Float[Tensor, "batch step 1"],
        look: Float[Tensor, "batch feature"],
    ) -> Float[Tensor, "batch step channel"]:
        """Return the series, filled in."""
        return self.decoder(*self.latents(x, motion, look))


class Unconditioned(nn.Module):
    """Ignore the context: the control of every condition. Shapes: H -> H. Lesson: 13."""

    def forward(self, H: Tensor, C: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return H."""
        return H


def attend_to_equal_times(dim: int) -> AttendingCondition:
    """Make an `AttendingCondition` whose queries and keys start from one map.

    With one clock on both sides equal times then attract from the first step; from two random maps a short
    training does not find them. Lesson: 13.
    """
    made = AttendingCondition(dim, dim, n_heads=1)
    with torch.no_grad():
        made.attention.in_proj_weight[dim : 2 * dim] = made.attention.in_proj_weight[:dim]
    return made


def hide_steps(
    n: int,
    n_steps: int,
    n_hidden: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "n step"]:
    """Choose n_hidden successive steps a row at random, True = hidden.

    Errors: ValueError for n_hidden outside 1 ... n_steps. Lesson: 13.
    """
    if not 1 <= n_hidden <= n_steps:
        raise ValueError(f"expected n_hidden in 1 ... {n_steps}, got {n_hidden}")
    start = torch.randint(n_steps - n_hidden + 1, (n, 1), generator=generator)
    t = torch.arange(n_steps)
    return ((t >= start) & (t < start + n_hidden)).to(device)


def _windows(x: Tensor) -> Tensor:
    """Set the steps before and after beside each step: [batch, step, channel] -> [batch, step, 3 channel]."""
    p = F.pad(x, (0, 0, 1, 1))
    return torch.cat([p[:, :-2], p[:, 1:-1], p[:, 2:]], 2)
