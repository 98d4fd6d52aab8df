"""Sounds and pictures of five VEGAS classes, as the authors of Sound-to-Imagination distribute them.

Files of records without a header, `{data,val,test}_batch_NNN.bin` (or `train_batch_NNN.bin`): 11 characters
(3 digits of the class, "001" to "005", then digits of the video and of the window), a log-mel spectrogram of
128 x 100 bytes, a picture of 96 x 96 x 3 bytes: 40,459 bytes a record. Layout: the authors' own reader
(github.com/leofanzeres/s2i); how many of the last 8 digits name the video is not stated there. Licence of the
pairs: CC BY 4.0 as the authors state; the frames come from YouTube. Lesson: 36.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

CLASSES = ("baby cry", "dog", "rail transport", "fireworks", "water flowing")
RECORD = np.dtype([("label", "S11"), ("spectrogram", "u1", (128, 100)), ("picture", "u1", (96, 96, 3))])
SPLITS = {
    "train": ("train_batch_*.bin", "data_batch_*.bin"),
    "val": ("val_batch_*.bin",),
    "test": ("test_batch_*.bin",),
}


class SoundPictures(NamedTuple):
    """Hold pairs: spectrogram bytes (mel 0 first), picture bytes, class (place in CLASSES), and who they are.

    `source`: the last 8 digits of each label, which name the video and the window.
    """

    spectrogram: UInt8[Tensor, "pair 128 100"]
    picture: UInt8[Tensor, "pair 3 96 96"]
    label: Int64[Tensor, "pair"]
    source: list[str]


def read_pairs(
    path: str | Path, *, split: str = "test", indices: Sequence[int] | None = None
) -> SoundPictures:
    """Read pairs of one file, or of all files of a split in a folder; only the chosen records are loaded.

    `path`: a .bin file (then `split` is not looked at) or a folder; `indices` counts through the files in the
    order of their names, None reads all (40 kB a pair). Errors: FileNotFoundError where there is no such
    file; ValueError for an unknown split, an index beyond the end, a file that is no whole number of records
    (a pointer of Git LFS is told apart), and labels that are not 11 digits of a known class. Lesson: 36.
    """
    files = batch_files(path, split=split)
    parts = [_open(file) for file in files]
    n = sum(len(part) for part in parts)
    chosen = np.arange(n) if indices is None else np.asarray(list(indices), dtype=np.int64)
    if len(chosen) and not (chosen.min() >= 0 and chosen.max() < n):
        raise ValueError(f"expected indices in 0 ... {n - 1}, got {chosen.min()} ... {chosen.max()}")
    ends = np.cumsum([len(part) for part in parts])
    rows = np.empty(len(chosen), RECORD)
    for k, part in enumerate(parts):
        here = np.searchsorted(ends, chosen, side="right") == k
        rows[here] = part[chosen[here] - (ends[k] - len(part))]
    texts = [bytes(x).decode("ascii", "replace") for x in rows["label"]]
    labels = [_class_of(text, files) for text in texts]
    return SoundPictures(
        torch.from_numpy(np.ascontiguousarray(rows["spectrogram"])),
        torch.from_numpy(np.ascontiguousarray(rows["picture"].transpose(0, 3, 1, 2))),
        torch.tensor(labels, dtype=torch.int64),
        [text[3:] for text in texts],
    )


def batch_files(path: str | Path, *, split: str = "test") -> list[Path]:
    """List the files of a split in a folder, by name; a file stands for itself. Errors: as `read_pairs`."""
    path = Path(path)
    if path.is_file():
        return [path]
    if split not in SPLITS:
        raise ValueError(f"expected a split of {', '.join(SPLITS)}, got {split!r}")
    found = sorted(file for pattern in SPLITS[split] for file in path.glob(pattern))
    if not found:
        names = " or ".join(SPLITS[split])
        raise FileNotFoundError(f"expected {names} in {path}, found none")
    return found


def write_pairs(
    path: str | Path,
    spectrogram: UInt8[Tensor, "pair 128 100"],
    picture: UInt8[Tensor, "pair 3 96 96"],
    label: Int64[Tensor, "pair"],
) -> None:
    """Write pairs as one file of this layout, for tests and for a class's own recordings; moved there whole.

    Errors: ValueError for unequal lengths, or classes beyond CLASSES. Lesson: 36.
    """
    if not len(spectrogram) == len(picture) == len(label):
        raise ValueError(f"expected equal lengths, got {len(spectrogram)}, {len(picture)}, {len(label)}")
    if len(label) and not (int(label.min()) >= 0 and int(label.max()) < len(CLASSES)):
        raise ValueError(f"expected classes 0 ... {len(CLASSES) - 1}, got {label.unique().tolist()}")
    rows = np.empty(len(label), RECORD)
    rows["label"] = [f"{int(c) + 1:03d}{i:08d}".encode() for i, c in enumerate(label)]
    rows["spectrogram"], rows["picture"] = spectrogram.numpy(), picture.permute(0, 2, 3, 1).numpy()
    path = Path(path)
    part = path.with_name(path.name + ".part")
    rows.tofile(part)
    part.replace(path)


def _open(file: Path) -> np.ndarray:
    size = file.stat().st_size
    if size % RECORD.itemsize or not size:
        with open(file, "rb") as stream:
            pointer = stream.read(24).startswith(b"version https://git-lfs")
        why = "; it is a pointer of Git LFS: fetch the file itself (git lfs pull)" if pointer else ""
        raise ValueError(f"expected records of {RECORD.itemsize} bytes in {file}, got {size} bytes{why}")
    return np.memmap(file, RECORD, mode="r")


def _class_of(text: str, files: Sequence[Path]) -> int:
    if len(text) != 11 or not text.isdigit() or not 1 <= int(text[:3]) <= len(CLASSES):
        raise ValueError(
            f"expected labels of 11 digits, the class 001 to {len(CLASSES):03d} first, in "
            f"{files[0].parent}, got {text!r}"
        )
    return int(text[:3]) - 1
