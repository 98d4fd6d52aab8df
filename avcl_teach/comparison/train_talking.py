"""Train what lesson 37 loads: two listeners, and a generator that saw more than a lesson can wait for.

    python -m avcl_teach.comparison.train_talking --listeners                  # under a minute
    python -m avcl_teach.comparison.train_talking --arm paper --steps 1500     # about 8 minutes

The first call must come first: the generator is trained with the ear and scored by the recogniser that it
leaves. They write avcl_teach/weights/*.safetensors (float16) with a JSON beside each: command, commit, seed,
steps, device, scores. Nothing is chosen by the scores, which are of the test speakers.
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch

from avcl_teach.comparison import talking
from avcl_teach.comparison.listeners import Listener, learn_to_listen, recogniser_and_ear, transcribe
from avcl_teach.comparison.train_pictures import _named, _part
from avcl_teach.encoders.lip_speech import SpeechGenerator, log_spectrum, sound_of
from avcl_teach.metrics.speech import word_error_rate
from avcl_teach.storage import read_tensors, write_tensors
from avcl_teach.training.checkpoint import load_state

FOLDER = Path(__file__).parents[1] / "weights"
LISTENERS, SPEECH = "speech_listeners", "video_to_speech"
SIZES = {"n_train": 1536, "n_test": 192}


def train_listeners(*, steps: int = 500, n_clips: int = 2048, commit: str = "") -> dict:
    """Train recogniser and ear on true speech, write them, and return the card of the file."""
    torch.set_num_threads(1)
    started = time.process_time()
    both = {kind: learn_to_listen(kind, steps=steps, n_clips=n_clips) for kind in ("recogniser", "ear")}
    seconds = round(time.process_time() - started)
    path = write_tensors(FOLDER / LISTENERS, _named(**both), {})
    recogniser, _ = stored_listeners()
    data = talking.talk("test", SIZES["n_test"])
    through = sound_of(log_spectrum(data.x), n_steps=talking.PHASE_STEPS)
    scores = {
        "WER of true speech": _wer(recogniser, data.x, data),
        "WER of true speech through the vocoder": _wer(recogniser, through, data),
    }
    return _write(path, {"command": "--listeners", "steps": steps, "n_clips": n_clips, "seed": 0,
                         "commit": commit, "processor_s": seconds, "scores": scores})  # fmt: skip


def train_long(arm: str, *, steps: int, seed: int = 0, commit: str = "") -> dict:
    """Train a generator, write it, and return the card of the file, with the scores of what was stored."""
    torch.set_num_threads(1)
    _, ear = stored_listeners()
    data = talking.talk("train", SIZES["n_train"], seed=seed)
    G, duel = talking.train_speech(arm, data, ear, steps=steps, seed=seed, average=0.99)
    path = write_tensors(FOLDER / SPEECH, _named(G=G), {})
    command = f"--arm '{arm}' --steps {steps} --seed {seed}"
    return _write(path, {"command": command, "arm": arm, "steps": steps, "seed": seed, "data": SIZES,
                         "commit": commit, "processor_s": round(duel.seconds),
                         "scores": score_stored()})  # fmt: skip


def score_stored() -> dict[str, float]:
    """Score the generator that ships on the test speakers: its WER, and with the faces exchanged."""
    data = talking.talk("test", SIZES["n_test"])
    return {
        name: value
        for name, value in talking.judge_speech(stored_speech(), *stored_listeners(), data).items()
        if name.startswith("WER")
    }


def stored_listeners() -> tuple[Listener, Listener]:
    """Load the recogniser and the ear that ship. Errors: FileNotFoundError for missing files. Lesson: 37."""
    tensors, _ = read_tensors(FOLDER / LISTENERS)
    both = recogniser_and_ear()
    for name, module in zip(("recogniser", "ear"), both, strict=True):
        load_state(module.eval().requires_grad_(False), _part(tensors, name))
    return both


def stored_speech() -> SpeechGenerator:
    """Load the generator that ships. Errors: FileNotFoundError for missing files. Lesson: 37."""
    G = SpeechGenerator()
    load_state(G.eval(), _part(read_tensors(FOLDER / SPEECH)[0], "G"))
    return G


def stored_card(file: str = SPEECH) -> dict:
    """Read the card beside a file of weights: command, commit, seed, steps, device, scores. Lesson: 37."""
    return json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))


def _wer(recogniser: Listener, x: torch.Tensor, data: talking.Talk) -> float:
    return word_error_rate(data.words.tolist(), transcribe(recogniser, x))


def _write(path: Path, card: dict) -> dict:
    card["command"] = f"python -m avcl_teach.comparison.train_talking {card['command']}"
    card |= {"device": "cpu, 1 thread", "torch": torch.__version__}
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listeners", action="store_true")
    parser.add_argument("--arm", choices=talking.ARMS)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commit", default=os.environ.get("GIT_COMMIT", ""))
    given = parser.parse_args()
    if given.listeners:
        print(json.dumps(train_listeners(steps=given.steps or 500, commit=given.commit), indent=1))
    if given.arm:
        steps = given.steps or 1500
        print(json.dumps(train_long(given.arm, steps=steps, seed=given.seed, commit=given.commit), indent=1))


if __name__ == "__main__":
    main()
