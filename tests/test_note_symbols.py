"""Notes as symbols and back, and the scores of notes."""

import pytest
import torch

from avcl_teach.features.note_symbols import NoteSymbols
from avcl_teach.metrics.notes import note_scores

NAN = float("nan")
NONE = [NAN] * 4


def notes(*rows):
    return torch.tensor([rows])


def test_notes_become_symbols_and_come_back():
    names = NoteSymbols(n_slots=8, n_degrees=5)
    x = torch.cat([notes([0.1, 0.2, 3, 1], [0.6, 0.2, 0, 1], NONE), notes([0.0, 0.1, 4, 1], NONE, NONE)])
    symbols = names.write(x, slots_hz=10)
    assert (names.start, names.stop, names.pad, len(names)) == (13, 14, 15, 16)
    assert symbols.tolist() == [[1, 11, 6, 8, 14, 15, 15], [0, 12, 14, 15, 15, 15, 15]]
    assert names.read(symbols) == [{(1, 3), (6, 0)}, {(0, 4)}]


def test_full_rows_keep_their_stop_and_onsets_go_to_the_nearest_slot():
    names = NoteSymbols(n_slots=8)
    symbols = names.write(notes([0.14, 0.1, 2, 1], [0.26, 0.1, 9, 1]), slots_hz=10)
    assert symbols.tolist() == [[1, 10, 3, 17, names.stop]]


def test_reading_passes_over_what_is_no_note():
    names = NoteSymbols(n_slots=4, n_degrees=2)  # slots 0-3, degrees 4-5, start 6, stop 7, pad 8
    assert names.read(torch.tensor([[0, 1, 4, 5, 2, 6, 3, 5, 7, 0, 4]])) == [{(1, 0), (3, 1)}]
    assert names.read(torch.tensor([[7, 0, 4]])) == [set()]


def test_notes_outside_the_vocabulary_are_refused():
    names = NoteSymbols(n_slots=8, n_degrees=5)
    for bad in ([0.9, 0.1, 2, 1], [0.1, 0.1, 5, 1], [-0.2, 0.1, 1, 1]):
        with pytest.raises(ValueError, match="slots below 8 and degrees below 5"):
            names.write(notes(bad), slots_hz=10)
    with pytest.raises(ValueError, match="notes first"):
        names.write(notes(NONE, [0.1, 0.1, 1, 1]), slots_hz=10)
    with pytest.raises(ValueError, match="at least one slot"):
        NoteSymbols(n_slots=0)


def test_scores_count_over_all_clips():
    found, true = [{(0, 1), (3, 2)}, set(), {(5, 5)}], [{(0, 1), (3, 4)}, {(1, 1)}, {(2, 5)}]
    scores = note_scores(found, true)
    assert scores == pytest.approx({"F1": 2 / 7, "onset F1": 4 / 7, "pitch": 0.5})
    assert note_scores(true, true) == {"F1": 1.0, "onset F1": 1.0, "pitch": 1.0}
    assert note_scores([set()], [{(0, 0)}]) == {"F1": 0.0, "onset F1": 0.0, "pitch": 0.0}
    with pytest.raises(ValueError, match="got 1 and 0"):
        note_scores([set()], [])
