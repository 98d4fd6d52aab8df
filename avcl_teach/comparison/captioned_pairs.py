"""Captioned pictures as two encoders get them: log-mels of unequal length, frozen picture features."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from avcl_teach.comparison.cached import cached, hash_files

HOP_LENGTH, N_FFT, N_MELS = 160, 256, 40
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class CaptionSplit:
    """Hold one cut: `per_image` spoken captions in turn for each picture.

    x_a [caption, 40, frame]: log-mels, 50 frames a second, ln 1e-6 after the end · n_frames [caption] ·
    image [caption]: the row of x_v that it was said of · x_v [image, 128]: features of the frozen reader ·
    clause, facts: what is said and what is there, see `true` · words [caption, 7].
    """

    x_a: Float[Tensor, "caption mel frame"]
    n_frames: Int[Tensor, "caption"]
    image: Int[Tensor, "caption"]
    x_v: Float[Tensor, "image feature"]
    clause: Int[Tensor, "caption two three"]
    facts: Int[Tensor, "image two two"]
    words: Int[Tensor, "caption word"]

    @property
    def n_images(self) -> int:
        """Count the pictures."""
        return len(self.x_v)

    @property
    def true(self) -> Bool[Tensor, "caption image"]:
        """Tell which captions are true of which pictures, their own among them."""
        from avcl_teach.world.variants.captions import true_of

        return true_of(self.clause, self.facts)

    def to(self, device: str | torch.device) -> "CaptionSplit":
        """Return the cut with every tensor on `device`."""
        return CaptionSplit(**{name: x.to(device) for name, x in vars(self).items()})


@dataclass(frozen=True)
class Captioned:
    """Hold three cuts; val and test have speakers and things that training never met."""

    train: CaptionSplit
    val: CaptionSplit
    test: CaptionSplit

    def __repr__(self) -> str:
        cuts = ((name, getattr(self, name)) for name in SPLITS)
        sizes = ", ".join(f"{name} {c.n_images} x {len(c.image) // c.n_images}" for name, c in cuts)
        return f"Captioned(pictures x captions: {sizes}; log-mels {N_MELS} x time, picture features)"

    def to(self, device: str | torch.device) -> "Captioned":
        """Return the cuts on `device`."""
        return Captioned(*(getattr(self, name).to(device) for name in SPLITS))


def captioned_pairs(
    n_train: int = 400, n_test: int = 200, *, n_val: int = 100, per_image: int = 5, seed: int = 0
) -> Captioned:
    """Take pictures with spoken captions (`world.variants.render_captions`) and their features; cached.

    2,000 captions of training take about 5 s of processor time once. Errors: ValueError for fewer than 2
    pictures, or per_image < 1. Lesson: 30.
    """
    for name, n in {"n_train": n_train, "n_val": n_val, "n_test": n_test}.items():
        if n < 2:
            raise ValueError(f"expected {name} >= 2, got {n}")
    cuts = [
        _cut(n, split, per_image, seed) for split, n in zip(SPLITS, (n_train, n_val, n_test), strict=True)
    ]
    return Captioned(*cuts)


def _cut(n: int, split: str, per_image: int, seed: int) -> CaptionSplit:
    from avcl_teach import world
    from avcl_teach.comparison import scene_reader
    from avcl_teach.features import log_mel, spectral
    from avcl_teach.world.variants import captions

    def make():
        reader, parts = scene_reader.scene_reader(), []
        for start in range(0, n, 64):
            clips = captions.render_captions(
                range(start, min(n, start + 64)), split=split, seed=seed, per_image=per_image
            )
            x = log_mel(clips.mono, sample_rate_hz=clips.sample_rate_hz, n_fft=N_FFT, hop_length=HOP_LENGTH,
                        n_mels=N_MELS)  # fmt: skip
            e = clips.extra
            parts.append(
                {
                    "x_a": x.half(),
                    "n_frames": e["n_samples"] // HOP_LENGTH + 1,
                    "image": e["image"],
                    "clause": e["clause"],
                    "words": e["words"],
                    "x_v": reader(clips.frames[::per_image, 0]).half(),
                    "facts": e["facts"][::per_image],
                }  # fmt: skip
            )
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, {}

    code = (__file__, captions.__file__, scene_reader.__file__, spectral.__file__,
            scene_reader.STORED.with_suffix(".safetensors"))  # fmt: skip
    key = {"code": hash_files(*code), "n": n, "split": split, "per_image": per_image, "seed": seed,
           "world": world.content_hash(range(2))}  # fmt: skip
    found, _ = cached(key, make)
    longest = int(found["n_frames"].max())
    return CaptionSplit(**found | {"x_a": found["x_a"][..., :longest].float(), "x_v": found["x_v"].float()})


def mfcc(x: Float[Tensor, "clip mel frame"], *, n_cepstra: int = 13) -> Float[Tensor, "clip cepstrum frame"]:
    """Turn log-mels into cepstra with their first and second differences: 3 n_cepstra rows.

    The cosine transform (type 2, orthonormal) of each frame; differences (x_{t+1} - x_{t-1}) / 2, edges
    repeated. Source: Davis and Mermelstein 1980. Lesson: 30.
    """
    k, n = torch.arange(n_cepstra, device=x.device), x.shape[1]
    D = torch.cos(torch.pi * k[:, None] * (torch.arange(n, device=x.device) + 0.5) / n) * (2 / n) ** 0.5
    D[0] /= 2**0.5
    c = D.to(x) @ x
    out = [c]
    for _ in range(2):
        c = torch.nn.functional.pad(c, (1, 1), mode="replicate")
        c = (c[..., 2:] - c[..., :-2]) / 2
        out.append(c)
    return torch.cat(out, 1)
