"""Views of a scene and concerts: exact truth, pure functions, audits, bad input."""

import pytest
import torch

from avcl_teach.world import variants
from avcl_teach.world.variants import concerts, view_audit, view_truth, views
from avcl_teach.world.variants.views import EVERY, load_views, render_views

PLAIN_AND = ("plain", "crop", "hue", "time", "pitch", EVERY)


@pytest.fixture(scope="module")
def clips():
    return render_views(6, views=PLAIN_AND, preset="easy", size_px=48, masks=True, stems=True)


def of(clips, name):
    return clips[(clips.extra["view"] == PLAIN_AND.index(name)).nonzero()[:, 0]]


def test_views_of_a_scene_stand_side_by_side_and_share_its_class(clips):
    assert clips.extra["scene"].tolist() == [i for i in range(6) for _ in PLAIN_AND]
    assert clips.extra["view"].tolist() == list(range(len(PLAIN_AND))) * 6
    assert clips.label.view(6, -1).unique(dim=1).shape == (6, 1)
    assert clips.frames.shape[1:] == (16, 3, 48, 48) and clips.waveform.shape[2] == 16000


def test_a_view_is_a_pure_function_of_its_scene(clips):
    alone = render_views([3], views=PLAIN_AND, preset="easy", size_px=48)
    whole = clips[(clips.extra["scene"] == 3).nonzero()[:, 0]]
    assert torch.equal(alone.frames, whole.frames)
    torch.testing.assert_close(alone.waveform, whole.waveform, atol=1e-5, rtol=0)


def test_each_change_changes_what_it_says_and_nothing_else(clips):
    plain = of(clips, "plain")
    for name, told in {"hue": "hue", "time": "shift_s", "pitch": "semitones"}.items():
        one = of(clips, name)
        assert (one.extra[told] != 0).all() and not plain.extra[told].any()
        for other in {"hue", "shift_s", "semitones"} - {told}:
            assert not one.extra[other].any()
    assert (of(clips, "crop").extra["side"] == 0.75).all() and (plain.extra["side"] == 1).all()
    torch.testing.assert_close(of(clips, "hue").box, plain.box, equal_nan=True)
    torch.testing.assert_close(of(clips, "pitch").notes, plain.notes, equal_nan=True)


def test_a_crop_shows_the_plain_box_through_its_window(clips):
    plain, crop = of(clips, "plain"), of(clips, "crop")
    corner = crop.extra["corner"][:, None, None]
    expected = ((plain.centre - corner) / 0.75)[:, 0]
    torch.testing.assert_close(crop.centre[:, 0], expected, atol=1e-4, rtol=0)
    inside = (expected > 0) & (expected < 1)
    assert inside.float().mean() > 0.97


def test_a_box_of_a_crop_holds_its_mask(clips):
    crop = of(clips, "crop")
    for i in range(len(crop)):
        rows, columns = crop.mask[i, 0, 0].any(1).nonzero()[:, 0], crop.mask[i, 0, 0].any(0).nonzero()[:, 0]
        x0, y0, x1, y1 = (48 * crop.box[i, 0, 0]).tolist()
        assert abs(x0 - columns[0]) < 1.5 and abs(x1 - columns[-1] - 1) < 1.5
        assert abs(y0 - rows[0]) < 1.5 and abs(y1 - rows[-1] - 1) < 1.5


def test_a_shift_moves_notes_by_itself(clips):
    plain, moved = of(clips, "plain"), of(clips, "time")
    shift = moved.extra["shift_s"][:, None, None]
    both = plain.notes[..., 0].isfinite() & moved.notes[..., 0].isfinite()
    assert both.any(-1).all()
    gap = (plain.notes[..., 0] - moved.notes[..., 0] - shift)[both]
    assert gap.abs().max() < 1e-5


def test_plain_sound_has_the_level_of_the_scene_and_noise_differs(clips):
    two = render_views(4, views=("plain", "plain"), preset="standard", size_px=16, stems=True)
    a, b = two[0::2], two[1::2]
    assert torch.equal(a.notes.nan_to_num(), b.notes.nan_to_num())
    noise = (a.extra["noise"] * b.extra["noise"]).mean(-1) / (
        a.extra["noise"].square().mean(-1) * b.extra["noise"].square().mean(-1)
    ).sqrt()
    assert noise.abs().max() < 0.1


def test_hue_is_turned_back_and_forth():
    rgb = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)).double().numpy()
    torch.testing.assert_close(
        torch.as_tensor(views.hsv_to_rgb(views.rgb_to_hsv(rgb))), torch.as_tensor(rgb), atol=1e-9, rtol=0
    )


def test_cached_views_are_the_rendered_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("AVCL_CACHE", str(tmp_path))
    first = load_views([1], size_px=16, preset="easy")
    second = load_views([1], size_px=16, preset="easy")
    assert torch.equal(first.frames, second.frames)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"views": ("upside down",)},
        {"views": ("hue+hue",)},
        {"views": ()},
        {"layout": "event"},
        {"size_px": 8},
        {"batch_size": 0},
    ],
)
def test_views_refuse(bad):
    with pytest.raises(ValueError, match="expected"):
        render_views(2, **bad)


def test_cuts_refuse_to_leave_the_clip(clips):
    with pytest.raises(ValueError, match="windows"):
        view_truth.cut_window(clips, torch.full((len(clips), 2), 0.9), size_px=24)
    with pytest.raises(ValueError, match="stretches"):
        view_truth.cut_stretch(clips, torch.ones(len(clips)).long(), duration_s=2.0, segment_s=0.25)


def test_any_two_instruments_share_at_most_one_band():
    bands = [set(b) for b in concerts.BANDS]
    assert all(len(a & b) <= 1 for i, a in enumerate(bands) for b in bands[:i])
    assert concerts.shot_weights().sum(1).tolist() == pytest.approx([1.0] * 8)


def test_concerts_show_what_they_say():
    clips = concerts.render_concerts([5, 2], split="test", n_shots=4, size_px=24)
    drawn = concerts.draw_concerts([5, 2], split="test", n_shots=4)
    assert torch.equal(clips.extra["instrument"], drawn["shot"] % 8)
    assert clips.frames.shape == (2, 16, 3, 24, 24) and clips.waveform.shape == (2, 1, 16000)
    shot = concerts.render_shots(drawn["shot"][1, 2:3].tolist(), split="test", size_px=24)
    assert torch.equal(clips.frames[1, 8:12], shot.frames[0])
    torch.testing.assert_close(clips.waveform[1, 0, 8000:12000], shot.mono[0], atol=1e-5, rtol=0)
    assert shot.label.item() == drawn["instrument"][1, 2]


def test_the_posterior_is_that_of_the_drawing():
    """Enumerated: all sequences of two shots, by hand."""
    w = concerts.shot_weights().double()
    who = torch.cartesian_prod(torch.arange(8), torch.arange(8))
    who = who[who[:, 0] != who[:, 1]]
    p = w[:, who[:, 0]] * w[:, who[:, 1]] / (1 - w[:, who[:, 0]])
    torch.testing.assert_close(p.sum(1), torch.ones(8).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(concerts.band_posterior(who), (p / p.sum(0)).T.float())


def test_concerts_refuse():
    for bad in ({"split": "rooms_test"}, {"n_shots": 0}, {"indices": []}):
        with pytest.raises(ValueError, match="expected"):
            concerts.draw_concerts(**{"indices": [0], **bad})
    with pytest.raises(ValueError, match="archive"):
        concerts.render_shots([10_000])
    with pytest.raises(ValueError, match="instruments"):
        concerts.band_posterior(torch.tensor([[9, 1]]))


@pytest.mark.parametrize("audit", [view_audit.audit_views, view_audit.audit_concerts])
def test_audits_pass(audit):
    failed = [row for row in audit() if not row["passed"]]
    assert not failed


def test_they_are_found_by_name():
    assert variants.render_views is render_views
    assert {"views", "concerts"} <= set(variants.AUDITS)
