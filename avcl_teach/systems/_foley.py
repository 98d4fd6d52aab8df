"""Around Foley Music: bodies turned and frozen, notes read by a rule, what NDB looks at."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from avcl_teach.features.spectral import log_mel
from avcl_teach.world.variants.performers import ARM, FRAME_RATE_HZ, JOINTS, N_DEGREES, play

HIP, NECK, TIP, HAND = (JOINTS.index(name) for name in ("hip", "neck", "mallet tip", "left hand"))


def moved_camera(
    x: Float[Tensor, "clip time joint 2"], draws: torch.Generator
) -> Float[Tensor, "clip time joint 2"]:
    """Turn each performance by up to 10 degrees and scale it by up to 10 %, as the released code does.

    No shift: the encoder takes joints relative to the hip.
    """
    u = 2 * torch.rand(2, len(x), 1, 1, generator=draws).to(x) - 1
    angle, size = math.radians(10) * u[0], 1 + 0.1 * u[1]
    a, b = x.unbind(-1)
    turned = [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()]
    return torch.stack([size * t for t in turned], -1)


def frozen_arm(x: Float[Tensor, "clip time joint 2"]) -> Float[Tensor, "clip time joint 2"]:
    """Hold the joints of the right arm where they were at first."""
    out = x.clone()
    out[:, :, list(ARM)] = x[:, :1, list(ARM)]
    return out


def read_by_rule(x: Float[Tensor, "clip time joint 2"], *, n_notes: int = 16) -> Float[Tensor, "clip note 4"]:
    """Read notes off the mallet's tip: a note where it is lowest, its degree by the place along the bars.

    The bars are not seen. The body gives their direction (hip to neck stands upright on them), and the left
    hand, which rests 0.42 from their middle, the scale. Lowest: below both neighbours, 0.01 below what is two
    frames around it and at most 0.06 above the lowest of the clip. Times are refined by a parabola through
    three frames. Durations (0.3 s) and velocities (0.5) are not read. NaN = no note. Lesson: 38.
    """
    up = F.normalize((x[:, :, NECK] - x[:, :, HIP]).median(1).values, dim=-1)
    right = torch.stack([up[:, 1], -up[:, 0]], -1)
    unit = -torch.einsum("ntd,nd->nt", x[:, :, HAND] - x[:, :, HIP], right).median(1).values / 0.42
    tip = (x[:, :, TIP] - x[:, :, HIP]) / unit[:, None, None]
    y, along = (torch.einsum("ntd,nd->nt", tip, axis) for axis in (up, right))
    a, b, c = y.unfold(1, 3, 1).unbind(-1)
    far = F.pad(y, (2, 2), value=-math.inf).unfold(1, 5, 1)[:, 1:-1]
    around = torch.minimum(far[..., :2].amax(-1), far[..., 3:].amax(-1))
    low = (b <= a) & (b < c) & (b < around - 0.01) & (b < y.amin(1, keepdim=True) + 0.06)
    frame = torch.arange(1, y.shape[1] - 1) + 0.5 * (a - c) / (a - 2 * b + c).clamp_min(1e-4)
    degree = ((along[:, 1:-1] + 0.45) / 0.1).round().clamp(0, N_DEGREES - 1)
    out = torch.full((len(x), n_notes, 4), torch.nan)
    for i, there in enumerate(low):
        k = there.nonzero()[:n_notes, 0]
        rest = torch.tensor([0.3, 0.5]).expand(len(k), 2)
        rows = [frame[i, k] / FRAME_RATE_HZ, rest[:, 0], degree[i, k], rest[:, 1]]
        out[i, : len(k)] = torch.stack(rows, 1)
    return out


def sound_features(notes: Float[Tensor, "clip note 4"], *, batch: int = 32) -> Float[Tensor, "clip 256"]:
    """Return what NDB looks at: the log-mel spectrogram of the played notes, 16 bands by 16 moments."""
    features = []
    for some in notes.split(batch):
        S = log_mel(play(some), n_mels=32)
        features.append(F.adaptive_avg_pool2d(S[:, None], (16, 16)).flatten(1))
    return torch.cat(features)
