"""Train the localizer of lesson 34 at the size of the table, score it, and keep the weights.

    python -m avcl_teach.comparison.train_localizer                # about a minute of one core

Writes avcl_teach/weights/localizer.safetensors (float16), with a JSON beside it.
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch

from avcl_teach.comparison import localizers
from avcl_teach.comparison.sightings import SIZE_PX, sightings
from avcl_teach.encoders.sounding_maps import Localizer
from avcl_teach.metrics.localization import mean_box_pixels
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.objectives.tri_maps import tri_map_loss
from avcl_teach.storage import read_tensors, write_tensors
from avcl_teach.training.checkpoint import load_state

STORED = Path(__file__).parent.parent / "weights" / "localizer"
SIZES = {"n_solo": 2048, "n_scenes": 1024, "n_test": 512, "warm": (300, 200), "steps": 200}
HEAD = {"high": 0.4, "low": 0.1, "softness": 0.1}


def train(out: Path = STORED, *, seed: int = 0, commit: str = "", sizes: dict | None = None) -> dict:
    """Train on solo clips, then on scenes by the tri-map; write weights and card; return the card."""
    torch.set_num_threads(1)
    sizes = SIZES | (sizes or {})
    started = time.process_time()
    solo = sightings(sizes["n_solo"], layout="solo", n_frames=4, seed=seed)
    scenes = sightings(sizes["n_scenes"], n_frames=4, seed=seed)
    model = localizers.warm_up(solo, steps=tuple(sizes["warm"]), seed=seed)
    loss = localizers.place_loss(tri_map_loss, **HEAD)
    localizers.train_stage(model, loss, scenes, steps=sizes["steps"], seed=seed + 2, lr=1e-3)
    seconds = round(time.process_time() - started)
    halves = {name: x.half() if x.is_floating_point() else x for name, x in model.state_dict().items()}
    load_state(model, {name: x.float() if x.is_floating_point() else x for name, x in halves.items()})
    k = mean_box_pixels(solo.box, SIZE_PX)
    card = {
        "command": "python -m avcl_teach.comparison.train_localizer", "commit": commit, "seed": seed,
        "sizes": {name: list(x) if isinstance(x, tuple) else x for name, x in sizes.items()},
        "steps": sum(sizes["warm"]) + sizes["steps"], "processor_s": seconds, "device": "cpu, 1 thread",
        "torch": torch.__version__, "k": k, **scores(model, sizes["n_test"], k=k, seed=seed),
    }  # fmt: skip
    path = write_tensors(out, halves, card)
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def scores(model: Localizer, n_test: int, *, k: int, seed: int = 0) -> dict[str, dict[str, float]]:
    """Judge on test scenes with right and wrong partners."""
    test = sightings(n_test, split="test", seed=seed)
    other = wrong_partners(test.label, seed=seed)
    pairs = {"right partners": test.log_mel, "wrong partners": test.log_mel[other]}
    return {
        name: localizers.judge(localizers.heat_maps(model, x, test.frames[:, 0]), test, k=k)
        for name, x in pairs.items()
    }


def stored(path: Path = STORED) -> tuple[Localizer, dict]:
    """Load the localizer that ships, and its card. Errors: FileNotFoundError without the file. Lesson: 34."""
    tensors, card = read_tensors(path)
    model = Localizer()
    load_state(model, {name: x.float() if x.is_floating_point() else x for name, x in tensors.items()})
    return model.eval(), card


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=STORED)
    parser.add_argument("--commit", default=os.environ.get("GIT_COMMIT", ""))
    given = parser.parse_args()
    print(json.dumps(train(given.out, seed=given.seed, commit=given.commit)))


if __name__ == "__main__":
    main()
