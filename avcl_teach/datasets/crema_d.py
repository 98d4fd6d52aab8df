"""CREMA-D: 91 actors say 12 sentences in six emotions, filmed.

Layout of the owners' repository (github.com/CheyneyComputerScience/CREMA-D):
`VideoFlash/1001_DFA_ANG_XX.flv` (films), `AudioWAV/` and `AudioMP3/` (the sound alone, same names). A name
tells actor (1001 to 1091), sentence (12 codes), emotion and level (LO, MD, HI, XX = none asked). Films and
sounds are kept with git-lfs: a clone without it holds pointers, which are refused. Licence: Open Database
License, as copies of the data set state it; the owners' own licence file was not read, nor whether every film
has a sound track.
Source: Cao et al. 2014. Lesson: 32.
"""

from pathlib import Path

from avcl_teach.clips import Clips
from avcl_teach.datasets.acted_takes import Take, actors_of, find_takes, read_takes

EMOTIONS = {
    "ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"
}  # fmt: skip
SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
LEVELS = ("XX", "LO", "MD", "HI")
FOLDER = "CREMA-D"
SUFFIXES = (".flv", ".mp4")


def take_of(path: str | Path) -> Take:
    """Read what a file's name tells. Errors: ValueError that names the part at fault. Lesson: 32.

    >>> take_of("1001_DFA_ANG_XX.flv").told
    {'sentence': 0, 'level': 0}
    """
    parts = Path(path).stem.upper().split("_")
    if len(parts) != 4 or not (parts[0].isdigit() and 1001 <= int(parts[0]) <= 1091):
        raise ValueError(
            f"expected a name such as 1001_DFA_ANG_XX (actor 1001 to 1091), got {Path(path).name!r}"
        )
    for part, table in zip(parts[1:], (SENTENCES, tuple(EMOTIONS), LEVELS), strict=True):
        if part not in table:
            raise ValueError(f"expected one of {', '.join(table)} in {Path(path).name!r}, got {part!r}")
    told = {"sentence": SENTENCES.index(parts[1]), "level": LEVELS.index(parts[3])}
    return Take(Path(path), list(EMOTIONS).index(parts[2]), int(parts[0]), told)


def load(
    root: str | Path | None = None,
    *,
    split: str = "train",
    n: int | None = None,
    seed: int = 0,
    duration_s: float = 2.0,
    size_px: int = 64,
    frame_rate_hz: float = 8.0,
    sample_rate_hz: int = 8000,
) -> Clips:
    """Read the films of a split whose actors are in no other, as clips of one length.

    root: the repository's folder, or `CREMA-D` in the one that AVCL_DATA names. n: the first n films
    (default all: 7,442 in all). Returns clips with label (place in `EMOTIONS`), extra actor, sentence, level;
    meta["odd_names"] lists files passed over. Errors: FileNotFoundError, ValueError as in `acted_takes`;
    those of `from_file`. Lesson: 32.
    """
    takes, odd = find_takes(root, folder=FOLDER, suffixes=SUFFIXES, parse=take_of)
    chosen = set(actors_of([take.actor for take in takes], split, seed=seed))
    meta = {"source": "CREMA-D", "split": split, "odd_names": odd, "licence": "ODbL 1.0 (as copies state)"}
    return read_takes(
        [take for take in takes if take.actor in chosen][:n],
        class_names=tuple(EMOTIONS.values()),
        duration_s=duration_s,
        size_px=size_px,
        frame_rate_hz=frame_rate_hz,
        sample_rate_hz=sample_rate_hz,
        meta=meta,
    )
