"""Rendered once, read ever after: clips on disk under the hash of everything they depend on."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from avcl_teach.clips import Clips, CorruptFileError
from avcl_teach.world.knobs import Knobs, resolve
from avcl_teach.world.render import as_indices, render
from avcl_teach.world.splits import find_split


@functools.cache
def source_hash() -> str:
    """Hash the source of the world, so that a changed world never reads an old world's clips.

    Variants are not among it: what they make is kept under this hash and their own (``kept_variant``).
    """
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    paths = [path for path in folder.rglob("*.py") if "variants" not in path.parts]
    for path in sorted([*paths, folder.parent / "storage.py"]):
        digest.update(path.relative_to(folder.parent).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def content_hash(
    indices: Sequence[int],
    *,
    preset: str | Knobs = "standard",
    split: str = "train",
    seed: int = 0,
    layout: str = "solo",
    size_px: int = 64,
    stems: bool = True,
    masks: bool = True,
    **knobs: object,
) -> str:
    """Hash all that the clips depend on: 32 hexadecimal digits. The batch and the device are not among it."""
    what = {
        "indices": list(indices),
        "knobs": dataclasses.asdict(resolve(preset, **knobs)),
        "layout": layout,
        "split": dataclasses.asdict(find_split(split, seed=seed)),
        "seed": seed,
        "size_px": size_px,
        "stems": stems,
        "masks": masks,
        "source": source_hash(),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def world_folder() -> Path:
    """Return the folder of rendered clips: ``world`` in the cache folder (``AVCL_CACHE`` moves it)."""
    from avcl_teach.downloads import cache_folder

    return cache_folder() / "world"


def load(
    indices: int | Sequence[int] | np.ndarray,
    *,
    preset: str | Knobs = "standard",
    split: str = "train",
    seed: int = 0,
    layout: str = "solo",
    size_px: int = 64,
    stems: bool = False,
    masks: bool = False,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
    **knobs: object,
) -> Clips:
    """Return clips from the cache, rendering them first where they are not there, or not whole.

    Arguments as in ``render``, but stems and masks only if asked for. Files are written beside their place
    and moved in whole, so two processes that render the same clips at once both end with a good file. A file
    that is truncated or damaged is rendered again. A cache folder that cannot be written costs time, not the
    clips.
    """
    found = as_indices(indices)
    arguments = {
        "preset": preset,
        "split": split,
        "seed": seed,
        "layout": layout,
        "size_px": size_px,
        "stems": stems,
        "masks": masks,
    }
    path = world_folder() / f"{content_hash(found, **arguments, **knobs)}.safetensors"
    return _kept(
        path, lambda: render(found, **arguments, batch_size=batch_size, device=device, **knobs), device
    )


def kept_variant(
    make: Callable[[], Clips],
    *,
    of: str | Path | Sequence[str | Path],
    device: str | torch.device = "cpu",
    **key: object,
) -> Clips:
    """Return the clips of a variant from the cache, or make and keep them, as ``load`` does.

    ``of``: the source files of the variant (its ``__file__``) · ``key``: all else that the clips depend on,
    as JSON values. Raises TypeError for a key that JSON cannot hold.
    """
    files = [of] if isinstance(of, (str, Path)) else list(of)
    digest = hashlib.sha256(source_hash().encode() + json.dumps(key, sort_keys=True).encode())
    for path in files:
        digest.update(Path(path).name.encode() + Path(path).read_bytes())
    return _kept(world_folder() / f"{digest.hexdigest()[:32]}.safetensors", make, device)


def _kept(path: Path, make: Callable[[], Clips], device: str | torch.device) -> Clips:
    try:
        return Clips.load(path).to(device)
    except (FileNotFoundError, CorruptFileError):
        clips = make()
    with contextlib.suppress(OSError):
        clips.save(path)
    return clips


def cache_size() -> tuple[int, int]:
    """Count the cached files and their bytes."""
    sizes = [path.stat().st_size for path in world_folder().glob("*.safetensors")]
    return len(sizes), sum(sizes)


def clear_cache(*, keep_bytes: int = 0) -> int:
    """Delete cached clips, oldest reading first, until at most ``keep_bytes`` are left; return the files
    deleted."""
    paths = sorted(world_folder().glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
    total, gone = sum(path.stat().st_size for path in paths), 0
    for path in paths:
        if total <= keep_bytes:
            break
        total -= path.stat().st_size
        os.unlink(path)
        gone += 1
    return gone
