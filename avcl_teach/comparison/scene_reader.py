"""A frozen reader of the captioned pictures, trained once on labels: it stands for an ImageNet network.

python -m avcl_teach.comparison.scene_reader --out avcl_teach/weights     # about a minute
"""

import argparse
import functools
import json
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.storage import read_tensors, write_tensors
from avcl_teach.training import fit
from avcl_teach.training.checkpoint import load_state
from avcl_teach.world.variants import captions

STORED = Path(__file__).parent.parent / "weights" / "scene_reader"
DIM, WIDTH, N_CLASSES = 64, 24, 8


class SceneReader(nn.Module):
    """Look at the left and the right half of a picture with one small CNN.

    frames uint8 [image, 3, 64, 64] -> features [image, 2 * 64], left half first. `name_things` gives the
    logits of class and colour that it was trained on. Lesson: 30.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (3, WIDTH, 2 * WIDTH, 4 * WIDTH)
        self.down = nn.ModuleList(
            nn.Conv2d(i, o, 4, stride=2, padding=1) for i, o in zip(widths, widths[1:], strict=False)
        )
        self.last = nn.Linear(2 * widths[-1] * 2, DIM)
        self.names = nn.Linear(DIM, N_CLASSES + len(captions.COLOURS))

    def halves(self, frames: UInt8[Tensor, "image 3 64 64"]) -> Float[Tensor, "image side feature"]:
        """Return the features of each half."""
        x = frames.float() / 255 - 0.5
        x = torch.cat([x[..., :32], x[..., 32:]])  # [2 image, 3, 64, 32]
        for down in self.down:
            x = F.leaky_relu(down(x), 0.2)
        pooled = torch.cat([F.adaptive_avg_pool2d(x, (2, 1)), F.adaptive_max_pool2d(x, (2, 1))], 1)
        h = F.leaky_relu(self.last(pooled.flatten(1)), 0.2)
        return torch.stack(h.chunk(2), dim=1)

    def forward(self, frames: UInt8[Tensor, "image 3 64 64"]) -> Float[Tensor, "image feature"]:
        """Return the features of both halves side by side."""
        return self.halves(frames).flatten(1)

    def name_things(
        self, frames: UInt8[Tensor, "image 3 64 64"]
    ) -> tuple[Float[Tensor, "image side cls"], Float[Tensor, "image side colour"]]:
        """Return the logits of class and colour of both things."""
        logits = self.names(self.halves(frames))
        return logits[..., :N_CLASSES], logits[..., N_CLASSES:]


def pictures(n: int, *, split: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw n pictures without captions: frames [image, 3, 64, 64] and facts [image, side, 2]."""
    from avcl_teach.world.pictures import paint

    parts = []
    for start in range(0, n, 256):
        scenes, facts = captions.picture_scenes(range(start, min(n, start + 256)), split=split, seed=seed)
        parts.append((paint(scenes, masks=False).frames[:, 1], torch.as_tensor(facts)))
    frames, facts = (torch.cat(part) for part in zip(*parts, strict=True))
    return frames, facts


def naming_loss(reader: SceneReader, batch: tuple[Tensor, ...]) -> Tensor:
    """Cross-entropy of class and of colour, mean over both things."""
    frames, facts = batch
    return sum(
        F.cross_entropy(logits.flatten(0, 1), facts[..., k].flatten())
        for k, logits in enumerate(reader.name_things(frames))
    )


@torch.no_grad()
def naming_accuracy(reader: SceneReader, frames: Tensor, facts: Tensor) -> tuple[float, float]:
    """Return the shares of things whose class and whose colour it names right."""
    return tuple(
        float((logits.argmax(-1) == facts[..., k]).float().mean())
        for k, logits in enumerate(reader.name_things(frames))
    )


@functools.cache
def scene_reader() -> SceneReader:
    """Load the reader that ships, in evaluation mode, without gradients. Lesson: 30."""
    tensors, _ = read_tensors(STORED)
    reader = SceneReader().eval().requires_grad_(False)
    load_state(reader, {name: x.float() for name, x in tensors.items()})
    return reader


def train(out: Path, *, n: int = 6000, steps: int = 1500, seed: int = 1000) -> dict:
    """Train on pictures of the world's train split (another world seed than lessons use) and store."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    reader = SceneReader()
    history = fit(reader, naming_loss, pictures(n, split="train", seed=seed), steps=steps, batch_size=64,
                  lr=2e-3, seed=seed, progress=False, device="cpu")  # fmt: skip
    load_state(reader, {name: x.half().float() for name, x in reader.state_dict().items()})
    cls, colour = naming_accuracy(reader, *pictures(1000, split="val"))
    card = {
        "command": "python -m avcl_teach.comparison.scene_reader", "steps": steps, "seed": seed,
        "pictures": n, "device": "cpu, 1 thread", "torch": torch.__version__,
        "seconds": round(history.seconds), "class accuracy": cls, "colour accuracy": colour,
        "measured on": "1,000 pictures of split val, seed 0",
    }  # fmt: skip
    path = write_tensors(out / STORED.name, {k: x.half() for k, x in reader.state_dict().items()}, card)
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=STORED.parent)
    print(train(parser.parse_args().out))
