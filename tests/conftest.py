"""What every test shares: one torch thread, shapes checked at run time, no network, a cache of its own."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "book" / "tools"

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("AVCL_CACHE", str(ROOT / ".cache" / "avcl"))
for _name in ("AVCL_BUDGET", "AVCL_DEVICE", "AVCL_THREADS"):
    os.environ.pop(_name, None)

import pytest  # noqa: E402
import torch  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

torch.set_num_threads(1)
sys.path[:0] = [str(TOOLS), str(Path(__file__).parent)]

TYPED = (
    "clips", "comparison", "digits", "encoders", "features", "metrics", "objectives", "show", "speech",
    "systems", "table1", "training", "video", "world",
)  # fmt: skip

# jaxtyping's shapes are checked at run time in every call of the package that a test makes
if os.environ.get("AVCL_TYPES", "1") != "0":
    install_import_hook([f"avcl_teach.{name}" for name in TYPED], "typecheck.check_types")


HEAVY = ("notebooks", "book", "browser")


def load_guard():
    """Load the module that blocks connections leaving this machine: loading it blocks them."""
    spec = importlib.util.spec_from_file_location("avcl_offline", TOOLS / "offline" / "sitecustomize.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GUARD = load_guard()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Start with the tests that take minutes, all in one process; the others run beside them."""
    for item in items:
        if any(item.get_closest_marker(name) for name in HEAVY):
            item.add_marker(pytest.mark.xdist_group("pages"))
    items.sort(key=lambda item: 0 if any(item.get_closest_marker(name) for name in HEAVY) else 1)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def lesson_runs() -> dict[tuple[str, str], dict]:
    """Return the record of every lesson's run in `quick`, learner copy and solved source, without network."""
    import run_notebooks

    records = run_notebooks.run_lessons(kinds=run_notebooks.KINDS, budget="quick", offline=True)
    return {(record["name"], record["kind"]): record for record in records}


@pytest.fixture(scope="session")
def built_book(lesson_runs, tmp_path_factory) -> Path:
    """Return the folder of the book's pages, built with warnings as errors from the runs in `quick`."""
    import build_book

    out = ROOT / ".cache" / "book-quick"
    return build_book.build("quick", out, quiet=True).parent
