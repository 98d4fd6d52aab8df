"""Concerts: a band plays, and the camera cuts from one of its players to another every half second.

One shot shows and sounds one player. Eight bands share eight instruments, so that a shot alone does not tell
which band plays; many shots do. What is global (the band) and what is local (who plays now) are both known.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.world.draws import choice, generator
from avcl_teach.world.instances import traits
from avcl_teach.world.knobs import CLASSES, Knobs, resolve
from avcl_teach.world.render import as_indices, render_scenes
from avcl_teach.world.scenes import Scenes, sample_scenes
from avcl_teach.world.splits import find_split

BANDS = tuple(tuple((g + k) % 8 for k in (0, 1, 3)) for g in range(8))
"""The three instruments of each band; any two instruments play together in at most one band."""
GUEST = 0.15
"""Probability that a shot shows a guest instead: any of the eight instruments, one's own among them."""
N_SHOTS = 16
SHOT_S = 0.5
ARCHIVE = {"train": 1536, "val": 512, "test": 512}
"""Shots that a split can show; a shot may appear in several concerts, as film from an archive does."""
_FIRST = 0.3  # the part of the wait before the first note that is kept, so that half a second holds a note


def shot_weights() -> Float[Tensor, "band instrument"]:
    """Return how often each band shows each instrument, before a cut rules out the instrument just seen."""
    own = torch.zeros(len(BANDS), len(CLASSES))
    for g, players in enumerate(BANDS):
        own[g, list(players)] = 1 / len(players)
    return (1 - GUEST) * own + GUEST / len(CLASSES)


def draw_concerts(
    indices: int | Sequence[int], *, split: str = "train", seed: int = 0, n_shots: int = N_SHOTS
) -> dict[str, Int[Tensor, "..."]]:
    """Draw who plays: band [clip], instrument [clip, shot] and the shot's number in the archive [clip, shot].

    A pure function of (seed, split, index). Instruments follow `shot_weights` of the band, never the same
    one twice in a row. Errors: ValueError for an unknown split, no clips or no shots. Lesson: 31.
    """
    found = as_indices(indices)
    if split not in ARCHIVE or not found or n_shots < 1:
        raise ValueError(
            f"expected a split of {sorted(ARCHIVE)}, a clip, a shot, got {split!r}, {len(found)}, {n_shots}"
        )
    takes, weights = ARCHIVE[split] // len(CLASSES), shot_weights().numpy()
    band, who, shot = [], [], []
    for i in found:
        u = generator(seed, split, i, "concert").random(1 + 2 * n_shots)
        g, last, row = int(choice(u[:1], len(BANDS))[0]), -1, []
        for x in u[1 : 1 + n_shots]:
            p = weights[g].copy()
            p[last] *= float(last < 0)
            last = int(np.searchsorted(np.cumsum(p) / p.sum(), x, side="right").clip(0, len(CLASSES) - 1))
            row.append(last)
        band.append(g)
        who.append(row)
        shot.append(np.array(row) + len(CLASSES) * choice(u[1 + n_shots :], takes))
    return {"band": _whole(band), "instrument": _whole(who), "shot": _whole(shot)}


def render_shots(
    shots: Sequence[int],
    *,
    split: str = "train",
    seed: int = 0,
    preset: str | Knobs = "easy",
    size_px: int = 32,
    **knobs: object,
) -> Clips:
    """Render shots of the archive: half a second of one player each, number s showing instrument s mod 8.

    Errors: ValueError for a shot outside the archive, an unknown preset, knob or split. Lesson: 31.
    """
    found = as_indices(list(shots))
    if split not in ARCHIVE or not found or max(found) >= ARCHIVE[split]:
        raise ValueError(f"expected shots of an archive {ARCHIVE}, got {split!r} and {found[-1:]}")
    chosen = dataclasses.replace(resolve(preset, **knobs), duration_s=SHOT_S)
    return Clips.cat(
        [
            render_scenes(
                _cast(found[start : start + 64], chosen, split, seed), size_px=size_px, stems=False,
                masks=False, meta={"source": "world", "variant": "concerts", "class_names": list(CLASSES)},
            )
            for start in range(0, len(found), 64)
        ]
    )  # fmt: skip


def render_concerts(
    indices: int | Sequence[int],
    *,
    split: str = "train",
    seed: int = 0,
    n_shots: int = N_SHOTS,
    **how: object,
) -> Clips:
    """Render concerts as clips: label is the band; extra truth instrument and shot [clip, shot].

    `how`: preset, size_px and knobs as in `render_shots`. Errors: those of it and of `draw_concerts`.
    Lesson: 31.
    """
    drawn = draw_concerts(indices, split=split, seed=seed, n_shots=n_shots)
    numbers, place = drawn["shot"].unique(return_inverse=True)
    shots = render_shots(numbers.tolist(), split=split, seed=seed, **how)
    meta = {**shots.meta, "class_names": band_names(), "split": split, "seed": seed}
    return Clips(
        frames=shots.frames[place].flatten(1, 2),
        waveform=shots.waveform[place].transpose(1, 2).flatten(2),
        frame_rate_hz=shots.frame_rate_hz,
        sample_rate_hz=shots.sample_rate_hz,
        label=drawn["band"],
        extra={"index": _whole(as_indices(indices)), **{k: drawn[k] for k in ("instrument", "shot")}},
        meta=meta,
    )


def band_names() -> list[str]:
    """Name each band by its three instruments."""
    return [", ".join(CLASSES[c] for c in players) for players in BANDS]


def band_posterior(instrument: Int[Tensor, "clip shot"]) -> Float[Tensor, "clip band"]:
    """Return P(band | instruments of some neighbouring shots): the best that can be known of the band.

    P(g | s_1 ... s_n) is proportional to w_g(s_1) prod_t w_g(s_t) / (1 - w_g(s_{t-1})), s_1 taken as the
    first shot of a concert. Errors: ValueError for instruments that are not there. Lesson: 31.
    """
    if instrument.ndim != 2 or instrument.min() < 0 or instrument.max() >= len(CLASSES):
        raise ValueError(f"expected instruments 0 to {len(CLASSES) - 1} [clip, shot]")
    w = shot_weights().double()
    log_p = w[:, instrument].log()  # [band, clip, shot]
    left = (1 - w[:, instrument[:, :-1]]).log().sum(-1)
    return (log_p.sum(-1) - left).T.softmax(1).float()


def _cast(shots: list[int], knobs: Knobs, split: str, seed: int) -> Scenes:
    """Draw solo scenes and give each the instrument of its number, with that individual's own traits."""
    scenes = sample_scenes(shots, knobs=knobs, split=find_split(split, seed=seed), seed=seed, layout="solo")
    cls = np.array(shots)[:, None] % len(CLASSES)
    notes = scenes.notes.copy()
    notes[..., 0] -= (1 - _FIRST) * notes[..., :1, 0]
    return dataclasses.replace(
        scenes,
        cls=cls,
        timbre=traits(seed, cls, scenes.instance, timbre_spread=knobs.timbre_spread),
        notes=notes,
        event_label=np.repeat(cls, knobs.n_segments, axis=1),
    )


def _whole(x: Sequence) -> Int[Tensor, "..."]:
    return torch.as_tensor(np.array(x), dtype=torch.int64)
