"""Chen et al. 2021, "Localizing Visual Sounds the Hard Way": dark places of the own picture are negatives.

Verified in released code: the tri-map and its constants, both networks, the test's median rule. From memory:
batch and rate. Kept: a map of unit vectors, the tri-map, negatives within the batch, the temperature. Shrunk:
ResNet-18s to four and three convolutions, 14 x 14 places to 16 x 16. The picture network of the paper starts
from ImageNet; here it starts from solo clips, without labels (`localizers.warm_up`). Thresholds move from
.65/.4 to .4/.1 and softened from .03 to .1, into the range of this network's similarities. Faults of the
released code avoided: a mask that multiplies logits, an eps that swallows the weights of a fresh network, the
median rule, which no box below a quarter of the picture can pass. Lesson 34.
"""

from functools import partial

import torch

from avcl_teach.comparison import localizers
from avcl_teach.encoders.sounding_maps import Localizer
from avcl_teach.objectives import tri_maps
from avcl_teach.systems import _places
from avcl_teach.table1 import Claim, Outcome, System

HEADS = {
    "tri-map": partial(tri_maps.tri_map_loss, high=0.4, low=0.1, softness=0.1),
    "bi-map": partial(tri_maps.tri_map_loss, high=0.4, low=0.4, softness=0.1),
    "bright places": partial(tri_maps.bright_place_loss, high=0.4, softness=0.1),
    "best place": tri_maps.best_place_loss,
    "quantiles": tri_maps.quantile_tri_map_loss,
}
ABOUT = System(
    name="chen2021",
    paper="Chen et al. 2021",
    key="chen2021",
    lesson="34",
    task="sound source localization in the image",
    metric="pointing game, sounding",
    protocol=_places.PROTOCOL,
    chance=_places.CHANCE,
    ceiling=_places.CEILING,
    labels_used="none; that solo clips hold one object",
    paired="sound and picture of one clip",
    survey_row="Chen et al., 2021 | NCE | Semi-Supervised | Sound Localization | AUC | 0.573/0.590 | "
    "Flickr-SoundNet/VGG-SS",
    correction="both values are AUCs on the Flickr-SoundNet test, after training on Flickr-144k and on "
    "VGG-Sound-144k (from memory); on VGG-SS the AUC is 0.382",
    kept="map of unit vectors, tri-map, negatives of the batch, temperature",
    claims=(
        Claim("The tri-map (own dark places as negatives, doubtful ones ignored) beats the best place.",
              "tri-map", "best place"),
        Claim("Ignoring doubtful places helps.", "tri-map", "bi-map"),
        Claim("A network that has seen solo clips first can use the loss, a fresh one cannot.",
              "tri-map", "no solo first"),
        Claim("Quantile thresholds raise the overlap ...", "quantiles", "tri-map", metric="AUC"),
        Claim("... and lose the sound.", "tri-map", "quantiles"),
    ),
    arms=(*HEADS, "no solo first"),
    mark="verified",
)  # fmt: skip
SIZES = {
    "quick": {"n_solo": 48, "n_scenes": 32, "n_test": 64, "warm": (2, 2), "steps": 2},
    "cpu": {"n_solo": 2048, "n_scenes": 1024, "n_test": 512, "warm": (300, 200), "steps": 200},
    "gpu": {"n_solo": 8192, "n_scenes": 4096, "n_test": 1024, "warm": (1500, 1000), "steps": 2000},
}


def train_chen(data: _places.Places, sizes: dict, *, arm: str, seed: int, device="cpu") -> Localizer:
    """Train one arm: solo clips, then scenes with the arm's head; all arms take as many steps in all."""
    loss = localizers.place_loss(HEADS.get(arm, HEADS["tri-map"]))
    steps = sizes["steps"]
    if arm == "no solo first":
        model, steps = localizers.new_localizer(seed, device), steps + sum(sizes["warm"])
    else:
        model = localizers.warm_up(data.solo, steps=sizes["warm"], seed=seed, device=device)
    localizers.train_stage(model, loss, data.scenes, steps=steps, seed=seed + 2, device=device, lr=1e-3)
    return model


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    data = _places.places(SIZES[budget], seed)
    return _places.place_outcome(
        train_chen(data, SIZES[budget], arm=arm, seed=seed, device=device), data, seed=seed
    )
