"""Weights and training state on disk: safetensors with a JSON header, written atomically, never pickle."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avcl_teach.storage import CorruptFileError, read_tensors, write_tensors

KIND = "checkpoint"


def save_tensors(
    path: str | os.PathLike, tensors: dict[str, Tensor], info: dict[str, Any] | None = None
) -> None:
    """Write named tensors and a JSON-able dict into one file, atomically and through to the disk.

    The file appears under its name only when complete: a process killed half-way leaves the older
    file as it was. Raises ValueError where `info` holds what JSON cannot.
    """
    write_tensors(path, tensors, {"kind": KIND, "info": info or {}}, durable=True)


def load_tensors(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote: `(tensors, info)`, on the CPU.

    Raises FileNotFoundError, and CorruptFileError (a ValueError) for a damaged file or another kind.
    """
    tensors, header = read_tensors(path)
    if header.get("kind") != KIND:
        raise CorruptFileError(f"{path}: expected a {KIND}, found {header.get('kind')!r}")
    return tensors, header["info"]


def load_state(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy named tensors into a model's parameters and buffers, keeping its device and memory layout.

    Raises ValueError that lists missing, unexpected and differently shaped names; nothing is copied then.
    """
    own = model.state_dict()
    faults = [f"missing {name}" for name in own if name not in tensors]
    faults += [f"unexpected {name}" for name in tensors if name not in own]
    faults += [
        f"{name}: expected shape {tuple(own[name].shape)}, found {tuple(tensors[name].shape)}"
        for name in own
        if name in tensors and own[name].shape != tensors[name].shape
    ]
    if faults:
        shown = "; ".join(faults[:6]) + (f"; and {len(faults) - 6} more" if len(faults) > 6 else "")
        raise ValueError(f"expected the weights of this {type(model).__name__}, found others: {shown}")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(tensors[name])


def save_weights(model: nn.Module, path: str | os.PathLike, *, card: dict[str, Any] | None = None) -> None:
    """Write a model's weights, and beside them `card` (how they came about) as JSON of the same name."""
    path = Path(path)
    save_tensors(path, model.state_dict(), card)
    if card is not None:
        part = path.with_name(f"{path.stem}.json.{os.getpid()}.part")
        part.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        os.replace(part, path.with_suffix(".json"))


def load_weights(model: nn.Module, path: str | os.PathLike) -> dict[str, Any]:
    """Load weights written by `save_weights` into `model`; return their card.

    Raises FileNotFoundError, and ValueError where the file is damaged or of another model.
    """
    tensors, card = load_tensors(path)
    load_state(model, tensors)
    return card


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return an optimiser's state as `({"0.exp_avg": tensor, ...}, {"0.other": number, ...})`.

    Raises ValueError where a state is neither a tensor nor a plain number.
    """
    tensors, numbers = {}, {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            elif value is None or isinstance(value, bool | int | float):
                numbers[f"{index}.{name}"] = value
            else:
                raise ValueError(
                    f"expected tensors and numbers in the state of {type(optimizer).__name__}, "
                    f"got {name} of type {type(value).__name__}"
                )
    return tensors, numbers


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], numbers: dict[str, Any]
) -> None:
    """Put back what `flatten_optimizer` returned, in the memory layout of each parameter.

    The layout matters: fused optimisers walk parameter and state side by side in memory, so that a
    contiguous state under a channels_last parameter would be read in the wrong order.

    Raises ValueError where the state belongs to other parameters.
    """
    params = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **numbers}.items():
        index, _, name = key.partition(".")
        if not index.isdigit() or int(index) >= len(params):
            raise ValueError(f"expected the state of {len(params)} parameters, found an entry {key!r}")
        p = params[int(index)]
        if isinstance(value, Tensor) and name != "step" and value.ndim:
            if value.shape != p.shape:
                shapes = f"{tuple(p.shape)}, found {tuple(value.shape)}"
                raise ValueError(f"expected optimiser state {key!r} of shape {shapes}")
            value = torch.empty_like(p, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
