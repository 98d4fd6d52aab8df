"""Music as events, and the scores of what was played."""

import pytest
import torch

from avcl_teach.features.note_events import NoteEvents
from avcl_teach.metrics.onsets_found import matched, performance_scores

NAN = float("nan")
EVENTS = NoteEvents()


def notes(*rows, n: int = 4) -> torch.Tensor:
    out = torch.full((1, n, 4), NAN)
    for k, row in enumerate(rows):
        out[0, k] = torch.tensor(row)
    return out


def test_a_performance_in_words():
    written = EVENTS.write(notes((0.1, 0.2, 3, 0.9), (0.3, 0.1, 5, 0.9)))[0]
    names = [EVENTS.name(k) for k in written.tolist()]
    assert names == [
        "wait 0.10 s", "level 2", "on 3", "wait 0.20 s", "off 3", "on 5", "wait 0.10 s", "off 5", "stop",
    ]  # fmt: skip


def test_a_long_wait_is_several_and_rows_are_padded():
    written = EVENTS.write(torch.cat([notes((2.0, 0.1, 0, 0.1)), notes()]))
    assert [EVENTS.name(k) for k in written[0, :3].tolist()] == ["wait 0.80 s", "wait 0.80 s", "wait 0.40 s"]
    assert written[1].tolist() == [EVENTS.stop] + [EVENTS.pad] * (written.shape[1] - 1)


def test_reading_undoes_writing_to_half_a_unit():
    draws = torch.Generator().manual_seed(0)
    onset = (0.2 + 0.3 * torch.arange(8)) + 0.1 * torch.rand(5, 8, generator=draws)
    rest = torch.rand(5, 8, 3, generator=draws) * torch.tensor([0.15, 0.0, 1.0]) + torch.tensor(
        [0.05, 0.0, 0.0]
    )
    rest[..., 1] = torch.randint(10, (5, 8), generator=draws)
    given = torch.cat([onset[..., None], rest], -1)
    found = EVENTS.read(EVENTS.write(given))[:, :8]
    assert torch.equal(found[..., 2], given[..., 2])
    assert (found[..., 0] - given[..., 0]).abs().max() <= 0.025 + 1e-6
    assert (found[..., 3] - given[..., 3]).abs().max() <= 1 / 6 + 1e-6


def test_what_no_player_would_send_is_set_right():
    line = [3, EVENTS.wait(2), 3, EVENTS.off(7), EVENTS.wait(1), EVENTS.stop, 5]
    found = EVENTS.read(torch.tensor([line]))[0, :3]
    torch.testing.assert_close(found[0], torch.tensor([0.0, 0.1, 3.0, 1 / 6]))
    torch.testing.assert_close(found[1, :3], torch.tensor([0.1, 0.5, 3.0]))  # never ended: half a second
    assert found[2].isnan().all()
    assert (~EVENTS.read(torch.tensor([[3, 13] * 50]), n_notes=4)[0, :, 0].isnan()).sum() == 4


def test_time_is_the_sum_of_waits():
    line = torch.tensor([[EVENTS.wait(2), 3, EVENTS.wait(16), EVENTS.level(1), EVENTS.stop]])
    assert EVENTS.elapsed(line).tolist() == [[2, 2, 18, 18, 18]]


def test_events_refuse_what_they_have_no_name_for():
    for bad in ((0.1, 0.2, 10, 0.5), (0.1, 0.2, 3, 1.5), (-0.1, 0.2, 3, 0.5)):
        with pytest.raises(ValueError, match="expected onsets from 0"):
            EVENTS.write(notes(bad))
    with pytest.raises(ValueError, match="at least one of each"):
        NoteEvents(n_waits=0)


def test_scores_by_hand():
    true = notes((0.5, 0.1, 3, 1), (1.0, 0.1, 4, 1), (1.5, 0.1, 5, 1))
    found = notes((0.54, 0.1, 3, 1), (1.0, 0.1, 9, 1), (2.0, 0.1, 5, 1))
    scores = performance_scores(found, true)
    assert scores == {"F1": pytest.approx(1 / 3), "onset F1": pytest.approx(2 / 3), "pitch": 0.5}
    assert performance_scores(notes(), true) == {"F1": 0.0, "onset F1": 0.0, "pitch": 0.0}
    assert performance_scores(true, true)["F1"] == 1
    with pytest.raises(ValueError, match="notes in truth"):
        performance_scores(true, notes())


def test_matching_is_as_large_as_that_of_mir_eval():
    mir_eval = pytest.importorskip("mir_eval")
    draws = torch.Generator().manual_seed(1)
    for _ in range(20):
        x, y = (torch.rand(int(n), generator=draws).mul(2).sort().values.tolist() for n in (12, 15))
        precision = mir_eval.onset.f_measure(torch.tensor(y).numpy(), torch.tensor(x).numpy(), window=0.05)[1]
        assert len(matched(x, y, tolerance_s=0.05)) == round(precision * 12)


def test_without_offs_and_levels_the_rule_ends_notes():
    events = NoteEvents(n_waits=4, n_levels=0, offs=False)
    assert (len(events), events.wait(1), events.start, events.name(11)) == (17, 10, 14, "wait 0.10 s")
    given = notes((0.1, 0.2, 3, 0.9), (0.3, 0.1, 5, 0.2), (0.3, 0.1, 7, 0.2), (2.0, 0.1, 3, 0.9))
    written = events.write(given)
    assert [events.name(k) for k in written[0, :5].tolist()] == [
        "wait 0.10 s", "on 3", "wait 0.20 s", "on 5", "on 7",
    ]  # fmt: skip
    expected = [[0.1, 0.18, 3, 0.7], [0.3, 0.5, 5, 0.7], [0.3, 0.5, 7, 0.7], [2.0, 0.5, 3, 0.7]]
    torch.testing.assert_close(events.read(written)[0, :4], torch.tensor(expected))
    with pytest.raises(ValueError, match="at least one of each"):
        NoteEvents(n_levels=-1)
