"""The talker (a face) and the chirp (a bird)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from avcl_teach.world.envelopes import FORMANTS_HZ
from avcl_teach.world.pictures import motion
from avcl_teach.world.pictures.shapes import Pen

BEAK_OPEN = 0.36


def pose_talker(cues: motion.Cues) -> dict[str, np.ndarray]:
    """Pose the face: mouth height goes with F1 times the loudness, mouth width with F2 of the vowel."""
    first, second = (np.array(FORMANTS_HZ)[:, k] for k in (0, 1))
    vowel = cues.vowel.astype(int)
    width = np.log(second[vowel] / second.min()) / np.log(second.max() / second.min())
    speaking = np.clip(cues.loud * 3.0, 0.0, 1.0)
    return {
        "mouth_h": 0.03 + 0.42 * first[vowel] / first.max() * cues.loud,
        "mouth_w": 0.24 + speaking * (0.20 * width - 0.06),
        "brow": 0.12 * cues.loud + 0.10 * cues.brow,
        "smile": cues.smile,
        "shift_y": motion.JOLT * motion.jolt(cues),
    }


def draw_talker(pen: Pen, pose: dict[str, Tensor], look: dict[str, Tensor], paint: dict[str, Tensor]) -> None:
    """Draw hair, ears, face, eyes with brows, nose and the mouth."""
    pen.fill(pen.ellipse(0.0, -0.20, 0.90, 0.92), paint["accent"], rim=paint["ink"])
    for side in (-1.0, 1.0):
        pen.fill(pen.disc(0.80 * side, 0.10, 0.17), paint["body"], rim=paint["ink"])
    face = pen.ellipse(0.0, 0.12, 0.76, 0.92).maximum(-(pen.y + 0.42 + 0.25 * look["layout"]))
    pen.fill(
        face.minimum(pen.ellipse(0.0, 0.22, 0.76, 0.82)), paint["body"], rim=paint["ink"], rim_width=0.05
    )
    for side in (-1.0, 1.0):
        pen.fill(pen.ellipse(0.31 * side, 0.0, 0.17, 0.14), paint["pale"], rim=paint["deep"], rim_width=0.04)
        pen.fill(pen.disc(0.31 * side + 0.03, 0.0, 0.075), paint["deep"], solid=False)
        y = -0.24 - pose["brow"]
        pen.line(pen.segment(0.16 * side, y, 0.48 * side, y + 0.05), 0.05, paint["deep"], solid=False)
    pen.line(pen.segment(0.0, 0.08, 0.07, 0.30), 0.04, paint["dark"], solid=False)
    mouth = pen.ellipse(0.0, 0.58, pose["mouth_w"], pose["mouth_h"])
    if bool(pose["smile"].any()):  # only faces that feel have bent mouths
        mouth = _bent(pen, pose["mouth_w"] + 0.06, pose["mouth_h"] + 0.04, pose["smile"])
    pen.fill(mouth - 0.07, paint["accent"], solid=False)
    pen.fill(mouth, paint["deep"], solid=False)


def _bent(pen: Pen, width: Tensor, height: Tensor, smile: Tensor) -> Tensor:
    """Return the distance to a mouth whose corners stand higher (smile > 0) or lower than its middle."""
    x = (pen.x / width).clamp(-1.0, 1.0).square()
    bent = pen.above(height * (1.0 - x).sqrt(), 0.58 + 0.10 * smile - 0.24 * smile * x, steep=0.9)
    return bent.maximum(pen.x.abs() - width)


def pose_chirp(cues: motion.Cues) -> dict[str, np.ndarray]:
    """Pose the bird: the beak opens with the loudness, the wing and the head start with the note."""
    return {
        "beak": BEAK_OPEN * cues.loud,
        "bob": 0.14 * motion.jolt(cues),
        "lift": 0.20 * motion.hand(cues),
        "shift_y": motion.JOLT * motion.jolt(cues),
    }


def draw_chirp(pen: Pen, pose: dict[str, Tensor], look: dict[str, Tensor], paint: dict[str, Tensor]) -> None:
    """Draw legs, tail, body with a wing, head and beak."""
    for x in (-0.22, 0.10):
        pen.line(pen.segment(x, 0.65, x - 0.04, 0.95), 0.05, paint["ink"])
        pen.line(pen.segment(x - 0.04, 0.95, x + 0.14, 0.96), 0.05, paint["ink"])
    lift = pose["lift"] * 0.8
    pen.fill(
        pen.polygon((-0.55, 0.02), (-0.62, 0.42), (-1.13, 0.30 - lift), (-1.07, -0.02 - lift)),
        paint["shade"],
        rim=paint["ink"],
    )
    hx, hy = 0.36, -0.34 + pose["bob"] - pose["lift"] * 0.5
    gape = pose["beak"]
    pen.fill(
        pen.polygon((hx + 0.25, hy - 0.12), (hx + 0.25, hy + 0.16), (hx + 0.66, hy + 0.02 + 0.75 * gape)),
        paint["accent"],
        rim=paint["ink"],
        rim_width=0.04,
    )
    pen.fill(
        pen.polygon((hx + 0.25, hy - 0.20), (hx + 0.25, hy + 0.10), (hx + 0.80, hy + 0.02 - gape)),
        paint["accent"],
        rim=paint["ink"],
        rim_width=0.04,
    )
    trunk = pen.ellipse(-0.14, 0.22, 0.72, 0.56)
    head = pen.disc(hx, hy, 0.40)
    pen.fill(trunk.minimum(head), paint["body"], rim=paint["ink"])
    pen.fill(pen.ellipse(0.10, 0.38, 0.36, 0.28), paint["second"], solid=False)
    pen.fill(
        pen.ellipse(-0.34, 0.14 - pose["bob"], 0.40, 0.28), paint["dark"], rim=paint["ink"], rim_width=0.05
    )
    pen.fill(
        pen.disc(hx + 0.10, hy - 0.08, 0.13), paint["pale"], rim=paint["deep"], rim_width=0.03, solid=False
    )
    pen.fill(pen.disc(hx + 0.12, hy - 0.08, 0.075), paint["deep"], solid=False)
