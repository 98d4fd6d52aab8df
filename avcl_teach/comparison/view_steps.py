"""Steps of a quarter second of concerts and of views: the data on which self-supervision is compared."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files
from avcl_teach.features import segments, spectral
from avcl_teach.world.cache import source_hash
from avcl_teach.world.variants import concerts, view_truth, views

SPLITS = ("train", "val", "test")
STEP_S = 0.25
_CHUNK = 128
_APART = 1_000_000  # clips of two seeds never meet


@dataclass(frozen=True)
class Steps:
    """Hold one cut: sound and picture of every step, and the classes that a learner may be told.

    y: the class to recognise (of concerts the band, of views the instrument) · instrument: who is heard and
    seen in each shot of a concert; of a view, who plays in each of its scenes' views (one column) ·
    x_a, x_v of views have the views of a scene as second axis, see `view_steps`.
    """

    x_a: Float[Tensor, "clip *view step feature_a"]
    x_v: Float[Tensor, "clip *view step feature_v"]
    y: Int[Tensor, "clip"]
    instrument: Int[Tensor, "clip shot"]

    @property
    def n_clips(self) -> int:
        """Count the clips (of views: the scenes)."""
        return len(self.y)


@dataclass(frozen=True)
class StepData:
    """Hold three cuts; val and test show individuals that training never met."""

    train: Steps
    val: Steps
    test: Steps
    class_names: tuple[str, ...]
    seed: int

    @property
    def n_classes(self) -> int:
        """Count the classes of y."""
        return len(self.class_names)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {getattr(self, name).n_clips}" for name in SPLITS)
        a, v = self.test.x_a.shape, self.test.x_v.shape
        return f"StepData({sizes}; {a[-2]} steps, {a[-1]} features of sound, {v[-1]} of picture)"


def concert_steps(
    n_train: int = 1024,
    n_test: int = 512,
    *,
    seed: int = 0,
    n_val: int = 256,
    preset: str = "easy",
    world_seed: int = 0,
) -> StepData:
    """Take concerts of 32 steps, 32 px wide, two steps a shot; y is the band.

    The seed draws the concerts; the shots they are cut from, and the individuals, are those of one world.
    Features of `segment_sounds` and `segment_regions` (one region) of each shot of the archive, without the
    jump at the cuts, standardised on training's shots only and cached (rendering takes 3 s of processor time
    once a world). Errors: ValueError for fewer than 2 clips or an unknown preset. Lesson: 31.
    """
    _check(n_train=n_train, n_test=n_test, n_val=n_val)

    def make(split: str) -> dict[str, Tensor]:
        n, parts = concerts.ARCHIVE[split], []
        for start in range(0, n, _CHUNK):
            shots = range(start, min(n, start + _CHUNK))
            parts.append(_look(concerts.render_shots(shots, split=split, seed=world_seed, preset=preset)))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    code = hash_files(__file__, concerts.__file__, segments.__file__, spectral.__file__)
    found = {}
    for split in SPLITS:
        key = {"concerts": split, "seed": world_seed, "preset": preset, "world": source_hash(), "code": code}
        found[split], _ = cached(key, lambda split=split: (make(split), {}))
    found = _standardised(found)
    cuts = []
    for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True):
        mine = range(seed * _APART, seed * _APART + n)
        drawn = concerts.draw_concerts(mine, split=split, seed=world_seed)
        x_a, x_v = (found[split][name][drawn["shot"]].flatten(1, 2) for name in ("x_a", "x_v"))
        cuts.append(Steps(x_a, x_v, drawn["band"], drawn["instrument"]))
    return StepData(*cuts, tuple(concerts.band_names()), seed)


def view_steps(
    n_train: int = 768,
    n_test: int = 512,
    *,
    seed: int = 0,
    n_val: int = 256,
    preset: str = "easy",
    changed: str = views.EVERY,
    world_seed: int = 0,
) -> StepData:
    """Take solo scenes of 8 steps in two views each, plain and `changed`; y is the instrument.

    The seed draws the scenes; the individuals are those of one world.
    x_a, x_v [scene, view, step, feature], view 0 plain; val and test have the plain view only. Features as in
    `concert_steps` (rendering takes about 12 s of processor time once a seed). Errors: as there, and
    ValueError for an unknown view. Lesson: 31.
    """
    _check(n_train=n_train, n_test=n_test, n_val=n_val)

    def make(split: str, n: int, shown: tuple[str, ...]) -> dict[str, Tensor]:
        parts = []
        for start in range(0, n, _CHUNK):
            scenes = range(seed * _APART + start, seed * _APART + min(n, start + _CHUNK))
            how = {"views": shown, "preset": preset, "split": split, "seed": world_seed, "size_px": 32}
            parts.append(_look(views.render_views(scenes, **how)))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    sources = (views, view_truth, segments, spectral)
    code, found = hash_files(__file__, *(module.__file__ for module in sources)), {}
    for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True):
        shown = ("plain", changed) if split == "train" else ("plain",)
        key = {
            "views": [split, n, *shown],
            "seed": [world_seed, seed],
            "preset": preset,
            "world": source_hash(),
        }
        found[split], _ = cached({**key, "code": code}, lambda s=split, n=n, v=shown: (make(s, n, v), {}))
    cuts = []
    for split, tensors in _standardised(found).items():
        n_views = 2 if split == "train" else 1
        x_a, x_v = (tensors[name].unflatten(0, (-1, n_views)) for name in ("x_a", "x_v"))
        y = tensors["label"][::n_views]
        cuts.append(Steps(x_a, x_v, y, y[:, None]))
    return StepData(*cuts, tuple(concerts.CLASSES), seed)


def crops(
    x: Shaped[Tensor, "clip step feature"], first: Int[Tensor, "clip"], n_steps: int
) -> Shaped[Tensor, "clip {n_steps} feature"]:
    """Cut n_steps from step `first` of each clip. Errors: ValueError for a cut that leaves a clip."""
    if n_steps < 1 or int(first.min()) < 0 or int(first.max()) + n_steps > x.shape[1]:
        raise ValueError(f"expected {n_steps} steps inside {x.shape[1]}, from {first.tolist()[:3]} ...")
    rows = torch.arange(len(x), device=x.device)[:, None]
    return x[rows, first[:, None] + torch.arange(n_steps, device=x.device)]


def _look(clips) -> dict[str, Tensor]:
    n = round(clips.duration_s / STEP_S)
    x_a = segments.segment_sounds(clips.mono, n_segments=n, sample_rate_hz=clips.sample_rate_hz)
    x_v = segments.segment_regions(clips.frames, n_segments=n, grid=1)[:, :, 0]
    return {"x_a": x_a, "x_v": x_v, "label": clips.label}


def _standardised(found: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Bring each feature to mean 0 and deviation 1 over all steps of the training cut."""
    for side in ("x_a", "x_v"):
        steps = found["train"][side].flatten(0, 1)
        mean, std = steps.mean(0), steps.std(0).clamp_min(1e-6)
        for cut in found.values():
            cut[side] = (cut[side] - mean) / std
    return found


def _check(**sizes: int) -> None:
    for name, n in sizes.items():
        if n < 2:
            raise ValueError(f"expected {name} >= 2, got {n}")
