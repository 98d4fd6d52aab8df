"""Films of acted emotion, one take a file: what their names tell, splits by actor, and reading them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from avcl_teach.clips import Clips
from avcl_teach.downloads import data_root

SPLITS = ("train", "val", "test")
SHARES = (0.7, 0.15, 0.15)  # of the actors


class Take(NamedTuple):
    """Hold one take: its file, the emotion (its place in the list of the data set), the actor, and the rest
    of what the name tells, as numbers."""

    path: Path
    label: int
    actor: int
    told: dict[str, int]


def find_takes(
    root: str | Path | None, *, folder: str, suffixes: Sequence[str], parse: Callable[[Path], Take | None]
) -> tuple[list[Take], list[str]]:
    """List the takes below a folder (default: `folder` in the one that AVCL_DATA names), and odd file names.

    `parse` gives the take of a file, None for one that belongs elsewhere (sound alone, a song), and raises
    ValueError for a name that does not follow the rule: such names are returned, not read.
    Errors: FileNotFoundError for no such folder, or one without a take, with what was looked for.
    """
    if root is None:
        base = data_root()
        if base is None:
            raise FileNotFoundError(
                f"expected the folder of the data set, or AVCL_DATA set to a folder that holds {folder!r}"
            )
        root = base / folder
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"expected a folder, got {os.fspath(root)!r}")
    takes, odd = [], []
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in suffixes):
        try:
            take = parse(path)
        except ValueError:
            odd.append(path.name)
            continue
        if take is not None:
            takes.append(take)
    if not takes:
        also = f"; {len(odd)} names do not follow the rule, such as {odd[0]!r}" if odd else ""
        raise FileNotFoundError(f"expected films ({', '.join(suffixes)}) below {root}, found none{also}")
    return takes, odd


def actors_of(actors: Sequence[int], split: str, *, seed: int = 0) -> list[int]:
    """Return the actors of a split: 70, 15 and 15 % of them, at least one each, nobody in two.

    Errors: ValueError for an unknown split or fewer than 3 actors.
    """
    if split not in SPLITS:
        raise ValueError(f"expected a split of {', '.join(SPLITS)}, got {split!r}")
    people = sorted(set(actors))
    if len(people) < 3:
        raise ValueError(f"expected at least 3 actors, so that no split shares one, got {len(people)}")
    order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed)).tolist()
    n_val, n_test = (max(1, round(share * len(people))) for share in SHARES[1:])
    n_train = len(people) - n_val - n_test
    edges = {"train": (0, n_train), "val": (n_train, n_train + n_val), "test": (n_train + n_val, len(people))}
    first, last = edges[split]
    return sorted(people[i] for i in order[first:last])


def read_takes(
    takes: Sequence[Take],
    *,
    class_names: Sequence[str],
    duration_s: float,
    size_px: int,
    frame_rate_hz: float,
    sample_rate_hz: int,
    meta: dict,
) -> Clips:
    """Read takes as clips of one length: longer ones end early, shorter ones hold the last picture, silent.

    label = emotion; `extra` has actor and what the names tell. Errors: ValueError for no takes or a file that
    is only a pointer of git-lfs; those of `from_file`, each with its file's name.
    """
    from avcl_teach.video import from_file

    if not takes:
        raise ValueError("expected at least one take to read, got none")
    clips = []
    for take in takes:
        _refuse_pointer(take.path)
        clip = from_file(
            take.path,
            duration_s=duration_s,
            size_px=size_px,
            frame_rate_hz=frame_rate_hz,
            sample_rate_hz=sample_rate_hz,
        )
        clips.append(Clips(clip.frames, clip.waveform, clip.frame_rate_hz, clip.sample_rate_hz))
    both = Clips.cat(clips)
    extra = {"actor": torch.tensor([take.actor for take in takes])}
    extra |= {name: torch.tensor([take.told[name] for take in takes]) for name in takes[0].told}
    label = torch.tensor([take.label for take in takes])
    return Clips(
        both.frames,
        both.waveform,
        both.frame_rate_hz,
        both.sample_rate_hz,
        label=label,
        extra=extra,
        meta={**meta, "class_names": list(class_names), "files": [take.path.name for take in takes]},
    )


def _refuse_pointer(path: Path) -> None:
    with open(path, "rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            raise ValueError(
                f"{path.name}: expected a film, got a pointer of git-lfs; run `git lfs pull` in the clone"
            )
