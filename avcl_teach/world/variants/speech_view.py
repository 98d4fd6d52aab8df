"""A talking mouth: two seconds, 50 frames at 25 a second, 32 x 32 pixels, and the sentence it says.

Frame k shows the mouth in the middle of samples 320 k to 320 k + 319. The picture knows vowels and groups of
consonants (visemes), never which consonant of a group: sight alone leaves room.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from avcl_teach.clips import Clips
from avcl_teach.features.spectral import stft
from avcl_teach.world.cache import kept_variant
from avcl_teach.world.draws import generator, uniforms
from avcl_teach.world.render import as_indices
from avcl_teach.world.sounds.oscillators import harmonic_tone
from avcl_teach.world.sounds.talker import formant_gain
from avcl_teach.world.variants import speech_words as sw
from avcl_teach.world.variants.speech_words import Speech, plan, speaker_table

N_FFT = 256


def speech_clips(
    indices: int | Sequence[int], *, split: str = "train", seed: int = 0, size_px: int = 32
) -> Clips:
    """Return talking mouths from the cache, or render and keep them; arguments as `render_speech`."""
    found = as_indices(indices)
    key = {"indices": list(map(int, found)), "split": split, "seed": seed, "size_px": size_px}
    files = [__file__, sw.__file__]
    return kept_variant(
        lambda: render_speech(found, split=split, seed=seed, size_px=size_px), of=files, **key
    )


def render_speech(
    indices: int | Sequence[int],
    *,
    split: str = "train",
    seed: int = 0,
    size_px: int = 32,
    batch_size: int = 32,
) -> Clips:
    """Render talking mouths: a pure function of (seed, split, index).

    ``extra``: words [clip, slot] (numbers of `speech_words.WORDS`) · word_s [clip, slot, 2] · speaker,
    f0_hz [clip] · sound [clip, frame] (number of `speech_words.SOUNDS`, one more = silence) · vowel [clip,
    frame] (-1 = none) · mouth [clip, frame, 2], height and width, 0 to 1 · index [clip].
    Errors: ValueError for an unknown split or a size below 16. Lesson: 37.
    """
    if size_px < 16:
        raise ValueError(f"expected size_px >= 16, got {size_px}")
    found = np.asarray(as_indices(indices), np.int64)
    parts = [
        _render(found[i : i + batch_size], split=split, seed=seed, size_px=size_px)
        for i in range(0, max(len(found), 1), batch_size)
    ]
    return Clips.cat(parts) if len(parts) > 1 else parts[0]


def speech_sounds(
    indices: int | Sequence[int], *, split: str = "train", seed: int = 0, batch_size: int = 64
) -> tuple[Float[Tensor, "clip sample"], Speech]:
    """Render the sound alone, for what only listens: the same waveforms as `render_speech`, and the plan."""
    found = np.asarray(as_indices(indices), np.int64)
    parts = []
    for i in range(0, len(found), batch_size):
        said = plan(found[i : i + batch_size], split=split, seed=seed)
        parts.append((voice(said, found[i : i + batch_size], split=split, seed=seed), *said))
    x, *fields = (torch.cat(column) for column in zip(*parts, strict=True))
    return x, Speech(*fields)


def _render(indices: np.ndarray, *, split: str, seed: int, size_px: int) -> Clips:
    said = plan(indices, split=split, seed=seed)
    at = (torch.arange(sw.N_FRAMES) + 0.5) * (sw.SAMPLE_RATE_HZ / sw.FRAME_RATE_HZ / sw.HOP)
    low, part = at.long(), at.frac()
    shape = torch.cat([said.mouth, said.teeth[..., None]], -1)
    shape = shape[:, low] + part[:, None] * (shape[:, low + 1] - shape[:, low])
    frames = draw_mouth(shape, said, indices, split=split, seed=seed, size_px=size_px)
    sound = said.sound[:, at.round().long()]
    extra = {
        "words": said.words, "word_s": said.word_s, "speaker": said.speaker, "f0_hz": said.f0_hz.mean(1),
        "sound": sound, "vowel": torch.where(sound < len(sw.VOWELS), sound, -1),
        "mouth": shape[..., :2].clamp(0, 1), "index": torch.from_numpy(indices),
    }  # fmt: skip
    meta = {"source": "speech_view", "split": split, "seed": seed}
    x = voice(said, indices, split=split, seed=seed)[:, None]
    return Clips(frames, x, sw.FRAME_RATE_HZ, sw.SAMPLE_RATE_HZ, extra=extra, meta=meta)


def voice(said: Speech, indices: np.ndarray, *, split: str, seed: int) -> Float[Tensor, "clip sample"]:
    """Say sentences: a buzz and breath, each filtered through the tracks, frame by frame of an STFT.

    Source: source and filter as in Klatt (1980), formants in cascade; the filter has no phase.
    """
    n, rate, F = len(indices), sw.SAMPLE_RATE_HZ, said.formants_hz
    t = torch.arange(sw.N_SAMPLES) / rate
    f0 = said.f0_hz
    cycles = f0[:, :1] * (1.0 * t) + (f0[:, -1:] - f0[:, :1]) * t**2 / (2 * sw.DURATION_S)
    K = (0.46 * rate / f0[:, :1]).floor()
    buzz = harmonic_tone(cycles, torch.full((n, 1), 0.9), K)
    white = np.stack(
        [generator(seed, split, int(i), "breath").standard_normal(sw.N_SAMPLES) for i in indices]
    )
    u = torch.from_numpy(uniforms(seed, split, indices, "level", 4)).float()
    f = torch.fft.rfftfreq(N_FFT, 1 / rate).expand(n, F.shape[1], -1)
    through = formant_gain(f, F, sample_rate_hz=rate)
    loud = (through / f.clamp_min(100)).square().sum(-1, keepdim=True).sqrt() * 1000
    X = stft(buzz, n_fft=N_FFT, hop_length=sw.HOP).mT * (through / loud * said.voice[..., None])
    N = stft(torch.from_numpy(white).float(), n_fft=N_FFT, hop_length=sw.HOP).mT
    Y = 3.0 * X + N * (breath(said, f, through / loud) + 10 ** (-2.6 - 0.6 * u[:, 0])[:, None, None])
    tilt = (f[:, :1].clamp_min(60) / 1000) ** (0.25 * (2 * u[:, 1, None, None] - 1))
    w = torch.hann_window(N_FFT)
    y = torch.istft((Y * tilt).mT, N_FFT, sw.HOP, window=w, length=sw.N_SAMPLES)
    level = 10 ** ((-23 + 6 * u[:, 2]) / 20)
    y = y * (level / y.square().mean(1).sqrt())[:, None]
    return y / (y.abs().amax(1, keepdim=True) / 0.98).clamp_min(1)


def breath(said: Speech, f: Tensor, through: Tensor) -> Float[Tensor, "clip track freq"]:
    """Return the gain of the noise: hisses, bursts as a closure opens, breath after p and t."""

    def is_(letters: str) -> Tensor:
        return torch.isin(said.sound, torch.tensor([sw.SOUNDS.index(c) for c in letters]))[..., None]

    high, low = torch.sigmoid((f - 2500) / 200), torch.sigmoid((1100 - f) / 200)
    hiss = is_("s") * 0.10 * high + (is_("f") * 0.045 + is_("v") * 0.02) * torch.sigmoid((f - 900) / 300)
    opening = (said.since_s > 0.055)[..., None]
    burst = opening * (is_("bp") * 0.16 * low + is_("dt") * 0.16 * torch.sigmoid((f - 2000) / 200))
    gone = (said.voice[..., None] < 0.5) & (said.sound < len(sw.VOWELS))[..., None]
    return hiss + burst + gone * (said.since_s < 0.04)[..., None] * 0.5 * through


def draw_mouth(
    shape: Float[Tensor, "clip frame 3"],
    said: Speech,
    indices: np.ndarray,
    *,
    split: str,
    seed: int,
    size_px: int,
) -> UInt8[Tensor, "clip frame 3 height width"]:
    """Draw the lower face: skin, jaw, lips, teeth and tongue, from height, width and how much teeth show.

    Coordinates run from -1 to 1; edges are a pixel wide. Light, place and drift differ from clip to clip.
    """
    table, who = speaker_table(seed), said.speaker.numpy()
    one = {name: torch.from_numpy(x[who]).float()[:, None, None, None] for name, x in table.items()}
    u = torch.from_numpy(uniforms(seed, split, indices, "view", 8)).float()[..., None, None, None]
    t = torch.linspace(-0.5, 0.5, sw.N_FRAMES)[None, :, None, None]
    h, w, teeth = (shape[..., i, None, None] for i in range(3))
    axis = (torch.arange(size_px) + 0.5) / (size_px / 2) - 1
    x = (axis[None, None, None] - 0.14 * (u[:, 0] - 0.5) - 0.08 * (u[:, 1] - 0.5) * t) / one["head"]
    y = (axis[None, None, :, None] - 0.14 * (u[:, 2] - 0.5) - 0.08 * (u[:, 3] - 0.5) * t) / one["head"]
    edge = size_px / 2
    half_w, half_h = 0.32 + 0.36 * w, 0.52 * h.clamp_min(0) ** 0.9
    thick = one["thick"] * (0.16 - 0.04 * w - 0.07 * (-h).clamp(0, 0.3) / 0.3)
    lower = y + 0.04 - 0.12 * h.clamp_min(0)  # the jaw falls: the lower lip moves more than the upper

    def cover(rx: Tensor, ry: Tensor, y: Tensor) -> Tensor:
        mean = (rx * ry).sqrt()
        d = (((x / rx) ** 2 + (y / ry) ** 2).sqrt() - 1) * mean
        return (0.5 - d * edge).clamp(0, 1)

    lips = cover(half_w + thick, half_h + thick, lower)
    hole = cover(half_w, (half_h - 0.01).clamp_min(0.012), lower) * (h > 0.02)
    bite = hole * (0.5 + (0.16 * teeth.clamp(0, 1) - half_h - lower) * edge).clamp(0, 1)
    tongue = hole * (0.5 + (lower - half_h * 0.45) * edge).clamp(0, 1) * (h > 0.3)
    face = (0.5 + (0.92 * one["jaw"] - (x**2 + 0.25 * (y + 0.5).clamp_min(0) ** 2).sqrt()) * edge).clamp(0, 1)
    skin, red = one["skin"][..., None], one["lips"][..., None]

    def mix(light: tuple, dark: tuple, share: Tensor) -> Tensor:
        a, b = (torch.tensor(c)[None, None, :, None, None] for c in (light, dark))
        return a + (b - a) * share

    shade = (1 - 0.16 * (y + 1) / 2)[:, :, None]
    image = mix((0.45, 0.50, 0.58), (0.25, 0.32, 0.40), u[:, 4, ..., None]).expand(-1, 1, -1, 1, 1)
    for colour, alpha in (
        (mix((0.95, 0.80, 0.70), (0.52, 0.34, 0.25), skin) * shade, face),
        (mix((0.86, 0.50, 0.48), (0.55, 0.18, 0.22), red) * shade, lips),
        (torch.tensor((0.20, 0.05, 0.07))[None, None, :, None, None], hole),
        (torch.tensor((0.70, 0.34, 0.36))[None, None, :, None, None], tongue),
        (torch.tensor((0.95, 0.94, 0.90))[None, None, :, None, None], bite),
    ):
        image = image + (colour - image) * alpha[:, :, None]
    image = image * (0.85 + 0.3 * u[:, 5, ..., None])
    grain = np.stack([generator(seed, split, int(i), "grain").integers(0, 1 << 30) for i in indices])
    noise = torch.stack([
        torch.randn(image.shape[1:], generator=torch.Generator().manual_seed(int(g))) for g in grain
    ])  # fmt: skip
    return ((image + 0.02 * noise) * 255).round().clamp(0, 255).to(torch.uint8)
