"""Faces and voices of people as frozen vectors, learned on the identities of training: strangers in test."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.comparison.cached import cached, hash_files

SPLITS = ("train", "val", "test")
DIM = 24
CROP_PX = 20


@dataclass(frozen=True)
class PeopleSplit:
    """Hold one cut: row i of x_a (voice) and x_v (face) are from one clip of person[i].

    x_a, x_v [clip, 24] frozen vectors · person [clip] 0, 0, ..., 1, ...: `n_samples` rows in turn for each ·
    attribute [clip] · voice_traits, face_traits [clip, 5]: the truth, for ceilings only.
    """

    x_a: Float[Tensor, "clip feature"]
    x_v: Float[Tensor, "clip feature"]
    person: Int[Tensor, "clip"]
    attribute: Int[Tensor, "clip"]
    voice_traits: Float[Tensor, "clip trait"]
    face_traits: Float[Tensor, "clip trait"]

    @property
    def n_people(self) -> int:
        """Count the people."""
        return int(self.person[-1]) + 1

    @property
    def n_samples(self) -> int:
        """Count the clips of each person."""
        return len(self.person) // self.n_people

    def to(self, device: str | torch.device) -> "PeopleSplit":
        """Return the cut with every tensor on `device`."""
        return PeopleSplit(**{name: x.to(device) for name, x in vars(self).items()})


@dataclass(frozen=True)
class People:
    """Hold three cuts; no person is in two of them."""

    train: PeopleSplit
    val: PeopleSplit
    test: PeopleSplit

    def __repr__(self) -> str:
        sizes = ", ".join(f"{n} {getattr(self, n).n_people} x {getattr(self, n).n_samples}" for n in SPLITS)
        return f"People(people x clips: {sizes}; voice and face vectors of {DIM})"

    def to(self, device: str | torch.device) -> "People":
        """Return the cuts on `device`."""
        return People(*(getattr(self, name).to(device) for name in SPLITS))


def people_pairs(
    n_train: int = 400, n_test: int = 150, *, n_val: int = 60, n_samples: int = 4, seed: int = 0
) -> People:
    """Take talking people (`world.variants.render_people`) as frozen vectors of voice and face; cached.

    The vectors are those of two linear networks trained to tell the people of `train` apart
    (`identity_map`), each on its own modality. 400 people take about 8 s of processor time once. Errors:
    ValueError for fewer than 2 people or samples. Lesson: 30.
    """
    for name, n in {"n_train": n_train, "n_val": n_val, "n_test": n_test, "n_samples": n_samples}.items():
        if n < 2:
            raise ValueError(f"expected {name} >= 2, got {n}")
    found = [
        _cut(n, split, n_samples, seed) for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True)
    ]
    maps = {side: identity_map(found[0][side], found[0]["person"]) for side in ("x_a", "x_v")}
    cuts = []
    for cut in found:
        vectors = {side: (cut[side] - mean) @ W for side, (mean, W) in maps.items()}
        cuts.append(PeopleSplit(**cut | vectors))
    return People(*cuts)


def identity_map(
    x: Float[Tensor, "clip feature"], person: Int[Tensor, "clip"], *, dim: int = DIM, ridge: float = 0.05
) -> tuple[Float[Tensor, "feature"], Float[Tensor, "feature dim"]]:
    """Learn the linear map that best tells people apart: Fisher's discriminant, in closed form.

    z = (x - mean) W, W the first `dim` directions of between-person variance after whitening the variance
    within a person (with `ridge` times its mean variance added). It stands for a network pre-trained on
    identities. Errors: ValueError for fewer people than 2 or a dim above the number of features.
    """
    n_people = int(person.max()) + 1
    if n_people < 2 or dim > x.shape[1]:
        raise ValueError(f"expected 2 people and dim <= {x.shape[1]}, got {n_people} and {dim}")
    x = x.double()
    mean = x.mean(0)
    centre = torch.zeros(n_people, x.shape[1], dtype=x.dtype).index_add_(0, person, x)
    centre = centre / torch.bincount(person)[:, None]
    d = x - centre[person]
    C_w = d.T @ d / len(x)
    C_w += ridge * C_w.diagonal().mean() * torch.eye(len(C_w), dtype=x.dtype)
    L = torch.linalg.cholesky(C_w)
    M = torch.linalg.solve_triangular(L, (centre - mean).T, upper=False)
    u, s, _ = torch.linalg.svd(M, full_matrices=False)
    W = torch.linalg.solve_triangular(L.T, u[:, :dim], upper=True)
    W = W / ((x - mean) @ W).std()
    return mean.float(), W.float()


def voice_statistics(
    x: Float[Tensor, "clip sample"], *, sample_rate_hz: int = 8000
) -> Float[Tensor, "clip feature"]:
    """Describe a voice whatever it says: log-mel mean and deviation, pitch by autocorrelation, pace.

    40 + 40 log-mel bands; 64 lags of 2.5 to 20 ms, log-spaced, of the autocorrelation averaged over time (a
    peak at the pitch period); 16 lags of 0.1 to 0.6 s of the onset strength's.
    """
    from avcl_teach.features import log_mel, onset_strength

    L = log_mel(x, sample_rate_hz=sample_rate_hz, n_mels=40)
    frames = x.unfold(1, 512, 256) * torch.hann_window(512)
    R = torch.fft.irfft(torch.fft.rfft(frames, 1024).abs().square())
    R = (R / R[..., :1].clamp_min(1e-9) * frames.square().sum(-1, keepdim=True)).sum(1)
    R = R[:, 1:256] / frames.square().sum((1, 2))[:, None].clamp_min(1e-9)
    lag = torch.logspace(torch.tensor(20.0).log10(), torch.tensor(160.0).log10(), 64).round().long()
    rate = 62.5
    O = onset_strength(x, sample_rate_hz=sample_rate_hz, rate_hz=rate)
    O = O - O.mean(1, keepdim=True)
    A = torch.fft.irfft(torch.fft.rfft(O, 2 * O.shape[1]).abs().square())
    A = A[:, 6:38:2] / A[:, :1].clamp_min(1e-9)
    return torch.cat([L.mean(2), L.std(2), 3 * R[:, lag - 1], 3 * A], 1)


def face_crops(clips) -> Float[Tensor, "clip feature"]:
    """Cut the face out of every frame by its box, a square of 20 x 20 in colour, averaged over time.

    Face data sets ship such crops; place and size in the picture are gone.
    """
    box, out = clips.box[:, 0], []
    n, t = box.shape[:2]
    middle = (box[..., :2] + box[..., 2:]) / 2
    half = 0.5 * (box[..., 2:] - box[..., :2]).amax(-1)
    step = torch.linspace(-1, 1, CROP_PX)
    x = middle[..., 0, None] + half[..., None] * step
    y = middle[..., 1, None] + half[..., None] * step
    grid = torch.stack(
        [x[:, :, None].expand(n, t, CROP_PX, CROP_PX), y[..., None].expand(n, t, CROP_PX, CROP_PX)], -1
    )
    grid = (2 * grid - 1).flatten(0, 1).nan_to_num()
    out = F.grid_sample(clips.frames.flatten(0, 1).float() / 255, grid, align_corners=False)
    return out.unflatten(0, (n, t)).mean(1).flatten(1)


def _cut(n: int, split: str, n_samples: int, seed: int) -> dict[str, Tensor]:
    from avcl_teach import world
    from avcl_teach.features import onsets, spectral
    from avcl_teach.world.variants import identities

    def make():
        parts = []
        for start in range(0, n, 32):
            clips = identities.render_people(
                range(start, min(n, start + 32)),
                split=split,
                seed=seed,
                n_samples=n_samples,
                frame_rate_hz=2.0,
            )
            e = clips.extra
            parts.append(
                {
                    "x_a": voice_statistics(clips.mono),
                    "x_v": face_crops(clips),
                    "person": e["person"],
                    "attribute": e["attribute"],
                    "voice_traits": e["voice_traits"],
                    "face_traits": e["face_traits"],
                }  # fmt: skip
            )
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, {}

    key = {
        "code": hash_files(__file__, identities.__file__, spectral.__file__, onsets.__file__),
        "n": n, "split": split, "n_samples": n_samples, "seed": seed, "world": world.content_hash(range(2)),
    }  # fmt: skip
    return cached(key, make)[0]
