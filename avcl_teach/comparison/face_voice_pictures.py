"""Emotion clips as two small pictures: a face with its motion, and the log-mel of the voice."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files
from avcl_teach.comparison.glimpse_pairs import to_unit
from avcl_teach.features import faces, log_mel

SPLITS = ("train", "val", "test")
N_WORLDS = 4  # worlds a set is drawn from: each brings other speakers
SIZE_PX = N_MELS = 32
N_FFT, HOP_LENGTH, F_MAX_HZ = 512, 500, 2000.0  # 32 frames of 2 s at 8 kHz, where the pitch is seen
STATES = ("low", "high")  # arousal: sad or calm, angry or happy; a voice of the world hardly tells valence


@dataclass(frozen=True)
class FaceVoiceSplit:
    """Hold one cut, all values in [0, 1]; the speakers of a cut are in no other.

    x_v: two channels, the face in the middle of the clip and how much it moves · x_a: log-mel of the whole
    clip, its peak at 1, up to 2 kHz, low bands first (`to_log_mel` gives nepers back) · labels: the
    arousal, of `STATES` · emotion: which of four (`world.emotions.EMOTIONS`) · world, index: where the clip
    is rendered from (layout "emotion", irony 0).
    """

    x_v: Float[Tensor, "clip 2 32 32"]
    x_a: Float[Tensor, "clip 1 32 32"]
    labels: Int[Tensor, "clip"]
    emotion: Int[Tensor, "clip"]
    world: Int[Tensor, "clip"]
    index: Int[Tensor, "clip"]

    @property
    def n_clips(self) -> int:
        """Count the clips."""
        return len(self.labels)

    def rows(self, which: Tensor | slice) -> "FaceVoiceSplit":
        """Return some of the clips."""
        return FaceVoiceSplit(**{name: x[which] for name, x in vars(self).items()})


@dataclass(frozen=True)
class FaceVoices:
    """Hold three cuts of faces and voices."""

    train: FaceVoiceSplit
    val: FaceVoiceSplit
    test: FaceVoiceSplit
    seed: int

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {getattr(self, name).n_clips}" for name in SPLITS)
        return f"FaceVoices({sizes}; faces and log-mels of 32 x 32, {len(STATES)} states of arousal)"


def faces_and_voices(
    n_train: int = 1536, n_test: int = 512, *, n_val: int = 128, seed: int = 0, preset: str = "easy"
) -> FaceVoices:
    """Take talkers of low or high arousal, as pictures of their faces and of their voices.

    Drawn from 4 worlds a seed, so that 48 speakers train and 8 others test; a face is cut out where the truth
    has it. Cached on disk. Errors: ValueError for fewer than 4 clips or an unknown preset. Lesson: 36.
    """
    from avcl_teach.world import resolve
    from avcl_teach.world.cache import source_hash

    counts = dict(zip(SPLITS, (n_train, n_val, n_test), strict=True))
    for name, n in counts.items():
        if n < N_WORLDS:
            raise ValueError(f"expected at least {N_WORLDS} clips of {name}, got {n}")
    resolve(preset)
    here, cuts = hash_files(__file__, faces.__file__), {}
    for name, n in counts.items():
        key = {"faces and voices": [name, n, preset, seed], "world": source_hash(), "code": here}
        found, _ = cached(key, lambda n=n, name=name: (_look(n, name, preset, seed), {}))
        whole = {k: found[k].float() for k in ("x_v", "x_a")}
        cuts[name] = FaceVoiceSplit(**whole, **{k: found[k] for k in ("labels", "emotion", "world", "index")})
    return FaceVoices(**cuts, seed=seed)


def _look(n: int, split: str, preset: str, seed: int) -> dict[str, Tensor]:
    from avcl_teach.world import render_batches

    rows: dict[str, list[Tensor]] = {}
    for k in range(N_WORLDS):
        world = N_WORLDS * seed + k
        how = {"layout": "emotion", "irony": 0.0, "size_px": 48, "stems": False, "masks": False}
        share = n // N_WORLDS + (k < n % N_WORLDS)
        for clips in render_batches(share, preset=preset, split=split, seed=world, **how):
            part = _describe(clips) | {"world": torch.full((len(clips),), world)}
            for name, values in part.items():
                rows.setdefault(name, []).append(values)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))  # worlds mixed
    return {name: torch.cat(parts)[order].contiguous() for name, parts in rows.items()}


def _describe(clips) -> dict[str, Tensor]:
    box = clips.box[:, 0].nanmean(1)
    side = ((box[:, 2] - box[:, 0]) + (box[:, 3] - box[:, 1])) / 2
    crop = faces.face_crops(clips.frames, clips.centre[:, 0], side, size_px=SIZE_PX)
    face = (crop[:, crop.shape[1] // 2] + 3) / 6  # three deviations on either side of the mean
    n_samples = HOP_LENGTH * (N_MELS - 1)
    x = clips.mono[:, :n_samples]
    x = x / x.abs().amax(1, keepdim=True).clamp_min(1e-3)
    L = log_mel(x, sample_rate_hz=clips.sample_rate_hz, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS,
                f_max_hz=F_MAX_HZ)  # fmt: skip
    return {
        "x_v": torch.stack([face, crop.std(1)], 1).clamp(0, 1).half(),
        "x_a": to_unit(L)[:, None].half(),
        "labels": clips.extra["emotion"] // 2,
        "emotion": clips.extra["emotion"],
        "index": clips.extra["index"],
    }
