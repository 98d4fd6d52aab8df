"""What a step may look at: several scales, neighbouring steps, regions of the picture."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.encoders.masks import window_mask
from avcl_teach.encoders.multi_head import MultiHeadAttention


def several_scales(
    x: Float[Tensor, "batch step dim"],
    *,
    factors: Sequence[int] = (1, 2, 4),
    present: Bool[Tensor, "batch step"] | None = None,
) -> tuple[Float[Tensor, "batch key dim"], Bool[Tensor, "batch 1 1 key"]]:
    """Lay a sequence at several frame rates end to end, as one context to look at.

    For each factor f: means over f steps that follow each other (the last of them over what is left), of
    the steps that are `present` (True; default all). Returns the context and the mask of keys that hold at
    least one of them. Errors: ValueError for factors below 1, none at all, or shapes that do not fit.
    Source: survey 3.1, i ("features extracted at multiple scales"; the paper cited there has none, see the
    lesson). Lesson: 11.
    """
    if x.ndim != 3 or (present is not None and present.shape != x.shape[:2]):
        got = "all" if present is None else list(present.shape)
        raise ValueError(
            f"expected x [batch, step, dim] and present [batch, step], got {list(x.shape)}, {got}"
        )
    if len(factors) == 0 or min(factors) < 1:
        raise ValueError(f"expected factors of at least 1, got {tuple(factors)}")
    n = x.shape[1]
    there = x.new_ones(x.shape[:2]) if present is None else present.to(x.dtype)
    x = torch.where(there[..., None] > 0, x, 0)
    means, counts = [], []
    for f in factors:
        rest = -n % f
        count = F.pad(there, (0, rest)).unflatten(1, (-1, f)).sum(2)
        total = F.pad(x, (0, 0, 0, rest)).unflatten(1, (-1, f)).sum(2)
        means.append(total / count.clamp_min(1)[..., None])
        counts.append(count)
    return torch.cat(means, 1), (torch.cat(counts, 1) > 0)[:, None, None]


def region_window_mask(
    n_steps: int, n_regions: int, *, past: int, future: int, device: torch.device | str | None = None
) -> Bool[Tensor, "step key"]:
    """Let step t look at all regions of steps t - past ... t + future, of keys that run step by step.

    At both ends fewer steps are there, and none is made up. Errors: ValueError for negative widths or fewer
    than 1 region. Lesson: 11.

    >>> region_window_mask(2, 2, past=0, future=0).int().tolist()
    [[1, 1, 0, 0], [0, 0, 1, 1]]
    """
    if n_regions < 1:
        raise ValueError(f"expected at least 1 region, got {n_regions}")
    return window_mask(n_steps, past=past, future=future, device=device).repeat_interleave(n_regions, dim=1)


class RegionAttention(nn.Module):
    r"""Let each step of sound look at regions of its own and of neighbouring pictures, and add what it sees.

    $$K_t = \{v_{t'r} : |t' - t| \le w\},\qquad a_t' = a_t + \mathrm{MHA}(a_t, K_t)$$

    One softmax over all regions of all steps in reach; `window` is w, 0 looks at the step itself. At the
    ends of a clip fewer steps are in reach, and no zeros are made up. Nothing tells the steps in reach apart
    but what they show: add positions to v where order or place matters.
    Shapes: a [batch, step, dim], v [batch, step, region, dim_v] -> [batch, step, dim]. present [batch, step]
    (True = a step that is there) keeps padded steps out. Errors: ValueError for other shapes.
    Source: Lin and Wang 2020 (reconstruction from its idea: audio-guided, instance attention); survey 3.1,
    i ("image regions"). Lesson: 11.
    """

    def __init__(
        self,
        dim: int,
        n_heads: int,
        *,
        dim_v: int | None = None,
        window: int = 1,
        residual: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if window < 0:
            raise ValueError(f"expected a window of at least 0 steps, got {window}")
        self.window, self.residual = window, residual
        self.look = MultiHeadAttention(dim, n_heads, dim_context=dim_v, dropout=dropout)

    def forward(
        self,
        a: Float[Tensor, "batch step dim"],
        v: Float[Tensor, "batch step region dim_v"],
        *,
        present: Bool[Tensor, "batch step"] | None = None,
    ) -> Float[Tensor, "batch step dim"]:
        """Return the sound with what it saw."""
        seen = self.look(a, v.flatten(1, 2), mask=self._mask(a, v, present))
        return a + seen if self.residual else seen

    def maps(
        self,
        a: Float[Tensor, "batch step dim"],
        v: Float[Tensor, "batch step region dim_v"],
        *,
        present: Bool[Tensor, "batch step"] | None = None,
    ) -> Float[Tensor, "batch step step region"]:
        """Return where each step looks, as a mean over heads: [batch, step, seen step, region], sum 1."""
        weights = self.look.attention_weights(a, v.flatten(1, 2), mask=self._mask(a, v, present))
        return weights.mean(1).unflatten(2, v.shape[1:3])

    def _mask(self, a: Tensor, v: Tensor, present: Tensor | None) -> Tensor:
        if v.ndim != 4 or a.ndim != 3 or a.shape[:2] != v.shape[:2]:
            raise ValueError(
                f"expected a [batch, step, dim] and v [batch, step, region, dim], "
                f"got {list(a.shape)} and {list(v.shape)}"
            )
        n, r = v.shape[1:3]
        mask = region_window_mask(n, r, past=self.window, future=self.window, device=v.device)
        if present is None:
            return mask
        if present.shape != a.shape[:2]:
            raise ValueError(f"expected present {list(a.shape[:2])}, got {list(present.shape)}")
        return mask & present.repeat_interleave(r, dim=1)[:, None, None]
