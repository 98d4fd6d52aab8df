"""Spoken captions of still pictures: several a picture, by several speakers, some equally true elsewhere.

A picture shows two things side by side, each with a class and a colour. A caption says some of that in a
language of its own: every word is one to three syllables of a consonant and a vowel, spoken by the world's
talker with the speaker's pitch, vocal tract and pace. Nothing but the sound is given; which captions are true
of which pictures is known exactly (`true_of`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.world.draws import choice, generator, spread, uniforms
from avcl_teach.world.knobs import CLASSES, resolve
from avcl_teach.world.pictures import paint
from avcl_teach.world.render import as_indices
from avcl_teach.world.scenes import Scenes, sample_scenes
from avcl_teach.world.sounds import add_notes
from avcl_teach.world.sounds.notes import NOISE_BANK, TRAITS, Notes
from avcl_teach.world.splits import find_split

COLOURS = ("red", "yellow", "green", "teal", "blue", "pink")
SIDES = ("left", "right")
VOWELS, CONSONANTS = "ieaoux", "msd"
# What each word sounds like; words share their syllables, so the order of syllables matters.
LEXICON = {
    "pluck": "misa", "mallet": "mesu", "drum": "dudo", "bow": "somi", "flute": "sisu", "horn": "domo",
    "talker": "dami", "chirp": "disi", "red": "sade", "yellow": "sedo", "green": "mida", "teal": "modi",
    "blue": "dusa", "pink": "same", "left": "mu", "right": "so", "and": "da",
}  # fmt: skip
WORDS = tuple(LEXICON)
SPEAKERS = {"train": range(16), "val": range(16, 20), "test": range(20, 24)}
RATE_HZ = 8000
DURATION_S = 3.2
N_WORDS = 7
UNSAID = -1


@lru_cache(maxsize=8)
def speakers(seed: int) -> dict[str, Float[np.ndarray, "speaker"]]:
    """Draw 24 speakers: pitch_hz 90 to 230, vocal_tract 0.85 to 1.2, syllable_s 0.13 to 0.19, noise."""
    u = uniforms(seed, "speakers", np.arange(24), "captions", 4)
    return {
        "pitch_hz": 90 * (230 / 90) ** u[:, 0],
        "vocal_tract": spread(u[:, 1], 0.85, 1.2),
        "syllable_s": spread(u[:, 2], 0.13, 0.19),
        "noise": spread(u[:, 3], 0.05, 0.35),
    }


def picture_scenes(
    images: int | Sequence[int], *, split: str = "train", seed: int = 0
) -> tuple[Scenes, Int[np.ndarray, "image side two"]]:
    """Draw still pictures of two things, and what there is to say: facts [image, side, (class, colour)]."""
    index = np.asarray(as_indices(images))
    knobs = resolve(
        "easy", frame_rate_hz=1.0, radius=(0.15, 0.168), drift_per_s=0.0, n_silent=(1, 1), n_decoys=(0, 0)
    )
    scenes = sample_scenes(
        index.tolist(), knobs=knobs, split=find_split(split, seed=seed), seed=seed, layout="scene"
    )
    u = uniforms(seed, split, index, "captions-picture", 12)
    first_left = u[:, :1] < 0.5
    x = np.where(np.stack([first_left, ~first_left], 1)[..., 0], 0.27, 0.73)
    place = np.stack([x + spread(u[:, 1:3], -0.02, 0.02), spread(u[:, 3:5], 0.38, 0.62)], axis=-1)
    colour = choice(u[:, 5:7], len(COLOURS))
    hue = (np.array([0.0, 0.15, 0.33, 0.49, 0.64, 0.85])[colour] + spread(u[:, 7:9], -0.03, 0.03)) % 1.0
    hsv = np.stack([hue, spread(u[:, 9:11], 0.75, 1.0), spread(scenes.colour[..., 2], 0.5, 1.0)], axis=-1)
    scenes = dataclasses.replace(scenes, place=place, velocity=0 * scenes.velocity, colour=hsv)
    facts = np.stack([scenes.cls, colour], axis=-1)
    return scenes, np.where(first_left[..., None], facts, facts[:, ::-1])


def draw_clauses(
    facts: Int[np.ndarray, "image side two"], u: Float[np.ndarray, "image draw"]
) -> Int[np.ndarray, "image two three"]:
    """Say one or both things: (class, colour, side), -1 where unsaid; an absent clause is -1 throughout."""
    n = len(facts)
    order = np.stack([choice(u[:, 0], 2), 1 - choice(u[:, 0], 2)], axis=1)
    said = np.concatenate([np.take_along_axis(facts, order[..., None], 1), order[..., None]], axis=-1)
    two, with_side = u[:, 1] < 0.7, u[:, 2] < 0.35
    said[..., 1] = np.where(u[:, 3:5] < 0.65, said[..., 1], UNSAID)
    said[..., 2] = np.where(with_side[:, None], said[..., 2], UNSAID)
    said[~two, 1] = UNSAID
    return said.reshape(n, 2, 3)


def words_of(clause: Int[np.ndarray, "caption two three"]) -> Int[np.ndarray, "caption word"]:
    """Put clauses into words: colour, class, side, "and": numbers in WORDS, -1 after the last."""
    out = np.full((len(clause), N_WORDS), UNSAID)
    for row, said in zip(out, clause.tolist(), strict=True):
        text: list[str] = []
        for cls, colour, side in said:
            if cls < 0:
                continue
            text += ["and"] * bool(text) + [COLOURS[colour]] * (colour >= 0) + [CLASSES[cls]]
            text += [SIDES[side]] * (side >= 0)
        row[: len(text)] = [WORDS.index(word) for word in text]
    return out


def spell(words: Int[Tensor, "word"]) -> str:
    """Write down what a caption says, for people: "red drum left and bow right"."""
    return " ".join(WORDS[w] for w in words.tolist() if w >= 0)


def true_of(
    clause: Int[Tensor, "caption two three"], facts: Int[Tensor, "image side two"]
) -> Bool[Tensor, "caption image"]:
    """Tell which captions are true of which pictures: the clauses fit its two things, each another one.

    A clause fits a thing when the class is the same, and colour and side are where they are said.
    """
    side = torch.arange(2, device=facts.device).expand(facts.shape[:2])[..., None]
    things = torch.cat([facts, side], dim=-1)  # [image, thing, (class, colour, side)]
    c, t = clause[:, None, :, None], things[None, :, None]
    fits = ((c == t) | (c == UNSAID)).all(-1)  # [caption, image, clause, thing]
    return (fits[..., 0, 0] & fits[..., 1, 1]) | (fits[..., 0, 1] & fits[..., 1, 0])


def render_captions(
    images: int | Sequence[int],
    *,
    split: str = "train",
    seed: int = 0,
    per_image: int = 5,
    size_px: int = 64,
    snr_db: tuple[float, float] = (15.0, 25.0),
    batch_size: int = 64,
) -> Clips:
    """Render pictures with spoken captions: one row a caption, `per_image` rows in turn for each picture.

    frames [caption, 1, 3, 64, 64] (repeated for the captions of a picture) · waveform: 3.2 s, zeros after the
    last word · extra: image [caption] (the id to mask by) · take 0..per_image-1 · n_samples until the last
    word ends · speaker (individuals of val and test never speak in train) · words [caption, 7] in WORDS and
    word_s their onsets · clause [caption, 2, 3], facts [caption, 2, 2] (see `true_of`). Things of val and
    test are individuals never met in train. A pure function of (split, seed, image, take). Errors: ValueError
    for a split without speakers, no image, or per_image < 1. Lesson: 30.
    """
    if split not in SPEAKERS:
        raise ValueError(f"expected a split of {sorted(SPEAKERS)}, got {split!r}")
    found = as_indices(images)
    if not found or per_image < 1:
        raise ValueError(f"expected at least 1 image and 1 caption, got {len(found)} and {per_image}")
    if not snr_db[0] <= snr_db[1]:
        raise ValueError(f"expected snr_db as (low, high), got {snr_db}")
    parts = [
        _render(found[i : i + batch_size], split, seed, per_image, size_px, snr_db)
        for i in range(0, len(found), batch_size)
    ]
    return Clips.cat(parts) if len(parts) > 1 else parts[0]


def _render(images: list[int], split: str, seed: int, per_image: int, size_px: int, snr_db) -> Clips:
    scenes, facts = picture_scenes(images, split=split, seed=seed)
    frames = paint(scenes, size_px=size_px, masks=False).frames[:, 1:]  # one second in: at work
    rows = np.repeat(np.arange(len(images)), per_image)
    take = np.tile(np.arange(per_image), len(images))
    image = np.asarray(images)[rows]
    caption = image * 64 + take
    u = uniforms(seed, split, caption, "captions-say", 16)
    clause = draw_clauses(facts[rows], u)
    words = words_of(clause)
    who = np.asarray(SPEAKERS[split])[choice(u[:, 8], len(SPEAKERS[split]))]
    waveform, word_s, n_samples = speak(words, who, caption, split=split, seed=seed)
    level_db = spread(u[:, 9], *snr_db)
    noise = np.stack([generator(seed, split, int(i), "captions-noise").standard_normal(waveform.shape[1])
                      for i in caption]).astype(np.float32)  # fmt: skip
    waveform = 0.05 * waveform * torch.as_tensor(10 ** (spread(u[:, 10:11], -3, 3) / 20)).float()
    heard = torch.arange(waveform.shape[1]) < torch.as_tensor(n_samples)[:, None]
    rms = (waveform.square().sum(1) / heard.sum(1)).sqrt()
    scale = (rms * torch.as_tensor(10 ** (-level_db / 20)).float())[:, None]
    waveform = (waveform + scale * torch.from_numpy(noise)) * heard
    extra = {"image": image, "take": take, "n_samples": n_samples, "speaker": who, "words": words,
             "clause": clause, "facts": facts[rows]}  # fmt: skip
    return Clips(
        frames=frames[rows],
        waveform=waveform[:, None].float(),
        frame_rate_hz=scenes.knobs.frame_rate_hz,
        sample_rate_hz=RATE_HZ,
        extra={name: torch.as_tensor(x.astype(np.int64)) for name, x in extra.items()}
        | {"word_s": torch.as_tensor(word_s.astype(np.float32))},
        meta={"source": "world captions", "split": split, "seed": seed, "words": list(WORDS)},
    )


def speak(
    words: Int[np.ndarray, "caption word"],
    speaker: Int[np.ndarray, "caption"],
    caption: Int[np.ndarray, "caption"],
    *,
    split: str,
    seed: int,
) -> tuple[Float[Tensor, "caption sample"], Float[np.ndarray, "caption word"], Int[np.ndarray, "caption"]]:
    """Say rows of words: waveform (a peak of about 1), onset of each word in s (NaN), samples until the end.

    Each syllable has a length, a pitch that falls towards the end of the caption, and a loudness of its own.
    """
    of = speakers(seed)
    rows, word_s, ends = [], np.full(words.shape, np.nan), np.zeros(len(words), np.int64)
    for row, (said, who, i) in enumerate(zip(words, speaker, caption, strict=True)):
        rng = generator(seed, split, int(i), "captions-voice")
        base = of["pitch_hz"][who] * 2 ** (rng.uniform(-1, 1) / 12)
        t = 0.05
        for k, word in enumerate(said[said >= 0]):
            word_s[row, k] = t
            text = LEXICON[WORDS[word]]
            for j in range(0, len(text), 2):
                lasts = of["syllable_s"][who] * rng.uniform(0.85, 1.2)
                pitch = base * 2 ** ((-1.2 * t + rng.uniform(-1.5, 1.5)) / 12)
                rows.append((row, t, lasts, pitch, rng.uniform(0.7, 1.0), VOWELS.index(text[j + 1]),
                             CONSONANTS.index(text[j]), who, rng.integers(NOISE_BANK)))  # fmt: skip
                t += lasts
            t += rng.uniform(0.02, 0.09)
        ends[row] = min(round((t + 0.1) * RATE_HZ), round(DURATION_S * RATE_HZ))
    out = torch.zeros(len(words), round(DURATION_S * RATE_HZ))
    notes = _notes(np.array(rows), of)
    for first in range(0, len(notes), 128):
        add_notes(out, notes[first : first + 128], "talker", sample_rate_hz=RATE_HZ)
    return out, word_s, ends


def _notes(rows: Float[np.ndarray, "syllable 9"], of: dict[str, np.ndarray]) -> Notes:
    who = rows[:, 7].astype(int)
    whole = {
        "row": rows[:, 0], "start": np.round(rows[:, 1] * RATE_HZ), "vowel": rows[:, 5],
        "consonant": rows[:, 6], "grain": rows[:, 8],
    }  # fmt: skip
    real = {"duration_s": rows[:, 2], "pitch_hz": rows[:, 3], "velocity": rows[:, 4]}
    real |= {name: np.full(len(rows), 0.5) for name in TRAITS}
    real |= {"vocal_tract": of["vocal_tract"][who], "noise": of["noise"][who]}
    return Notes(
        **{name: torch.as_tensor(x.astype(np.int64)) for name, x in whole.items()},
        **{name: torch.as_tensor(x.astype(np.float32)) for name, x in real.items()},
    )
