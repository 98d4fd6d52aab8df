"""Clips: what it refuses, what picking and joining keep, what a file gives back."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avcl_teach.clips import EVENT_STATES, Clips, CorruptFileError
from avcl_teach.storage import read_tensors, write_tensors


@pytest.fixture
def shapes_unchecked():
    """Turn off the run-time check of shapes that tests run under, to see the package's own errors."""
    from jaxtyping import config

    was = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", was)


def make_clips(n=3, objects=2, notes=4, intervals=3, seed=0, **changes):
    """Small clips with every field filled."""
    g = torch.Generator().manual_seed(seed)
    t, h, w, c, s = 4, 6, 5, 2, 80

    def rand(*size):
        return torch.rand(size, generator=g)

    def ints(low, high, *size):
        return torch.randint(low, high, size, generator=g)

    fields = {
        "frames": ints(0, 256, n, t, 3, h, w).to(torch.uint8),
        "waveform": rand(n, c, s) - 0.5,
        "frame_rate_hz": 8.0,
        "sample_rate_hz": 160,
        "label": ints(-1, 3, n),
        "object_class": ints(-1, 3, n, objects),
        "instance": ints(0, 16, n, objects),
        "sounding": rand(n, objects) > 0.5,
        "visible": rand(n, objects) > 0.5,
        "stem": rand(n, objects, c, s),
        "mask": rand(n, objects, t, h, w) > 0.5,
        "box": rand(n, objects, t, 4),
        "centre": rand(n, objects, t, 2),
        "notes": rand(n, objects, notes, 4),
        "on": rand(n, objects, intervals, 2),
        "seen": rand(n, objects, intervals + 1, 2),
        "event": ints(0, 5, n, 8),
        "event_label": ints(-1, 3, n, 8),
        "extra": {"speaker": ints(0, 4, n), "azimuth": rand(n, objects, t)},
        "meta": {
            "source": "test",
            "seed": seed,
            "class_names": ["drum", "bow", "horn"],
            "nested": {"a": [1, None]},
        },
    }
    return Clips(**(fields | changes))


def assert_same(a, b):
    """Equal in every tensor bit for bit (NaN equal to NaN), in rates and in meta."""
    assert a.tensors().keys() == b.tensors().keys()
    for name, tensor in a.tensors().items():
        torch.testing.assert_close(tensor, b.tensors()[name], rtol=0, atol=0, equal_nan=True, msg=name)
    assert (a.frame_rate_hz, a.sample_rate_hz, a.meta) == (b.frame_rate_hz, b.sample_rate_hz, b.meta)


CLIPS = make_clips(6)


def test_sizes_and_names():
    assert len(CLIPS) == CLIPS.n_clips == 6
    assert CLIPS.duration_s == 0.5
    assert CLIPS.class_names == ("drum", "bow", "horn")
    assert make_clips(meta={}).class_names == ()
    assert EVENT_STATES.index("match") == 4 and EVENT_STATES.index("mismatch") == 3


def test_mono_is_the_mean_of_stereo_and_the_omni_channel_of_ambisonics():
    stereo = CLIPS.mono
    torch.testing.assert_close(stereo, (CLIPS.waveform[:, 0] + CLIPS.waveform[:, 1]) / 2)
    four = torch.arange(4.0).reshape(1, 4, 1).expand(2, 4, 80).contiguous()
    assert (Clips(CLIPS.frames[:2], four + 7, 8.0, 160).mono == 7).all()


def test_pairs_are_sound_then_picture():
    x_a, x_v = CLIPS.pairs()
    assert x_a is CLIPS.waveform and x_v is CLIPS.frames


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        (2, [2]),
        (-1, [5]),
        (np.int64(3), [3]),
        (torch.tensor(4), [4]),
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [5, 3, 1]),
        ([5, 0, -6], [5, 0, 0]),
        (range(2), [0, 1]),
        ([], []),
        (np.array([3, 1])[::-1], [1, 3]),
        (torch.tensor([1, 1], dtype=torch.uint8), [1, 1]),
        (torch.tensor([True, False, True, False, False, True]), [0, 2, 5]),
        ([False] * 6, []),
    ],
)
def test_indexing_keeps_the_batch_axis_and_picks_every_field(index, wanted):
    picked = CLIPS[index]
    for name, tensor in CLIPS.tensors().items():
        torch.testing.assert_close(picked.tensors()[name], tensor[wanted], rtol=0, atol=0)
    assert picked.meta == CLIPS.meta and picked.meta is not CLIPS.meta


@pytest.mark.parametrize("index", [6, -7, [0, 6], torch.tensor([True, False])])
def test_positions_outside_raise_index_error(index):
    with pytest.raises(IndexError, match="expected"):
        CLIPS[index]


@pytest.mark.parametrize("index", [1.5, True, None, "label", [0.0, 1.0], [[0, 1]], ["a"]])
def test_indices_that_are_no_positions_raise_value_error(index):
    with pytest.raises(ValueError, match="expected an int, a slice"):
        CLIPS[index]


def test_iteration_yields_batches_of_one_in_order():
    assert_same(Clips.cat(list(CLIPS)), CLIPS)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-6, 5), max_size=8), st.data())
def test_picking_twice_is_picking_once(first, data):
    second = data.draw(st.lists(st.integers(0, len(first) - 1), max_size=6)) if first else []
    assert_same(CLIPS[first][second], CLIPS[[first[i] for i in second]])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 6))
def test_cutting_and_joining_gives_the_whole(cut):
    assert_same(Clips.cat([CLIPS[:cut], CLIPS[cut:]]), CLIPS)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=3, max_size=3))
def test_joining_is_associative_and_pads_only(sizes):
    a, b, c = (make_clips(n, o, m, k, seed=i) for i, (n, o, m, k) in enumerate(sizes))
    whole = Clips.cat([a, b, c])
    assert_same(Clips.cat([Clips.cat([a, b]), c]), whole)
    assert_same(Clips.cat([a, Clips.cat([b, c])]), whole)
    o = b.object_class.shape[1]
    part = whole[len(a) : len(a) + len(b)]
    torch.testing.assert_close(part.notes[:, :o, : b.notes.shape[2]], b.notes)
    assert (part.object_class[:, o:] == -1).all() and (part.instance[:, o:] == -1).all()
    assert part.box[:, o:].isnan().all() and part.notes[:, o:].isnan().all() and part.on[:, o:].isnan().all()
    assert part.notes[:, :, b.notes.shape[2] :].isnan().all()
    assert part.extra["azimuth"][:, o:].isnan().all()
    assert not part.sounding[:, o:].any() and not part.mask[:, o:].any() and not part.stem[:, o:].any()


def make_extra(n, width):
    return {"speaker": torch.zeros(n, width)}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"frame_rate_hz": 4.0}, "frame_rate_hz is 8.0 in part 0 and 4.0 in part 1"),
        ({"sample_rate_hz": 8000}, "sample_rate_hz"),
        ({"meta": {"class_names": ["x"]}}, "class_names"),
        ({"label": None}, "label present in only one of parts 0 and 1; Clips.drop"),
        ({"frames": torch.zeros(3, 4, 3, 6, 9, dtype=torch.uint8), "mask": None}, "only one|frames is"),
        ({"event": torch.zeros(3, 2, dtype=torch.int64), "event_label": None}, "only one"),
        ({"extra": make_extra(3, 2)}, "extra.azimuth present"),
    ],
)
def test_joining_refuses_what_does_not_fit(other, message):
    with pytest.raises(ValueError, match=message):
        Clips.cat([make_clips(), make_clips(**other)])


def test_joining_refuses_other_sizes_types_and_nothing():
    a = make_clips().drop("mask", "event_label", "azimuth")
    b = make_clips(frames=torch.zeros(3, 4, 3, 6, 9, dtype=torch.uint8), mask=None, event_label=None)
    with pytest.raises(
        ValueError, match=r"frames is \[3, 4, 3, 6, 5\] torch.uint8 in part 0 and \[3, 4, 3, 6, 9\]"
    ):
        Clips.cat([a, b.drop("azimuth")])
    with pytest.raises(
        ValueError, match="extra.speaker is .* torch.int64 in part 0 and .* torch.float32 in part 1"
    ):
        Clips.cat([a, make_clips(mask=None, event_label=None, extra={"speaker": torch.zeros(3)})])
    with pytest.raises(ValueError, match="at least one"):
        Clips.cat([])


def test_joining_keeps_the_meta_on_which_all_agree():
    a, b = make_clips(seed=0), make_clips(seed=1)
    assert Clips.cat([a, b]).meta == {k: v for k, v in a.meta.items() if k != "seed"}


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"frames": torch.zeros(3, 4, 6, 5, 3, dtype=torch.uint8)},
            r"frames: expected a shape .*, got \[3, 4, 6, 5, 3\]",
        ),
        ({"frames": torch.zeros(3, 4, 3, 6, 5)}, "frames: expected torch.uint8, got torch.float32"),
        (
            {"frames": np.zeros((3, 4, 3, 6, 5), "uint8")},
            "frames: expected a torch.uint8 tensor, got ndarray",
        ),
        (
            {"waveform": torch.zeros(3, 80)},
            r"waveform: expected a shape \[clip 3, channel, sample\], got \[3, 80\]",
        ),
        ({"waveform": torch.zeros(2, 1, 80)}, r"clip 3"),
        ({"waveform": torch.zeros(3, 2, 80).double()}, "torch.float32, got torch.float64"),
        ({"label": torch.zeros(4, dtype=torch.int64)}, r"label: .*\[clip 3\], got \[4\]"),
        ({"label": torch.tensor([0, -2, 1])}, "label: expected values of at least -1, got -2"),
        ({"instance": torch.zeros(3, 5, dtype=torch.int64)}, "instance: .*object 2"),
        ({"stem": torch.zeros(3, 2, 1, 80)}, "stem: .*channel 2"),
        ({"mask": torch.zeros(3, 2, 4, 6, 6, dtype=torch.bool)}, "mask: .*width 5"),
        ({"box": torch.zeros(3, 2, 4, 2)}, "box: "),
        ({"event": torch.full((3, 8), 5)}, "event: expected states 0 to 4, got 5"),
        ({"event_label": torch.zeros(3, 4, dtype=torch.int64)}, "event_label: .*segment 8"),
        ({"extra": {"speaker": torch.zeros(2)}}, r"extra\['speaker'\]: expected .* 3 clips, got \(2,\)"),
        ({"extra": {"speaker": [1, 2, 3]}}, "got list"),
        ({"frame_rate_hz": 0.0}, "above 0 Hz"),
        ({"sample_rate_hz": -1}, "above 0 Hz"),
        ({"label": torch.zeros(3, dtype=torch.int64, device="meta")}, "expected a tensor on cpu"),
    ],
)
def test_fields_that_do_not_fit_raise_value_error(changes, message):
    with pytest.raises(ValueError, match=message):
        make_clips(**changes)


def test_drop_takes_out_optional_fields_only():
    small = CLIPS.drop("stem", "speaker")
    assert small.stem is None and "speaker" not in small.extra and CLIPS.stem is not None
    for name in ("frames", "loudness"):
        with pytest.raises(ValueError, match="optional field"):
            CLIPS.drop(name)


def test_to_moves_every_tensor():
    moved = CLIPS.to("meta")
    assert moved.device.type == "meta"
    assert all(tensor.device.type == "meta" for tensor in moved.tensors().values())


def test_repr_is_short_and_says_what_is_there():
    text = repr(CLIPS)
    for part in (
        "6 clips of 0.50 s",
        "6x4x3x6x5 uint8 at 8 Hz",
        "stereo",
        "bow 3",
        "stem",
        "speaker",
        "source=test",
    ):
        assert part in text
    assert len(text.splitlines()) <= 8 and "tensor(" not in text


@pytest.mark.parametrize("n", [0, 1, 6])
def test_a_file_gives_back_every_field(tmp_path, n):
    clips = make_clips(n)
    clips.box[:1] = float("nan")
    path = clips.save(tmp_path / "new" / "some.clips")
    assert path.name == "some.clips.safetensors" and list(path.parent.iterdir()) == [path]
    assert_same(Clips.load(path), clips)
    assert_same(Clips.load(tmp_path / "new" / "some.clips"), clips)


def test_a_file_takes_views_and_fields_that_share_memory(tmp_path):
    wave = torch.rand(4, 1, 160)
    clips = Clips(torch.zeros(4, 1, 3, 2, 2, dtype=torch.uint8), wave, 1.0, 160, stem=wave[:, None])
    assert_same(Clips.load(clips[1:3].save(tmp_path / "view")), clips[1:3])
    odd = Clips(
        torch.zeros(2, 3, 2, 2, 1, dtype=torch.uint8).permute(0, 4, 1, 2, 3), wave[:2, :, ::2], 1.0, 80
    )
    assert_same(Clips.load(odd.save(tmp_path / "strided")), odd)


def test_saving_again_replaces_and_failing_leaves_the_old_file(tmp_path):
    path = make_clips(2).save(tmp_path / "x")
    make_clips(3, seed=1).save(path)
    with pytest.raises(ValueError, match="JSON values"):
        make_clips(1, meta={"when": object()}).save(path)
    with pytest.raises(ValueError, match="JSON values"):
        make_clips(1, meta={"bad": float("nan")}).save(path)
    assert_same(Clips.load(path), make_clips(3, seed=1))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 0.5, 0.999])
def test_truncated_files_are_noticed(tmp_path, keep):
    path = make_clips().save(tmp_path / "x")
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(CorruptFileError, match="truncated"):
        Clips.load(path)


@settings(deadline=None, max_examples=60)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_never_changes_what_is_read(tmp_path_factory, where, flip):
    path = CLIPS.save(tmp_path_factory.mktemp("flip") / "x")
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= flip
    path.write_bytes(data)
    try:
        read = Clips.load(path)
    except CorruptFileError:
        return
    assert_same(read, CLIPS)  # a bool stored as 3 instead of 1 changes nothing


def test_other_files_are_named_as_such(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        Clips.load(tmp_path / "nothing")
    other = write_tensors(tmp_path / "weights", {"w": torch.ones(2)}, {"kind": "weights"})
    with pytest.raises(CorruptFileError, match="holds 'weights', expected Clips"):
        Clips.load(other)
    half = {"kind": "Clips", "frame_rate_hz": 8.0, "sample_rate_hz": 160, "meta": {}}
    with pytest.raises(CorruptFileError, match="whole batch"):
        Clips.load(write_tensors(tmp_path / "half", {"label": torch.zeros(2)}, half))
    assert issubclass(CorruptFileError, ValueError)


def test_the_file_is_plain_safetensors_with_json_in_its_header(tmp_path):
    from safetensors import safe_open

    path = CLIPS.save(tmp_path / "x")
    with safe_open(path, framework="np") as file:
        assert set(file.keys()) == set(CLIPS.tensors())
        assert json.loads(file.metadata()["meta"])["meta"] == CLIPS.meta
    tensors, header = read_tensors(path)
    assert header["kind"] == "Clips" and torch.equal(tensors["label"], CLIPS.label)


def test_a_tensor_of_one_element_cut_from_a_larger_one_is_kept(tmp_path):
    x = torch.arange(12.0).reshape(3, 4)[1:2, 2:3].as_strided((1, 1), (4, 7), 6)
    found, meta = read_tensors(write_tensors(tmp_path / "one", {"x": x}, {"n": 1}))
    assert torch.equal(found["x"], torch.tensor([[6.0]])) and meta == {"n": 1}
    plain = read_tensors(write_tensors(tmp_path / "two", {"x": torch.tensor([[6.0]])}, {"n": 1}))[0]
    assert torch.equal(plain["x"], found["x"])
