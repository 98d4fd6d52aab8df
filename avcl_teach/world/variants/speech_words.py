"""What is said, by whom and when: sentences of a small grammar, speakers, and the tracks of voice and mouth.

Words are made up, two syllables each, in the manner of GRID: four slots, four words a slot, any sentence as
likely as any other. In every slot two words are homophenes: they differ only in sounds that look alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.world.draws import choice, generator, spread, uniforms

FRAME_RATE_HZ, SAMPLE_RATE_HZ, DURATION_S = 25, 8000, 2.0
N_FRAMES, N_SAMPLES, HOP = 50, 16000, 64  # the tracks have one value every HOP samples, 8 ms
LEXICON = (
    ("mado", "bato", "sifu", "tepi"),
    ("nube", "tupe", "fani", "pose"),
    ("fobi", "vomi", "dasu", "mefa"),
    ("pinu", "bisu", "novo", "teda"),
)
SLOTS = ("command", "colour", "place", "digit")
WORDS = tuple(word for slot in LEXICON for word in slot)
VOWELS = "ieaou"
VISEMES = {"lips": "mbp", "tongue": "dtns", "teeth": "fv"}
CONSONANTS = "".join(VISEMES.values())
SOUNDS = VOWELS + CONSONANTS
SILENT = len(SOUNDS)
SPEAKERS = {"train": range(28), "val": range(28, 34), "test": range(34, 40)}
TIE = 0.8  # correlation of how high a voice is with how small a head is

# F1, F2, F3 in hertz; mouth height and width, 0 to 1; a height below 0 = pressed shut
_VOWEL = {
    "i": (290, 2250, 2950, 0.30, 0.95),
    "e": (480, 1900, 2600, 0.52, 0.80),
    "a": (760, 1300, 2550, 1.00, 0.66),
    "o": (500, 900, 2450, 0.62, 0.28),
    "u": (310, 750, 2350, 0.26, 0.08),
}
_LOCUS = {"lips": (250, 950, 2250), "tongue": (280, 1750, 2650), "teeth": (280, 1150, 2350)}
_SHAPE = {"lips": (-0.30, 0.52), "tongue": (0.14, 0.62), "teeth": (0.06, 0.58)}
_VOICE = {"m": 0.55, "n": 0.55, "b": 0.18, "d": 0.18, "v": 0.40}  # other consonants: none


class Speech(NamedTuple):
    """Hold sentences before they are seen or heard; times in seconds, tracks every HOP samples."""

    words: Int[Tensor, "clip slot"]
    speaker: Int[Tensor, "clip"]
    word_s: Float[Tensor, "clip slot 2"]
    sound: Int[Tensor, "clip track"]
    since_s: Float[Tensor, "clip track"]
    formants_hz: Float[Tensor, "clip track 3"]
    mouth: Float[Tensor, "clip track 2"]
    teeth: Float[Tensor, "clip track"]
    voice: Float[Tensor, "clip track"]
    f0_hz: Float[Tensor, "clip track"]


def viseme(consonant: str) -> str:
    """Name the group of consonants that look like this one."""
    return next(name for name, group in VISEMES.items() if consonant in group)


def looks(word: str) -> tuple[str, ...]:
    """Return what of a word can be seen: visemes and vowels in turn; homophenes look the same.

    >>> looks("mado") == looks("bato")
    True
    """
    return tuple(c if c in VOWELS else viseme(c) for c in word)


def sentence(words: Int[Tensor, "slot"] | list[int]) -> list[str]:
    """Spell the words of a sentence from their numbers.

    >>> sentence([0, 5, 10, 15])
    ['mado', 'tupe', 'dasu', 'teda']
    """
    return [WORDS[int(w)] for w in words]


def speaker_table(seed: int = 0) -> dict[str, np.ndarray]:
    """Draw every speaker's voice and head: pitch, vocal tract, sizes and colours, one row a speaker."""
    n = SPEAKERS["test"].stop
    g = np.stack([generator(seed, "speech", i, "speaker").standard_normal(12) for i in range(n)])
    small = TIE * g[:, :1] + (1 - TIE**2) ** 0.5 * g[:, 1:3]  # two sizes of the head, each tied to the voice
    u = np.stack([generator(seed, "speech", i, "look").random(4) for i in range(n)])
    return {
        "f0_hz": (140 * 2 ** (0.42 * g[:, 0])).clip(85, 240),
        "tract": (1 + 0.07 * g[:, 0]).clip(0.84, 1.18),
        "head": (1 - 0.06 * small[:, 0]).clip(0.84, 1.14),
        "jaw": (1 - 0.06 * small[:, 1]).clip(0.84, 1.14),
        "thick": 1 + 0.12 * g[:, 3].clip(-2, 2),
        "skin": u[:, 0],
        "lips": u[:, 1],
        "rate": 1 + 0.06 * (2 * u[:, 2] - 1),
    }


def plan(indices: np.ndarray, *, split: str, seed: int) -> Speech:
    """Plan the sentences of a split. Errors: ValueError for an unknown split."""
    if split not in SPEAKERS:
        raise ValueError(f"expected a split of {', '.join(SPEAKERS)}, got {split!r}")
    u = uniforms(seed, split, indices, "speech", 32)
    who = SPEAKERS[split].start + choice(u[:, 0], len(SPEAKERS[split]))
    table = speaker_table(seed)
    words = 4 * np.arange(4) + choice(u[:, 1:5], 4)
    start, stop = _times(u, table["rate"][who])  # [clip, 16]: consonant and vowel of eight syllables
    spelled = np.array([[SOUNDS.index(c) for c in word] for word in WORDS])[words].reshape(len(u), 16)
    t = np.arange(N_SAMPLES // HOP + 1) * HOP / SAMPLE_RATE_HZ
    inside = (t >= start[..., None]) & (t < stop[..., None])  # [clip, segment, track]
    k = inside.argmax(1)
    sound = np.where(inside.any(1), np.take_along_axis(spelled, k, 1), SILENT)
    since = t - np.take_along_axis(start, k, 1)
    tracks = _tracks(sound, spelled, t, start, stop)
    pitch = table["f0_hz"][who] * spread(u[:, 30], 0.95, 1.05)
    f0 = pitch[:, None] * (1.1 - 0.2 * t / DURATION_S)
    voice = _smooth(tracks["voice"] * ~_breathes(sound, spelled, t, stop), 3)
    formants = _smooth(tracks["formants"], 7) * table["tract"][who, None, None]
    found = (
        words, who, np.stack([start[:, ::4], stop[:, 3::4]], -1), sound, since, formants,
        _smooth(tracks["mouth"], 9), _smooth(tracks["teeth"], 7), voice, f0,
    )  # fmt: skip
    tensors = (torch.from_numpy(np.ascontiguousarray(x)) for x in found)
    return Speech(*(x.float() if x.is_floating_point() else x.long() for x in tensors))


def _times(u: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay eight syllables out: start and end of each consonant and vowel. No time depends on what is said."""
    long = np.tile([0.075, 0.110], 8) * (1 + 0.12 * (2 * u[:, 6:22] - 1)) / rate[:, None]
    gap = np.zeros_like(long)
    gap[:, 4::4] = spread(u[:, 22:25], 0.015, 0.045)
    gap[:, 0] = spread(u[:, 25], 0.10, 0.24)
    stop = (long + gap).cumsum(1)
    return stop - long, stop


def _tracks(sound, spelled, t, start, stop) -> dict[str, np.ndarray]:
    """Look up what every moment aims at; `_smooth` makes it a movement."""
    rest = (480, 1500, 2500, 0.0, 0.5)
    groups = [viseme(c) for c in CONSONANTS]
    rows = [_VOWEL[c] for c in VOWELS] + [(*_LOCUS[v], *_SHAPE[v]) for v in groups] + [rest]
    aims = np.array(rows, float)[sound]
    voiced = np.array([1.0] * len(VOWELS) + [_VOICE.get(c, 0.0) for c in CONSONANTS] + [0.0])
    seen = {"tongue": 0.9, "teeth": 1.0}
    bite = np.array([0.35] * len(VOWELS) + [seen.get(v, 0.0) for v in groups] + [0.0])
    return {"formants": aims[..., :3], "mouth": aims[..., 3:], "voice": voiced[sound], "teeth": bite[sound]}


def _breathes(sound, spelled, t, stop) -> np.ndarray:
    """Mark the first 32 ms of vowels after p and t: breath, no voice yet."""
    after = np.isin(spelled[:, ::2], [SOUNDS.index(c) for c in "pt"])
    since = t - stop[:, ::2, None]
    return ((since >= 0) & (since < 0.032) & after[..., None]).any(1)


def _smooth(x: np.ndarray, n: int) -> np.ndarray:
    """Average over n steps under a Hann window, along axis 1, the ends held."""
    w = np.hanning(n + 2)[1:-1]
    pad = [(0, 0), (n // 2, n // 2), *[(0, 0)] * (x.ndim - 2)]
    return np.lib.stride_tricks.sliding_window_view(np.pad(x, pad, mode="edge"), n, axis=1) @ (w / w.sum())
