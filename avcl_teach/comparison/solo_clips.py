"""Solo clips to mix: their sound at one loudness and a small picture track, kept on the disk."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files

SIZE_PX, RMS, _CHUNK = 32, 0.1, 64
LARGE = {"radius": (16 / 64, 20 / 64)}  # knobs: objects large enough to be seen in 32 px


@dataclass(frozen=True)
class Solos:
    """Hold solo clips: row i of every field is one clip.

    sound: 2 s at 8 kHz, brought to a root mean square of 0.1, noise and room included as on any sound track ·
    frames: 16 small pictures at 8 Hz · labels: class · instance: which individual · index: in the world.
    """

    sound: Float[Tensor, "clip sample"]
    frames: UInt8[Tensor, "clip time 3 32 32"]
    labels: Int[Tensor, "clip"]
    instance: Int[Tensor, "clip"]
    index: Int[Tensor, "clip"]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Tensor | Sequence[int]) -> "Solos":
        """Take some of the clips."""
        return Solos(**{name: x[rows] for name, x in vars(self).items()})

    @property
    def grey(self) -> Float[Tensor, "clip time 32 32"]:
        """Return the frames without colour, 0 to 1; made in parts, since floats take four times the room."""
        return torch.cat([part.float().mean(2) / 255 for part in self.frames.split(_CHUNK)])

    def to(self, device: str | torch.device) -> "Solos":
        """Move everything to a device."""
        return Solos(**{name: x.to(device) for name, x in vars(self).items()})


def solos(indices: int | Sequence[int], split: str = "train", *, preset: str = "easy") -> Solos:
    """Load solo clips of the world, large in the picture; rendered once (4 ms each), then kept.

    Errors: ValueError for no clips, an unknown split or preset. Lesson: 35.
    """
    from avcl_teach import world

    found = list(range(indices)) if isinstance(indices, int) else [int(i) for i in indices]
    if not found:
        raise ValueError("expected at least one clip, got none")
    where = {"preset": preset, "split": split, "size_px": SIZE_PX, **LARGE}

    def make():
        parts = [world.render(found[i : i + _CHUNK], stems=False, masks=False, **where)
                 for i in range(0, len(found), _CHUNK)]  # fmt: skip
        return {
            "sound": torch.cat([_even(part.mono) for part in parts]).half(),
            "frames": torch.cat([part.frames for part in parts]),
            "labels": torch.cat([part.label for part in parts]),
            "instance": torch.cat([part.instance[:, 0] for part in parts]),
            "index": torch.tensor(found),
        }, {}

    key = {"solos": world.content_hash(found, **where), "code": hash_files(__file__)}
    tensors, _ = cached(key, make)
    return Solos(**{name: x.float() if x.dtype == torch.float16 else x for name, x in tensors.items()})


def _even(x: Tensor) -> Tensor:
    return x * (RMS / x.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6))
