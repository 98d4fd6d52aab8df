"""CREMA-D and RAVDESS: names, splits by actor, and reading, on small trees of generated films."""

import pytest
import torch

from avcl_teach import world
from avcl_teach.datasets import acted_takes, crema_d, ravdess
from avcl_teach.samples import write_film

CREMA_NAMES = ("1001_DFA_ANG_XX", "1002_IEO_HAP_HI", "1003_TSI_SAD_LO", "1004_WSI_NEU_XX", "1004_ITH_FEA_MD")
RAV_NAMES = ("01-01-06-01-02-01-01", "01-01-03-02-01-02-02", "01-01-05-01-01-01-03", "01-02-03-01-01-01-01",
             "02-01-06-01-02-01-01")  # fmt: skip


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    clips = world.render(1, preset="easy", size_px=32, stems=False, masks=False)
    return write_film(clips, tmp_path_factory.mktemp("film") / "film.mp4").read_bytes()


@pytest.fixture(scope="module")
def crema(tmp_path_factory, film):
    root = tmp_path_factory.mktemp("data") / "CREMA-D"
    (root / "VideoFlash").mkdir(parents=True)
    (root / "AudioWAV").mkdir()
    for name in CREMA_NAMES:
        (root / "VideoFlash" / f"{name}.flv").write_bytes(film)
        (root / "AudioWAV" / f"{name}.wav").write_bytes(b"RIFF")
    (root / "VideoFlash" / "practice.flv").write_bytes(film)
    return root


@pytest.fixture(scope="module")
def rav(tmp_path_factory, film):
    root = tmp_path_factory.mktemp("data") / "RAVDESS"
    for name in RAV_NAMES:
        folder = root / f"Actor_{name[-2:]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.mp4").write_bytes(film)
    return root


def test_a_name_of_crema_d_tells_four_things():
    take = crema_d.take_of("x/1091_WSI_DIS_HI.flv")
    assert (take.actor, take.label, take.told) == (1091, 1, {"sentence": 11, "level": 3})
    assert len(crema_d.SENTENCES) == 12 and len(crema_d.EMOTIONS) == 6
    for name, why in {
        "1092_WSI_DIS_HI": "actor 1001 to 1091",
        "1001_XXX_DIS_HI": "got 'XXX'",
        "1001_WSI_JOY_HI": "got 'JOY'",
        "1001_WSI_DIS_UP": "got 'UP'",
        "1001_WSI_DIS": "such as 1001_DFA_ANG_XX",
    }.items():
        with pytest.raises(ValueError, match=why):
            crema_d.take_of(f"{name}.flv")


def test_a_name_of_ravdess_tells_seven_things():
    # the owners' own example: audio-only, speech, fearful, normal, "dogs", first repetition, actor 12
    found = ravdess.numbers_of("03-01-06-01-02-01-12.wav")
    assert list(found.values()) == [3, 1, 6, 1, 2, 1, 12]
    assert ravdess.EMOTIONS[found["emotion"] - 1] == "fearful"
    assert ravdess.take_of("03-01-06-01-02-01-12.mp4") is None
    assert ravdess.take_of("01-01-08-02-02-02-24.mp4").told == {
        "intensity": 1,
        "statement": 1,
        "repetition": 1,
    }
    for name, why in {
        "01-01-09-01-01-01-01": "emotion of 01 to 08",
        "01-01-01-02-01-01-01": "normal intensity for neutral",
        "01-01-06-01-02-01-25": "actor of 01 to 24",
        "1-1-6-1-2-1-1": "expected a name such as",
    }.items():
        with pytest.raises(ValueError, match=why):
            ravdess.numbers_of(f"{name}.mp4")


def test_no_actor_is_in_two_splits_and_all_are_in_one():
    people = list(range(1001, 1092))
    cuts = [acted_takes.actors_of(people * 3, split) for split in acted_takes.SPLITS]
    assert sorted(sum(cuts, [])) == people
    assert [len(cut) for cut in cuts] == [63, 14, 14]
    assert acted_takes.actors_of(people, "test", seed=1) != cuts[2]
    with pytest.raises(ValueError, match="at least 3 actors"):
        acted_takes.actors_of([1, 2], "train")
    with pytest.raises(ValueError, match="expected a split of train, val, test, got 'dev'"):
        acted_takes.actors_of(people, "dev")


def test_crema_d_is_read_with_labels_and_odd_names(crema, monkeypatch):
    cuts = [crema_d.load(crema, split=split, duration_s=1.0, size_px=32) for split in acted_takes.SPLITS]
    assert sum(len(cut) for cut in cuts) == 5
    actors = [set(cut.extra["actor"].tolist()) for cut in cuts]
    assert set.union(*actors) == {1001, 1002, 1003, 1004} and sum(map(len, actors)) == 4
    assert cuts[0].frames.shape[1:] == (8, 3, 32, 32) and cuts[0].waveform.shape[1:] == (1, 8000)
    assert cuts[0].waveform.abs().max() > 0.01 and cuts[0].meta["odd_names"] == ["practice.flv"]
    for cut in cuts:
        for name, label in zip(cut.meta["files"], cut.label.tolist(), strict=True):
            assert list(crema_d.EMOTIONS)[label] == name.split("_")[2]
    monkeypatch.setenv("AVCL_DATA", str(crema.parent))
    assert torch.equal(crema_d.load(split="val", duration_s=1.0, size_px=32).label, cuts[1].label)


def test_ravdess_reads_films_of_one_channel(rav):
    cuts = [ravdess.load(rav, split=split, duration_s=1.0, size_px=32) for split in acted_takes.SPLITS]
    assert sorted(int(cut.extra["actor"]) for cut in cuts) == [1, 2, 3]
    heard = {name: ravdess.EMOTIONS[int(cut.label)] for cut in cuts for name in cut.meta["files"]}
    assert heard == {
        f"{RAV_NAMES[0]}.mp4": "fearful",
        f"{RAV_NAMES[1]}.mp4": "happy",
        f"{RAV_NAMES[2]}.mp4": "angry",
    }
    with pytest.raises(ValueError, match="at least 3 actors"):
        ravdess.load(rav, channel="song")
    with pytest.raises(ValueError, match="expected a channel of speech, song, got 'hum'"):
        ravdess.load(rav, channel="hum")


def test_what_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("AVCL_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="AVCL_DATA set to a folder that holds 'CREMA-D'"):
        crema_d.load()
    with pytest.raises(FileNotFoundError, match="expected a folder"):
        ravdess.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="found none"):
        ravdess.load(tmp_path)
    for actor in (1001, 1002, 1003):
        pointer = tmp_path / f"{actor}_DFA_ANG_XX.flv"
        pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ValueError, match="git lfs pull"):
        crema_d.load(tmp_path)
