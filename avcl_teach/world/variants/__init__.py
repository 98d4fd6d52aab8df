"""Variants of the world: scenes seen, heard or told in another way, each with its own truth and audit."""

import importlib

from avcl_teach.lazy import lazy_names

# name -> the module it lives in; a module is imported when one of its names is first used
_HOME: dict[str, str] = {
    "load_views": "views",
    "render_views": "views",
    "band_posterior": "concerts",
    "draw_concerts": "concerts",
    "render_concerts": "concerts",
    "render_captions": "captions",
    "spell": "captions",
    "true_of": "captions",
    "draw_people": "identities",
    "realized_rho": "identities",
    "render_people": "identities",
    "draw_moods": "music",
    "render_music": "music",
    "speech_clips": "speech_view",
    "speech_sounds": "speech_view",
    "render_speech": "speech_view",
    "spoken_emotions": "sentences",
    "with_sentences": "sentences",
    "as_text": "sentences",
    "say": "sentences",
    "WORDS": "sentences",
    "load_two_ears": "two_ears",
    "mirror": "two_ears",
    "render_two_ears": "two_ears",
    "to_two_ears": "two_ears",
    "perform": "performers",
    "play": "performers",
    "render_performers": "performers",
    "crop_frames": "panoramas",
    "load_panoramas": "panoramas",
    "render_panoramas": "panoramas",
    "rotate": "panoramas",
}

# name of a variant -> "module:function" of its audit; each returns rows as ``world.audit`` holds them
AUDITS: dict[str, str] = {
    "captions": "retrieval_audit:audit_captions",
    "identities": "retrieval_audit:audit_people",
    "music": "retrieval_audit:audit_music",
    "views": "view_audit:audit_views",
    "concerts": "view_audit:audit_concerts",
    "speech": "speech_audit:audit_speech",
    "sentences": "sentences:audit",
    "two ears": "two_ears_audit:checks",
    "panorama": "panoramas_audit:checks",
    "performers": "performers_audit:checks",
    "emotion as rendered": "emotion_audit:checks",
}

__all__ = list(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)


def audit_variants() -> list[dict]:
    """Run the audit of every variant: rows {name, percent, low, high, chance, passed}."""
    rows = []
    for variant, home in AUDITS.items():
        module, function = home.split(":")
        found = getattr(importlib.import_module(f"avcl_teach.world.variants.{module}"), function)()
        rows += [{**row, "name": f"{variant}: {row['name']}"} for row in found]
    return rows
