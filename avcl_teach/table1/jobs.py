"""What there is to run: one job a system, arm and seed, and the record each leaves behind."""

import ast
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import avcl_teach
from avcl_teach import systems
from avcl_teach.budgets import BUDGETS
from avcl_teach.table1.declare import System

_FOLLOWED = ("avcl_teach.systems.", "avcl_teach.world.variants.")


class Job(NamedTuple):
    """Name one run: a system, its arm, a seed, the budget and the device."""

    system: str
    arm: str
    seed: int
    budget: str = "cpu"
    device: str = "cpu"


def jobs_of(
    about: System, *, n_seeds: int, budget: str = "cpu", device: str = "cpu", claims: bool = True
) -> list[Job]:
    """List the runs of a row: its first arm and, with `claims`, every arm that a claim names; the same seeds.

    Errors: ValueError for no seeds or an unknown budget.
    """
    if n_seeds < 1:
        raise ValueError(f"expected at least 1 seed, got {n_seeds}")
    if budget not in BUDGETS:
        raise ValueError(f"expected a budget of {BUDGETS}, got {budget!r}")
    named = [arm for c in about.claims for arm in (c.better, c.worse)] if claims else []
    arms = dict.fromkeys([about.arms[0], *named])
    return [Job(about.name, arm, seed, budget, device) for arm in arms for seed in range(n_seeds)]


def record_path(job: Job, folder: Path) -> Path:
    """Return where the record of a job lies: a name for people, and a hash of what the run depends on.

    The hash covers the job, and the source of the system's module and of the systems and variants of the
    world that it imports; not the rest of the package (``--again`` runs everything anew).
    """
    digest = hashlib.sha256(json.dumps([*job[:-1], job.device.split(":")[0]]).encode())
    for path in _sources(f"avcl_teach.systems.{job.system}"):
        digest.update(path.name.encode() + path.read_bytes())
    arm = "".join(c if c.isalnum() else "-" for c in job.arm)
    return folder / f"{job.system}.{arm}.{job.seed}.{digest.hexdigest()[:12]}.json"


def read_record(path: Path) -> dict | None:
    """Read a record; None where there is none, where it is damaged, and where it tells of a failure."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) and "outcome" in record else None


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside its place and move it in whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def records_folder() -> Path:
    """Return the folder of records: ``table1`` in the cache folder (``AVCL_CACHE`` moves it)."""
    from avcl_teach.downloads import cache_folder

    return cache_folder() / "table1"


def chosen_systems(only: Sequence[str]) -> tuple[list[System], dict[str, str]]:
    """Return the declarations of the systems named, or of all, and by name why some cannot be imported.

    Errors: ValueError for unknown names.
    """
    found, broken = [], {}
    for name in dict.fromkeys(only) or systems.names():
        if name not in systems.names():
            raise ValueError(f"expected a system of {', '.join(systems.names())}, got {name!r}")
        try:
            found.append(systems.find(name).ABOUT)
        except Exception as error:  # whatever is wrong in one module, the others run
            broken[name] = f"{type(error).__name__}: {error}"
    return found, broken


def _sources(module: str) -> list[Path]:
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _path_of(name)
        if name in found or path is None:
            continue
        found[name] = path
        waiting += [other for other in _imports(path) if other.startswith(_FOLLOWED)]
    return [found[name] for name in sorted(found)]


def _path_of(module: str) -> Path | None:
    path = Path(avcl_teach.__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return path if path.is_file() else None


def _imports(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
