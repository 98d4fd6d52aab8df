"""GRID's layout, on a small tree that is made here: codes, alignments, splits, videos and clear errors."""

import numpy as np
import pytest
import torch

from avcl_teach.datasets import grid

ALIGN = "0 14750 sil\n14750 20750 bin\n20750 28500 blue\n28500 31000 at\n31000 35500 f\n35500 41500 two\n41500 52250 now\n52250 74500 sil\n"  # noqa: E501


def write_video(path, seconds=3.0, sound=True):
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        picture = file.add_stream("mpeg1video", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        voice = file.add_stream("mp2", rate=44100, layout="mono") if sound else None
        for k in range(round(25 * seconds)):
            image = np.full((48, 64, 3), 3 * k % 255, np.uint8)
            file.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(picture.encode())
        if sound:
            x = 0.3 * np.sin(2 * np.pi * 300 * np.arange(round(44100 * seconds)) / 44100)
            frame = av.AudioFrame.from_ndarray(
                (32767 * x).astype(np.int16)[None], format="s16", layout="mono"
            )
            frame.sample_rate = 44100
            file.mux(voice.encode(frame))
            file.mux(voice.encode())


def write(path, text=ALIGN):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Four speakers, each in another of the layouts."""
    root = tmp_path_factory.mktemp("grid")
    write_video(root / "s1/bbaf2n.mpg")
    write(root / "s1/align/bbaf2n.align")
    write_video(root / "s2/video/bbaf2n.mpg")
    write(root / "align/s2/bbaf2n.align")
    write_video(root / "s10/video/mpg_6000/lwbqzs.mpg")
    write(root / "s10/notes.txt", "")
    write_video(root / "s10/intro.mpg")
    write_video(root / "s33/bbaf2n.mpg", sound=False)
    write(root / "s21/bbaf2n.wav", "")
    return root


def test_codes_and_words_are_inverse():
    assert grid.words_of("PWIZ9P") == ["place", "white", "in", "z", "nine", "please"]
    n = 1
    for table in grid.CODE:
        n *= len(table)
    assert n == 64_000  # as the corpus is described
    g = torch.Generator().manual_seed(0)
    for _ in range(50):
        draw = [list(t)[int(torch.randint(len(t), (1,), generator=g))] for t in grid.CODE]
        assert grid.code_of(grid.words_of("".join(draw))) == "".join(draw)


@pytest.mark.parametrize(
    ("code", "words"),
    [("bbaf2", "6 characters"), ("xbaf2n", "command"), ("bbaw2n", "letter"), ("bbaf0n", "digit")],
)
def test_bad_codes_name_the_slot(code, words):
    with pytest.raises(ValueError, match=words):
        grid.words_of(code)


def test_bad_words_name_the_slot():
    with pytest.raises(ValueError, match="colour"):
        grid.code_of(["bin", "pink", "at", "f", "two", "now"])
    with pytest.raises(ValueError, match="6 words"):
        grid.code_of(["bin"])


def test_every_layout_is_found(corpus):
    found = grid.find_utterances(corpus)
    assert [(u.speaker, u.code, u.align is not None) for u in found] == [
        (1, "bbaf2n", True), (2, "bbaf2n", True), (10, "lwbqzs", False), (33, "bbaf2n", False),
    ]  # fmt: skip
    assert found[2].words == ["lay", "white", "by", "q", "zero", "soon"]
    assert [u.speaker for u in grid.find_utterances(corpus, speakers=[2, 10])] == [2, 10]


def test_missing_folders_say_what_was_looked_for(corpus, tmp_path):
    with pytest.raises(FileNotFoundError, match="none at"):
        grid.find_utterances(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="mpg_6000"):
        grid.find_utterances(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"speakers \[21\]"):
        grid.find_utterances(corpus, speakers=[21])


def test_alignment_in_seconds_without_silence(corpus):
    timed = grid.read_align(corpus / "s1/align/bbaf2n.align", code="bbaf2n")
    assert timed[0] == ("bin", 0.59, 0.83)
    assert timed[-1] == ("now", 1.66, 2.09)
    assert all(a.end_s <= b.start_s for a, b in zip(timed, timed[1:], strict=False))


def align_of(code):
    lines = [f"{1000 * k} {1000 * (k + 1)} {word}" for k, word in enumerate(grid.words_of(code), 1)]
    return "\n".join(["0 1000 sil", *lines])


def permuted(root, folder_of=None):
    """Three speakers as Zenodo has them: alignments/s1 holds the sentences of another, one code in common."""
    folder_of = folder_of or {1: 3, 2: 1, 3: 2}
    codes = {
        1: ("bbaf2n", "lwbqzs", "pgil4a"),
        2: ("bbaf2n", "sriv7p", "lbwg8n"),
        3: ("prbx9s", "swit1a", "bgah5p"),
    }
    for speaker, said in codes.items():
        for code in said:
            write(root / f"s{speaker}/{code}.mpg", "")
            write(root / f"alignments/s{folder_of[speaker]}/{code}.align", align_of(code))
    return folder_of


def test_folders_of_alignments_that_are_permuted_are_refused_and_can_be_paired(tmp_path):
    folder_of = permuted(tmp_path)
    with pytest.raises(
        ValueError, match=r"speaker 1, but folder s1 holds 1 of 3 sentences, s3 holds 3.*Zenodo"
    ):
        grid.find_utterances(tmp_path)
    assert grid.pair_folders(tmp_path) == folder_of
    assert grid.pair_folders(tmp_path, speakers=[2]) == {2: 1}
    found = grid.find_utterances(tmp_path, alignments=grid.pair_folders(tmp_path))
    assert [u.align.parent.name for u in found] == ["s3"] * 3 + ["s1"] * 3 + ["s2"] * 3
    assert all([w.word for w in grid.read_align(u.align, code=u.code)] == u.words for u in found)
    with pytest.raises(ValueError, match="speaker 2, but folder s3"):
        grid.find_utterances(tmp_path, alignments={1: 3, 2: 3, 3: 2})


def test_folders_in_order_are_taken_as_they_are(tmp_path):
    straight = permuted(tmp_path, {1: 1, 2: 2, 3: 3})
    assert grid.pair_folders(tmp_path) == straight
    found = grid.find_utterances(tmp_path)
    assert [int(u.align.parent.name[1:]) for u in found] == [u.speaker for u in found] and len(found) == 9


def test_a_folder_that_holds_too_little_or_fits_two_speakers_is_refused(tmp_path):
    for code in ("bbaf2n", "lwbqzs", "pgil4a"):
        write(tmp_path / f"s1/{code}.mpg", "")
    write(tmp_path / "align/s1/sriv7p.align", align_of("sriv7p"))
    with pytest.raises(ValueError, match="folder s1 holds 0 of 3 sentences \\(in the release"):
        grid.find_utterances(tmp_path)
    assert grid.pair_folders(tmp_path) == {}
    write(tmp_path / "s2/sriv7p.mpg", "")
    write(tmp_path / "s4/sriv7p.mpg", "")
    with pytest.raises(ValueError, match=r"got s1 for all of \[2, 4\]"):
        grid.pair_folders(tmp_path)


def test_an_alignment_of_another_sentence_is_told_with_a_hint(tmp_path):
    write(tmp_path / "bbaf2n.align", align_of("lwbqzs"))
    with pytest.raises(
        ValueError, match="'bin blue at f two now' of bbaf2n, got 'lay white by q zero soon'.*another"
    ):
        grid.read_align(tmp_path / "bbaf2n.align", code="bbaf2n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 100\n", "line 1: expected `start end word`"),
        ("0 100 sil\n100 50 bin\n", "line 2: expected times that go on"),
        ("0 100 bin\n50 150 blue\n", "line 2"),
        ("0.5 1.5 bin\n", "line 1"),
        ("0 100 bin\n", "expected the words"),
    ],
)
def test_bad_alignments_name_file_and_line(tmp_path, text, words):
    path = tmp_path / "bbaf2n.align"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        grid.read_align(path, code="bbaf2n")


def test_splits_share_no_speaker():
    everyone = [s for s in range(1, 35) if s != 21]
    parts = grid.split_speakers(everyone, n_val=4, n_test=6, seed=1)
    assert sorted(sum(parts.values(), [])) == everyone
    assert [len(parts[name]) for name in ("train", "val", "test")] == [23, 4, 6]
    assert parts != grid.split_speakers(everyone, n_val=4, n_test=6, seed=2)
    with pytest.raises(ValueError, match="below 3 speakers"):
        grid.split_speakers([1, 2, 3], n_val=2, n_test=1)


def test_a_sentence_becomes_a_clip_of_three_seconds(corpus):
    clip = grid.load_utterance(grid.find_utterances(corpus)[0], size_px=32)
    assert clip.frames.shape == (1, 75, 3, 32, 32)
    assert clip.frame_rate_hz == 25 and clip.sample_rate_hz == 8000
    assert abs(clip.waveform.shape[-1] - 24000) <= 400
    assert clip.meta["words"][1] == "blue" and int(clip.extra["speaker"]) == 1
    torch.testing.assert_close(clip.extra["word_s"][0, 0], torch.tensor([0.59, 0.83]))
    assert clip.mono.abs().max() > 0.2


def test_a_silent_or_cut_file_is_told_apart(corpus, tmp_path):
    from avcl_teach.video import NoSoundError, VideoFileError

    silent = grid.find_utterances(corpus, speakers=[33])[0]
    with pytest.raises(NoSoundError):
        grid.load_utterance(silent)
    broken = silent._replace(video=tmp_path / "bbaf2n.mpg")
    broken.video.write_bytes(b"no video")
    with pytest.raises(VideoFileError):
        grid.load_utterance(broken)
