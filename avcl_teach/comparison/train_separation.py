"""Train longer than a lesson can wait: the picture trunk of the systems of separation, and one system.

    python -m avcl_teach.comparison.train_separation --trunk         # about 30 s of one core
    python -m avcl_teach.comparison.train_separation --steps 4000    # The Sound of Motions, about 5 minutes

Each writes avcl_teach/weights/separation_*.safetensors (float16) with a JSON beside it: command, commit,
seed, steps, device, score.
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.solo_clips import Solos, solos
from avcl_teach.encoders.picture_trunks import PictureMaps
from avcl_teach.storage import read_tensors, write_tensors
from avcl_teach.training.checkpoint import load_state

FOLDER = Path(__file__).resolve().parents[1] / "weights"
TRUNK, LONG = "separation_trunk", "separation_long"
N_TRUNK, TRUNK_STEPS = 2048, 1500


class NamedPictures(nn.Module):
    """Name the class of a picture: the trunk's maps, their maximum, one linear layer."""

    def __init__(self, n_classes: int = 8) -> None:
        super().__init__()
        self.trunk = PictureMaps(64)
        self.out = nn.Linear(64, n_classes)

    def forward(self, pictures: Tensor) -> Float[Tensor, "picture class"]:
        """Return logits of the classes."""
        return self.out(F.relu(self.trunk(pictures)).amax((2, 3)))


def learn_trunk(clips: Solos, *, steps: int, seed: int = 0) -> NamedPictures:
    """Learn to name pictures, any frame, mirrored or not; separation then uses the maps below."""
    from avcl_teach.training import fit

    def loss(model, batch):
        (rows,) = batch
        pictures = clips.frames[rows, torch.randint(clips.frames.shape[1], (len(rows),))]
        mirrored = (torch.rand(len(rows)) < 0.5)[:, None, None, None]
        logits = model(torch.where(mirrored, pictures.flip(-1), pictures))
        return F.cross_entropy(logits, clips.labels[rows], label_smoothing=0.1)

    torch.manual_seed(seed)
    model = NamedPictures()
    fit(model, loss, (torch.arange(len(clips)),), steps=steps, batch_size=64, lr=3e-3, weight_decay=0.05,
        seed=seed, progress=False)  # fmt: skip
    return model


@torch.no_grad()
def named_right(model: NamedPictures, clips: Solos) -> float:
    """Share of middle pictures that are named right."""
    middle = clips.frames[:, clips.frames.shape[1] // 2]
    return float((model(middle).argmax(1) == clips.labels).float().mean())


def stored_trunk(folder: Path | None = None) -> PictureMaps:
    """Load the trunk that ships, in eval mode, without gradients. Errors: FileNotFoundError. Lesson: 35."""
    tensors, _ = read_tensors((folder or FOLDER) / TRUNK)
    model = NamedPictures()
    load_state(model, {name: x.float() if x.is_floating_point() else x for name, x in tensors.items()})
    return model.eval().requires_grad_(False).trunk


def card(name: str, folder: Path | None = None) -> dict:
    """Read what a stored file says about itself."""
    return json.loads(((folder or FOLDER) / f"{name}.json").read_text(encoding="utf-8"))


def keep(model: nn.Module, name: str, about: dict, folder: Path | None = None) -> Path:
    """Write weights in float16 and their card."""
    tensors = {k: x.half() if x.is_floating_point() else x for k, x in model.state_dict().items()}
    about = {"torch": torch.__version__, "device": "cpu, 1 thread"} | about
    path = write_tensors((folder or FOLDER) / name, tensors, about)
    path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return path


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trunk", action="store_true")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--commit", default=os.environ.get("GIT_COMMIT", ""))
    given = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    command = "python -m avcl_teach.comparison.train_separation "
    if given.trunk:
        model = learn_trunk(solos(N_TRUNK), steps=TRUNK_STEPS, seed=given.seed)
        keep(model, TRUNK, {
            "command": command + "--trunk", "commit": given.commit, "seed": given.seed, "steps": TRUNK_STEPS,
            "processor_s": round(time.process_time() - started), "clips": N_TRUNK,
            "val": named_right(model.eval(), solos(400, "val")),
            "score": named_right(model, solos(400, "test")), "metric": "test pictures named right",
        }, given.out)  # fmt: skip
        return
    from avcl_teach.systems import zhao2019

    model, outcome = zhao2019.train_long(steps=given.steps, seed=given.seed)
    keep(model, LONG, {
        "command": command + f"--steps {given.steps}", "commit": given.commit, "seed": given.seed,
        "steps": given.steps, "processor_s": round(time.process_time() - started),
        "metric": "SDR in dB, 120 mixtures of two classes", **outcome,
    }, given.out)  # fmt: skip


if __name__ == "__main__":
    main()
