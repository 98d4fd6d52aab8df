"""Segments of sound and regions of picture: against the plain formula, in their order, and with the truth."""

import pytest
import torch
import torch.nn.functional as F

from avcl_teach import comparison, features
from avcl_teach.features.segments import BANDS


@pytest.fixture(scope="module")
def frames():
    return torch.randint(0, 256, (3, 4, 3, 32, 48), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )


@pytest.fixture(scope="module")
def data():
    return comparison.world_segments(12, 6, n_val=4)


@pytest.fixture(scope="module")
def scenes():
    return comparison.world_segments(6, 6, n_val=2, layout="scene")


def test_a_segment_of_sound_is_described_by_itself_alone():
    x = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    whole = features.segment_sounds(x, n_segments=4, n_mels=24)
    assert whole.shape == (2, 4, 48)
    L = features.log_mel(x[1, 2000:3000], sample_rate_hz=8000, n_mels=24)
    torch.testing.assert_close(whole[1, 2], torch.cat([L.mean(1), L.amax(1)]))


@pytest.mark.parametrize(("n", "words"), [(0, "1 to 100"), (101, "1 to 100"), (3, "equal length")])
def test_sounds_that_do_not_divide_are_refused(n, words):
    with pytest.raises(ValueError, match=words):
        features.segment_sounds(torch.zeros(1, 100), n_segments=n)


def by_the_formula(frames, segment, row, column, *, grid, n_segments):
    """Window, transform, square, mean over bands and frames, log: for one clip, segment and region."""
    grey = frames.double().mean(1) / 255
    steps = len(grey) // n_segments
    found = []
    for x in (grey - grey.mean((1, 2), keepdim=True), torch.cat([0 * grey[:1], grey.diff(dim=0)])):
        h, w = x.shape[1] // grid, x.shape[2] // grid
        x = F.pad(x, (w, w, h, h))[segment * steps : (segment + 1) * steps]
        at_y, at_x = row * h + h // 2, column * w + w // 2
        patch = x[:, at_y : at_y + 2 * h, at_x : at_x + 2 * w]
        window = [torch.hann_window(2 * n, periodic=False, dtype=torch.double) for n in (h, w)]
        power = torch.fft.fft2(patch * window[0][:, None] * window[1]).abs() ** 2
        names = list(range(len(BANDS) - 1))
        for down in (*(-b for b in names[:0:-1]), *names):
            for across in names:
                rows = [f * (1 if down >= 0 else -1) for f in range(BANDS[abs(down)], BANDS[abs(down) + 1])]
                columns = range(BANDS[across], BANDS[across + 1])
                found.append(power[:, rows][:, :, columns].mean())
    return (torch.stack(found) + 1e-3).log().float()


@pytest.mark.parametrize("place", [(0, 0, 0), (1, 1, 1), (1, 1, 0)])
def test_a_region_is_the_spectrum_of_a_window_around_it(frames, place):
    frames = F.interpolate(frames.float().flatten(0, 1), (48, 64)).to(torch.uint8).unflatten(0, (3, 4))
    found = features.segment_regions(frames, n_segments=2, grid=2)
    segment, row, column = place
    wanted = by_the_formula(frames[1], segment, row, column, grid=2, n_segments=2)
    assert found.shape == (3, 2, 4, 182)
    torch.testing.assert_close(found[1, segment, 2 * row + column], wanted, rtol=1e-3, atol=1e-3)


def test_regions_run_row_by_row_and_see_no_further_than_their_neighbours():
    frames = torch.full((1, 2, 3, 64, 64), 90, dtype=torch.uint8)
    marked = frames.clone()
    marked[0, :, :, 20:28, 36:44] = 200  # inside the region in row 1, column 2
    a, b = (features.segment_regions(x, n_segments=1) for x in (frames, marked))
    change = (a - b).abs().sum(-1).view(4, 4)
    assert int(change.argmax()) == 6
    assert change[[0, 1, 1, 2], [2, 1, 3, 2]].min() > 2 * change[3].max()  # far ones see the mean alone
    marked = frames.clone()
    marked[0, 1, :, 20:28, 36:44] = 200
    moved = features.segment_regions(marked, n_segments=2)[0, 1, :, 91:].view(4, 4, 91).std(-1)
    assert set(moved.nonzero()[:, 0].tolist()) == {0, 1, 2}


def test_colour_and_brightness_are_left_out(frames):
    turned = frames[:, :, [1, 2, 0]]
    kept = features.segment_regions(frames, n_segments=2, grid=4)
    torch.testing.assert_close(features.segment_regions(turned, n_segments=2, grid=4), kept)
    lifted = frames // 4 + 100, frames // 4
    a, b = (features.segment_regions(x, n_segments=2, grid=4) for x in lifted)
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_a_still_clip_has_no_change(frames):
    still = frames[:, :1].expand(-1, 4, -1, -1, -1)
    change = features.segment_regions(still, n_segments=2, grid=4)[..., 91:]
    torch.testing.assert_close(change, torch.full_like(change, 1e-3).log())


@pytest.mark.parametrize("sizes", [{"n_segments": 3}, {"n_segments": 0}, {"n_segments": 2, "grid": 5}])
def test_pictures_that_do_not_divide_are_refused(frames, sizes):
    with pytest.raises(ValueError, match="divide 4 frames of 32 x 48 px"):
        features.segment_regions(frames, **sizes)


def test_cover_is_the_share_of_a_region():
    mask = torch.zeros(1, 1, 2, 8, 8, dtype=torch.bool)
    mask[0, 0, 0, :4, 4:] = True  # in one frame of two
    mask[0, 0, 1, :2, 4:] = True  # half of it in the other
    cover = features.region_cover(mask, n_segments=1, grid=2)
    assert cover.flatten().tolist() == [0, 0.75, 0, 0]
    assert features.region_cover(mask, n_segments=2, grid=2)[0, 0, :, 1].tolist() == [1, 0.5]


def test_what_is_said_of_a_segment_agrees_with_itself(data):
    for split in (data.train, data.val, data.test):
        match = (split.heard == split.viewed) & (split.heard >= 0)
        assert torch.equal(match, split.event == 4)
        assert torch.equal(split.heard >= 0, (split.event == 1) | (split.event >= 3))
        assert torch.equal(split.viewed >= 0, split.event >= 2)
        assert torch.equal(split.event_label, torch.where(match, split.heard, -1))
        assert torch.equal(split.cover_heard.sum(-1) > 0, match)  # heard and seen
        assert (split.cover_silent.sum(-1) > 0)[split.event == 3].all()
        assert not (split.cover_silent * split.cover_heard).any()  # one actor is seen at a time
    assert data.train.index.tolist() == list(range(12))


def test_features_are_standardised_on_the_training_cut_alone(data):
    for x in (data.train.x_a.flatten(0, 1), data.train.x_v.flatten(0, 2)):
        torch.testing.assert_close(x.mean(0), torch.zeros(x.shape[1]), atol=1e-3, rtol=0)
        assert ((x.std(0) - 1).abs() < 1e-3).all()
    assert data.test.x_v.shape == (6, 8, 16, 182)
    assert data.test.x_a.shape == (6, 8, 64)
    assert (data.test.x_v.mean((0, 1, 2)).abs() > 1e-2).any()


def test_a_scene_shows_a_sounding_and_a_silent_object(scenes):
    for split in (scenes.train, scenes.test):
        assert (split.event == 4).all()
        assert torch.equal(split.viewed, split.heard)
        assert (split.cover_heard.sum(-1) > 0).all()
        assert (split.cover_silent.sum(-1) > 0).all()


def test_a_second_look_is_read_from_disk_and_a_damaged_file_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("AVCL_CACHE", str(tmp_path))
    first = comparison.world_segments(3, 2, n_val=2)
    files = sorted((tmp_path / "comparison").glob("*.safetensors"))
    assert len(files) == 3
    for file in files:
        file.write_bytes(file.read_bytes()[:-8])
    again = comparison.world_segments(3, 2, n_val=2)
    assert torch.equal(first.train.x_v, again.train.x_v)
    monkeypatch.setattr("avcl_teach.comparison.segment_pairs._describe", None)
    assert torch.equal(comparison.world_segments(3, 2, n_val=2).test.x_a, first.test.x_a)


def test_sizes_and_names_are_checked():
    with pytest.raises(ValueError, match="n_test >= 2"):
        comparison.world_segments(8, 1)
    with pytest.raises(ValueError, match="preset"):
        comparison.world_segments(4, 4, "soft")
    with pytest.raises(ValueError, match="grid of 5"):
        comparison.world_segments(4, 4, n_val=2, grid=5)


def test_it_prints_what_it_holds(data):
    assert repr(data) == (
        "Segments(world, easy, event: train 12, val 4, test 6; 8 segments, 64 features of sound, "
        "16 regions of 182 features)"
    )
