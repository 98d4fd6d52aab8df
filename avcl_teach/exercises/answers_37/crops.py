"""Exercise 3 of lesson 37: cut picture and sound at one place."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def cut_together(
    v: Float[Tensor, "clip frame d"], x: Float[Tensor, "clip sample"], start: Int[Tensor, "clip"], n: int
) -> tuple[Float[Tensor, "clip n d"], Float[Tensor, "clip cut"]]:
    """Cut n frames from each clip, from its own start, and the sound of the very frames."""
    per = x.shape[1] // v.shape[1]
    rows = torch.arange(len(v))[:, None]
    return v[rows, start[:, None] + torch.arange(n)], x[rows, per * start[:, None] + torch.arange(per * n)]


def _cut(v, x, first, n, at, length):
    rows = torch.arange(len(v))[:, None]
    t, s = first[:, None] + torch.arange(n), at[:, None] + torch.arange(length)
    return v[rows, t.clamp(0, v.shape[1] - 1)], x[rows, s.clamp(0, x.shape[1] - 1)]


def by_loop(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    s = start.tolist()
    return (
        torch.stack([v[i, s[i] : s[i] + n] for i in range(len(v))]),
        torch.stack([x[i, per * s[i] : per * (s[i] + n)] for i in range(len(v))]),
    )


def by_frames_of_sound(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    framed = x[:, : per * v.shape[1]].reshape(len(x), v.shape[1], per)
    rows, t = torch.arange(len(v))[:, None], start[:, None] + torch.arange(n)
    return v[rows, t], framed[rows, t].flatten(1)


def sound_one_frame_late(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    return _cut(v, x, start, n, per * (start + 1), per * n)


def sound_one_frame_early(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    return _cut(v, x, start, n, per * (start - 1), per * n)


def same_number_on_both_clocks(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    return _cut(v, x, start, n, start, per * n)


def sound_from_the_beginning(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    return _cut(v, x, start, n, 0 * start, per * n)


def one_place_for_all_clips(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    first = start[:1].expand(len(v))
    return _cut(v, x, first, n, per * first, per * n)


def as_many_samples_as_frames(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    return _cut(v, x, start, n, per * start, n)


def counted_to_the_end(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    return _cut(v, x, start, n, x.shape[1] - per * (v.shape[1] - start) - per * n + per * n - 1, per * n)


def sound_centred_on_frames(v, x, start, n):
    per = x.shape[1] // v.shape[1]
    return _cut(v, x, start, n, per * start - per // 2, per * n)


def _case(g, clips, frames, per, d, n, extra=0):
    v, x = torch.randn(clips, frames, d, generator=g), torch.randn(clips, frames * per + extra, generator=g)
    start = torch.randint(1, frames - n, (clips,), generator=g)
    return v, x, start, n


def small(g):
    return _case(g, 3, 8, 4, 2, 3)


def one_clip(g):
    return _case(g, 1, 6, 5, 1, 2)


def a_few_samples_left(g):
    return _case(g, 4, 7, 4, 2, 4, extra=3)


def edges(g):
    v, x, _, n = _case(g, 3, 6, 4, 2, 3)
    return v, x, torch.tensor([0, 3, 1]), n


CROPS = Exercise(
    name="speech.cut_together",
    lesson="37",
    title="Cut picture and sound at one place",
    stars=2,
    minutes=8,
    reference=cut_together,
    cases=(small, one_clip, a_few_samples_left, edges),
    mistakes=(
        Mistake(sound_one_frame_late, "Which sample is heard when the first frame of the cut comes up?"),
        Mistake(
            sound_one_frame_early, "The sound of frame 0 begins at sample 0. Where does that of frame 1?"
        ),
        Mistake(same_number_on_both_clocks, "Start 5: five frames in, or five samples?"),
        Mistake(sound_from_the_beginning, "The picture starts late in the clip. And the sound?"),
        Mistake(one_place_for_all_clips, "Give every clip another start. Do all yours begin at one?"),
        Mistake(as_many_samples_as_frames, "How many samples last as long as n frames?"),
        Mistake(counted_to_the_end, "Where in the sound does frame `start` begin, counted from the front?"),
        Mistake(
            sound_centred_on_frames,
            "Frame k is shown from its first sample on. Does your sound begin in the frame before?",
        ),
    ),
    alternatives=(by_loop, by_frames_of_sound),
    device=False,
)
