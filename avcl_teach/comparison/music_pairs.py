"""Music clips as a recommender gets them: pooled features of the picture, and two kinds of the sound."""

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.comparison.cached import cached, hash_files

SPLITS = ("train", "val", "test")
DIM_LEARNED = 32


@dataclass(frozen=True)
class MusicSplit:
    """Hold one cut: row i of every field is of one clip.

    statistics [clip, 64]: handcrafted, mean and deviation over time of 32 log-mels · learned
    [clip, 32]: the middle of a network that learned tags of other music, from the same waveform · x_v
    [clip, 72]: colours, motion and its rhythm · heard, seen [clip, 2]: the moods, for ceilings only.
    """

    statistics: Float[Tensor, "clip 64"]
    learned: Float[Tensor, "clip 32"]
    x_v: Float[Tensor, "clip 72"]
    heard: Float[Tensor, "clip two"]
    seen: Float[Tensor, "clip two"]
    genre: Int[Tensor, "clip"]

    def to(self, device: str | torch.device) -> "MusicSplit":
        """Return the cut with every tensor on `device`."""
        return MusicSplit(**{name: x.to(device) for name, x in vars(self).items()})


@dataclass(frozen=True)
class Music:
    """Hold three cuts; no clip, and so no track, is in two of them."""

    train: MusicSplit
    val: MusicSplit
    test: MusicSplit

    def to(self, device: str | torch.device) -> "Music":
        """Return the cuts on `device`."""
        return Music(*(getattr(self, name).to(device) for name in SPLITS))


def music_pairs(
    n_train: int = 800, n_test: int = 250, *, n_val: int = 100, n_tagged: int = 1000, seed: int = 0
) -> Music:
    """Take music clips (`world.variants.render_music`) as pooled features, standardised on train; cached.

    The tagger is trained on n_tagged further soundtracks with their tags (mood of the sound, genre, beat).
    About 25 s of processor time once. Errors: ValueError for fewer than 2 clips of a cut. Lesson: 30.
    """
    for name, n in {"n_train": n_train, "n_val": n_val, "n_test": n_test, "n_tagged": n_tagged}.items():
        if n < 2:
            raise ValueError(f"expected {name} >= 2, got {n}")
    found = [_cut(n, split, seed) for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True)]
    tagger = _tagger(n_tagged, seed)
    cuts = []
    for cut in found:
        with torch.no_grad():
            cut["learned"] = tagger.middle(cut.pop("rhythm_and_timbre"))
    for name in ("statistics", "learned", "x_v"):
        mean, std = found[0][name].mean(0), found[0][name].std(0).clamp_min(1e-6)
        for cut in found:
            cut[name] = (cut[name] - mean) / std
    for cut in found:
        cuts.append(MusicSplit(**cut))
    return Music(*cuts)


def sound_statistics(L: Float[Tensor, "clip 32 frame"]) -> Float[Tensor, "clip 64"]:
    """Pool log-mels by hand: mean and deviation over time of 32 bands; when is lost."""
    return torch.cat([L.mean(2), L.std(2)], 1)


def rhythm_and_timbre(
    x: Float[Tensor, "clip sample"], L: Float[Tensor, "clip 32 frame"], *, sample_rate_hz: int = 8000
) -> Float[Tensor, "clip feature"]:
    """Describe a soundtrack for the tagger: statistics, those of changes, autocorrelation of onsets."""
    from avcl_teach.features import onset_strength

    O = onset_strength(x, sample_rate_hz=sample_rate_hz, rate_hz=62.5)
    D = L.diff(dim=2).abs()
    return torch.cat([sound_statistics(L), D.mean(2), D.std(2), autocorrelation(O, 80)], 1)


def autocorrelation(x: Float[Tensor, "clip time"], n: int) -> Float[Tensor, "clip n"]:
    """Correlate series with themselves at lags 1 to n, lag 0 as 1."""
    x = x - x.mean(1, keepdim=True)
    R = torch.fft.irfft(torch.fft.rfft(x, 2 * x.shape[1]).abs().square())
    return R[:, 1 : n + 1] / R[:, :1].clamp_min(1e-9)


def picture_features(frames: Tensor) -> Float[Tensor, "clip 72"]:
    """Pool pictures: the colours of what moves, how much moves, and the rhythm of it.

    frames [clip, time, 3, height, width], bytes, 32 of them. What moves differs from the median of its pixel
    over time by .15 somewhere: 12 bins of hue, its mean direction, mean r, g, b, brightness and chroma (19).
    Motion: mean, deviation, autocorrelation to lag 15, spectrum in 21 bins (38); height of what moves in the
    left and the right half: autocorrelation (15).
    """
    rgb = frames.float() / 255
    moved = (rgb - rgb.median(dim=1, keepdim=True).values).abs().amax(2)
    E = rgb.diff(dim=1).abs().mean((2, 3, 4))
    X = (E - E.mean(1, keepdim=True)) * torch.hann_window(E.shape[1], device=E.device)
    spectrum = torch.fft.rfft(X, n=64).abs()[:, 8:29]
    spectrum = spectrum / spectrum.norm(dim=1, keepdim=True).clamp_min(1e-6)
    bounce = sum(autocorrelation(height(half), 15) for half in moved.chunk(2, dim=-1))
    return torch.cat(
        [colours(rgb, (moved > 0.15).float()), E.mean(1, keepdim=True), E.std(1, keepdim=True),
         autocorrelation(E, 15), spectrum, bounce], 1
    )  # fmt: skip


def colours(
    rgb: Float[Tensor, "clip time 3 height width"], mask: Float[Tensor, "clip time height width"]
) -> Float[Tensor, "clip 19"]:
    """Pool colours under a mask: hue in 12 bins, its mean direction (by chroma), r, g, b, value, chroma."""
    r, g, b = rgb.unbind(2)
    hue = torch.atan2(3**0.5 * (g - b), 2 * r - g - b)
    chroma = (rgb.amax(2) - rgb.amin(2)) * mask
    share = chroma / chroma.sum((1, 2, 3), keepdim=True).clamp_min(1e-6)
    wheel = (hue / (2 * torch.pi) % 1.0 * 12).long().clamp_max(11)
    bins = share.new_zeros(len(rgb), 12).scatter_add_(1, wheel.flatten(1), share.flatten(1))
    direction = [(share * f(hue)).sum((1, 2, 3)) for f in (torch.cos, torch.sin)]
    seen = mask.sum((1, 2, 3)).clamp_min(1)
    mean = [(x * mask).sum((1, 2, 3)) / seen for x in (r, g, b, rgb.amax(2), chroma)]
    return torch.cat([bins, torch.stack(direction + mean, 1)], 1)


def height(weight: Float[Tensor, "clip time height width"]) -> Float[Tensor, "clip time"]:
    """Return how far down the middle of a weight lies at every moment, 0 at the top, 1 at the bottom."""
    rows = weight.sum(3)
    down = torch.linspace(0, 1, rows.shape[2], device=rows.device)
    return (rows * down).sum(2) / rows.sum(2).clamp_min(1e-6)


class Tagger(nn.Module):
    """Learn tags of music: mood of the sound (2 numbers), beat (1) and genre (5 classes)."""

    def __init__(self, dim_in: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(dim_in, 96), nn.ReLU(), nn.Dropout(0.2), nn.Linear(96, DIM_LEARNED), nn.ReLU()
        )
        self.head = nn.Linear(DIM_LEARNED, 8)
        self.register_buffer("scale", torch.stack([torch.zeros(dim_in), torch.ones(dim_in)]))

    def middle(self, x: Float[Tensor, "clip feature"]) -> Float[Tensor, "clip 32"]:
        """Return the layer before the tags."""
        return self.body((x - self.scale[0]) / self.scale[1])


def tag_loss(tagger: Tagger, batch: tuple[Tensor, ...]) -> Tensor:
    """Squared error of mood and beat, and cross-entropy of the genre."""
    x, tags, genre = batch
    out = tagger.head(tagger.middle(x))
    return F.mse_loss(out[:, :3], tags) + 0.3 * F.cross_entropy(out[:, 3:], genre)


@functools.lru_cache(maxsize=4)
def _tagger(n: int, seed: int) -> Tagger:
    from avcl_teach.training import fit

    cut = _cut(n, "tagged", seed)
    x = cut["rhythm_and_timbre"]
    tagger = Tagger(x.shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tagger = Tagger(x.shape[1])
    tagger.scale.copy_(torch.stack([x.mean(0), x.std(0).clamp_min(1e-6)]))
    tags = torch.cat([cut["heard"], cut["beat"].log()[:, None]], 1)
    fit(tagger, tag_loss, (x, tags, cut["genre"]), steps=500, batch_size=64, lr=2e-3, seed=seed,
        progress=False, device="cpu")  # fmt: skip
    return tagger.eval().requires_grad_(False)


def _cut(n: int, split: str, seed: int) -> dict[str, Tensor]:
    from avcl_teach import world
    from avcl_teach.features import log_mel, onsets, spectral
    from avcl_teach.world.variants import music

    tagged = split == "tagged"

    def make():
        parts = []
        for start in range(0, n, 32):
            clips = music.render_music(
                range(start, min(n, start + 32)), split=split, seed=seed, size_px=48, pictures=not tagged,
                frame_rate_hz=1.0 if tagged else 8.0,
            )  # fmt: skip
            L = log_mel(clips.mono, sample_rate_hz=clips.sample_rate_hz, n_mels=32)
            part = {"rhythm_and_timbre": rhythm_and_timbre(clips.mono, L), "heard": clips.extra["heard"],
                    "genre": clips.extra["genre"]}  # fmt: skip
            if tagged:
                part["beat"] = clips.extra["beat_s"]
            else:
                part |= {"statistics": sound_statistics(L), "x_v": picture_features(clips.frames),
                         "seen": clips.extra["seen"]}  # fmt: skip
            parts.append(part)
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, {}

    key = {
        "code": hash_files(__file__, music.__file__, spectral.__file__, onsets.__file__),
        "n": n, "split": split, "seed": seed, "world": world.content_hash(range(2)),
    }  # fmt: skip
    return dict(cached(key, make)[0])
