"""Audits of variants over worlds that are spoilt on purpose: a row that cannot fail shows nothing."""

import dataclasses
import functools

import pytest
import torch

from avcl_teach.world.variants import (
    captions,
    identities,
    music,
    performers_audit,
    retrieval_audit,
    view_audit,
)


def by_name(rows):
    return {row["name"]: row for row in rows}


def failed(rows):
    return {name for name, row in by_name(rows).items() if not row["passed"]}


def changed(monkeypatch, home, name, change):
    """Let what a function of a module returns be changed before the audit sees it."""
    whole = getattr(home, name)
    monkeypatch.setattr(home, name, lambda *args, **options: change(whole(*args, **options)))


@pytest.fixture(scope="module", autouse=True)
def rendered_once():
    """Render each set of clips once for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        for home, name in (
            (view_audit, "render_views"),
            (captions, "render_captions"),
            (identities, "render_people"),
            (music, "render_music"),
        ):
            patch.setattr(home, name, functools.cache(getattr(home, name)))
        yield


def shuffled(field):
    return lambda clips: dataclasses.replace(clips, **{field: getattr(clips, field).roll(3, 0)})


CLASS_KEPT, BY_NOTES = "class kept", "second view by its notes"


def test_views(monkeypatch):
    whole = failed(view_audit.audit_views(n=24))
    assert not whole & {CLASS_KEPT, BY_NOTES, "shift read off onsets"}

    def others(clips):  # the second view is another scene's
        row = torch.arange(len(clips))
        row[1::2] = row[1::2].roll(1)
        return clips[row]

    with monkeypatch.context() as patch:
        changed(patch, view_audit, "render_views", others)
        assert failed(view_audit.audit_views(n=24)) >= {CLASS_KEPT, BY_NOTES, "shift read off onsets"}

    def tinted(clips):  # the background gives the scene away
        tint = (10 * clips.extra["scene"]).view(-1, 1, 1, 1, 1)
        return dataclasses.replace(clips, frames=(0.02 * clips.frames + tint).to(torch.uint8))

    changed(monkeypatch, view_audit, "render_views", tinted)
    found = by_name(view_audit.audit_views(n=24))["second view by mean colour"]
    assert not found["passed"] and found["percent"] > 80


def test_captions(monkeypatch):
    names = {"caption true of its picture", "class from loudness and length"}
    assert not failed(retrieval_audit.audit_captions(n=60)) & names
    with monkeypatch.context() as patch:
        changed(patch, retrieval_audit, "plans", lambda found: (found[0], found[1].roll(1, 0)))
        assert "caption true of its picture" in failed(retrieval_audit.audit_captions(n=60))

    def louder(clips):
        gain = 2.0 ** clips.extra["clause"][:, 0, 0].float()
        return dataclasses.replace(clips, waveform=clips.waveform * gain[:, None, None])

    changed(monkeypatch, captions, "render_captions", louder)
    assert failed(retrieval_audit.audit_captions(n=60)) >= {"class from loudness and length"}


def test_people_who_are_not_tied(monkeypatch):
    changed(monkeypatch, identities, "draw_people", lambda who: who | {"voice": who["voice"][::-1].copy()})
    found = by_name(retrieval_audit.audit_people())
    for name in ("weakest realized tie x 100", "strongest realized tie x 100", "1:2 by traits known exactly"):
        assert not found[name]["passed"], found[name]
    assert found["1:2 by traits known exactly"]["percent"] < 60


def test_people_whom_the_background_or_the_level_gives_away(monkeypatch):
    def told(clips):
        person = clips.extra["person"]
        frames = clips.frames.clone()
        frames[:, :, :, :4, :4] = (4 * person.view(-1, 1, 1, 1, 1) % 256).to(torch.uint8)
        gain = 1.1 ** (person % 60).float()[:, None, None]
        return dataclasses.replace(clips, frames=frames, waveform=clips.waveform * gain)

    changed(monkeypatch, identities, "render_people", told)
    found = failed(retrieval_audit.audit_people())
    assert found == {"same person by background", "same person by loudness"}


SOUND, PICTURE = "valence of the sound from mean spectrum x 100", "arousal of the picture from motion x 100"
MOODS = "R@10 of 200 by moods known exactly"


def test_music(monkeypatch):
    whole = by_name(retrieval_audit.audit_music(n=80, n_train=80))
    assert whole[SOUND]["passed"] and whole[PICTURE]["passed"] and whole[MOODS]["percent"] > 25
    for field, name in (("waveform", SOUND), ("frames", PICTURE)):
        with monkeypatch.context() as patch:
            changed(patch, music, "render_music", shuffled(field))
            assert name in failed(retrieval_audit.audit_music(n=80, n_train=80))

    def strangers(clips):
        extra = clips.extra | {"seen": clips.extra["seen"].roll(1, 0)}
        return dataclasses.replace(clips, extra=extra)

    changed(monkeypatch, music, "render_music", strangers)
    found = by_name(retrieval_audit.audit_music(n=80, n_train=80))[MOODS]
    assert not found["passed"] and found["percent"] < whole[MOODS]["percent"] - 10


def test_performers(monkeypatch):
    def others(played):
        return played._replace(notes=played.notes.roll(1, 0))

    changed(monkeypatch, performers_audit, "perform", others)
    assert failed(performers_audit.checks(n=100)) == {"degree from all joints"}
