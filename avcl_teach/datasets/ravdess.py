"""RAVDESS: 24 actors speak and sing in eight emotions, filmed.

Layout of the archives (Zenodo 1188976, `Video_Speech_Actor_01.zip` ...):
`Actor_01/01-01-06-01-02-01-01.mp4`. Seven numbers: modality (01 picture and sound, 02 picture alone, 03 sound
alone), channel (01 speech, 02 song), emotion (01 to 08), intensity (01 normal, 02 strong; none strong for
neutral), statement (2), repetition (2), actor (1 to 24, odd = male). Films with sound are read, the others
passed over. Licence: CC BY-NC-SA 4.0.
Source: Livingstone and Russo 2018. Lesson: 32.
"""

from functools import partial
from pathlib import Path

from avcl_teach.clips import Clips
from avcl_teach.datasets.acted_takes import Take, actors_of, find_takes, read_takes

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
PARTS = {
    "modality": 3, "channel": 2, "emotion": 8, "intensity": 2, "statement": 2, "repetition": 2, "actor": 24
}  # fmt: skip
CHANNELS = ("speech", "song")
FOLDER = "RAVDESS"
SUFFIXES = (".mp4",)


def numbers_of(path: str | Path) -> dict[str, int]:
    """Read the seven numbers of a file's name. Errors: ValueError that names the part at fault. Lesson: 32.

    >>> numbers_of("01-01-06-01-02-01-12.mp4")["emotion"]
    6
    """
    name = Path(path).name
    parts = Path(path).stem.split("-")
    if len(parts) != len(PARTS) or not all(len(p) == 2 and p.isdigit() for p in parts):
        raise ValueError(f"expected a name such as 01-01-06-01-02-01-12.mp4, got {name!r}")
    found = dict(zip(PARTS, map(int, parts), strict=True))
    for part, most in PARTS.items():
        if not 1 <= found[part] <= most:
            raise ValueError(f"expected {part} of 01 to {most:02d} in {name!r}, got {found[part]:02d}")
    if found["emotion"] == 1 and found["intensity"] == 2:
        raise ValueError(f"expected normal intensity for neutral in {name!r}, got strong")
    return found


def take_of(path: str | Path, *, channel: str = "speech") -> Take | None:
    """Return the take of a film with sound in one channel, None for other files. Errors: as `numbers_of`."""
    found = numbers_of(path)
    if found["modality"] != 1 or found["channel"] != CHANNELS.index(channel) + 1:
        return None
    told = {name: found[name] - 1 for name in ("intensity", "statement", "repetition")}
    return Take(Path(path), found["emotion"] - 1, found["actor"], told)


def load(
    root: str | Path | None = None,
    *,
    split: str = "train",
    channel: str = "speech",
    n: int | None = None,
    seed: int = 0,
    duration_s: float = 3.0,
    size_px: int = 64,
    frame_rate_hz: float = 8.0,
    sample_rate_hz: int = 8000,
) -> Clips:
    """Read the films of a split whose actors are in no other, as clips of one length.

    root: the folder with `Actor_01` ..., or `RAVDESS` in the one that AVCL_DATA names. n: the first n films.
    Returns clips with label (place in `EMOTIONS`), extra actor, intensity, statement, repetition (from 0);
    meta["odd_names"] lists files passed over. Errors: FileNotFoundError, ValueError as in `acted_takes`, or
    for an unknown channel; those of `from_file`. Lesson: 32.
    """
    if channel not in CHANNELS:
        raise ValueError(f"expected a channel of {', '.join(CHANNELS)}, got {channel!r}")
    takes, odd = find_takes(root, folder=FOLDER, suffixes=SUFFIXES, parse=partial(take_of, channel=channel))
    chosen = set(actors_of([take.actor for take in takes], split, seed=seed))
    meta = {"source": "RAVDESS", "split": split, "odd_names": odd, "licence": "CC BY-NC-SA 4.0"}
    return read_takes(
        [take for take in takes if take.actor in chosen][:n],
        class_names=EMOTIONS,
        duration_s=duration_s,
        size_px=size_px,
        frame_rate_hz=frame_rate_hz,
        sample_rate_hz=sample_rate_hz,
        meta=meta,
    )
