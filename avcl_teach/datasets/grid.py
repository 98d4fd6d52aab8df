"""Read the GRID corpus: talkers who say six-word sentences, filmed, with the time of every word.

Layouts that are found below one folder, speaker by speaker (`s1` to `s34`; `s21` has no video):
`s1/bbaf2n.mpg`, `s1/video/bbaf2n.mpg` or `s1/video/mpg_6000/bbaf2n.mpg` (also .mp4, .mkv, .avi), with
`s1/align/bbaf2n.align`, `align/s1/bbaf2n.align`, `alignments/s1/bbaf2n.align` or `s1/bbaf2n.align`.
A video lasts 3 s at 25 frames a second. An align file has a line a word, `start end word`, in samples of
25 kHz, "sil" and "sp" where nothing is said. Licence: CC BY 4.0, as stated on Zenodo (record 3625687).
In that release speaker and alignment folders are permuted against each other: `alignments/s1` is not of `s1`.
`find_utterances` refuses such a pair; `pair_folders` finds by the sentences which belongs to which.
Source: Cooke, Barker, Cunningham and Shao 2006. Lesson: 37.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from avcl_teach.clips import Clips

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CODE = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    dict(zip("z123456789", DIGITS, strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
SLOTS = ("command", "colour", "preposition", "letter", "digit", "adverb")
UNITS_PER_S = 25_000
SILENCE = ("sil", "sp")
VIDEO = (".mpg", ".mp4", ".mkv", ".avi")
ALIGNMENTS = ("align", "alignments")  # folders beside the speakers', with one folder a speaker in them


class Utterance(NamedTuple):
    """Hold one sentence: who says it, which, its file of pictures and sound, and its alignment if there."""

    speaker: int
    code: str
    video: Path
    align: Path | None

    @property
    def words(self) -> list[str]:
        """The six words that the code in the file's name stands for."""
        return words_of(self.code)


class TimedWord(NamedTuple):
    """Hold a word and when it is said, in seconds."""

    word: str
    start_s: float
    end_s: float


def words_of(code: str) -> list[str]:
    """Spell the six words of a sentence code. Errors: ValueError that names the slot at fault. Lesson: 37.

    >>> words_of("bbaf2n")
    ['bin', 'blue', 'at', 'f', 'two', 'now']
    """
    if len(code) != len(CODE):
        raise ValueError(f"expected a code of {len(CODE)} characters such as bbaf2n, got {code!r}")
    for slot, table, c in zip(SLOTS, CODE, code.lower(), strict=True):
        if c not in table:
            raise ValueError(f"expected {slot} to be one of {''.join(table)} in {code!r}, got {c!r}")
    return [table[c] for table, c in zip(CODE, code.lower(), strict=True)]


def code_of(words: Sequence[str]) -> str:
    """Turn six words into their code, the inverse of `words_of`. Errors: ValueError for a word that is not
    in its slot. Lesson: 37.

    >>> code_of("lay white by zero".split()[:3] + ["q", "zero", "soon"])
    'lwbqzs'
    """
    if len(words) != len(CODE):
        raise ValueError(f"expected {len(CODE)} words, got {len(words)}")
    back = [{word: c for c, word in table.items()} for table in CODE]
    for slot, table, word in zip(SLOTS, back, words, strict=True):
        if word not in table:
            raise ValueError(f"expected {slot} to be one of {', '.join(table)}, got {word!r}")
    return "".join(table[word] for table, word in zip(back, words, strict=True))


def find_utterances(
    root: str | Path, *, speakers: Iterable[int] | None = None, alignments: Mapping[int, int] | None = None
) -> list[Utterance]:
    """List the sentences below a folder, by speaker and code; one video a sentence, .mpg before others.

    Files whose names are no code are passed over. `alignments`: speaker -> number of the folder of
    alignments, where the two differ (`pair_folders` finds it). Errors: FileNotFoundError where there is no
    such folder, or no speaker with a video in it; ValueError where a speaker's folder of alignments is
    another speaker's: it holds less than half of the sentences, or another folder holds more. Lesson: 37.
    """
    root, found = Path(root), []
    videos_of, held = _videos(root, speakers), _held(root)
    for speaker, videos in videos_of.items():
        number = (alignments or {}).get(speaker, speaker)
        _check_pair(held, speaker, number, set(videos))
        own = root / f"s{speaker}"
        homes = (own / "align", *(root / kind / f"s{number}" for kind in ALIGNMENTS), own)
        for code, path in videos.items():
            places = (home / f"{path.stem}.align" for home in homes)
            align = next((p for p in places if p.is_file()), None)
            found.append(Utterance(speaker, code, path, align))
    return sorted(found, key=lambda u: (u.speaker, u.code))


def pair_folders(root: str | Path, *, speakers: Iterable[int] | None = None) -> dict[int, int]:
    """Find by the sentences which folder of alignments is whose: speaker -> its number, best match.

    Speakers of whom no folder holds a sentence are left out. Errors: FileNotFoundError as `find_utterances`;
    ValueError where two speakers would share a folder. Lesson: 37.
    """
    out: dict[int, int] = {}
    videos_of, held = _videos(Path(root), speakers), _held(Path(root))
    for speaker, videos in videos_of.items():
        shared = {number: len(codes & videos.keys()) for number, codes in held.items()}
        best = max(shared, key=shared.__getitem__, default=None)
        if best is not None and shared[best]:
            if best in out.values():
                who = [speaker, *(s for s, number in out.items() if number == best)]
                raise ValueError(f"expected a folder for each speaker, got s{best} for all of {sorted(who)}")
            out[speaker] = best
    return out


def _check_pair(held: dict[int, set[str]], speaker: int, number: int, sentences: set[str]) -> None:
    """Refuse a folder of alignments that holds the sentences of another speaker."""
    if number not in held:
        return
    shared = {other: len(codes & sentences) for other, codes in held.items()}
    best = max(shared, key=shared.__getitem__)
    if 2 * shared[number] < len(sentences) or shared[best] > shared[number]:
        better = f", s{best} holds {shared[best]}" if shared[best] > shared[number] else ""
        raise ValueError(
            f"expected the alignments of speaker {speaker}, but folder s{number} holds {shared[number]} of "
            f"{len(sentences)} sentences{better} (in the release on Zenodo these folders are permuted): "
            "pass alignments=pair_folders(root)"
        )


def _held(root: Path) -> dict[int, set[str]]:
    """Return the codes that each folder of alignments beside the speakers' holds, by its number."""
    held: dict[int, set[str]] = {}
    for kind in ALIGNMENTS:
        for path in (root / kind).glob("s*/*.align"):
            if re.fullmatch(r"s\d{1,2}", path.parent.name) and _is_code(path.stem):
                held.setdefault(int(path.parent.name[1:]), set()).add(path.stem.lower())
    return held


def _videos(root: Path, speakers: Iterable[int] | None) -> dict[int, dict[str, Path]]:
    """Find the videos, speaker by speaker and code by code."""
    if not root.is_dir():
        raise FileNotFoundError(f"expected the folder of the GRID corpus, there is none at {root}")
    chosen = None if speakers is None else set(speakers)
    found: dict[int, dict[str, Path]] = {}
    for folder in root.iterdir():
        who = re.fullmatch(r"s(\d{1,2})", folder.name)
        if who and folder.is_dir() and (chosen is None or int(who[1]) in chosen):
            for kind in VIDEO:
                for place in ("", "video", "video/mpg_6000"):
                    for path in sorted((folder / place).glob(f"*{kind}")):
                        if _is_code(path.stem):
                            found.setdefault(int(who[1]), {}).setdefault(path.stem.lower(), path)
    if not found:
        asked = "" if chosen is None else f" of the speakers {sorted(chosen)}"
        raise FileNotFoundError(
            f"expected folders s1, s2 ... with videos such as s1/bbaf2n.mpg or s1/video/mpg_6000/bbaf2n.mpg"
            f"{asked} in {root}, found none"
        )
    return dict(sorted(found.items()))


def _is_code(stem: str) -> bool:
    return len(stem) == len(CODE) and all(c in table for c, table in zip(stem.lower(), CODE, strict=True))


def read_align(path: str | Path, *, code: str | None = None) -> list[TimedWord]:
    """Read when each word is said; silence is left out.

    `code`: the words must be those of this sentence. Errors: FileNotFoundError; ValueError that names file
    and line for a line that is not `start end word`, a word that ends before it starts, words that overlap,
    or words that are not the sentence's. Lesson: 37.
    """
    path = Path(path)
    out: list[TimedWord] = []
    last = 0
    for k, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()):
            raise ValueError(f"{path}, line {k}: expected `start end word`, got {line!r}")
        start, end = int(parts[0]), int(parts[1])
        if end < start or start < last:
            raise ValueError(f"{path}, line {k}: expected times that go on from {last}, got {start} to {end}")
        last = end
        if parts[2] not in SILENCE:
            out.append(TimedWord(parts[2], start / UNITS_PER_S, end / UNITS_PER_S))
    if code is not None and [w.word for w in out] != words_of(code):
        said = " ".join(w.word for w in out)
        raise ValueError(
            f"{path}: expected the words {' '.join(words_of(code))!r} of {code}, got {said!r} "
            f"(is this the folder of another speaker?)"
        )
    return out


def split_speakers(
    speakers: Iterable[int], *, n_val: int = 4, n_test: int = 4, seed: int = 0
) -> dict[str, list[int]]:
    """Divide speakers into train, val and test, nobody in two of them: the unseen-speaker protocol.

    The corpus has no official split; papers choose their own, so say which. Errors: ValueError where nobody
    would be left to train on, or counts below 0. Lesson: 37.
    """
    found = sorted(set(speakers))
    if n_val < 0 or n_test < 0 or n_val + n_test >= len(found):
        raise ValueError(f"expected n_val + n_test below {len(found)} speakers, got {n_val} + {n_test}")
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed)).tolist()
    mixed = [found[k] for k in order]
    parts = {"val": mixed[:n_val], "test": mixed[n_val : n_val + n_test], "train": mixed[n_val + n_test :]}
    return {name: sorted(parts[name]) for name in ("train", "val", "test")}


def load_utterance(one: Utterance, *, size_px: int = 64, sample_rate_hz: int = 8000, **how: object) -> Clips:
    """Read a sentence as one clip, 25 frames a second; `how` goes to `video.from_file`.

    ``extra``: speaker [1]; word_s [1, 6, 2] in seconds where there is an alignment. ``meta``: code and words.
    Errors: those of `from_file` (a file that is no video, has no sound, stops early) and `read_align`.
    Lesson: 37.
    """
    from dataclasses import replace

    from avcl_teach.video import from_file

    clip = from_file(one.video, frame_rate_hz=25, sample_rate_hz=sample_rate_hz, size_px=size_px, **how)
    extra = {"speaker": torch.tensor([one.speaker])}
    if one.align is not None:
        timed = read_align(one.align, code=one.code)
        extra["word_s"] = torch.tensor([[(w.start_s, w.end_s) for w in timed]])
    meta = clip.meta | {"corpus": "GRID", "code": one.code, "words": one.words}
    return replace(clip, extra=clip.extra | extra, meta=meta)
