"""What the talker of an emotion clip says: sentences of five words, most of which fit the face."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.world.cache import kept_variant
from avcl_teach.world.draws import generator
from avcl_teach.world.emotions import EMOTIONS, IRONIC, talkers_only
from avcl_teach.world.knobs import Knobs, resolve
from avcl_teach.world.render import as_indices, render
from avcl_teach.world.scenes import sample_scenes
from avcl_teach.world.splits import find_split

# slot of the sentence -> its words: without a valence, or unpleasant ones and pleasant ones
SLOTS = (
    (("we", "they", "you", "people"),),
    (("feared", "suffered", "blamed", "regretted"), ("enjoyed", "praised", "welcomed", "cherished")),
    (("quite", "rather", "such", "truly"),),
    (("bitter", "cruel", "gloomy", "harsh"), ("gentle", "sunny", "splendid", "tender")),
    (("losses", "storms", "quarrels", "farewells"), ("gifts", "mornings", "songs", "reunions")),
)
WORDS = tuple(word for slot in SLOTS for side in slot for word in side)
WORD_VALENCE = tuple(
    0 if len(slot) == 1 else (-1, 1)[k] for slot in SLOTS for k, side in enumerate(slot) for _ in side
)
N_TOKENS = len(SLOTS)
RELIABILITY = 0.9

# name: (lowest, highest) in percent; chance is 50 for the sign of the valence, 20 for the five emotions
BOUNDS = {
    "sign of the valence from one word": (87, 93),
    "sign of the valence from all words": (95, 99),
    "sign of the valence from the words without valence": (44, 56),
    "sign of the arousal from all words": (44, 56),
    "emotion from all words": (30, 46),
    "irony from all words": (44, 56),
    "sign of the valence, wrong sentences": (44, 56),
}


def say(
    index: Sequence[int],
    positive: Sequence[bool],
    *,
    seed: int = 0,
    split: str = "train",
    reliability: float = RELIABILITY,
) -> Int[Tensor, "clip token"]:
    """Draw a sentence for each clip, numbers into `WORDS`: a pure function of (seed, split, index) and sign.

    Five slots: who, what they did, how much, of which kind, what. Three of them carry a valence, each that of
    the clip with probability `reliability`, independently; the word within a side is drawn evenly. Errors:
    ValueError for a reliability outside 0..1, a negative index, or lists of unequal length. Lesson: 32.
    """
    if not 0.0 <= reliability <= 1.0:
        raise ValueError(f"reliability lies in 0..1, got {reliability}")
    if len(index) != len(positive) or any(i < 0 for i in index):
        raise ValueError(
            f"expected indices of at least 0 and a sign for each, got {len(index)} and {len(positive)}"
        )
    first = np.cumsum([0] + [len(side) for slot in SLOTS for side in slot])
    rows = np.zeros((len(index), N_TOKENS), dtype=np.int64)
    for row, i, sign in zip(rows, index, positive, strict=True):
        rng, side = generator(seed, split, int(i), "sentence"), 0
        for k, slot in enumerate(SLOTS):
            fits, word = rng.random() < reliability, int(rng.integers(len(slot[0])))
            row[k] = first[side + (len(slot) > 1 and bool(sign) == bool(fits))] + word
            side += len(slot)
    return torch.from_numpy(rows)


def as_text(token: Int[Tensor, "token"]) -> str:
    """Return a sentence in letters."""
    return " ".join(WORDS[int(t)] for t in token)


def with_sentences(clips: Clips, *, reliability: float = RELIABILITY) -> Clips:
    """Give every clip of layout "emotion" its sentence: ``extra["token"]`` [clip, 5], numbers into `WORDS`.

    The words side with the face: who smiles says pleasant things, ironic or not, and only the voice tells.
    Errors: ValueError for clips of another kind, and as `say`.
    """
    if clips.meta.get("layout") != "emotion" or "face_valence" not in clips.extra:
        raise ValueError(f"expected clips of layout 'emotion', got {clips.meta.get('layout')!r}")
    token = say(
        clips.extra["index"].tolist(),
        (clips.extra["face_valence"].mean(1) > 0).tolist(),
        seed=clips.meta["seed"],
        split=clips.meta["split"],
        reliability=reliability,
    )
    extra = clips.extra | {"token": token.to(clips.device)}
    return dataclasses.replace(clips, extra=extra, meta=clips.meta | {"words": list(WORDS)})


def spoken_emotions(
    indices: int | Sequence[int],
    *,
    preset: str = "standard",
    split: str = "train",
    seed: int = 0,
    size_px: int = 64,
    reliability: float = RELIABILITY,
    **knobs: object,
) -> Clips:
    """Return emotion clips with their sentences, cached. Errors: as `render` and `say`."""
    resolve(preset, **knobs)
    found = as_indices(indices)
    how = {"preset": preset, "split": split, "seed": seed, "size_px": size_px, **knobs}

    def make() -> Clips:
        clips = render(found, layout="emotion", stems=False, masks=False, **how)
        return with_sentences(clips, reliability=reliability)

    return kept_variant(make, of=__file__, indices=found, reliability=reliability, **how)


def valences(token: Int[Tensor, "clip token"]) -> Float[Tensor, "clip token"]:
    """Return the valence of every word: -1, 0 or 1."""
    return torch.tensor(WORD_VALENCE, dtype=torch.float32, device=token.device)[token]


def audit(
    *, n: int = 2400, seed: int = 0, preset: str | Knobs = "standard", reliability: float = RELIABILITY
) -> list[dict]:
    """Measure what the words tell and must not, by the best guess from them: rows as `world.audit` has them.

    From plans alone, nothing is rendered; guesses are fitted on one half and judged on the other. "Irony" is
    asked among smiling faces with a calm voice, about half of them ironic (words side with the face), arousal
    among clips that are not: irony is always calm, and smiles.
    """
    plans = sample_scenes(
        range(n), knobs=resolve(preset), split=talkers_only(find_split("train")), seed=seed, layout="emotion"
    )
    truth = {name: plans.truth[name].mean(axis=1) > 0 for name in ("arousal", "face_valence")}
    positive, emotion = truth["face_valence"], plans.truth["emotion"]
    token = say(plans.index.tolist(), positive.tolist(), seed=seed, reliability=reliability)
    V = valences(token).numpy()
    one, majority = V[:, 1] > 0, V.sum(axis=1) > 0
    cells = (V[:, (1, 3, 4)] > 0) @ np.array([1, 2, 4])
    neutral = token[:, (0, 2)].numpy() @ np.array([1, len(WORDS)])
    quiet, plain = positive & ~truth["arousal"], emotion != IRONIC
    measured = {
        "sign of the valence from one word": (one == positive).mean(),
        "sign of the valence from all words": (majority == positive).mean(),
        "sign of the valence from the words without valence": _guess(neutral, positive, weigh=True),
        "sign of the arousal from all words": _guess(cells[plain], truth["arousal"][plain], weigh=True),
        "emotion from all words": _guess(cells, emotion),
        "irony from all words": _guess(cells[quiet], emotion[quiet] == IRONIC, weigh=True),
        "sign of the valence, wrong sentences": (np.roll(majority, 1) == positive).mean(),
    }
    return [
        {
            "name": name,
            "percent": round(100 * float(measured[name]), 1),
            "low": low,
            "high": high,
            "chance": 100 / len(EMOTIONS) if name.startswith("emotion") else 50.0,
            "passed": bool(low <= 100 * measured[name] <= high),
        }
        for name, (low, high) in BOUNDS.items()
    ]


def _guess(cells: np.ndarray, answer: np.ndarray, *, weigh: bool = False) -> float:
    """Guess the commonest answer of each cell, learnt on even rows, judged on odd ones.

    weigh: classes count alike (each by its share), and the score is a mean of recalls.
    """
    _, cell = np.unique(cells, return_inverse=True)
    answer = answer.astype(int)
    n = np.bincount(answer[::2], minlength=answer.max() + 1)
    table = np.zeros((cell.max() + 1, len(n)))
    np.add.at(table, (cell[::2], answer[::2]), 1)
    said, true = (table / (n if weigh else 1)).argmax(axis=1)[cell[1::2]], answer[1::2]
    hit = said == true
    return float(np.mean([hit[true == c].mean() for c in np.unique(true)]) if weigh else hit.mean())
