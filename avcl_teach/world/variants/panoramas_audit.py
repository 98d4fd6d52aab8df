"""Audit of panoramas: where a sound comes from is in its directions, and who sounds is not in the picture."""

import numpy as np
import torch

from avcl_teach.clips import Clips
from avcl_teach.world.variants.panoramas import crop, load_panoramas, wrap
from avcl_teach.world.variants.two_ears_audit import row

NEAR_DEGREES = 20


def heard_azimuth(clips: Clips) -> np.ndarray:
    """Return the direction of the intensity, atan2(-<W Y>, <W X>): radians to the right, [clip]."""
    W, Y, _, X = clips.waveform.unbind(1)
    return torch.atan2(-(W * Y).mean(-1), (W * X).mean(-1)).numpy()


def checks(*, n: int = 128) -> list[dict]:
    """Return the rows of the audit: directions can be heard, W alone has no side, and neither motion in the
    crop nor its colour tells who sounds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from avcl_teach.features import log_mel
    from avcl_teach.world.probes import mean_colour, motion_energy

    train, test = (load_panoramas(n, n_sounding=1, n_silent=1, split=s) for s in ("train", "test"))

    def probe(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.1))
        return float((model.fit(x, y).predict(x_test) == y_test).mean())

    def place(clips: Clips) -> torch.Tensor:
        who = clips.sounding.int().argmax(1)[:, None, None].expand(-1, 1, clips.extra["azimuth"].shape[-1])
        return clips.extra["azimuth"].gather(1, who)[:, 0].median(-1).values

    def mono(clips: Clips) -> np.ndarray:
        return log_mel(clips.waveform[:, 0], sample_rate_hz=clips.sample_rate_hz).mean(-1).numpy()

    right, right_test = ((place(c) > 0).numpy() for c in (train, test))
    error = wrap(torch.from_numpy(heard_azimuth(test)) - place(test)).abs()
    looks = {}
    for name, clips in (("train", train), ("test", test)):
        crops = [crop(clips, clips.extra["azimuth"][:, k].median(-1).values) for k in (0, 1)]
        looks[name] = (
            np.concatenate([motion_energy(c) for c in crops]),
            np.concatenate([mean_colour(c) for c in crops]),
            torch.cat([clips.sounding[:, 0], clips.sounding[:, 1]]).numpy(),
        )
    (motion, colour, sounds), (motion_test, colour_test, sounds_test) = looks["train"], looks["test"]
    return [
        row(
            f"direction heard within {NEAR_DEGREES} degrees",
            float((error < np.radians(NEAR_DEGREES)).float().mean()),
            85,
            100,
            chance=100 * 2 * NEAR_DEGREES / 360,
        ),
        row("side from W alone", probe(mono(train), right, mono(test), right_test), 35, 65),
        row("who sounds, from motion", probe(motion, sounds, motion_test, sounds_test), 38, 62),
        row("who sounds, from colour", probe(colour, sounds, colour_test, sounds_test), 38, 62),
    ]
