"""Train the generators of lesson 15 longer than a lesson can wait, score them, and keep the weights.

    python -m avcl_teach.comparison.train_pictures --arm code --steps 5000 --out parts     # about 7 minutes
    python -m avcl_teach.comparison.train_pictures --arm label --steps 800 --seed 1 --out parts
    python -m avcl_teach.comparison.train_pictures --collect parts

The first call also learns the code of sounds and the judge, which all further calls share. `--collect` writes
avcl_teach/weights/sound_to_picture*.safetensors (weights in float16) with a JSON beside each.
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch
from torch import nn

from avcl_teach.comparison import sound_to_picture as stp
from avcl_teach.comparison.glimpse_pairs import Glimpses, glimpses
from avcl_teach.storage import read_tensors, write_tensors
from avcl_teach.training.checkpoint import load_state

SIZES = {"n_train": 2048, "n_val": 512, "n_test": 512}
LONG = "code, long"
FILES = {"sound_to_picture": (LONG,), "sound_to_picture_arms": tuple(a for a in stp.ARMS if a != "alone")}


def tools(folder: Path, data: Glimpses) -> tuple[stp.SoundReader, stp.PictureJudge]:
    """Load the reader of sounds and the judge of pictures from the folder, or learn and keep them."""
    path = folder / "tools.safetensors"
    reader, judge = stp.SoundReader(), stp.PictureJudge(data.n_classes)
    if not path.is_file():
        made = stp.learn_code(data.train.x_a), stp.learn_judge(data.val, data.n_classes)
        write_tensors(path, _named(reader=made[0], judge=made[1]), {"steps": 400})
    tensors, _ = read_tensors(path)
    for name, module in (("reader", reader), ("judge", judge)):
        load_state(module.eval(), _part(tensors, name))
    return reader, judge


def train(arm: str, *, steps: int, seed: int, folder: Path) -> dict:
    """Train one arm with one seed; write its weights and its card into the folder, and return the card."""
    torch.set_num_threads(1)
    data = glimpses(**SIZES)
    reader, judge = tools(folder, data)
    started = time.process_time()
    G, _ = stp.train_arm(arm, stp.training_data(reader, data), data.n_classes, steps=steps, seed=seed)
    seconds = round(time.process_time() - started)
    name = LONG if arm == "code" and steps >= 2000 else arm
    path = folder / f"{name.replace(' ', '_')}_{seed}"
    written = write_tensors(path, _named(G=G), {})
    load_state(G.eval(), _part(read_tensors(written)[0], "G"))  # judged as stored, in float16
    found = stp.judge_pictures(G, judge, reader(data.test.x_a), data.test)
    card = {"arm": name, "steps": steps, "seed": seed, "processor_s": seconds} | found
    path.with_name(path.name + ".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def collect(folder: Path, out: Path, *, commit: str) -> list[Path]:
    """Gather the parts into the files that ship: weights of seed 0, and the scores of every seed."""
    data = glimpses(**SIZES)
    kept, _ = read_tensors(folder / "tools.safetensors")
    reader, judge = tools(folder, data)
    cards = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    written = []
    for file, arms in FILES.items():
        tensors = dict(kept) if file == "sound_to_picture" else {}
        there = {card["arm"] for card in cards if card["seed"] == 0}
        for arm in (arm for arm in arms if arm in there):
            part, _ = read_tensors(folder / f"{arm.replace(' ', '_')}_0")
            tensors |= {f"{arm}.{name.removeprefix('G.')}": x for name, x in part.items()}
        about = {
            "command": "python -m avcl_teach.comparison.train_pictures", "commit": commit,
            "device": "cpu, 1 thread", "torch": torch.__version__, "data": SIZES,
            "levels": levels(reader, judge, data),
            "runs": [card for card in cards if file != "sound_to_picture" or card["arm"] in arms],
        }  # fmt: skip
        path = write_tensors(out / file, tensors, about)
        path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        written.append(path)
    return written


@torch.no_grad()
def levels(reader: stp.SoundReader, judge: stp.PictureJudge, data: Glimpses) -> dict[str, float]:
    """Measure what scores are read against: chance, the judge on real pictures, the classes a code tells."""
    from avcl_teach.metrics.frechet import frechet_distance
    from avcl_teach.metrics.probes import linear_probe

    test, train = data.test, data.train
    real, known = judge.trunk(test.x_v), judge.trunk(train.x_v[: test.n_clips])
    code = reader(train.x_a), reader(test.x_a)
    return {
        "chance": 1 / data.n_classes,
        "real": float((judge(test.x_v).argmax(1) == test.labels).float().mean()),
        "code": linear_probe(code[0], train.labels, code[1], test.labels),
        "frechet real": frechet_distance(known, real),
    }


def _named(**modules: nn.Module) -> dict[str, torch.Tensor]:
    """Name every tensor of the modules after its module, in float16."""
    return {f"{m}.{k}": x.half() for m, module in modules.items() for k, x in module.state_dict().items()}


def _part(tensors: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """Pick the tensors of one module, in float32."""
    start = f"{name}."
    return {k.removeprefix(start): x.float() for k, x in tensors.items() if k.startswith(start)}


def stored(arm: str = LONG, *, folder: Path | None = None) -> tuple[stp.PictureGenerator, dict]:
    """Load a generator that ships with the package, and the card of its file.

    Errors: FileNotFoundError for a folder without the files; ValueError for an arm that is not stored.
    Lesson: 15.
    """
    file = next((name for name, arms in FILES.items() if arm in arms), None)
    if file is None:
        raise ValueError(f"expected an arm of {[a for arms in FILES.values() for a in arms]}, got {arm!r}")
    tensors, card = read_tensors((folder or stp.STORED.parent) / file)
    G = stp.PictureGenerator(stp.DIM_CODE, width=stp.WIDTH)
    load_state(G.eval(), _part(tensors, arm))
    return G, card


def stored_tools(
    n_classes: int = 8, *, folder: Path | None = None
) -> tuple[stp.SoundReader, stp.PictureJudge]:
    """Load the reader of sounds and the judge of pictures that ship. Errors: as `stored`. Lesson: 15."""
    tensors, _ = read_tensors((folder or stp.STORED.parent) / "sound_to_picture")
    reader, judge = stp.SoundReader().eval(), stp.PictureJudge(n_classes).eval()
    load_state(reader, _part(tensors, "reader"))
    load_state(judge, _part(tensors, "judge"))
    return reader, judge


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arm", choices=stp.ARMS)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("parts"))
    parser.add_argument("--collect", type=Path)
    parser.add_argument("--commit", default=os.environ.get("GIT_COMMIT", ""))
    given = parser.parse_args()
    if given.collect:
        print(*collect(given.collect, stp.STORED.parent, commit=given.commit), sep="\n")
    elif given.arm:
        given.out.mkdir(parents=True, exist_ok=True)
        print(json.dumps(train(given.arm, steps=given.steps, seed=given.seed, folder=given.out)))


if __name__ == "__main__":
    main()
