"""Two ears: every source is heard by a left and a right ear from where it is seen.

A source at azimuth theta (radians, 0 straight ahead, positive to the right) reaches the far ear later and, at
high frequencies, softer. Both are applied to each stem, so mixtures, targets and wrong places are exact.
Source of the delay: Woodworth's spherical head, ITD = (a / c)(theta + sin theta). Lesson: 39.
"""

import dataclasses
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.world.cache import kept_variant
from avcl_teach.world.knobs import Knobs, resolve
from avcl_teach.world.render import as_indices, render

EDGE = math.radians(60)
"""Azimuth of something at the right edge of the picture."""
HEAD_RADIUS_M = 0.0875
SPEED_OF_SOUND_M_S = 343.0
ILD_DB = 6.0
"""Level difference of a source at 90 degrees, above `ILD_FULL_HZ`."""
ILD_FULL_HZ = 1500.0
ILD_AT_0_HZ = 0.2
WINDOW_S = 0.25


def azimuth_of(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the azimuth in radians of a place x in the picture (0 left, 1 right edge): 60 deg (2 x - 1).

    >>> azimuth_of(torch.tensor([0.5, 1.0])).rad2deg()
    tensor([ 0.0000, 60.0000])
    """
    return EDGE * (2 * x - 1)


def delay_s(azimuth: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return how much later the left ear hears than the right: (a / c)(theta + sin theta), in seconds."""
    return HEAD_RADIUS_M / SPEED_OF_SOUND_M_S * (azimuth + azimuth.sin())


def level_db(
    azimuth: Float[Tensor, "*shape"], frequency_hz: Float[Tensor, "freq"]
) -> Float[Tensor, "*shape freq"]:
    """Return how much louder the right ear hears than the left, in dB: 6 sin(theta), of which a fifth at 0 Hz
    and all at 1.5 kHz and above."""
    share = ILD_AT_0_HZ + (1 - ILD_AT_0_HZ) * (frequency_hz / ILD_FULL_HZ).clamp(max=1)
    return ILD_DB * azimuth.sin()[..., None] * share


def pan(
    x: Float[Tensor, "*n sample"], azimuth: Float[Tensor, "*n"], *, sample_rate_hz: int = 8000
) -> Float[Tensor, "*n 2 sample"]:
    """Return what the left and the right ear hear of a mono source that stays at one azimuth.

    Delay and level are split evenly between the ears, in the frequency domain (so a fraction of a sample is
    a fraction); a tail of one window is padded, and what leaves the clip is cut. Lesson: 39.
    """
    n = x.shape[-1]
    pad = math.ceil(2e-3 * sample_rate_hz)
    X = torch.fft.rfft(torch.nn.functional.pad(x, (pad, pad)))
    f = torch.fft.rfftfreq(n + 2 * pad, 1 / sample_rate_hz, device=x.device, dtype=x.dtype)
    half_gain = 10 ** (level_db(azimuth, f) / 40)
    half_phase = torch.polar(torch.ones_like(half_gain), math.pi * f * delay_s(azimuth)[..., None])
    ears = torch.stack([X * half_phase.conj() / half_gain, X * half_phase * half_gain], dim=-2)
    return torch.fft.irfft(ears, n=n + 2 * pad)[..., pad : pad + n]


def pan_moving(
    x: Float[Tensor, "*n sample"],
    azimuth: Float[Tensor, "*n time"],
    *,
    frame_rate_hz: float = 8.0,
    sample_rate_hz: int = 8000,
) -> Float[Tensor, "*n 2 sample"]:
    """Return what both ears hear of a source that moves: windows of a quarter second, each panned from where
    the source is then, and added.

    The windows add up to 1, so a source that stays is panned exactly as `pan` does. `azimuth`: one value a
    frame of the picture, without NaN. Errors: ValueError for NaN, or no frame. Lesson: 39.
    """
    if azimuth.shape[-1] < 1 or azimuth.isnan().any():
        raise ValueError(f"expected an azimuth for each frame without NaN, got {tuple(azimuth.shape)}")
    n, size = x.shape[-1], round(WINDOW_S * sample_rate_hz)
    hop = size // 2
    pad = size + math.ceil(2e-3 * sample_rate_hz)
    out = x.new_zeros(*x.shape[:-1], 2, n + 2 * pad)
    window = torch.hann_window(size, periodic=True, dtype=x.dtype, device=x.device)
    for start in range(-hop, n, hop):
        low, high = max(start, 0), min(start + size, n)
        part = x[..., low:high] * window[low - start : high - start]
        k = round((start + hop) / sample_rate_hz * frame_rate_hz)
        theta = azimuth[..., min(max(k, 0), azimuth.shape[-1] - 1)]
        margin = pad - size
        ears = pan(torch.nn.functional.pad(part, (margin, margin)), theta, sample_rate_hz=sample_rate_hz)
        out[..., pad + low - margin : pad + high + margin] += ears
    return out[..., pad : pad + n]


def render_two_ears(
    indices: int | Sequence[int],
    *,
    preset: str | Knobs = "standard",
    split: str = "train",
    seed: int = 0,
    layout: str = "scene",
    size_px: int = 64,
    masks: bool = False,
    **knobs: object,
) -> Clips:
    """Render clips with two ears: waveform [clip, 2, sample], left first; pictures as in `world.render`.

    Stems are kept, [clip, object, 2, sample]; extra truth: azimuth [clip, object, time] in radians (NaN for
    no object; held where an object is not seen), noise [clip, 2, sample], as loud at both ears, not the same.
    Errors: as `world.render`. Lesson: 39.
    """
    clips = render(
        indices, preset=preset, split=split, seed=seed, layout=layout, size_px=size_px, masks=masks, **knobs
    )
    return to_two_ears(clips)


def load_two_ears(
    indices: int | Sequence[int],
    *,
    preset: str | Knobs = "standard",
    split: str = "train",
    seed: int = 0,
    layout: str = "scene",
    size_px: int = 64,
    **knobs: object,
) -> Clips:
    """Return clips of `render_two_ears` from the cache, rendered first where there are none. Lesson: 39."""
    found = as_indices(indices)
    arguments = {"split": split, "seed": seed, "layout": layout, "size_px": size_px}
    chosen = dataclasses.asdict(resolve(preset, **knobs))
    return kept_variant(
        lambda: render_two_ears(found, preset=preset, **arguments, **knobs),
        of=__file__,
        indices=found,
        knobs=chosen,
        variant="two ears",
        **arguments,
    )


def to_two_ears(clips: Clips) -> Clips:
    """Let two ears hear mono clips that have their stems and the places of their objects.

    Errors: ValueError for clips without stems, centres or noise, or that are not mono. Lesson: 39.
    """
    if clips.stem is None or clips.centre is None or "noise" not in clips.extra or clips.stem.shape[2] != 1:
        raise ValueError("expected mono clips with stems, centres and noise (render with stems=True)")
    azimuth = azimuth_of(clips.centre[..., 0])
    held = hold(azimuth)
    stem = pan_moving(
        clips.stem[:, :, 0],
        held.nan_to_num(0.0),
        frame_rate_hz=clips.frame_rate_hz,
        sample_rate_hz=clips.sample_rate_hz,
    )
    noise = clips.extra["noise"]
    both = torch.cat([noise, noise.roll(noise.shape[-1] // 3, dims=-1)], dim=1)
    return dataclasses.replace(
        clips,
        waveform=stem.sum(1) + both,
        stem=stem,
        extra=clips.extra | {"azimuth": held, "noise": both},
        meta=clips.meta | {"variant": "two ears"},
    )


def hold(x: Float[Tensor, "*n time"]) -> Float[Tensor, "*n time"]:
    """Fill NaN with the value before it, at the start with the first one that is there; all NaN stays NaN."""
    n = x.shape[-1]
    at = torch.arange(n, device=x.device).expand(x.shape)
    seen = ~x.isnan()
    last = torch.where(seen, at, -1).cummax(dim=-1).values
    first = torch.where(seen, at, n).amin(dim=-1, keepdim=True).clamp(max=n - 1)
    return x.gather(-1, torch.where(last < 0, first, last))


def mirror(clips: Clips) -> Clips:
    """Swap left and right of picture and sound together; boxes, centres, masks and azimuths follow.

    Errors: ValueError for clips that do not have two channels. Lesson: 39.
    """
    if clips.waveform.shape[1] != 2:
        raise ValueError(f"expected two channels, got {clips.waveform.shape[1]}")
    extra = dict(clips.extra)
    if "azimuth" in extra:
        extra["azimuth"] = -extra["azimuth"]
    if "noise" in extra:
        extra["noise"] = extra["noise"].flip(1)
    extra.pop("keypoints", None)  # a left hand would become a right one
    changed = {"frames": clips.frames.flip(-1), "waveform": clips.waveform.flip(1), "extra": extra}
    if clips.stem is not None:
        changed["stem"] = clips.stem.flip(2)
    if clips.mask is not None:
        changed["mask"] = clips.mask.flip(-1)
    if clips.box is not None:
        x0, y0, x1, y1 = clips.box.unbind(-1)
        changed["box"] = torch.stack([1 - x1, y0, 1 - x0, y1], dim=-1)
    if clips.centre is not None:
        x, y = clips.centre.unbind(-1)
        changed["centre"] = torch.stack([1 - x, y], dim=-1)
    return dataclasses.replace(clips, **changed)
