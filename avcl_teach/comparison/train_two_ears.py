"""Train the two ears of Lin and Wang (2021) longer than a lesson can wait.

    python -m avcl_teach.comparison.train_two_ears --steps 1600    # about three minutes of one core

Writes avcl_teach/weights/two_ears.safetensors (float16) with a JSON beside it: command, commit, seed, steps,
device, scores on the val split and on 64 test scenes.
"""

import argparse
import os
import time
from pathlib import Path

import torch

from avcl_teach.comparison.ear_scenes import EarScenes, ear_scenes
from avcl_teach.comparison.train_separation import FOLDER, card, keep
from avcl_teach.storage import read_tensors
from avcl_teach.training.checkpoint import load_state

NAME, N_TRAIN, N_JUDGED, BATCH = "two_ears", 768, 64, 24

__all__ = ["card", "judged", "stored_ears"]


def stored_ears(folder: Path | None = None):
    """Load the network that ships, in eval mode, without gradients. Errors: FileNotFoundError. Lesson: 39."""
    from avcl_teach.systems.lin2021 import TwoEars

    tensors, _ = read_tensors((folder or FOLDER) / NAME)
    model = TwoEars()
    load_state(model, {name: x.float() if x.is_floating_point() else x for name, x in tensors.items()})
    return model.eval().requires_grad_(False)


@torch.no_grad()
def judged(model, clips: EarScenes) -> dict[str, float]:
    """Return STFT distances of the network, of mono and of wrong pictures, and the sides it gets right."""
    from avcl_teach.metrics.spatial import ear_stft_distance, side_accuracy
    from avcl_teach.systems.lin2021 import LEAST_DB, estimate, windows

    sound, frame = windows(clips, torch.full((len(clips),), 4000))
    found, wrong = estimate(model, sound, frame), estimate(model, sound, frame.roll(1, 0))
    mono = sound.mean(1, keepdim=True).expand_as(sound)
    rows = {"found": found, "mono": mono, "wrong partner": wrong}
    distances = {name: ear_stft_distance(x, sound, own_peak=False).mean().item() for name, x in rows.items()}
    return distances | {"side": side_accuracy(found, sound, least_db=LEAST_DB)}


def main() -> None:
    """Read the command line, train, judge, write."""
    from avcl_teach.systems.lin2021 import train

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--commit", default=os.environ.get("GIT_COMMIT", ""))
    given = parser.parse_args()
    torch.set_num_threads(1)
    clips, started = ear_scenes(N_TRAIN, seed=given.seed), time.process_time()
    model = train(clips, seed=given.seed, arm="paper", steps=given.steps, batch=BATCH, device="cpu")
    seconds = round(time.process_time() - started)
    model.load_state_dict({k: x.half().float() if x.is_floating_point() else x
                           for k, x in model.state_dict().items()})  # fmt: skip
    val, test = (judged(model, ear_scenes(N_JUDGED, split)) for split in ("val", "test"))
    keep(model, NAME, {
        "command": f"python -m avcl_teach.comparison.train_two_ears --steps {given.steps}",
        "commit": given.commit, "seed": given.seed, "steps": given.steps, "processor_s": seconds,
        "metric": f"STFT distance, {N_JUDGED} scenes", "val": val, "score": test["found"], "test": test,
    }, given.out)  # fmt: skip


if __name__ == "__main__":
    main()
