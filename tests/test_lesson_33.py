"""What lesson 33 says, on made-up clips: one vector a class, a little noise, states drawn as in the world."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.comparison.event_pairs import Events, EventSplit, strangers
from avcl_teach.metrics import event_segments as metric
from avcl_teach.systems import _events, lin2020
from avcl_teach.systems import ramaswamy2020 as ram
from avcl_teach.world.events import draw_runs

SIZES = {"steps": 80, "batch_size": 32}


def made_up(n, seed):
    rngs = [np.random.default_rng([seed, k]) for k in range(n)]
    heard, viewed, event = (torch.as_tensor(x) for x in draw_runs(rngs, n_segments=8))
    g, fixed = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(99)
    actors = torch.rand(n, 8, generator=g).argsort(1)[:, :2]
    heard, viewed = (torch.where(x >= 0, actors.gather(1, x.clamp_min(0)), -1) for x in (heard, viewed))
    codes_a, codes_v = (2 * torch.randn(9, d, generator=fixed) for d in (64, 32))
    codes_a[8] = codes_v[8] = 0
    x_a = codes_a[heard % 9] + 2.0 * torch.randn(n, 8, 64, generator=g)
    x_v = 1.2 * torch.randn(n, 8, 4, 32, generator=g)
    x_v[:, :, 1] += codes_v[viewed % 9]
    target = torch.where(event == 4, heard, 8)
    cover = F.one_hot(torch.ones(n, 8, dtype=torch.long), 4) * (event == 4)[..., None].float()
    return EventSplit(x_a, x_v, target, event, heard, viewed, cover, torch.arange(n))


@pytest.fixture(scope="module")
def data():
    return Events(made_up(384, 0), made_up(8, 1), made_up(96, 2), tuple("abcdefgh"), "easy", 0)


def trained(data, make, loss, seed=0):
    torch.manual_seed(seed)
    return _events.fit(make(), loss, data, seed=seed, device="cpu", **SIZES)


@pytest.fixture(scope="module")
def three(data):
    full = trained(data, lambda: ram.FusedLocalizer(8), lin2020.segment_loss)
    weak = trained(data, lambda: ram.FusedLocalizer(8), lin2020.clip_loss)
    free = trained(data, ram.Matcher, ram.label_free_loss)
    return {"paper": full, "weak": weak, "unsupervised": free}


def test_more_labels_find_more_and_wrong_pictures_find_nothing(data, three):
    found = {arm: ram.measure(net, data, arm=arm) for arm, net in three.items()}
    auc = {arm: o.extra["match_auc"] for arm, o in found.items()}
    assert auc["paper"] > auc["weak"] + 0.01 and auc["weak"] > auc["unsupervised"] - 0.02
    assert auc["unsupervised"] > 0.7
    assert found["paper"].score > found["paper"].extra["perfect_ears"] + 0.1
    assert found["paper"].wrong_partner < found["paper"].chance + 0.05
    for outcome in found.values():
        assert outcome.wrong_partner < min(outcome.score, outcome.extra["perfect_eyes"])


def test_strangers_of_made_up_clips_share_nothing(data):
    order = strangers(data.test)
    heard, viewed = data.test.heard, data.test.viewed[order]
    assert not ((heard == viewed) & (heard >= 0)).any()


def test_taught_by_clips_more_mismatches_are_called_or_fewer_matches(data, three):
    tables = {}
    for arm in ("paper", "weak"):
        given, _ = ram.answerer(three[arm], data, arm=arm)(data.test.x_a, data.test.x_v)
        tables[arm] = metric.state_report(given, data.test.event, none=8)
    errors = {arm: t["mismatch"] + 1 - t["match"] for arm, t in tables.items()}
    assert errors["weak"] > errors["paper"]


def test_squashed_twice_moves_by_a_ninth_and_learns_only_none(data):
    def squashed(net, batch):
        p = net(*batch[:2]).flatten(0, 1).softmax(1)
        return F.multilabel_soft_margin_loss(p, F.one_hot(batch[2].flatten(), 9).float())

    wanted = F.one_hot(torch.tensor([8]), 9).float()
    best, worst = (
        F.multilabel_soft_margin_loss((20 * x).softmax(1), wanted).item() for x in (wanted, wanted.roll(1, 1))
    )
    assert worst - best == pytest.approx(1 / 9, abs=1e-3)
    torch.manual_seed(0)
    net, train = ram.FusedLocalizer(8), data.train
    training.fit(net, squashed, (train.x_a, train.x_v, train.target), steps=60, batch_size=32, lr=3e-3,
                 progress=False, device="cpu")  # fmt: skip
    given, _ = _events.localize(net, data.test.x_a, data.test.x_v)
    assert (given == 8).float().mean() > 0.95


def test_the_worlds_shares_give_the_bounds_of_the_lesson():
    event = torch.as_tensor(draw_runs([np.random.default_rng(k) for k in range(4000)], n_segments=8)[2])
    nothing, audio, video, mismatch, match = ((event == k).double().mean().item() for k in range(5))
    assert match == pytest.approx(0.40, abs=0.02)
    assert match + nothing + video == pytest.approx(0.65, abs=0.02)  # ears: bet on a match when heard
    assert mismatch == pytest.approx(0.20, abs=0.02) and audio == pytest.approx(0.15, abs=0.02)
