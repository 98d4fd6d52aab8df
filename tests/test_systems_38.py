"""Foley Music in quick form: what it reports, what it refuses, and what its parts must hold."""

import math

import pytest
import torch

from avcl_teach.encoders.clocked import ClockedAttention
from avcl_teach.metrics.onsets_found import performance_scores
from avcl_teach.systems import gan2020a
from avcl_teach.world.variants.performers import ARM, perform

EVENTS = gan2020a.EVENTS


@pytest.fixture(scope="module")
def outcome():
    return gan2020a.run(0, budget="quick")


@pytest.fixture(scope="module")
def played():
    return perform(range(24), split="val")


def model(**how) -> gan2020a.FoleyMusic:
    torch.manual_seed(0)
    return gan2020a.FoleyMusic(**how).eval()


def test_fields_are_finite_and_the_rule_can_read(outcome):
    figures = [outcome.score, outcome.chance, outcome.wrong_partner, outcome.ceiling, *outcome.extra.values()]
    assert all(math.isfinite(x) for x in figures)
    assert outcome.ceiling > 0.95 and outcome.chance < 0.1
    assert outcome.score < 0.2 and outcome.wrong_partner < 0.1  # five steps teach nothing
    assert 0 <= outcome.extra["NDB of real"] <= outcome.extra["NDB"] <= outcome.extra["bins"] == 5


def test_unknown_arms_and_budgets_are_refused():
    with pytest.raises(ValueError, match="expected an arm"):
        gan2020a.run(0, arm="no hands")
    with pytest.raises(ValueError, match="expected a budget"):
        gan2020a.run(0, budget="huge")


def test_training_learns_and_arms_differ(played):
    ends = {}
    for arm in gan2020a.ABOUT.arms:
        losses: list[float] = []
        net = gan2020a.train(played, seed=0, arm=arm, steps=4, batch=6, losses=losses)
        assert len(losses) == 4 and losses[-1] < losses[0]
        ends[arm] = net.to_events[1].weight.detach()
    assert not torch.equal(ends["paper"], ends["frozen arm"])
    assert not torch.equal(ends["paper"], ends["no graph"])
    assert torch.equal(model(graph=False).body.layers[0].A, torch.eye(9))


def test_without_a_graph_no_joint_hears_another(played):
    x = played.keypoints[:1]
    changed = x.clone()
    changed[:, :, 6] += 0.1  # the mallet's tip; the wrist is its neighbour
    for graph in (True, False):
        layers = model(graph=graph).body.layers
        one, other = (layers(torch.cat([z, z], -1)) for z in (x, changed))
        heard = bool((one - other)[0, :, 5].abs().max() > 1e-5)
        assert heard == graph


def test_no_event_sees_what_follows(played):
    net, y = model(), EVENTS.write(played.notes[:3])
    memory = net.body(played.keypoints[:3])
    changed = y.clone()
    changed[:, 10:] = EVENTS.wait(1)
    a, b = (net.decode(gan2020a.shifted(z), memory) for z in (y, changed))
    torch.testing.assert_close(a[:, :11], b[:, :11])
    assert (a[:, 11:] - b[:, 11:]).abs().max() > 1e-3


def test_writing_is_the_likeliest_event_each_time(played):
    net, x = model(), played.keypoints[:2]
    written = net.write(x)
    logits = net(x, gan2020a.shifted(written))
    before_stop = (written == EVENTS.stop).cumsum(1) == 0
    assert torch.equal(logits.argmax(-1)[before_stop], written[before_stop])
    assert written.shape[1] <= gan2020a.LONGEST


def test_padding_does_not_count(played):
    y = EVENTS.write(played.notes[:4])
    logits = torch.randn(*y.shape, len(EVENTS), generator=torch.Generator().manual_seed(0))
    true = -logits.log_softmax(-1).gather(-1, y[..., None])[..., 0][y != EVENTS.pad].mean()
    torch.testing.assert_close(gan2020a.event_loss(logits, y), true)
    assert gan2020a.shifted(y)[0, :2].tolist() == [EVENTS.start, int(y[0, 0])]


def test_notes_become_events_and_come_back(played):
    y = EVENTS.write(played.notes)
    assert y.shape[1] <= gan2020a.LONGEST
    assert performance_scores(EVENTS.read(y), played.notes, tolerance_s=0.026)["F1"] == 1
    found = EVENTS.read(y)[:, :16]
    there = ~played.notes[..., 0].isnan()
    off = (found - played.notes).abs()
    assert off[:, :-1][there[:, 1:]][:, 1].max() < 0.06  # but for the last, durations follow by the rule
    assert off[there][:, 3].max() <= 1 / 6 + 1e-6


def test_a_camera_turns_and_scales_and_a_frozen_arm_stands_still(played):
    x = played.keypoints
    moved = gan2020a.moved_camera(x, torch.Generator().manual_seed(0))
    a, b = ((z[:, :, 0] - z[:, :, 3]).norm(dim=-1) for z in (x, moved))
    ratio = b / a
    assert ratio.amin() > 0.9 - 1e-4 and ratio.amax() < 1.1 + 1e-4
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    still = gan2020a.frozen_arm(x)
    assert (still[:, :, list(ARM)].diff(dim=1) == 0).all()
    rest = [k for k in range(9) if k not in ARM]
    assert torch.equal(still[:, :, rest], x[:, :, rest])
    assert performance_scores(gan2020a.read_by_rule(still), played.notes)["F1"] < 0.1


def test_the_rule_reads_through_any_camera(played):
    moved = gan2020a.moved_camera(played.keypoints, torch.Generator().manual_seed(1))
    assert performance_scores(gan2020a.read_by_rule(moved), played.notes)["F1"] > 0.93


def test_the_clock_looks_by_distance_and_by_content():
    torch.manual_seed(0)
    look = ClockedAttention(8, 2, reach=3)
    x, memory = torch.randn(1, 2, 8), torch.randn(1, 12, 8)
    now = torch.tensor([[4, 7]])
    A = look.attention_weights(x, memory, now)
    torch.testing.assert_close(A.sum(-1), torch.ones(1, 2, 2))
    later = look(x, memory.roll(2, 1), now + 2)  # all moved by two steps, but for what falls off the end
    inner = torch.zeros(1, 12, 8)
    inner[:, 2:10] = memory[:, 2:10]
    assert later.shape == x.shape
    one = look.attention_weights(x, inner, now)[..., 2:9]
    other = look.attention_weights(x, inner.roll(2, 1), now + 2)[..., 4:11]
    torch.testing.assert_close(one / one.sum(-1, keepdim=True), other / other.sum(-1, keepdim=True))
    with torch.no_grad():  # no content, no tables: the slope alone, e^-0.3 a step, floor at the reach
        for p in (look.q.weight, look.q.bias, look.kv.weight, look.kv.bias, look.r_k, look.r_v):
            p.zero_()
    A = look.attention_weights(x, memory, now)[0, 0, 0]
    torch.testing.assert_close(A[5] / A[4], torch.tensor(math.exp(-0.3)))
    torch.testing.assert_close(A[11], A[7])


def test_the_clock_by_hand():
    torch.manual_seed(1)
    look = ClockedAttention(4, 1, reach=2)
    x, memory, now = torch.randn(1, 1, 4), torch.randn(1, 5, 4), torch.tensor([[3]])
    q = look.q(x)[0, 0]
    k, v = look.kv(memory)[0].chunk(2, -1)
    rows = [max(-2, min(2, j - 3)) + 2 for j in range(5)]
    s = torch.stack([q @ (k[j] + look.r_k[0, r]) / 2 + look.bias[0, r] for j, r in enumerate(rows)])
    y = sum(a * (v[j] + look.r_v[0, r]) for (j, r), a in zip(enumerate(rows), s.softmax(0), strict=True))
    torch.testing.assert_close(look(x, memory, now)[0, 0], look.out(y))


def test_the_clock_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="expected heads that divide"):
        ClockedAttention(6, 4)
    look = ClockedAttention(8, 2)
    for memory in (torch.randn(1, 5, 6), torch.randn(2, 5, 8)):
        with pytest.raises(ValueError, match="a time for each query"):
            look(torch.randn(1, 2, 8), memory, torch.zeros(1, 2, dtype=torch.long))
