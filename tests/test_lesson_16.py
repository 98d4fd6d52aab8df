"""What lesson 16 says, on made-up long scenes: ten tones, four places, a little noise."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from avcl_teach import comparison, objectives, training
from avcl_teach.encoders import KeyValueMemory, NearestMemory, TransformerBlock, window_mask

SEEDS = (0, 1)


def made_up(n, seed, delay=4):
    """Draw long scenes as the world does, without rendering: one band a tone, motion where it plays."""
    g = torch.Generator().manual_seed(seed)
    tone = torch.rand(n, 10, generator=g).argsort(1)
    order, answer = torch.rand(n, 4, generator=g).argsort(1), torch.randint(4, (n,), generator=g)
    heard = torch.full((n, 8 + delay + 2), -1)
    heard[:, :8] = tone.gather(1, order).repeat_interleave(2, 1)
    stray = tone.gather(1, torch.randint(4, 10, (n, delay // 2), generator=g))
    silent = torch.rand(n, delay // 2, generator=g) < 0.5
    heard[:, 8:-2] = torch.where(silent, -1, stray).repeat_interleave(2, 1)
    heard[:, -2:] = tone.gather(1, answer[:, None])
    x_a = 3.0 * F.one_hot(heard + 1, 11)[..., 1:] + 0.3 * torch.randn(n, *heard.shape[1:], 10, generator=g)
    x_v = torch.zeros(n, heard.shape[1], 4)
    x_v[:, :8] = 2.0 * F.one_hot(order, 4).repeat_interleave(2, 1)
    x_v = x_v + 0.3 * torch.randn(x_v.shape, generator=g)
    query = tone.gather(1, answer[:, None])[:, 0]
    return comparison.LongSplit(x_a, x_v, answer, order, tone[:, :4], query, torch.arange(n))


class Remember(nn.Module):
    def __init__(self, memory):
        super().__init__()
        self.memory, self.out = memory, nn.Linear(32, 4)

    def forward(self, x_a, x_v):
        return self.out(self.memory(x_a[:, :-2], x_v[:, :-2], x_a[:, -2:]).mean(1))


def slots(n=16, values=4, **how):
    return Remember(KeyValueMemory(10, values, n_slots=n, dim=32, **how))


def shuffled(x_v, answer):
    p = torch.rand(len(x_v), 4).argsort(1)
    return x_v.gather(2, p[:, None].expand_as(x_v)), (p == answer[:, None]).int().argmax(1)


def twice(x_a, x_v):
    p = torch.rand(len(x_v), 4).argsort(1)
    old = x_v[:, :8].gather(2, p[:, None].expand(-1, 8, -1))
    return torch.cat([x_a[:, :8], x_a], 1), torch.cat([old, x_v], 1)


def train(make, train_split, seed=0, again=None, steps=100, label=False):
    def loss(model, batch):
        split = comparison.LongSplit(*batch)
        x_a, (x_v, y) = split.x_a, shuffled(split.x_v, split.answer)
        if again is not None:
            x_a, x_v = again(x_a, x_v)
        return F.cross_entropy(model(x_a, with_label(x_v, y) if label else x_v), y)

    torch.manual_seed(seed)
    model, data = make(), tuple(vars(train_split).values())
    training.fit(model, loss, data, steps=steps, batch_size=64, lr=1e-2, seed=seed, progress=False)
    return model


def with_label(x_v, y):
    return torch.cat([x_v, F.one_hot(y, 4).float()[:, None].expand(-1, x_v.shape[1], -1)], -1)


@torch.no_grad()
def score(model, split, delay=4, again=None, wrong=False):
    x_a, x_v = split.at_delay(delay, generator=torch.Generator().manual_seed(0))
    x_v = x_v.roll(1, 0) if wrong else x_v
    x_a, x_v = (x_a, x_v) if again is None else again(x_a, x_v)
    return (model(x_a, x_v).argmax(1) == split.answer).float().mean().item()


@pytest.fixture(scope="module")
def split():
    return made_up(512, 0), made_up(512, 1)


@pytest.fixture(scope="module")
def trained(split):
    return [train(slots, split[0], seed) for seed in SEEDS]


def test_slots_answer_at_delays_never_trained_and_not_with_wrong_pictures(trained, split):
    for model in trained:
        assert score(model, split[1]) > 0.85
        assert score(model, split[1], delay=64) > 0.6
        assert score(model, split[1], wrong=True) < 0.25 + 0.1


def test_one_slot_stays_at_chance_and_four_lie_between(trained, split):
    few = {n: [score(train(partial(slots, n), split[0], s), split[1]) for s in SEEDS] for n in (1, 4)}
    assert max(few[1]) < 0.35
    assert min(few[4]) > 0.45 and max(few[4]) < min(score(m, split[1]) for m in trained)


def test_slots_by_luck():
    def by_luck(n_slots, n=4):
        return (1 - (1 - 1 / n_slots) ** n) * n_slots / n

    torch.manual_seed(0)
    for n_slots in (1, 4, 16):
        meant = torch.randint(n_slots, (20000, 4))
        shared = (meant[:, 1:] == meant[:, :1]).sum(1)
        assert (1 / (1 + shared)).mean().item() == pytest.approx(by_luck(n_slots), abs=0.01)


def test_nearest_does_not_notice_the_delay(split):
    model = train(lambda: Remember(NearestMemory(10, 4)), split[0])
    assert score(model, split[1]) > 0.95
    assert abs(score(model, split[1], delay=64) - score(model, split[1])) < 0.05


def test_two_layers_of_window_8_reach_back_14():
    torch.manual_seed(0)
    blocks = [TransformerBlock(16, 2) for _ in range(2)]

    def last(x):
        for block in blocks:
            x = block(x, mask=window_mask(x.shape[1], past=7, future=0))
        return x[:, -1]

    x = torch.randn(1, 20, 16, requires_grad=True)
    last(x).sum().backward()
    reached = x.grad.abs().sum((0, 2)) > 0
    assert reached.tolist() == [False] * 5 + [True] * 15


def test_the_erase_gate_is_needed_where_the_last_player_counts(split):
    torch.manual_seed(0)
    with_it, without = (
        [train(partial(slots, erase=e), split[0], s, twice, steps=150) for s in SEEDS]
        for e in (True, False)
    )
    assert min(score(m, split[1], again=twice) for m in with_it) > 0.75
    assert max(score(m, split[1], again=twice) for m in without) < 0.72


def test_a_memory_that_is_not_reset_costs_most_where_nothing_is_erased(trained, split):
    @torch.no_grad()
    def carried(model, n_before):
        M, test = None, split[1]
        for back in range(n_before, -1, -1):
            x_a, x_v = test.x_a.roll(back, 0), test.x_v.roll(back, 0)
            M = model.memory.write(x_a[:, :-2], x_v[:, :-2], memory=M)
        r = model.memory.read(M, test.x_a[:, -2:]).mean(1)
        return (model.out(r).argmax(1) == test.answer).float().mean().item()

    adding = train(partial(slots, erase=False), split[0])
    lost = {name: carried(m, 0) - carried(m, 4) for name, m in (("erase", trained[0]), ("add", adding))}
    assert lost["add"] > lost["erase"] + 0.1
    assert lost["add"] > 0.2


def test_a_label_in_the_value_is_perfect_in_training_and_chance_at_work(split):
    model, test = train(partial(slots, values=8), split[0], label=True), split[1]
    with torch.no_grad():
        told = model(test.x_a, with_label(test.x_v, test.answer)).argmax(1) == test.answer
        asked = model(test.x_a, F.pad(test.x_v, (0, 4))).argmax(1) == test.answer
    assert told.float().mean() > 0.95
    assert asked.float().mean() < 0.6 < told.float().mean()


def test_slow_key_encoders_keep_a_queue_fresh():
    toy = comparison.toy_pairs(512, 32, n_classes=4)

    def oldest(m, seed):
        torch.manual_seed(seed)
        towers = nn.ModuleList(nn.Linear(x.shape[1], 16) for x in toy.train[:2])
        slow, seen = copy.deepcopy(towers), []
        optimizer, bank = torch.optim.Adam(towers.parameters(), lr=3e-3), objectives.empty_bank(512, 16)
        for _ in range(24):
            seen.append(torch.randint(512, (32,)))
            x = toy.train.x_a[seen[-1]], toy.train.x_v[seen[-1]]
            with torch.no_grad():
                keys = [k(y) for k, y in zip(slow, x, strict=True)]
            a, v = (t(y) for t, y in zip(towers, x, strict=True))
            loss = objectives.info_nce_bank(a, v, bank=bank, keys_a=keys[0], keys_v=keys[1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for t, k in zip(towers, slow, strict=True):
                objectives.momentum_update(t, k, m=m)
            bank = objectives.push(bank, *keys)
        with torch.no_grad():
            now = F.normalize(slow[0](toy.train.x_a[seen[8]]), dim=1)
        return (bank.a[:32] * now).sum(1).mean().item()

    for s in SEEDS:
        assert oldest(0.99, s) > oldest(0.0, s) + 0.02
