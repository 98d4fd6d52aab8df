"""`import avcl_teach` is light: heavy libraries wait until they are used."""

import json
import subprocess
import sys

import pytest

import avcl_teach

HEAVY = (
    "matplotlib",
    "librosa",
    "sklearn",
    "IPython",
    "scipy",
    "av",
    "accelerate",
    "ipywidgets",
    "typer",
    "pooch",
)
PLOTTING = ("matplotlib", "IPython", "ipywidgets", "librosa", "sklearn")
COMPUTE = (
    "clips",
    "features",
    "metrics",
    "objectives",
    "encoders",
    "training",
    "world",
    "exercises",
    "downloads",
    "systems",
    "table1",
)


def run_python(code: str) -> dict:
    """Run code in a fresh interpreter and read the JSON that it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_import_adds_at_most_150_ms_to_torch():
    code = """
import json, time
import torch
began = time.perf_counter()
import avcl_teach
avcl_teach.start
print(json.dumps({"s": time.perf_counter() - began}))
"""
    assert min(run_python(code)["s"] for _ in range(5)) < 0.15  # the least: a busy machine adds its own


def test_import_loads_no_heavy_library():
    code = f"import json, sys, torch\nbefore = set(sys.modules)\nimport avcl_teach\navcl_teach.start\n\
print(json.dumps([n for n in {HEAVY!r} if n in sys.modules and n not in before]))"
    assert run_python(code) == []


@pytest.mark.parametrize("name", COMPUTE)
def test_compute_modules_import_nothing_that_plots(name):
    code = f"import json, sys, torch\nbefore = set(sys.modules)\nimport avcl_teach.{name}\n\
print(json.dumps([n for n in {PLOTTING!r} if n in sys.modules and n not in before]))"
    assert run_python(code) == []


def test_lazy_names_are_the_modules_they_name():
    assert avcl_teach.clips.Clips is avcl_teach.Clips
    assert avcl_teach.budgets.start is avcl_teach.start
    assert "features" in dir(avcl_teach)


def test_every_listed_name_can_be_had():
    for name in avcl_teach.__all__:
        assert getattr(avcl_teach, name) is not None, name


def test_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = avcl_teach.no_such_thing
