"""The reader of sound and picture pairs, on files of the same layout that are made here."""

import numpy as np
import pytest
import torch

from avcl_teach import downloads
from avcl_teach.datasets.s2i_pairs import CLASSES, RECORD, batch_files, read_pairs, write_pairs


@pytest.fixture
def pairs():
    draws = torch.Generator().manual_seed(0)
    spectrogram = torch.randint(256, (7, 128, 100), generator=draws, dtype=torch.uint8)
    picture = torch.randint(256, (7, 3, 96, 96), generator=draws, dtype=torch.uint8)
    return spectrogram, picture, torch.tensor([0, 1, 2, 3, 4, 0, 1])


def test_a_record_has_the_size_that_the_published_files_imply():
    assert (
        RECORD.itemsize == 40_459
        and 23_061_630 % RECORD.itemsize == 0
        and 23_061_630 // RECORD.itemsize == 570
    )


def test_bytes_come_back_where_they_belong(tmp_path, pairs):
    spectrogram, picture, label = pairs
    write_pairs(tmp_path / "test_batch_001.bin", *pairs)
    raw = (tmp_path / "test_batch_001.bin").read_bytes()
    second = raw[RECORD.itemsize :]
    assert second[:11] == b"00200000001" and second[11] == spectrogram[1, 0, 0]
    assert second[11 + 100] == spectrogram[1, 1, 0]  # rows of 100 steps
    at = 11 + 128 * 100
    assert list(second[at : at + 3]) == picture[1, :, 0, 0].tolist()  # colours of one pixel side by side
    found = read_pairs(tmp_path / "test_batch_001.bin")
    assert torch.equal(found.spectrogram, spectrogram) and torch.equal(found.picture, picture)
    assert torch.equal(found.label, label) and found.source[1] == "00000001"
    assert not list(tmp_path.glob("*.part"))


def test_indices_count_through_files_in_any_order(tmp_path, pairs):
    spectrogram, picture, label = pairs
    write_pairs(tmp_path / "data_batch_001.bin", spectrogram[:3], picture[:3], label[:3])
    write_pairs(tmp_path / "data_batch_002.bin", spectrogram[3:], picture[3:], label[3:])
    (tmp_path / "notes.txt").write_text("not a batch")
    found = read_pairs(tmp_path, split="train", indices=[5, 0, 3, 3])
    assert torch.equal(found.picture, picture[[5, 0, 3, 3]]) and found.label.tolist() == [0, 0, 3, 3]
    assert len(read_pairs(tmp_path, split="train", indices=[]).label) == 0
    assert [path.name for path in batch_files(tmp_path, split="train")] == [
        "data_batch_001.bin",
        "data_batch_002.bin",
    ]


def test_what_is_no_such_file_is_told(tmp_path, pairs):
    write_pairs(tmp_path / "val_batch_001.bin", *pairs)
    whole = (tmp_path / "val_batch_001.bin").read_bytes()
    with pytest.raises(FileNotFoundError, match="test_batch"):
        read_pairs(tmp_path)
    with pytest.raises(ValueError, match="split of train, val, test"):
        read_pairs(tmp_path, split="validation")
    with pytest.raises(ValueError, match=r"indices in 0 ... 6, got 0 ... 7"):
        read_pairs(tmp_path, split="val", indices=[0, 7])
    (tmp_path / "val_batch_001.bin").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="records of 40459 bytes"):
        read_pairs(tmp_path, split="val")
    (tmp_path / "val_batch_001.bin").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"
    )
    with pytest.raises(ValueError, match="pointer of Git LFS"):
        read_pairs(tmp_path, split="val")
    for label in (b"00900000001", b"dog00000001"):
        (tmp_path / "val_batch_001.bin").write_bytes(label + whole[11:])
        with pytest.raises(ValueError, match="labels of 11 digits"):
            read_pairs(tmp_path, split="val")


def test_writing_refuses_what_does_not_fit(tmp_path, pairs):
    spectrogram, picture, label = pairs
    with pytest.raises(ValueError, match="equal lengths"):
        write_pairs(tmp_path / "x.bin", spectrogram[:2], picture, label)
    with pytest.raises(ValueError, match=f"classes 0 ... {len(CLASSES) - 1}"):
        write_pairs(tmp_path / "x.bin", spectrogram, picture, label + 1)
    assert not list(tmp_path.iterdir())


def test_only_the_chosen_records_are_held(tmp_path):
    rows = np.zeros(400, RECORD)  # 16 MB
    rows["label"] = b"00100000000"
    rows.tofile(tmp_path / "test_batch_001.bin")
    found = read_pairs(tmp_path, indices=[1])
    assert found.spectrogram.untyped_storage().nbytes() == 12_800


def test_the_registered_file_is_of_this_layout():
    entry = downloads.registry()["s2i_pairs"]
    assert entry["size_bytes"] == 23_061_630 and entry["hash"].startswith("sha256:") and entry["licence"]
