"""Audit of two-eared clips: the side is in the difference of the ears, and nowhere else in the sound."""

import numpy as np
import torch

from avcl_teach.clips import Clips
from avcl_teach.world.variants.two_ears import load_two_ears


def side_of(clips: Clips) -> np.ndarray:
    """Say for each solo clip whether its source is in the right half: bool [clip]."""
    return (clips.extra["azimuth"][:, 0].mean(-1) > 0).numpy()


def level_difference_db(clips: Clips) -> np.ndarray:
    """Return how much louder the right ear hears, in decibels: [clip]."""
    level = 10 * torch.log10(clips.waveform.square().mean(-1) + 1e-12)
    return (level[:, 1] - level[:, 0]).numpy()


def checks(*, n: int = 256) -> list[dict]:
    """Return the rows of the audit: the side from the sum of the ears, and from their levels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from avcl_teach.features import log_mel

    train, test = (load_two_ears(n, preset="easy", split=s, layout="solo") for s in ("train", "test"))
    y, y_test = side_of(train), side_of(test)

    def mono(clips: Clips) -> np.ndarray:
        return log_mel(clips.waveform.sum(1), sample_rate_hz=clips.sample_rate_hz).mean(-1).numpy()

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.1)).fit(mono(train), y)
    return [
        row("side from the sum of both ears", (probe.predict(mono(test)) == y_test).mean(), 38, 62),
        row("right ear louder on the right", ((level_difference_db(test) > 0) == y_test).mean(), 85, 100),
        row("sources on the right", y_test.mean(), 35, 65),
    ]


def row(name: str, share: float, low: float, high: float, chance: float = 50.0) -> dict:
    """Write one line of an audit; share in 0 ... 1, the rest in percent."""
    percent = round(100 * float(share), 1)
    return {
        "name": name, "percent": percent, "low": low, "high": high, "chance": round(chance, 1),
        "passed": low <= percent <= high,
    }  # fmt: skip
