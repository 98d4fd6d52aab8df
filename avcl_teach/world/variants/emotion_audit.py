"""Audit of emotion clips by what is rendered: valence from pixels of the mouth, arousal from the waveform.

`world.emotion_probes` holds what perfect senses know, from the plan of a clip; here frames and sound are
read, so that a mouth that is not drawn as planned, or a voice that is not spoken so, is found.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import grid_sample

from avcl_teach.clips import Clips
from avcl_teach.features import log_mel, onset_strength
from avcl_teach.world.emotion_probes import correlation_probe
from avcl_teach.world.emotions import IRONIC
from avcl_teach.world.render import render

RATE_HZ = 50.0
BOUNDS = {
    "valence from pixels of the mouth x 100": (85, 100),
    "valence from pixels of the forehead x 100": (-30, 40),
    "arousal from the waveform x 100": (35, 90),
    "valence from the waveform x 100": (-20, 45),
}


def region(clips: Clips, low: float, high: float) -> np.ndarray:
    """Cut a strip of the face from every frame, grey, contrast taken out, and average over time: [clip, 99].

    low, high: from which height to which, in half heights of the face below its middle.
    """
    half = (clips.box[:, 0, :, 2:] - clips.box[:, 0, :, :2]).mean(-1)[..., None, None] / 2
    x = clips.centre[:, 0, :, 0, None, None] + half * torch.linspace(-0.6, 0.6, 11)
    y = clips.centre[:, 0, :, 1, None, None] + half * torch.linspace(low, high, 9)[:, None]
    at = 2 * torch.stack(torch.broadcast_tensors(x, y), -1).nan_to_num() - 1
    grey = clips.frames.float().mean(2).flatten(0, 1)[:, None]
    strip = grid_sample(grey, at.flatten(0, 1), align_corners=False).view(*clips.frames.shape[:2], -1)
    strip = (strip - strip.mean(-1, keepdim=True)) / strip.std(-1, keepdim=True).clamp_min(1)
    return strip.mean(1).numpy()


def heard(clips: Clips) -> np.ndarray:
    """Describe a voice from its waveform: onsets and how they repeat, level, how far the spectrum moves."""
    how = {"sample_rate_hz": clips.sample_rate_hz}
    o = onset_strength(clips.mono, rate_hz=RATE_HZ, **how)
    o = o - o.mean(1, keepdim=True)
    power = o.square().mean(1).clamp_min(1e-12)
    again = [(o[:, k:] * o[:, :-k]).mean(1) / power for k in range(8, 32, 2)]
    peak = (o[:, 1:-1] > o[:, :-2]) & (o[:, 1:-1] >= o[:, 2:]) & (o[:, 1:-1] > o.std(1, keepdim=True))
    level = 10 * torch.log10(clips.mono.unflatten(1, (64, -1)).square().mean(2) + 1e-8)
    M = log_mel(clips.mono, **how)
    middle = (M.softmax(1) * torch.arange(M.shape[1])[:, None]).sum(1)
    one = [peak.float().sum(1), level.mean(1), level.std(1), middle.std(1)]
    one.append(middle[:, -10:].mean(1) - middle.mean(1))
    return torch.cat([torch.stack([*one, *again], 1), M.std(2)], 1).numpy()


def checks(*, n_train: int = 384, n_test: int = 256, seed: int = 0) -> list[dict]:
    """Return the rows of the audit, 100 x correlation on individuals never met in training, chance 0.

    Valence of faces is read off clips whose face and voice agree. The forehead (brows follow arousal) is the
    control of the mouth.
    """
    how = {"layout": "emotion", "size_px": 32, "stems": False, "masks": False, "seed": seed}
    train, test = (render(n, split=s, batch_size=n, **how) for s, n in (("train", n_train), ("test", n_test)))
    agree = [(c.extra["emotion"] != IRONIC).numpy() for c in (train, test)]

    def told(see, of: str, *, all_clips: bool = False) -> float:
        x, y = zip(*((see(c), c.extra[of].mean(1).numpy()) for c in (train, test)), strict=True)
        rows = [slice(None)] * 2 if all_clips else agree
        if any(np.ptp(part[keep], axis=0).max() < 1e-3 for part, keep in zip(x, rows, strict=True)):
            return 0.0  # nothing changes: nothing is told
        return correlation_probe(x[0][rows[0]], y[0][rows[0]], x[1][rows[1]], y[1][rows[1]])

    found = (
        told(lambda c: region(c, 0.05, 0.75), "valence"),
        told(lambda c: region(c, -0.75, -0.15), "valence"),
        told(heard, "arousal", all_clips=True),
        told(heard, "valence", all_clips=True),
    )
    return [
        {
            "name": name,
            "percent": round(100 * share, 1),
            "low": low,
            "high": high,
            "chance": 0.0,
            "passed": bool(low <= 100 * share <= high),
        }
        for share, (name, (low, high)) in zip(found, BOUNDS.items(), strict=True)
    ]
