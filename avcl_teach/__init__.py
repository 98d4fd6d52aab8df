"""Learn deep audio-visual correlation learning by building it."""

import importlib

__version__ = "0.1.0"

_SUBMODULES = (
    "authoring", "budgets", "clips", "comparison", "datasets", "digits", "doctor", "downloads", "encoders",
    "exercises", "features", "metrics", "objectives", "samples", "show", "speech", "systems", "table1",
    "training", "video", "world",
)  # fmt: skip
_NAMES = {
    "Clips": "avcl_teach.clips",
    "start": "avcl_teach.budgets",
    "Lesson": "avcl_teach.budgets",
    "check": "avcl_teach.exercises",
    "from_file": "avcl_teach.video",
}

__all__ = ["__version__", *_SUBMODULES, *_NAMES]


def __getattr__(name: str):
    """Import a submodule, or one of the few names lifted to the top, when it is first used."""
    if name in _SUBMODULES:
        return importlib.import_module(f"avcl_teach.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'avcl_teach' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the names that are there, loaded or not."""
    return sorted({*globals(), *__all__})
