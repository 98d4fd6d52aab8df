"""Learn deep audio-visual correlation learning by building it."""

from avcl_teach.lazy import lazy_names

__version__ = "0.1.0"

_SUBMODULES = (
    "authoring", "budgets", "clips", "comparison", "datasets", "digits", "doctor", "downloads", "encoders",
    "exercises", "features", "metrics", "objectives", "samples", "show", "speech", "systems", "table1",
    "training", "video", "world",
)  # fmt: skip
_NAMES = {
    "Clips": "clips",
    "start": "budgets",
    "Lesson": "budgets",
    "check": "exercises",
    "from_file": "video",
}

__all__ = ["__version__", *_SUBMODULES, *_NAMES]
__getattr__, __dir__ = lazy_names(__name__, {**dict.fromkeys(_SUBMODULES, ""), **_NAMES})
