"""What the systems that find the sounding object share: their clips, and how their maps are judged."""

from dataclasses import dataclass

import torch

from avcl_teach.comparison import localizers
from avcl_teach.comparison.sightings import SIZE_PX, Sightings, sightings
from avcl_teach.encoders.sounding_maps import Localizer
from avcl_teach.metrics.localization import mean_box_pixels
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.table1 import Outcome

PROTOCOL = (
    "scenes of one sounding and two silent objects of other classes, of individuals never met before; share "
    "of maps whose maximum lies in the sounding object's box; AUC of cIoU with the top k pixels, k the mean "
    "box area of the training clips, in extra"
)
CHANCE = "pointing at the middle of an object picked at random, sounding or not"
CEILING = "the map of distance from the middle of the sounding object's true box"


@dataclass(frozen=True)
class Places:
    """Hold the clips of one seed: solo clips and scenes to learn from, scenes to be judged on."""

    solo: Sightings
    scenes: Sightings
    test: Sightings

    @property
    def k(self) -> int:
        """Return the mean area of the training boxes in pixels."""
        return mean_box_pixels(self.solo.box, SIZE_PX)


def places(sizes: dict, seed: int) -> Places:
    """Render or read the clips of a seed; every seed is another world of individuals."""
    solo = sightings(sizes["n_solo"], layout="solo", n_frames=4, seed=seed)
    scenes = sightings(sizes["n_scenes"], n_frames=4, seed=seed)
    return Places(solo, scenes, sightings(sizes["n_test"], split="test", seed=seed))


def place_outcome(model: Localizer, data: Places, *, seed: int) -> Outcome:
    """Judge a localizer's maps on test scenes, with chance, wrong partners and the truth beside."""
    test = data.test
    maps = localizers.heat_maps(model, test.log_mel, test.frames[:, 0])
    other = wrong_partners(test.label, seed=seed)
    wrong = localizers.heat_maps(model, test.log_mel[other], test.frames[:, 0])
    return maps_outcome(maps, wrong, data, seed=seed)


def maps_outcome(maps: torch.Tensor, wrong: torch.Tensor, data: Places, *, seed: int) -> Outcome:
    """Judge maps of right and of wrong partners; further figures by name in extra."""
    found, other = (localizers.judge(x, data.test, k=data.k) for x in (maps, wrong))
    floors = {
        name: localizers.judge(localizers.floor_maps(name, data.test, seed=seed), data.test, k=data.k)
        for name in localizers.FLOORS
    }
    extra = {name: x for name, x in found.items() if name != "sounding"}
    extra |= {"wrong partner AUC": other["AUC"], "centre": floors["centre"]["sounding"]}
    extra |= {f"{name} AUC": floors[name]["AUC"] for name in ("centre", "random true box", "truth")}
    return Outcome(
        score=found["sounding"],
        chance=floors["random true box"]["sounding"],
        wrong_partner=other["sounding"],
        ceiling=floors["truth"]["sounding"],
        extra=extra,
    )
