"""One latent for several modalities, any of which may be missing: by concatenation, and by attention."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.encoders.auto_encoders import as_lists, check_inputs
from avcl_teach.encoders.multi_head import MultiHeadAttention


class LatentGate(nn.Module):
    r"""Let a latent turn its own numbers up or down by a tenth at most.

    $$z \leftarrow (1 + 0.1\,\tanh(W z + b)) \odot z$$

    Shapes: z [batch, dim] -> the same. Source: Wang et al. 2018, the vector form of the released code (there
    on the inputs). Lesson: 13.
    """

    def __init__(self, dim: int, *, strength: float = 0.1) -> None:
        super().__init__()
        self.linear, self.strength = nn.Linear(dim, dim), strength

    def forward(self, z: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """Return the gated latent."""
        return z * (1 + self.strength * torch.tanh(self.linear(z)))


class _JointLatent(nn.Module):
    """Hold what both ways share: encoders, decoders, gates, and inputs that may be missing."""

    def __init__(
        self, encoders: Sequence[nn.Module], decoders: Sequence[nn.Module], dims: Sequence[int], gates: bool
    ) -> None:
        super().__init__()
        self.encoders, self.decoders = as_lists(encoders, decoders)
        if len(dims) != len(self.encoders):
            raise ValueError(f"expected one latent size an encoder, got {len(dims)} and {len(self.encoders)}")
        self.gates = nn.ModuleList([LatentGate(d) if gates else nn.Identity() for d in dims])

    def forward(
        self, xs: Sequence[Tensor], present: Bool[Tensor, "batch modality"] | None = None
    ) -> tuple[Float[Tensor, "batch dim"], list[Float[Tensor, "batch ..."]]]:
        """Return the shared latent, and every modality decoded from it, missing ones too."""
        h = self.encode(xs, present)
        return h, [g(h) for g in self.decoders]

    def alone(self, xs: Sequence[Tensor]) -> list[Float[Tensor, "batch dim"]]:
        """Return the shared latent as each modality alone gives it, the others missing.

        The latent of a query must be made so: one that saw its partner finds it without anything learnt.
        """
        n, M, device = len(xs[0]), len(xs), xs[0].device
        return [self.encode(xs, only(n, M, m, device=device)) for m in range(M)]

    def uni_modal(
        self, xs: Sequence[Tensor], present: Bool[Tensor, "batch modality"] | None = None
    ) -> list[Float[Tensor, "batch dim"]]:
        """Return the latent of each modality, zeros where it is missing, whatever stands in its input."""
        check_inputs(xs, self.encoders)
        if present is None:
            return [gate(f(x)) for f, gate, x in zip(self.encoders, self.gates, xs, strict=True)]
        if present.dtype != torch.bool or present.shape != (len(xs[0]), len(xs)):
            raise ValueError(
                f"expected present as Bool [{len(xs[0])}, {len(xs)}], got {present.dtype} "
                f"{list(present.shape)}"
            )
        zs = []
        for f, gate, x, there in zip(self.encoders, self.gates, xs, present.unbind(1), strict=True):
            # selected, not multiplied: NaN times 0 is NaN, forward and backward
            x = torch.where(there.view(-1, *[1] * (x.ndim - 1)), x, torch.zeros_like(x))
            z = gate(f(x))
            zs.append(torch.where(there[:, None], z, torch.zeros_like(z)))
        return zs


class ConcatenatedLatent(_JointLatent):
    r"""Share one latent by putting the uni-modal ones side by side.

    $$z_m = f_m(x_m),\qquad h = f_J([z_1; \dots; z_M]),\qquad \hat{x}_m = g_m(h)$$

    Every decoder reads h, so each modality is reconstructed with help from the others. A missing modality's
    z_m is set to 0: an input that training never showed, unless it had `drop_modalities`.
    `joint` maps [batch, sum(dims)] to [batch, dim]. `present` [batch, modality], True = there.
    Shapes: x_m [batch, ...] -> h [batch, dim], list of x_hat_m as x_m. Errors: ValueError for other numbers
    of inputs, dims or a mask of another shape.
    Source: survey 3.1, auto-encoders i; after Wang et al. 2018 (AMA: 300 + 128 + 128 features, joint 300,
    tanh, gates; here without its association decoder, see `associates`). Lesson: 13.
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        decoders: Sequence[nn.Module],
        joint: nn.Module,
        *,
        dims: Sequence[int],
        gates: bool = False,
    ) -> None:
        super().__init__(encoders, decoders, dims, gates)
        self.joint = joint

    def encode(
        self, xs: Sequence[Tensor], present: Bool[Tensor, "batch modality"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """Return the shared latent."""
        return self.joint(torch.cat(self.uni_modal(xs, present), 1))


class AttendedLatent(_JointLatent):
    r"""Share one latent by attention between the uni-modal ones.

    $$Z = [z_1 + e_1; \dots; z_M + e_M],\qquad
      h = \mathrm{MHA}(q, Z, Z),\qquad \hat{x}_m = g_m(h)$$

    with a learned query q, and e_m that says which modality a row is. Each head weighs the modalities for
    every input anew (`weights`); the weights of those that are there sum to 1. A missing modality is a key
    that may not be looked at, and the others take its share: nothing has to be filled in.
    All latents have the size `dim`. Where all are missing h is the bias of the attention.
    Shapes and errors: as `ConcatenatedLatent`.
    Source: survey 3.1, auto-encoders i, which cites Zhao et al. 2019 for it. That network has no attention
    between latents: a sigmoid gate over places and FiLM (`FiLM`, `SpatialGate`). This is a reconstruction of
    the survey's sentence. Lesson: 13.
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        decoders: Sequence[nn.Module],
        *,
        dim: int,
        n_heads: int = 4,
        gates: bool = False,
    ) -> None:
        super().__init__(encoders, decoders, [dim] * len(encoders), gates)
        self.attention = MultiHeadAttention(dim, n_heads)
        self.query = nn.Parameter(torch.randn(dim) / dim**0.5)
        self.kind = nn.Parameter(torch.randn(len(encoders), dim) / dim**0.5)

    def encode(
        self, xs: Sequence[Tensor], present: Bool[Tensor, "batch modality"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """Return the shared latent."""
        q, Z, mask = self._look(xs, present)
        return self.attention(q, Z, mask=mask)[:, 0]

    def weights(
        self, xs: Sequence[Tensor], present: Bool[Tensor, "batch modality"] | None = None
    ) -> Float[Tensor, "batch head modality"]:
        """Return how much each head takes of each modality."""
        q, Z, mask = self._look(xs, present)
        return self.attention.attention_weights(q, Z, mask=mask)[:, :, 0]

    def _look(self, xs: Sequence[Tensor], present: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        Z = torch.stack(self.uni_modal(xs, present), 1) + self.kind  # [batch, modality, dim]
        q = self.query.expand(len(Z), 1, -1)
        return q, Z, None if present is None else present[:, None, None, :]


def drop_modalities(
    n: int,
    n_modalities: int,
    *,
    p: float,
    device: torch.device | str | None = None,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "n modality"]:
    """Leave modalities out at random, each with probability p, but never the last one there is.

    Returns `present`, True = there. In rows where all would go, one drawn at random stays. A joint latent
    trained on such inputs knows what to do when a modality is missing. Errors: ValueError for p outside
    0 ... 1. Source: Neverova et al. 2016 (ModDrop). Lesson: 13.
    """
    if not 0 <= p <= 1 or n_modalities < 1:
        raise ValueError(f"expected p in 0 ... 1 and n_modalities >= 1, got {p} and {n_modalities}")
    u = torch.rand(n, n_modalities, device=device, generator=generator)
    return (u >= p) | (u == u.amax(1, keepdim=True))


def only(
    n: int, n_modalities: int, m: int, *, device: torch.device | str | None = None
) -> Bool[Tensor, "n modality"]:
    """Say that modality m alone is there, in all n rows. Errors: ValueError for no such m. Lesson: 13.

    >>> only(2, 3, 1).int().tolist()
    [[0, 1, 0], [0, 1, 0]]
    """
    if not 0 <= m < n_modalities:
        raise ValueError(f"expected a modality of 0 ... {n_modalities - 1}, got {m}")
    return (torch.arange(n_modalities, device=device) == m).expand(n, -1)
