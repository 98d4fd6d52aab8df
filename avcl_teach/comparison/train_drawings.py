"""Train what lesson 36 loads: the code of sounds, the yes/no judges, and a generator that played for longer.

    python -m avcl_teach.comparison.train_drawings --steps 2500        # some minutes on one thread

It writes avcl_teach/weights/sound_to_drawing.safetensors (weights in float16) and a JSON beside it.
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch
from torch import nn

from avcl_teach.comparison.glimpse_pairs import glimpses
from avcl_teach.comparison.sound_to_picture import STORED as _PICTURES
from avcl_teach.comparison.sound_to_picture import SoundReader, learn_code
from avcl_teach.encoders.dense_pictures import DenseGenerator, YesNoJudges
from avcl_teach.storage import read_tensors, write_tensors
from avcl_teach.training.checkpoint import load_state

STORED = _PICTURES.with_name("sound_to_drawing.safetensors")
SIZES = {"n_train": 2048, "n_val": 512, "n_test": 512}
DIM_CODE, N_CLASSES = 64, 8


def train_drawings(
    *, steps: int, code_steps: int = 400, judge_steps: int = 400, seed: int = 0, out: Path = STORED,
    sizes: dict[str, int] = SIZES, commit: str = "",
) -> dict:  # fmt: skip
    """Train all three, write them with the scores of the written ones, and return the card. Lesson: 36."""
    from avcl_teach.systems import fanzeres2021

    torch.set_num_threads(1)
    data, started = glimpses(**sizes), time.process_time()
    reader = learn_code(data.train.x_a, steps=code_steps, dim=DIM_CODE, seed=seed)
    judges = fanzeres2021.learn_judges(data.val, data.n_classes, steps=judge_steps, seed=seed)
    code = reader(data.train.x_a)
    G = fanzeres2021.learn_to_draw(data.train.drawing, code, steps=steps, seed=seed)
    seconds = round(time.process_time() - started)
    parts = {"reader": reader, "judges": judges, "G": G}
    tensors = {f"{m}.{k}": x.half() for m, net in parts.items() for k, x in net.state_dict().items()}
    write_tensors(out, tensors, {})
    kept, said, drew = _rebuilt(tensors)  # judged as stored, in float16
    found = fanzeres2021.measure(drew, kept, said, data)
    card = {
        "command": f"python -m avcl_teach.comparison.train_drawings --steps {steps}", "commit": commit,
        "seed": seed, "steps": steps, "code_steps": code_steps, "judge_steps": judge_steps, "data": sizes,
        "device": "cpu, 1 thread", "torch": torch.__version__, "processor_s": seconds,
        "scores": {"informativity": found.score, "wrong sounds": found.wrong_partner,
                   "real pictures": found.ceiling, "chance": found.chance},
    }  # fmt: skip
    out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def stored_drawers(path: Path = STORED) -> tuple[SoundReader, YesNoJudges, nn.Module]:
    """Load the reader of sounds, the judges and the generator that ship. Errors: FileNotFoundError.

    Lesson: 36.
    """
    return _rebuilt(read_tensors(path)[0])


def stored_card(path: Path = STORED) -> dict:
    """Read how the stored weights came about, and what they score. Lesson: 36."""
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def _rebuilt(tensors: dict[str, torch.Tensor]) -> tuple[SoundReader, YesNoJudges, nn.Module]:
    nets = SoundReader(DIM_CODE), YesNoJudges(N_CLASSES), DenseGenerator(DIM_CODE)
    for name, net in zip(("reader", "judges", "G"), nets, strict=True):
        start = f"{name}."
        part = {k.removeprefix(start): x.float() for k, x in tensors.items() if k.startswith(start)}
        load_state(net.eval(), part)
    return nets


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--out", type=Path, default=STORED)
    parser.add_argument("--commit", default=os.environ.get("GIT_COMMIT", ""))
    given = parser.parse_args()
    print(json.dumps(train_drawings(steps=given.steps, out=given.out, commit=given.commit)))


if __name__ == "__main__":
    main()
