"""What happens in a clip before anything is heard or drawn: objects, notes, places, rooms."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from avcl_teach.world.draws import choice, generator, spread, uniforms
from avcl_teach.world.emotions import emote, talkers_only
from avcl_teach.world.events import draw_runs, intervals_of
from avcl_teach.world.instances import traits
from avcl_teach.world.knobs import N_NOTES, Knobs
from avcl_teach.world.long_scenes import arrange, long_knobs, pitched_split
from avcl_teach.world.looks import draw_look
from avcl_teach.world.splits import Split

LAYOUTS = ("solo", "scene", "event", "long", "emotion")


@dataclasses.dataclass(frozen=True)
class Scenes:
    """Hold N scenes as arrays; every field but ``knobs`` has the clip as first axis.

    cls, instance: int [clip, object], -1 = no object · sounding, visible, decoy: bool [clip, object] ·
    notes: float [clip, object, note, 4] onset_s, duration_s, degree 0..9, velocity 0..1 (NaN = no note) ·
    vowel, consonant: int [clip, object, note], what a talker says · on, seen: float [clip, object, interval,
    2] s · place: centre at time 0, velocity: fractions of the side (a second), [clip, object, 2] as (x, y) ·
    radius: fraction of the side · order: draw order, higher is in front · colour: [clip, object, 3] hue,
    saturation, value · parts: U(0,1) [clip, object, 8] for free details of the look · gain_db, eq_db [clip,
    object, 3] low, mid, high · timbre: traits by name, each [clip, object] · background: [clip, 2 colours +
    grid] see pictures · camera: [clip, 8] phases and frequencies of the camera path · snr_db, reverb_s,
    av_offset_s: [clip] · event, event_label: int [clip, segment] · labelled: bool [clip], may a learner see
    the label · truth: what only one layout knows, by name, each with the clip as first axis.
    """

    knobs: Knobs
    seed: int
    split: str
    index: np.ndarray
    cls: np.ndarray
    instance: np.ndarray
    sounding: np.ndarray
    visible: np.ndarray
    decoy: np.ndarray
    notes: np.ndarray
    vowel: np.ndarray
    consonant: np.ndarray
    on: np.ndarray
    seen: np.ndarray
    place: np.ndarray
    velocity: np.ndarray
    radius: np.ndarray
    order: np.ndarray
    colour: np.ndarray
    parts: np.ndarray
    gain_db: np.ndarray
    eq_db: np.ndarray
    timbre: dict[str, np.ndarray]
    background: np.ndarray
    camera: np.ndarray
    snr_db: np.ndarray
    reverb_s: np.ndarray
    av_offset_s: np.ndarray
    event: np.ndarray
    event_label: np.ndarray
    labelled: np.ndarray
    truth: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, at: slice | np.ndarray) -> Scenes:
        """Take some of the scenes."""
        fields = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value = value[at]
            elif isinstance(value, dict):
                value = {name: array[at] for name, array in value.items()}
            fields[field.name] = value
        return Scenes(**fields)


def sample_scenes(
    indices: Sequence[int], *, knobs: Knobs, split: Split, seed: int = 0, layout: str = "solo"
) -> Scenes:
    """Draw scenes: a pure function of (seed, split, index, layout, knobs), whatever else is in the batch.

    ``solo`` is one sounding, visible object; ``scene`` has n_sounding, n_silent and decoy objects; ``event``
    has two actors whose sound and picture come and go, with a state for every segment; ``long`` has n_cues
    objects that ring a tone each, and after a delay one tone again (see ``long_scenes``), and sets the
    duration itself; ``emotion`` is one talker whose face and voice follow arousal and valence. Raises
    ValueError on an unknown layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"expected a layout of {LAYOUTS}, got {layout!r}")
    indices = np.asarray(indices, dtype=np.int64)
    if indices.ndim != 1 or (indices < 0).any():
        raise ValueError(f"expected a list of indices >= 0, got shape {indices.shape}")
    if layout == "long":
        knobs, split = long_knobs(knobs), pitched_split(split)
    elif layout == "emotion":
        split = talkers_only(split)
    n_objects = {"solo": 1, "emotion": 1, "event": 2, "long": knobs.n_cues + 1}.get(
        layout, knobs.n_sounding[1] + knobs.n_silent[1] + knobs.n_decoys[1]
    )
    n = len(indices)
    performance = indices // split.windows
    u = uniforms(seed, split.name, performance, f"{layout}-cast", 64)
    cast = draw_cast(u, n_objects=n_objects, knobs=knobs, split=split, layout=layout)
    drawn = {
        name: np.stack(
            [uniforms(seed, split.name, owner, f"{layout}-{name}-{k}", size) for k in range(n_objects)],
            axis=1,
        )
        if n
        else np.zeros((0, n_objects, size))
        for name, size, owner in (("notes", 64, indices), ("look", 32, performance))
    }
    notes = draw_notes(drawn["notes"], knobs=knobs)
    if layout == "scene" and n_objects > 1 and knobs.onset_sync > 0:
        together = u[:, 40 : 40 + n_objects] < knobs.onset_sync
        notes[..., :2] = np.where(together[..., None, None], notes[:, :1, :, :2], notes[..., :2])
    notes[notes[..., 0] > knobs.duration_s - 0.12] = np.nan
    on, seen, event, event_label = draw_presence(seed, split, indices, cast, knobs=knobs, layout=layout)
    cls = cast["cls"]
    look = draw_look(drawn["look"], cls, cast, knobs=knobs)
    timbre = traits(seed, cls, cast["instance"], timbre_spread=knobs.timbre_spread)
    timbre["register"] = timbre["register"] + octaves_apart(
        u[:, 48 : 48 + n_objects], cast["sounding"], knobs=knobs
    )
    room = uniforms(seed, split.name, performance, f"{layout}-room", 160)
    scenes = Scenes(
        knobs=knobs,
        seed=seed,
        split=split.name,
        index=indices,
        cls=cls,
        instance=cast["instance"],
        sounding=cast["sounding"],
        visible=cast["visible"],
        decoy=cast["decoy"],
        notes=notes,
        vowel=choice(drawn["notes"][..., 40 : 40 + N_NOTES], 6),
        consonant=choice(drawn["notes"][..., 48 : 48 + N_NOTES], 3),
        on=on,
        seen=seen,
        **look,
        gain_db=spread(drawn["look"][..., 20], -knobs.gain_db, knobs.gain_db),
        eq_db=knobs.eq_db * spread(drawn["look"][..., 21:24], -1, 1),
        timbre=timbre,
        background=room[:, :96],
        camera=room[:, 96:104],
        snr_db=spread(room[:, 104], *knobs.snr_db),
        reverb_s=spread(room[:, 105], *(split.reverb_s or knobs.reverb_s)),
        av_offset_s=spread(room[:, 106], -1, 1) * knobs.av_offset_s,
        event=event,
        event_label=event_label,
        labelled=room[:, 107] < knobs.label_fraction,
    )
    return {"long": arrange, "emotion": emote}.get(layout, lambda scenes: scenes)(scenes)


def draw_cast(
    u: np.ndarray, *, n_objects: int, knobs: Knobs, split: Split, layout: str
) -> dict[str, np.ndarray]:
    """Draw who is there: class, individual, who sounds, who is seen, who is a decoy; each [clip, object]."""
    n = len(u)
    slot = np.arange(n_objects)[None]
    cls, instance = split.draw(
        u[:, :24], n_objects, same_class=knobs.same_class if layout == "scene" else 0.0
    )
    if layout == "scene":
        n_sounding = knobs.n_sounding[0] + choice(u[:, 24], knobs.n_sounding[1] - knobs.n_sounding[0] + 1)
        n_silent = knobs.n_silent[0] + choice(u[:, 25], knobs.n_silent[1] - knobs.n_silent[0] + 1)
        n_decoys = knobs.n_decoys[0] + choice(u[:, 26], knobs.n_decoys[1] - knobs.n_decoys[0] + 1)
        sounding = slot < n_sounding[:, None]
        silent = ~sounding & (slot < (n_sounding + n_silent)[:, None])
        decoy = ~sounding & ~silent & (slot < (n_sounding + n_silent + n_decoys)[:, None])
        off = sounding & (slot > 0) & (u[:, 32 : 32 + n_objects] < knobs.off_screen)
        present = sounding | silent
    else:
        sounding = np.ones((n, n_objects), bool)
        decoy, off, present = ~sounding, ~sounding, sounding
    return {
        "cls": np.where(present, cls, -1),
        "instance": np.where(present, instance, -1),
        "sounding": sounding,
        "decoy": decoy,
        "visible": (present | decoy) & ~off,
    }


def draw_notes(u: np.ndarray, *, knobs: Knobs) -> np.ndarray:
    """Draw note lists [clip, object, note, 4]; the rhythm is the same for every class and never starts at
    0."""
    onset = spread(u[..., :1], 0.03, 0.40) + np.cumsum(
        np.concatenate([np.zeros_like(u[..., :1]), spread(u[..., 1:N_NOTES], 0.26, 0.52)], axis=-1), axis=-1
    )
    ends = np.minimum(np.concatenate([onset[..., 1:], onset[..., -1:] + 0.4], axis=-1), knobs.duration_s)
    duration = (ends - onset) * spread(u[..., 8 : 8 + N_NOTES], 0.65, 0.95)
    degree = choice(u[..., 16 : 16 + N_NOTES], 10).astype(float)
    velocity = spread(u[..., 24 : 24 + N_NOTES], 0.55, 1.0)
    return np.stack([onset, duration, degree, velocity], axis=-1)


def octaves_apart(u: np.ndarray, sounding: np.ndarray, *, knobs: Knobs) -> np.ndarray:
    """Shift the registers of a clip's sounding objects apart, in random order: semitones [clip, object].

    Nothing at ``pitch_overlap`` 1; at 0 neighbours stand an octave apart around the common middle.
    """
    rank = np.argsort(np.argsort(np.where(sounding, u, 2.0), axis=1), axis=1)
    middle = (sounding.sum(axis=1, keepdims=True) - 1) / 2
    return np.where(sounding, np.round(12 * (1 - knobs.pitch_overlap) * (rank - middle)), 0.0)


def draw_presence(
    seed: int, split: Split, indices: np.ndarray, cast: dict[str, np.ndarray], *, knobs: Knobs, layout: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw when each object is heard and seen, and the state of every segment."""
    n, n_objects = cast["cls"].shape
    if layout == "event":
        heard, viewed, event = draw_runs(
            [generator(seed, split.name, int(i), "event-runs") for i in indices],
            n_segments=knobs.n_segments,
            mismatch=knobs.mismatch,
        )
        label = np.where(event == 4, np.take_along_axis(cast["cls"], np.maximum(heard, 0), axis=1), -1)
        who = np.arange(n_objects)[None, :, None]
        return (
            intervals_of(heard[:, None] == who, knobs.segment_s),
            intervals_of(viewed[:, None] == who, knobs.segment_s),
            event,
            label,
        )
    whole = np.broadcast_to(np.array([0.0, knobs.duration_s]), (n, n_objects, 1, 2))
    on = np.where(cast["sounding"][..., None, None], whole, np.nan)
    seen = np.where(cast["visible"][..., None, None], whole, np.nan)
    shape = (n, knobs.n_segments)
    return on, seen, np.full(shape, 4), np.repeat(cast["cls"][:, :1], knobs.n_segments, axis=1)
