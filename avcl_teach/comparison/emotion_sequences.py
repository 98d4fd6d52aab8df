"""Emotion clips as sequences: a voice and a face step by step, what was said, and what was felt."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files
from avcl_teach.features import faces, prosody
from avcl_teach.world.emotions import EMOTIONS, IRONIC
from avcl_teach.world.variants import sentences

SPLITS = ("train", "val", "test")
N_WORLDS = 4  # worlds a set is drawn from: each brings other speakers
N_COMPONENTS, SIZE_PX, CROP_PX, ELSEWHERE = 32, 48, 20, 48


@dataclass(frozen=True)
class FeltSplit:
    """Hold one cut of emotion clips, a row a clip, 16 steps of 1/8 s.

    x_a: the voice (`features.prosody`) · x_v: the face (32 eigenfaces of the crop) · token: the sentence
    (`variants.sentences`) · emotion: of `EMOTIONS` · arousal, valence: the voice's tracks · face_valence: the
    mouth's (differs in ironic clips alone) · world, index: where the clip is rendered from · else_a, else_v:
    steps of other things, neither talker nor face, to cut away to.
    """

    x_a: Float[Tensor, "clip step feature_a"]
    x_v: Float[Tensor, "clip step feature_v"]
    token: Int[Tensor, "clip token"]
    emotion: Int[Tensor, "clip"]
    arousal: Float[Tensor, "clip step"]
    valence: Float[Tensor, "clip step"]
    face_valence: Float[Tensor, "clip step"]
    world: Int[Tensor, "clip"]
    index: Int[Tensor, "clip"]
    else_a: Float[Tensor, "other feature_a"]
    else_v: Float[Tensor, "other feature_v"]

    @property
    def n_clips(self) -> int:
        """Count the clips."""
        return len(self.emotion)

    @property
    def positive(self) -> Int[Tensor, "clip"]:
        """Return the sign of the face's valence: 1 = pleasant."""
        return (self.face_valence.mean(1) > 0).long()

    @property
    def fitting(self) -> Int[Tensor, "clip"]:
        """Return whether voice and face fit: lively and smiling, or flat and frowning (1), or crosswise (0).

        A product rule: the sign of arousal times that of the face's valence. Neither alone tells, nor a sum.
        """
        return ((self.arousal.mean(1) > 0) == (self.face_valence.mean(1) > 0)).long()

    def rows(self, which: Tensor) -> "FeltSplit":
        """Return some of the clips."""
        other = ("else_a", "else_v")
        return FeltSplit(
            **{f.name: getattr(self, f.name) if f.name in other else getattr(self, f.name)[which]
               for f in fields(self)}
        )  # fmt: skip

    def plain(self) -> "FeltSplit":
        """Return the clips whose face and voice agree."""
        return self.rows(self.emotion != IRONIC)

    def cut_away(self, *, share: float = 0.6, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return (x_a, x_v) with shots of other things before and after, which are `share` of all steps.

        The talker's steps stay together and in order, from a random step on; sound and picture cut at the
        same steps. Errors: ValueError for a share outside 0 ... 0.95.
        """
        if not 0 <= share <= 0.95:
            raise ValueError(f"expected a share of 0 to 0.95, got {share}")
        g, (n, t) = torch.Generator().manual_seed(seed), self.x_a.shape[:2]
        more = round(t * share / (1 - share))
        start = torch.randint(more + 1, (n, 1), generator=g)
        at = torch.arange(t + more) - start  # step of the talker, where it is one
        other = torch.randint(len(self.else_a), (n, t + more), generator=g)
        there = ((at >= 0) & (at < t))[..., None]
        own = at.clamp(0, t - 1)[..., None]
        both = ((self.x_a, self.else_a), (self.x_v, self.else_v))
        return tuple(
            torch.where(there, x.gather(1, own.expand(-1, -1, x.shape[2])), e[other]) for x, e in both
        )


@dataclass(frozen=True)
class Felt:
    """Hold three cuts of emotion clips; speakers of val and test are met nowhere else."""

    train: FeltSplit
    val: FeltSplit
    test: FeltSplit
    seed: int
    preset: str

    @property
    def dims(self) -> tuple[int, int]:
        """Return the widths of a step: (voice, face)."""
        return self.train.x_a.shape[2], self.train.x_v.shape[2]

    def map(self, change: Callable[[FeltSplit], FeltSplit]) -> "Felt":
        """Change every cut the same way."""
        return Felt(*(change(getattr(self, name)) for name in SPLITS), self.seed, self.preset)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {getattr(self, name).n_clips}" for name in SPLITS)
        steps = self.train.x_a.shape[1]
        return f"Felt({sizes}; {steps} steps of {self.dims[0]} (voice) and {self.dims[1]} (face) features)"


def felt_clips(
    n_train: int = 1024,
    n_test: int = 512,
    preset: str = "easy",
    *,
    n_val: int = 256,
    seed: int = 0,
) -> Felt:
    """Take emotion clips as sequences of features; standardised on training clips, cached on disk.

    Drawn from 4 worlds a seed, so that 48 speakers train and 8 others test. A face is cut out where the
    truth has it (a perfect detector) and described by eigenfaces of the training clips: frozen features that
    know nothing of emotion. Errors: ValueError for fewer than 8 clips or an unknown preset. Lesson: 32.
    """
    from avcl_teach.world import resolve
    from avcl_teach.world.cache import source_hash

    counts = dict(zip(SPLITS, (n_train, n_val, n_test), strict=True))
    for name, n in counts.items():
        if n < 2 * N_WORLDS:
            raise ValueError(f"expected at least {2 * N_WORLDS} clips of {name}, got {n}")
    resolve(preset)
    here = hash_files(__file__, faces.__file__, prosody.__file__, sentences.__file__)
    key = {"felt": counts, "preset": preset, "seed": seed, "world": source_hash(), "code": here}
    tensors, _ = cached(key, lambda: (_make(counts, preset, seed), {}))
    cuts = [{f.name: tensors[f"{name}.{f.name}"] for f in fields(FeltSplit)} for name in SPLITS]
    return Felt(*(FeltSplit(**cut) for cut in cuts), seed, preset)


def _make(counts: dict[str, int], preset: str, seed: int) -> dict[str, Tensor]:
    """Render and describe all cuts."""
    found: dict[str, Tensor] = {}
    eigenfaces = faces.Eigenfaces(N_COMPONENTS)
    for name, n in counts.items():
        part, other = _look(n, name, preset, seed), _elsewhere(name, preset, seed)
        if name == "train":
            eigenfaces.fit(part["crop"])
        part["x_v"] = eigenfaces.transform(part.pop("crop").float())
        part["else_v"] = eigenfaces.transform(other.pop("crop").float()).flatten(0, 1)
        part["else_a"] = other["x_a"].flatten(0, 1)
        if name == "train":
            scale = {side: (part[f"x_{side}"].mean((0, 1)), part[f"x_{side}"].std((0, 1))) for side in "av"}
        for side, (mean, std) in scale.items():
            for kind in ("x", "else"):
                part[f"{kind}_{side}"] = (part[f"{kind}_{side}"] - mean) / std.clamp_min(1e-6)
        found |= {f"{name}.{key}": value.contiguous() for key, value in part.items()}
    return found


def _look(n: int, split: str, preset: str, seed: int) -> dict[str, Tensor]:
    from avcl_teach.world import render_batches

    rows: dict[str, list[Tensor]] = {}
    for k in range(N_WORLDS):
        world = N_WORLDS * seed + k
        share = n // N_WORLDS + (k < n % N_WORLDS)
        how = {"layout": "emotion", "size_px": SIZE_PX, "stems": False, "masks": False}
        for clips in render_batches(share, preset=preset, split=split, seed=world, **how):
            part = _describe(clips) | {
                name: clips.extra[name] for name in ("emotion", "arousal", "valence", "face_valence", "index")
            }
            part["token"] = sentences.with_sentences(clips).extra["token"]
            part["world"] = torch.full((len(clips),), world)
            for name, values in part.items():
                rows.setdefault(name, []).append(values)
    return {name: torch.cat(parts) for name, parts in rows.items()}


def _elsewhere(split: str, preset: str, seed: int) -> dict[str, Tensor]:
    """Describe clips of other classes the same way: what a film cuts to."""
    from avcl_teach.world import CLASSES, render

    how = {"preset": preset, "size_px": SIZE_PX, "stems": False, "masks": False}
    clips = render(ELSEWHERE, split=split, seed=N_WORLDS * seed, **how)
    return _describe(clips[clips.label != CLASSES.index("talker")])


def _describe(clips) -> dict[str, Tensor]:
    box = clips.box[:, 0].nanmean(1)
    side = ((box[:, 2] - box[:, 0]) + (box[:, 3] - box[:, 1])) / 2
    n_steps = clips.frames.shape[1]
    return {
        "crop": faces.face_crops(clips.frames, clips.centre[:, 0], side, size_px=CROP_PX),
        "x_a": prosody.prosody(clips.mono, n_steps=n_steps, sample_rate_hz=clips.sample_rate_hz),
    }


__all__ = ["EMOTIONS", "IRONIC", "Felt", "FeltSplit", "felt_clips"]
