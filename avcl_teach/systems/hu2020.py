"""Hu et al. 2020, curriculum audiovisual learning: components of sound and picture, few sources first.

Verified in released code: soft K-means with 4 rounds and sharpness 30, the nearest visual component, the
contrastive loss with margin. From memory: the stages. Kept: clustering that a gradient passes through,
matching by smallest distance, the curriculum. Changed: places and sounds are unit vectors, of which two at
random lie 1.4 apart, so the margin is 1.4, not 5; every other picture of the batch is a negative, not one of
them; the number of objects seen grows, one of which sounds. Both arms take the same steps of the same losses:
whole pictures, their best place, then components (without that start the nearest component was often the
background, in one seed of three). Left out: components of sound (a sound is one vector here, matched with its
nearest visual component) and the separation of sounds, which the paper has, too. Lesson 34.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from avcl_teach.comparison import localizers
from avcl_teach.comparison.sightings import SIZE_PX
from avcl_teach.encoders.soft_clusters import soft_k_means
from avcl_teach.encoders.sounding_maps import Localizer
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.systems import _places
from avcl_teach.table1 import Claim, Outcome, System

MARGIN = 1.4
ABOUT = System(
    name="hu2020",
    paper="Hu et al. 2020",
    key="hu2020",
    lesson="34",
    task="sound source localization in the image",
    metric="pointing game, sounding",
    protocol=_places.PROTOCOL,
    chance=_places.CHANCE,
    ceiling=_places.CEILING,
    labels_used="none; how many objects a clip shows",
    paired="sound and picture of one clip",
    survey_row="Hu et al., 2020 | CL | Semi-Supervised | Sound Separation & Localization | AUC/SDR | "
    "49.2/6.59 | Flickr-SoundNet/MUSIC",
    correction="its AUC is in percent, the one of Chen et al. in the same column a fraction",
    kept="differentiable clustering, matching of the nearest components, curriculum",
    claims=(
        Claim("Clips of one source first, then of more, beats all from the start.", "solo first", "mixed"),
    ),
    arms=("solo first", "mixed"),
    mark="verified",
)
SIZES = {
    "quick": {"n_solo": 48, "n_scenes": 32, "n_test": 64, "warm": (2, 2), "steps": 2},
    "cpu": {"n_solo": 2048, "n_scenes": 1024, "n_test": 512, "warm": (300, 200), "steps": 150},
    "gpu": {"n_solo": 8192, "n_scenes": 4096, "n_test": 1024, "warm": (1500, 1000), "steps": 2000},
}


def component_distances(
    a: Float[Tensor, "sound dim"], c: Float[Tensor, "picture k dim"]
) -> Float[Tensor, "sound picture"]:
    r"""Return how far each sound is from each picture's nearest component: $\min_k \|a_i - c_{jk}\|$."""
    d = (a[:, None, None] - c[None]).square().sum(3)
    return (d.amin(2) + 1e-6).sqrt()


def component_loss(d: Float[Tensor, "batch batch"], *, margin: float = MARGIN) -> Float[Tensor, ""]:
    r"""Draw own pairs together, all others a margin apart: mean of $d^2/2$ and mean of $[m - d]_+^2/2$."""
    own = torch.eye(len(d), dtype=torch.bool, device=d.device)
    return d[own].square().mean() / 2 + (margin - d[~own]).clamp_min(0).square().mean() / 2


def loss_of(k: int):
    """Make the loss with k visual components for `localizers.train_stage`."""

    def loss(model: Localizer, batch: tuple) -> Tensor:
        a, v = model(batch[1], localizers.glance(batch[0]))
        c, _ = soft_k_means(v.flatten(2).transpose(1, 2).float(), k)
        return component_loss(component_distances(a.float(), c))

    return loss


def train_hu(data: _places.Places, sizes: dict, *, arm: str, seed: int, device="cpu") -> Localizer:
    """Train one arm: whole pictures and their best place, components of solos (two), of scenes (four)."""
    first, k = (data.solo, 2) if arm == "solo first" else (data.scenes, 4)
    model = localizers.warm_up(first, steps=sizes["warm"], seed=seed, device=device)
    for j, (clips, n) in enumerate(((first, k), (data.scenes, 4))):
        how = {"steps": sizes["steps"], "seed": seed + 1 + j, "lr": 1e-3, "device": device}
        localizers.train_stage(model, loss_of(n), clips, **how)
    return model.eval()


@torch.no_grad()
def component_maps(model: Localizer, x_a: Tensor, x_v: Tensor, *, k: int = 4) -> Float[Tensor, "n side side"]:
    """Return the share of the sound's nearest component at each place, drawn out to the picture's size."""
    device, parts = next(model.parameters()).device, []
    for a, v in zip(x_a.split(128), x_v.split(128), strict=True):
        a, v = model(a.to(device), v.to(device))
        c, w = soft_k_means(v.flatten(2).transpose(1, 2), k)
        nearest = (a[:, None] - c).square().sum(2).argmin(1)
        # within a component the places nearest to the sound come first
        S = torch.einsum("nd,ndp->np", a, v.flatten(2))
        m = w.gather(2, nearest[:, None, None].expand(-1, w.shape[1], 1))[..., 0] + 0.1 * S
        m = m.unflatten(1, v.shape[2:])[:, None]
        parts.append(F.interpolate(m, size=(SIZE_PX,) * 2, mode="bilinear", align_corners=False)[:, 0].cpu())
    return torch.cat(parts)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    data = _places.places(SIZES[budget], seed)
    model = train_hu(data, SIZES[budget], arm=arm, seed=seed, device=device)
    test, other = data.test, wrong_partners(data.test.label, seed=seed)
    maps, wrong = (component_maps(model, x, test.frames[:, 0]) for x in (test.log_mel, test.log_mel[other]))
    return _places.maps_outcome(maps, wrong, data, seed=seed)
