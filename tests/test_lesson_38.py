"""What lesson 38 says, at a size of seconds: joints, events, measures, and what one of them cannot see."""

import math

import pytest
import torch

from avcl_teach.encoders.graphs import GraphConvolution, adjacency
from avcl_teach.exercises.answers_38.joints import mix_joints
from avcl_teach.exercises.answers_38.next_events import next_event_loss
from avcl_teach.exercises.answers_38.onsets import onset_scores
from avcl_teach.exercises.answers_38.rolls import roll_of
from avcl_teach.features.note_events import NoteEvents
from avcl_teach.metrics import generation, onsets_found
from avcl_teach.systems import gan2020a
from avcl_teach.world.variants import performers


@pytest.fixture(scope="module")
def test_set():
    return performers.perform(120, split="test")


def test_who_hears_of_the_wrist_and_when():
    A = adjacency(3, [(0, 1), (1, 2)])
    wrist = torch.tensor([0.0, 0, 1])
    assert (A @ wrist)[0] == 0 and (A @ A @ wrist)[0] > 0
    alone = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert (alone @ wrist)[2] == 0
    assert torch.linalg.eigvalsh(A).max().item() == pytest.approx(1)
    assert torch.linalg.eigvalsh(alone + torch.eye(3)).max().item() == pytest.approx(1 + math.sqrt(2))


def test_the_exercise_on_joints_is_the_package_s_adjacency():
    H = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        mix_joints(H, torch.tensor(performers.EDGES)), adjacency(9, performers.EDGES) @ H
    )


def test_a_touch_at_the_tip_is_noticed_one_bone_further_two_frames_around():
    torch.manual_seed(0)
    layer = GraphConvolution(2, 8, adjacency(9, performers.EDGES), kernel=5)
    x = torch.randn(1, 80, 9, 2)
    touched = x.clone()
    touched[0, 40, 6] += 0.1
    gap = (layer(touched) - layer(x)).detach().abs().amax(3)[0] > 1e-6
    assert gap.any(0).nonzero()[:, 0].tolist() == [5, 6]
    assert set(gap.any(1).nonzero()[:, 0].tolist()) <= set(range(38, 43))


def test_the_exercise_on_rolls_plays_what_the_package_reads():
    language = NoteEvents(n_levels=1)
    two = torch.tensor([[[0.10, 0.40, 3, 0.9], [0.30, 0.40, 7, 0.9]]])
    line = language.write(two)[0]
    events = [k if k < 20 else 20 + k - language.wait(1) for k in line.tolist() if k < language.level(0)]
    roll = roll_of(torch.tensor(events), 10, 20)
    assert roll[3].nonzero()[:, 0].tolist() == list(range(2, 10))
    assert roll[7].nonzero()[:, 0].tolist() == list(range(6, 14))
    assert roll.sum() == 16


def test_the_exercise_on_the_next_event_is_the_system_s_loss(test_set):
    E = gan2020a.EVENTS
    y = E.write(test_set.notes[:5])
    read = gan2020a.shifted(y)
    logits = torch.randn(*y.shape, len(E), generator=torch.Generator().manual_seed(0))
    events = torch.cat([read, y[:, -1:]], 1)
    more = torch.cat([logits, torch.zeros(5, 1, len(E))], 1)
    torch.testing.assert_close(next_event_loss(more, events, E.pad), gan2020a.event_loss(logits, y))
    assert (y == E.pad).any()


def test_copying_looks_perfect_where_nothing_is_shifted(test_set):
    E = gan2020a.EVENTS
    y = E.write(test_set.notes[:3])
    copying = 20 * torch.nn.functional.one_hot(y, len(E)).float()
    assert gan2020a.event_loss(copying, y) < 0.01
    assert next_event_loss(copying, y, E.pad) > math.log(len(E))


def test_the_figures_worked_by_hand_in_the_lesson():
    found, true = torch.tensor([0.50, 0.53, 1.10, 2.00]), torch.tensor([0.51, 1.00, 2.03])
    P, R, F1 = onset_scores(found, true, 0.05)
    assert (P, R) == (1 / 2, 2 / 3) and pytest.approx(4 / 7) == F1
    real, made = torch.tensor([40, 30, 20, 10]), torch.tensor([36, 14, 42, 8])
    assert generation.differing_bins(real, made) == [False, True, True, False]


def test_right_rhythm_with_wrong_notes_is_perfect_for_onsets_and_nothing_for_notes(test_set):
    other = test_set.notes.clone()
    other[..., 2] = 9 - other[..., 2]
    scores = onsets_found.performance_scores(other, test_set.notes)
    assert scores == {"F1": 0.0, "onset F1": 1.0, "pitch": 0.0}


def test_ndb_sees_a_shift_of_all_and_no_wrong_partner(test_set):
    bins = generation.fit_bins(gan2020a.sound_features(performers.perform(64).notes), n_bins=8)
    up = test_set.notes.clone()
    up[..., 2] = (up[..., 2] + 5).clamp(max=9)
    heaps = [gan2020a.sound_features(notes[:80]) for notes in (test_set.notes, up)]
    real, shifted = (generation.ndb(bins, heap) for heap in heaps)
    assert real <= 3 <= shifted - real
    assert generation.ndb(bins, heaps[0].roll(1, 0)) == real


def test_the_body_nods_when_the_arm_is_frozen_and_holds_no_pitch(test_set):
    x = gan2020a.frozen_arm(test_set.keypoints)
    assert torch.equal(x[:, :1], test_set.keypoints[:, :1])
    assert torch.equal(x[:, -1, list(performers.ARM)], x[:, 0, list(performers.ARM)])
    neck_to_hip = (x[:, :, 0] - x[:, :, 2]).norm(dim=-1)  # head above hip: least just after a stroke
    fell = []
    for i, notes in enumerate(test_set.notes):
        k = (notes[~notes[:, 0].isnan(), 0] * 20).long()
        k = k[(k > 2) & (k < 77)]
        fell.append(neck_to_hip[i, k + 1] - neck_to_hip[i, k])
    fell = torch.cat(fell)
    assert fell.mean() < -10 * fell.std() / math.sqrt(len(fell))
