"""Long scenes of the world as sequences of features: the delayed association of lesson 16."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files
from avcl_teach.features import tones
from avcl_teach.world.long_scenes import PLACES, SLOT

SPLITS = ("train", "val", "test")
OVER = (("x_a", (0, 1)), ("x_v", (0, 1, 2)))  # axes that share a mean
_CHUNK = 16


@dataclass(frozen=True)
class LongSplit:
    """Hold one cut of long scenes: cues, then a stretch in which nothing is asked, then the query.

    x_a: which pitches sound · x_v: what moves at each place · answer: the place of the object whose tone
    comes back · cue_order: who plays in each cue · tone: of each place, 0..9 · query_tone · index: the clip's
    in the world. The last `SLOT` segments are the query, the first `SLOT * n_cues` the cues.
    """

    x_a: Float[Tensor, "clip segment band"]
    x_v: Float[Tensor, "clip segment place"]
    answer: Int[Tensor, "clip"]
    cue_order: Int[Tensor, "clip cue"]
    tone: Int[Tensor, "clip place"]
    query_tone: Int[Tensor, "clip"]
    index: Int[Tensor, "clip"]

    @property
    def n_clips(self) -> int:
        """Count the clips."""
        return len(self.answer)

    @property
    def n_cues(self) -> int:
        """Count the objects, each with a cue and a tone of its own."""
        return self.cue_order.shape[1]

    @property
    def delay(self) -> int:
        """Count the rendered segments between the last cue and the query."""
        return self.x_a.shape[1] - SLOT * (self.n_cues + 1)

    def at_delay(
        self, delay: int, *, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "clip segment band"], Float[Tensor, "clip segment place"]]:
        """Shorten or stretch the wait to `delay` segments by drawing from each clip's own slots of waiting.

        Cues and query are the rendered ones; a slot of waiting (two segments, silent or with a stray note)
        may come more than once. Errors: ValueError for a delay that is not a whole number of slots, or a
        wait where none was rendered.
        """
        if delay < 0 or delay % SLOT or (delay and not self.delay):
            raise ValueError(f"expected a delay of whole slots of {SLOT} segments, got {delay}")
        start, n_slots = SLOT * self.n_cues, self.delay // SLOT
        device = self.x_a.device
        slot = torch.randint(max(n_slots, 1), (self.n_clips, delay // SLOT), generator=generator).to(device)
        wait = (start + SLOT * slot[..., None] + torch.arange(SLOT, device=device)).flatten(1)
        n = self.x_a.shape[1]
        cues = torch.arange(start, device=device).expand(self.n_clips, -1)
        query = torch.arange(n - SLOT, n, device=device).expand(self.n_clips, -1)
        order = torch.cat([cues, wait, query], 1)
        clip = torch.arange(self.n_clips, device=device)[:, None]
        return self.x_a[clip, order], self.x_v[clip, order]

    def to(self, device: torch.device | str) -> "LongSplit":
        """Move every tensor."""
        return LongSplit(**{name: x.to(device) for name, x in vars(self).items()})


@dataclass(frozen=True)
class LongScenes:
    """Hold three cuts of long scenes; val and test show individuals that training never did.

    scale: mean and standard deviation of x_a [band] and x_v [], by which they were standardised.
    """

    train: LongSplit
    val: LongSplit
    test: LongSplit
    preset: str
    seed: int
    scale: dict[str, tuple[Tensor, Tensor]]

    @property
    def n_places(self) -> int:
        """Count the places: chance is one in so many."""
        return self.test.n_cues

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {getattr(self, name).n_clips}" for name in SPLITS)
        x_a, x_v = self.test.x_a, self.test.x_v
        return (
            f"LongScenes(world, {self.preset}: {sizes}; {x_a.shape[1]} segments of {x_a.shape[2]} pitches "
            f"and {x_v.shape[2]} places)"
        )

    def to(self, device: torch.device | str) -> "LongScenes":
        """Move every cut."""
        cuts = [getattr(self, name).to(device) for name in SPLITS]
        return LongScenes(*cuts, self.preset, self.seed, self.scale)


def long_scenes(
    n_train: int = 512,
    n_test: int = 128,
    preset: str = "easy",
    *,
    seed: int = 0,
    n_val: int = 128,
    n_cues: int = 4,
    delay: int = 8,
    stray: float = 0.5,
    size_px: int = 32,
    like: LongScenes | None = None,
) -> LongScenes:
    """Take long scenes of the world as sequences of pitches and motions, rendered once and kept on disk.

    Features of `tone_bands` and `place_motion` (on pictures of 32 px), standardised on train only: pitches
    band by band, motion as one; `like` takes the scale of other scenes, so that a model trained there can
    read these. Errors: ValueError for fewer than 2 clips, an odd delay, an unknown preset.
    Lesson: 16.
    """
    for name, n in {"n_train": n_train, "n_val": n_val, "n_test": n_test}.items():
        if n < 2:
            raise ValueError(f"expected {name} >= 2, got {n}")
    if delay < 0 or delay % SLOT:
        raise ValueError(f"expected a delay of whole slots of {SLOT} segments, got {delay}")
    where = {"preset": preset, "seed": seed, "layout": "long", "size_px": size_px, "n_cues": n_cues}
    where |= {"delay": (delay, delay), "stray": stray}
    cuts = [_cut(n, split, where) for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True)]
    train = cuts[0]
    scale = {side: (train[side].mean(over), train[side].std(over).clamp_min(1e-6)) for side, over in OVER}
    scale = scale if like is None else like.scale
    for cut in cuts:
        for side, (mean, std) in scale.items():
            cut[side] = (cut[side] - mean) / std
    return LongScenes(*(LongSplit(**cut) for cut in cuts), preset, seed, scale)


def _cut(n: int, split: str, where: dict) -> dict[str, Tensor]:
    """Read one cut from the cache, or render it."""
    from avcl_teach import world

    def make() -> tuple[dict[str, Tensor], dict]:
        how = {"split": split, "stems": False, "masks": False, "batch_size": _CHUNK} | where
        parts = [describe(clips) for clips in world.render_batches(n, **how)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, {}

    key = {
        "clips": world.content_hash(range(n), split=split, stems=False, masks=False, **where),
        "code": hash_files(tones.__file__, Path(__file__)),
    }
    return cached(key, make)[0]


def describe(clips) -> dict[str, Tensor]:
    """Turn rendered long scenes into the tensors of a `LongSplit`, not yet standardised."""
    n_segments, truth = clips.event.shape[1], clips.extra
    n_cues = truth["cue_order"].shape[1]
    log_motion = tones.place_motion(clips.frames, n_segments=n_segments, places=PLACES[n_cues])
    return {
        "x_a": tones.tone_bands(clips.mono, n_segments=n_segments, sample_rate_hz=clips.sample_rate_hz),
        "x_v": (log_motion + 1e-4).log(),
        "tone": truth["tone"][:, :n_cues],
        **{name: truth[name] for name in ("answer", "cue_order", "query_tone", "index")},
    }


def answer_by_rule(
    x_a: Float[Tensor, "clip segment band"], x_v: Float[Tensor, "clip segment place"], *, n_cues: int = 4
) -> Int[Tensor, "clip"]:
    """Answer without learning: the cue that sounds most like the query, and who moved most in it.

    Sounds are compared by the cosine of their centred spectra. Says how much of the answer the features hold.
    Lesson: 16.
    """
    a = torch.cat([x_a[:, : SLOT * n_cues], x_a[:, -SLOT:]], 1).unflatten(1, (-1, SLOT)).mean(2)
    a = torch.nn.functional.normalize(a - a.mean(-1, keepdim=True), dim=-1)
    cue = (a[:, :-1] * a[:, -1:]).sum(-1).argmax(1)
    moved = x_v[:, : SLOT * n_cues].unflatten(1, (-1, SLOT)).mean(2)
    return moved[torch.arange(len(cue), device=cue.device), cue].argmax(1)
