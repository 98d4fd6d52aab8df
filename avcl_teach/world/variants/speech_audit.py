"""Audit of the talking mouths: no word from a shortcut, all from their sound, not all from sight."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.features.spectral import log_mel
from avcl_teach.world.probes import linear_probe, loudness_db, mean_colour
from avcl_teach.world.variants import speech_words as sw
from avcl_teach.world.variants.speech_view import speech_clips

N_MEL, N_PARTS = 32, 12


def homophenes() -> dict[int, int]:
    """Map each word that has a double on the lips to that word, and back."""
    return {
        i: j
        for i, a in enumerate(sw.WORDS)
        for j, b in enumerate(sw.WORDS)
        if i != j and sw.looks(a) == sw.looks(b)
    }


def sight_floor() -> float:
    """Return the least WER of a reader who sees all that shows: half of the homophenes, none of the rest.

    >>> sight_floor()
    0.25
    """
    return len(homophenes()) / len(sw.WORDS) / 2


def heard_words(clips: Clips) -> np.ndarray:
    """Return the log-mel spectrogram of every word in equal parts: [clip * slot, feature]."""
    M = log_mel(clips.mono, n_fft=256, hop_length=80, n_mels=N_MEL)
    return _cut(M - M.amax((1, 2), keepdim=True), clips.extra["word_s"] * 100)


def seen_words(clips: Clips) -> np.ndarray:
    """Return the true height and width of the mouth over every word, in equal parts: [clip * slot, feature].

    What the picture shows of what is said is drawn from these tracks.
    """
    return _cut(clips.extra["mouth"].mT, clips.extra["word_s"] * sw.FRAME_RATE_HZ - 0.5)


def _cut(x: Tensor, word: Tensor) -> np.ndarray:
    at = word[..., :1] + (word[..., 1:] - word[..., :1]) * torch.linspace(0, 1, N_PARTS)
    at = at.clamp(0, x.shape[-1] - 1.001)  # [clip, slot, part]
    low = at.long()
    rows = torch.arange(len(x))[:, None, None]
    left, right = x.mT[rows, low], x.mT[rows, low + 1]
    return (left + at.frac()[..., None] * (right - left)).flatten(0, 1).flatten(1).numpy()


def first_frame(clips: Clips) -> np.ndarray:
    """Shrink one frame, in the middle of the clip, to 8 x 8: [clip, 192]."""
    middle = clips.frames[:, sw.N_FRAMES // 2].float()
    return torch.nn.functional.avg_pool2d(middle, 4).flatten(1).numpy()


def audit_speech(n_train: int = 640, n_test: int = 240) -> list[dict]:
    """Probe talking mouths; rows {name, percent, low, high, chance, passed}, about 20 s of processor time.

    Shortcuts guess the word of each slot (one of four); a probe that reads a word is scored on all words.
    """
    train, test = speech_clips(n_train), speech_clips(n_test, split="test")
    words = [clips.extra["words"].numpy() for clips in (train, test)]
    shortcuts = {
        "word from mean colour": mean_colour,
        "word from loudness": loudness_db,
        "word from the speaker's pitch": lambda c: c.extra["f0_hz"][:, None].numpy(),
        "word from where the mouth is": lambda c: _place(c),
        "word from one still frame": first_frame,
        "word from when it is said": lambda c: c.extra["word_s"].flatten(1).numpy(),
    }
    rows = []
    for name, of in shortcuts.items():
        x = of(train), of(test)
        found = [linear_probe(x[0], words[0][:, s], x[1], words[1][:, s]) for s in range(4)]
        rows.append(_row(name, 100 * float(np.mean(found)), 0, 33, 25))
    y = [w.flatten() for w in words]
    heard = linear_probe(heard_words(train), y[0], heard_words(test), y[1])
    rows.append(_row("word from its sound", 100 * heard, 90, 100, 100 / 16))
    seen = seen_words(train), seen_words(test)
    double = homophenes()
    alone = [np.isin(part, [w for w in range(16) if w not in double]) for part in y]
    sight = linear_probe(seen[0][alone[0]], y[0][alone[0]], seen[1][alone[1]], y[1][alone[1]])
    rows.append(_row("word without a double from the mouth", 100 * sight, 90, 100, 100 / 8))
    for a, b in sorted({tuple(sorted(pair)) for pair in double.items()}):
        of_two = [np.isin(part, (a, b)) for part in y]
        which = linear_probe(seen[0][of_two[0]], y[0][of_two[0]], seen[1][of_two[1]], y[1][of_two[1]])
        rows.append(_row(f"{sw.WORDS[a]} or {sw.WORDS[b]} from the mouth", 100 * which, 30, 66, 50))
    tie = np.corrcoef(*(sw.speaker_table()[name] for name in ("f0_hz", "head")))[0, 1]
    rows.append(_row("size of the head told by the voice (- correlation)", -100 * tie, 50, 95, 0))
    return rows


def _place(clips: Clips) -> np.ndarray:
    """Find the centre of what changes in the picture: [clip, 2]."""
    moved = clips.frames.float().mean(2).std(1)
    total, axis = moved.sum((1, 2)), torch.arange(moved.shape[1]).float()
    return torch.stack([(moved.sum(d) @ axis) / total for d in (1, 2)], 1).numpy()


def _row(name: str, percent: float, low: float, high: float, chance: float) -> dict:
    return {
        "name": name,
        "percent": round(float(percent), 1),
        "low": low,
        "high": high,
        "chance": round(chance, 1),
        "passed": bool(low <= percent <= high),
    }
