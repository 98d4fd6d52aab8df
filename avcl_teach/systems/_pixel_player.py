"""What the systems of separation share: mixtures made of solos, PixelPlayer's parts, training, judging.

Mix-and-separate needs no given masks: two solos are added up, so both shares are known. Kept from Zhao et al.
2018 (The Sound of Pixels): rows of log-frequency, binary masks of the dominant source, cross-entropy weighted
by the mixture's level, a visual vector for each source that weighs K maps of the mixture. Where the papers
take a trunk that learnt ImageNet's classes, a trunk stands here that learnt the world's (it ships, frozen).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from avcl_teach.comparison.solo_clips import Solos, solos
from avcl_teach.encoders.u_nets import UNet
from avcl_teach.features.masking import dominant_mask, masked_sound, spectra, to_rows
from avcl_teach.metrics.separation import bss_eval, mean_db, si_sdr

N_FRAMES, K, N_POOL = 64, 16, 1536  # a mask covers 64 of the 65 frames; the last holds
SIZES = {
    "quick": {"n_pool": 64, "n_train": 64, "steps": 3, "batch": 6, "n_test": 6},
    "cpu": {"n_pool": N_POOL, "n_train": 1024, "steps": 500, "batch": 8, "n_test": 120},
    "gpu": {"n_pool": 4096, "n_train": 4000, "steps": 3000, "batch": 32, "n_test": 200},
}


@dataclass(frozen=True)
class Mixtures:
    """Hold N mixtures of n solos: who (rows of the solos), the shares as heard, the mixture's spectrum.

    sound: the shares g_n s_n / n, which add up to the mixture · X: spectrum of the mixture · x: its magnitude
    on rows · S: the shares' magnitudes on rows.
    """

    who: Int[Tensor, "mixture source"]
    sound: Float[Tensor, "mixture source sample"]
    X: Complex[Tensor, "mixture freq frame"]
    x: Float[Tensor, "mixture row 64"]
    S: Float[Tensor, "mixture source row 64"]

    @property
    def masks(self) -> Float[Tensor, "mixture source row 64"]:
        """Return who dominates each cell."""
        return dominant_mask(self.S)

    def heard(self, M: Float[Tensor, "mixture source row 64"]) -> Float[Tensor, "mixture source sample"]:
        """Return what masks let through."""
        return masked_sound(self.X[:, None].expand(-1, M.shape[1], -1, -1), M, n_samples=self.sound.shape[-1])


def mix(
    clips: Solos, who: Int[Tensor, "mixture source"], gains: Float[Tensor, "mixture source"] | None = None
) -> Mixtures:
    """Add solos up: x = sum of g_n s_n / n."""
    share = clips.sound[who] / who.shape[1]
    share = share if gains is None else share * gains[..., None]
    X = spectra(share)
    whole = X.sum(1)
    on_rows = to_rows(torch.cat([whole[:, None], X], 1).abs()[..., :N_FRAMES])
    return Mixtures(who, share, whole, on_rows[:, 0], on_rows[:, 1:])


def draw_pairs(labels: Int[Tensor, "clip"], n: int, *, same: bool, seed: int) -> Int[Tensor, "pair 2"]:
    """Draw pairs of clips, of two classes or (`same`) of one; never a clip with itself.

    Errors: ValueError where no two clips fit.
    """
    fits = (labels[:, None] == labels) == same
    fits.fill_diagonal_(False)
    usable = fits.any(1).nonzero()[:, 0]
    if not len(usable):
        raise ValueError(f"expected two clips of {'one class' if same else 'two classes'}, got none")
    g = torch.Generator().manual_seed(seed)
    first = usable[torch.randint(len(usable), (n,), generator=g)]
    return torch.stack([first, torch.multinomial(fits[first].float(), 1, generator=g)[:, 0]], 1)


def training_clips(sizes: dict, seed: int) -> Solos:
    """Take the seed's share of the pool of solos for training."""
    pool = solos(sizes["n_pool"])
    g = torch.Generator().manual_seed(seed)
    return pool[torch.randperm(len(pool), generator=g)[: sizes["n_train"]]]


def frozen_pairs(n: int, *, same: bool) -> tuple[Solos, Int[Tensor, "pair 2"]]:
    """Return the clips and pairs that every system is judged on: the first n of the world's frozen list."""
    from avcl_teach.world import frozen_lists

    pairs = torch.tensor(frozen_lists()["lists"]["mixtures_same" if same else "mixtures_different"][:n])
    index, rows = pairs.unique(return_inverse=True)
    return solos(index.tolist(), "test"), rows


def log_input(x: Float[Tensor, "*batch row frame"]) -> Float[Tensor, "*batch row frame"]:
    """Bring magnitudes to the size a network likes: (ln(x + 0.01) + 2) / 2."""
    return ((x + 1e-2).log() + 2.0) / 2.0


def level_weight(x: Float[Tensor, "*batch row frame"]) -> Float[Tensor, "*batch row frame"]:
    """Weigh cells by the mixture's level, clamp(ln(1 + |X|), 0.001, 10): silence hardly counts."""
    return x.log1p().clamp(1e-3, 10)


def mask_loss(
    logits: Float[Tensor, "mixture source row frame"],
    M: Float[Tensor, "mixture source row frame"],
    x: Float[Tensor, "mixture row frame"],
) -> Float[Tensor, ""]:
    """Weighted binary cross-entropy of masks: sum of w BCE over sum of w."""
    w = level_weight(x)[:, None].expand_as(logits)
    return F.binary_cross_entropy_with_logits(logits, M, weight=w, reduction="sum") / w.sum()


class PixelHead(nn.Module):
    r"""Weigh K maps of the mixture by a source's visual vector: $\sum_k \alpha_k v_k s_k + \beta$."""

    def __init__(self, k: int = K) -> None:
        super().__init__()
        self.alpha, self.beta = nn.Parameter(torch.ones(k)), nn.Parameter(torch.zeros(()))

    def forward(
        self, v: Float[Tensor, "mixture source k"], s: Float[Tensor, "mixture k row frame"]
    ) -> Float[Tensor, "mixture source row frame"]:
        """Return logits of the masks."""
        return torch.einsum("bnk,bkft->bnft", v * self.alpha, s) + self.beta


@torch.no_grad()
def trunk_maps(clips: Solos, *, frame: int = 8) -> Float[Tensor, "clip place 64"]:
    """See one picture of every clip with the frozen trunk: 16 places, made once and then looked up."""
    from avcl_teach.comparison.train_separation import stored_trunk

    trunk = stored_trunk().to(clips.frames.device)
    parts = [F.relu(trunk(part)).flatten(2).mT for part in clips.frames[:, frame].split(256)]
    return torch.cat(parts)


def train_on_pairs(
    model: nn.Module,
    loss: Callable[[Mixtures], Float[Tensor, ""]],
    clips: Solos,
    who: Int[Tensor, "pair source"],
    *,
    steps: int,
    batch: int,
    seed: int,
    device: str | torch.device = "cpu",
    lr: float = 3e-3,
):
    """Train on mixtures of these pairs, each solo at a gain of U(0.5, 1.5); returns the record of losses."""
    from avcl_teach.training import fit

    def one(_, rows):
        (pairs,) = rows
        return loss(mix(clips, pairs, torch.rand(pairs.shape, device=pairs.device) + 0.5))

    return fit(model, one, (who,), steps=steps, batch_size=min(batch, len(who)), lr=lr, weight_decay=1e-4,
               seed=seed, progress=False, device=device)  # fmt: skip


@torch.no_grad()
def judge(
    logits: Callable[[Mixtures, Tensor], Tensor], clips: Solos, who: Int[Tensor, "pair 2"], *, chunk: int = 64
) -> dict[str, float]:
    """Score soft masks on mixtures at equal loudness: sdr, sir, sar, si_sdr, and sdr with the partners
    swapped.

    `logits(mixtures, rows)`: the masks for those mixtures, seen in the pictures of `rows` · "wrong": each
    source is asked for with the *other* source's video. A share without sound would be left out.
    """
    found: dict[str, list[Tensor]] = {}
    for pairs in who.split(chunk):
        m = mix(clips, pairs)
        y, z = (m.heard(torch.sigmoid(logits(m, rows))).cpu() for rows in (pairs, pairs.flip(1)))
        s = m.sound.cpu()
        figures = bss_eval(y, s)._asdict() | {"si_sdr": si_sdr(y, s), "wrong": bss_eval(z, s).sdr}
        for name, x in figures.items():
            found.setdefault(name, []).append(x)
    return {name: mean_db(torch.cat(parts))[0] for name, parts in found.items()}


def levels(clips: Solos, who: Int[Tensor, "pair 2"]) -> dict[str, float]:
    """Return what every system is read against, kept on the disk: SDR of the mixture and of oracle masks."""
    import avcl_teach.features.masking as masking
    import avcl_teach.metrics.separation as separation
    from avcl_teach.comparison.cached import cached, hash_files

    def make():
        m = mix(clips.to("cpu"), who.cpu())
        mixture = m.sound.sum(1, keepdim=True).expand_as(m.sound)
        values = {
            "mixture": bss_eval(mixture, m.sound).sdr,
            "oracle": bss_eval(m.heard(m.masks), m.sound).sdr,
        }
        return values, {}

    key = {
        "levels": clips.index[who].tolist(),
        "code": hash_files(__file__, masking.__file__, separation.__file__),
    }
    return {name: mean_db(x)[0] for name, x in cached(key, make)[0].items()}


class PixelPlayer(nn.Module):
    """Separate by one picture a source: U-Net with K maps, trunk maps to K channels, maximum, sigmoid,
    head."""

    def __init__(self, k: int = K, *, width: int = 16) -> None:
        super().__init__()
        self.sound, self.look, self.head = UNet(k, width=width), nn.Linear(64, k), PixelHead(k)

    def see(self, maps: Float[Tensor, "mixture source place 64"]) -> Float[Tensor, "mixture source k"]:
        """Turn the trunk's maps into a vector in 0..1."""
        return torch.sigmoid(self.look(maps).amax(2))

    def forward(self, x: Float[Tensor, "mixture row 64"], maps: Tensor) -> Tensor:
        """Return logits of the masks [mixture, source, row, 64]."""
        return self.head(self.see(maps), self.sound(log_input(x)[:, None]))
