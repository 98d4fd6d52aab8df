"""The audits of views and concerts: what must not give the answer away, and that an answer can be had."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.features import lagged_correlation, log_mel, onset_strength
from avcl_teach.metrics.probes import linear_probe
from avcl_teach.world import probes
from avcl_teach.world.knobs import CLASSES
from avcl_teach.world.variants import concerts
from avcl_teach.world.variants.views import MAX_SHIFT_FRAMES, render_views

SHORTCUTS: dict[str, Callable[[Clips], np.ndarray]] = {
    "mean colour": probes.mean_colour,
    "colour histogram": probes.colour_histogram,
    "loudness": probes.loudness_db,
    "motion energy": probes.motion_energy,
    "envelope": probes.envelope_db,
}
FOUND_AT_MOST = {"mean colour": 8, "colour histogram": 10, "loudness": 8, "motion energy": 8, "envelope": 40}


def audit_views(*, n: int = 128, seed: int = 0) -> list[dict]:
    """Look for the second view of a scene by one cue at a time; rows {name, percent, low, high, chance}.

    R@1 among n second views, every change made. A ceiling: onsets of the notes, told without error, with any
    shift allowed. Further rows: the class is kept, a moved window keeps its object, and the changes can be
    read off the clips: the shift off onsets, the semitones off the spectrum.
    """
    clips = render_views(n, split="test", seed=seed, size_px=32)
    first, second = clips[0::2], clips[1::2]
    rows = []
    for name, see in SHORTCUTS.items():
        x, y = (torch.as_tensor(see(part)).float() for part in (first, second))
        rows.append(_row(f"second view by {name}", _nearest(x, y), 0, FOUND_AT_MOST[name], 100 / n))
    rows.append(_row("second view by its notes", _by_notes(first, second), 95, 100, 100 / n))
    same = float((first.label == second.label).float().mean())
    rows.append(_row("class kept", same, 100, 100, 100 / len(CLASSES)))
    kept = ~second.box[:, 0].isnan().any(-1)
    rows.append(_row("frames of a crop that show the object", float(kept.float().mean()), 99, 100, None))
    moved = render_views(n, views=("plain", "time"), preset="easy", split="test", seed=seed, size_px=32)
    rows.append(_row("shift read off onsets", _shift_found(moved[0::2], moved[1::2]), 80, 100, 25.0))
    tuned = render_views(n, views=("plain", "pitch"), preset="easy", split="test", seed=seed, size_px=32)
    rows.append(_row("up or down read off the spectrum", _way_found(tuned[0::2], tuned[1::2]), 70, 100, 50.0))
    return rows


def audit_concerts(*, n_train: int = 512, n_test: int = 1024, seed: int = 0) -> list[dict]:
    """Try to tell the band from too little, and from enough; rows {name, percent, low, high, chance}."""
    train = concerts.draw_concerts(n_train, split="train", seed=seed)
    test = concerts.draw_concerts(n_test, split="test", seed=seed)
    who, band = test["instrument"], test["band"]
    chance = 100 / len(concerts.BANDS)

    def told(n_shots: int) -> float:
        best = concerts.band_posterior(who[:, :n_shots]).argmax(1)
        return float((best == band).float().mean())

    rows = [_row(f"band from {k} shots told", told(k), *bounds, chance)
            for k, bounds in {1: (20, 40), 2: (60, 85), 16: (98, 100)}.items()]  # fmt: skip
    counts = who.flatten().bincount(minlength=8) / who.numel()
    rows.append(_row("most frequent instrument", float(counts.max()), 0, 16, 12.5))
    rows.append(
        _row("an instrument twice in a row", float((who.diff(dim=1) == 0).float().mean()), 0, 0, None)
    )
    clips = {s: concerts.render_concerts(256, split=s, seed=seed) for s in ("train", "test")}
    for name, see in {"mean colour": probes.mean_colour, "loudness": probes.loudness_db}.items():
        x, y = (torch.as_tensor(see(clips[s])).float() for s in ("train", "test"))
        right = linear_probe(x, clips["train"].label, y, clips["test"].label)
        rows.append(_row(f"band from {name}", right, 0, 20, chance))
    before = float((train["band"][1:] == train["band"][:-1]).float().mean())
    rows.append(_row("band from the concert before", before, 0, 18, chance))
    return rows


def _nearest(x: Float[Tensor, "clip dim"], y: Float[Tensor, "clip dim"]) -> float:
    x, y = ((z - z.mean(0)) / z.std(0).clamp_min(1e-6) for z in (x, y))
    return float((torch.cdist(x, y).argmin(1) == torch.arange(len(x))).float().mean())


def _by_notes(first: Clips, second: Clips) -> float:
    """Match lists of onsets and degrees under every shift that there is."""
    grid = torch.arange(0, first.duration_s, 0.025)
    steps = torch.arange(-2 * MAX_SHIFT_FRAMES, 2 * MAX_SHIFT_FRAMES + 1) / first.frame_rate_hz
    near = 0.02

    def written(clips: Clips, shift: float) -> Tensor:
        onset, degree = clips.notes[:, 0, :, 0] - shift, clips.notes[:, 0, :, 2]
        hit = (onset[:, None] - grid[:, None]).abs() < near
        return torch.where(hit, (degree + 1)[:, None], 0.0).nan_to_num().amax(-1)

    y = written(second, 0.0)
    price = torch.stack([torch.cdist((written(first, float(s))), y) for s in steps]).amin(0)
    return float((price.argmin(1) == torch.arange(len(y))).float().mean())


def _shift_found(first: Clips, second: Clips) -> float:
    rate = 8 * first.frame_rate_hz
    a, b = (onset_strength(c.mono, sample_rate_hz=c.sample_rate_hz, rate_hz=rate) for c in (first, second))
    reach = 8 * MAX_SHIFT_FRAMES + 4
    curve = lagged_correlation(a, b, reach)
    lag_s = (curve.argmax(-1) - reach) / rate
    lag_s = lag_s if lag_s.ndim else lag_s[None]
    wanted = second.extra["shift_s"]
    return float(((lag_s.abs() - wanted.abs()).abs() < 0.06).float().mean())


def _way_found(first: Clips, second: Clips) -> float:
    """Say whether the spectrum moved up or down, by the shift of bands that matches best."""
    L, M = (log_mel(c.mono, sample_rate_hz=c.sample_rate_hz, n_mels=128).amax(2) for c in (first, second))
    L, M = (x - x.mean(1, keepdim=True) for x in (L, M))
    steps = [s for s in range(-12, 13) if s]
    score = torch.stack([(L.roll(s, 1)[:, 12:60] * M[:, 12:60]).sum(1) for s in steps])
    up = torch.tensor(steps)[score.argmax(0)] > 0
    return float((up == (second.extra["semitones"] > 0)).float().mean())


def _row(name: str, share: float, low: float, high: float, chance: float | None) -> dict:
    percent = 100 * share
    return {"name": name, "percent": round(percent, 1), "low": low, "high": high,
            "chance": None if chance is None else round(chance, 1),
            "passed": bool(low <= percent <= high)}  # fmt: skip
