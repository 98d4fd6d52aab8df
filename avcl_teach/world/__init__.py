"""A procedural world of things that sound and are seen, with the whole truth about every clip."""

from avcl_teach.world.cache import cache_size, clear_cache, content_hash, kept_variant, load
from avcl_teach.world.knobs import CLASSES, PRESETS, Knobs, pitch_hz, resolve
from avcl_teach.world.render import render, render_batches, render_scenes
from avcl_teach.world.scenes import LAYOUTS, Scenes, sample_scenes
from avcl_teach.world.splits import Split, all_splits, find_split, frozen_lists

__all__ = [
    "CLASSES",
    "LAYOUTS",
    "PRESETS",
    "Knobs",
    "Scenes",
    "Split",
    "all_splits",
    "audit",
    "cache_size",
    "clear_cache",
    "content_hash",
    "find_split",
    "frozen_lists",
    "kept_variant",
    "load",
    "pitch_hz",
    "render",
    "render_batches",
    "render_scenes",
    "resolve",
    "sample_scenes",
]


def audit(**sizes: int) -> dict:
    """Run the audits of every layout and variant: ``shortcuts.run_audit``, long, emotion, ``variants``.

    {"passed", "checks": [{name, percent, low, high, chance, passed}], ...}; ``sizes`` go to ``run_audit``.
    About a minute and a half of processor time.
    """
    from avcl_teach.world.emotion_probes import checks as emotions
    from avcl_teach.world.long_audit import audit_long
    from avcl_teach.world.shortcuts import run_audit
    from avcl_teach.world.variants import audit_variants

    report = run_audit(**sizes)
    long = [{"name": f"long: {name}", "low": 0, **found} for name, found in audit_long().items()]
    report["checks"] += [*long, *emotions(), *audit_variants()]
    report["passed"] = all(check["passed"] for check in report["checks"])
    return report
