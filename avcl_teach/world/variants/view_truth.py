"""What a view shows of a rendered scene: a window of its picture, a stretch of its time; truth follows."""

import dataclasses

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.clips import Clips


def cut_window(clips: Clips, corner: Float[Tensor, "clip 2"], *, size_px: int) -> Clips:
    """Cut a square window of size_px from every picture, its corner at (x, y) in sides, to whole pixels.

    Boxes, centres and masks are told in the window; a box is cut at its border, NaN where nothing is left.
    Errors: ValueError for a window that is larger than the picture or leaves it. Lesson: 31.
    """
    whole = clips.frames.shape[-1]
    at = (corner * whole).round().long()
    if not 0 < size_px <= whole or at.min() < 0 or (at + size_px).max() > whole:
        raise ValueError(f"expected windows of {size_px} px inside {whole} px, got corners {at.tolist()[:3]}")
    if size_px == whole:
        return clips
    y, x = ((at[:, k, None] + torch.arange(size_px)) for k in (1, 0))
    row = torch.arange(len(clips))[:, None, None]

    def window(pixels: Tensor) -> Tensor:
        return pixels.movedim((-2, -1), (1, 2))[row, y[:, :, None], x[:, None]].movedim((1, 2), (-2, -1))

    shift, scale = (at / whole).float(), whole / size_px
    box = clips.box
    if box is not None:
        box = (box - shift.repeat(1, 2)[:, None, None]) * scale
        box = box.clamp(0, 1)
        gone = (box[..., 2] <= box[..., 0]) | (box[..., 3] <= box[..., 1])
        box = box.masked_fill(gone[..., None], float("nan"))
    centre = (clips.centre - shift[:, None, None]) * scale if clips.centre is not None else None
    extra = dict(clips.extra)
    if "keypoints" in extra:
        moved = (extra["keypoints"][..., :2] - shift[:, None, None]) * scale
        extra["keypoints"] = torch.cat([moved, extra["keypoints"][..., 2:]], -1)
    mask = window(clips.mask).contiguous() if clips.mask is not None else None
    return dataclasses.replace(
        clips, frames=window(clips.frames).contiguous(), mask=mask, box=box, centre=centre, extra=extra
    )


def cut_stretch(clips: Clips, first: Int[Tensor, "clip"], *, duration_s: float, segment_s: float) -> Clips:
    """Cut a stretch of duration_s from frame `first` of every clip, picture and sound alike.

    Notes and intervals are told on the new clock; notes that ended before it or begin after it are gone.
    Only for clips whose events do not change within the clip. Errors: ValueError for a stretch that leaves
    the clip. Lesson: 31.
    """
    n_frames, n_samples = (round(duration_s * r) for r in (clips.frame_rate_hz, clips.sample_rate_hz))
    if first.min() < 0 or int(first.max()) + n_frames > clips.frames.shape[1]:
        raise ValueError(f"expected stretches of {n_frames} frames inside {clips.frames.shape[1]}")
    row, start_s = torch.arange(len(clips))[:, None], first / clips.frame_rate_hz
    frame = first[:, None] + torch.arange(n_frames)
    sample = (start_s * clips.sample_rate_hz).round().long()[:, None] + torch.arange(n_samples)

    def over(x: Tensor | None, dim: int, at: Tensor) -> Tensor | None:
        return None if x is None else x.movedim(dim, 1)[row, at].movedim(1, dim).contiguous()

    def clock(x: Tensor) -> Tensor:
        return x - start_s.view(-1, *[1] * (x.ndim - 1))

    notes = torch.cat([clock(clips.notes[..., :1]), clips.notes[..., 1:]], -1)
    gone = (notes[..., 0] + notes[..., 1] <= 0) | (notes[..., 0] >= duration_s)
    extra = dict(clips.extra)
    for name, dim, at in (("keypoints", 2, frame), ("noise", 2, sample)):
        if name in extra:
            extra[name] = over(extra[name], dim, at)
    return dataclasses.replace(
        clips,
        frames=over(clips.frames, 1, frame),
        waveform=over(clips.waveform, 2, sample),
        stem=over(clips.stem, 3, sample),
        mask=over(clips.mask, 2, frame),
        box=over(clips.box, 2, frame),
        centre=over(clips.centre, 2, frame),
        notes=notes.masked_fill(gone[..., None], float("nan")),
        on=clock(clips.on).clamp(0, duration_s),
        seen=clock(clips.seen).clamp(0, duration_s),
        event=clips.event[:, : round(duration_s / segment_s)],
        event_label=clips.event_label[:, : round(duration_s / segment_s)],
        extra=extra,
    )
