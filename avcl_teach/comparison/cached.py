"""One way to keep computed tensors on the disk: by what they depend on, whole or not at all."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

Made = tuple[dict[str, Tensor], dict[str, Any]]


def cached(key: dict, make: Callable[[], Made]) -> Made:
    """Read tensors and JSON values from the cache, or make them and keep them.

    `key` holds all that they depend on, as JSON values (`hash_files` for code). A damaged file is made
    again; a folder that cannot be written costs time, not the tensors.
    """
    from avcl_teach.downloads import cache_folder
    from avcl_teach.storage import CorruptFileError, read_tensors, write_tensors

    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    path = cache_folder() / "comparison" / f"{digest}.safetensors"
    try:
        return read_tensors(path)
    except (FileNotFoundError, CorruptFileError):
        made = make()
    with contextlib.suppress(OSError):
        write_tensors(path, *made)
    return made


def hash_files(*paths: str | Path) -> str:
    """Hash the bytes of files, so that changed code never reads what old code kept."""
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths)).hexdigest()
