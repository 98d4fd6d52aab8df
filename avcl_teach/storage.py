"""One file of named tensors and JSON: safetensors, checksummed, written atomically, never pickle."""

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FORMAT = "avcl_teach tensors 1"
SUFFIX = ".safetensors"


class CorruptFileError(ValueError):
    """A file is truncated, damaged, or not what its name promises."""


def with_suffix(path: str | os.PathLike) -> Path:
    """Return the path with the file ending `.safetensors` (added where it is missing)."""
    path = Path(path).expanduser()
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def checksum(tensors: dict[str, Tensor], meta_json: str) -> str:
    """Return the SHA-256 of names, types, shapes and bytes of the tensors and of the JSON text.

    Independent of the order of the dictionary. Tensors live on the CPU.
    """
    sha = hashlib.sha256(meta_json.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        sha.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            # as_strided: a tensor of one element may keep any stride and still count as contiguous
            sha.update(tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8).numpy())
    return sha.hexdigest()


def write_tensors(
    path: str | os.PathLike, tensors: dict[str, Tensor], meta: dict[str, Any], *, durable: bool = False
) -> Path:
    """Write tensors and JSON values to one file; a reader sees the old file or the new one, never half of it.

    The JSON and the checksum stand in the safetensors header. `durable` waits until the bytes are on the
    disk, for what a power cut must not take. Returns the path with its file ending.

    Raises:
        ValueError: `meta` holds something that JSON cannot.
    """
    from safetensors.torch import save_file

    try:
        meta_json = json.dumps(meta, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"meta must hold JSON values (text, finite numbers, lists, dicts): {error}"
        ) from error
    path = with_suffix(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = _unshared(tensors)
    header = {"format": FORMAT, "meta": meta_json, "sha256": checksum(tensors, meta_json)}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        save_file(tensors, temporary, metadata=header)
        if durable:
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_tensors(path: str | os.PathLike, *, verify: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote; with `verify` every byte is checked against the checksum.

    Raises:
        FileNotFoundError: no such file.
        CorruptFileError: truncated, changed, or not a file of this kind.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path).expanduser()
    path = path if path.is_file() else with_suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file of tensors at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CorruptFileError(
            f"{path} is truncated or not a safetensors file ({error}); delete it to make it again"
        ) from error
    if header.get("format") != FORMAT or "meta" not in header:
        raise CorruptFileError(f"{path}: expected the format {FORMAT!r}, got {header.get('format')!r}")
    if verify and checksum(tensors, header["meta"]) != header.get("sha256"):
        raise CorruptFileError(f"{path} is damaged (checksum differs); delete it to make it again")
    return tensors, _parse_json(header["meta"], path)


def _parse_json(text: str, path: Path) -> dict[str, Any]:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CorruptFileError(f"{path}: its JSON cannot be read ({error})") from error


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous CPU tensors of which no two share memory (safetensors refuses those)."""
    seen, out = set(), {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        address = tensor.untyped_storage().data_ptr()
        out[name] = tensor.clone() if address in seen else tensor
        seen.add(address)
    return out
