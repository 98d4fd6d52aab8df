"""What lesson 10 says, on made-up segments: classes as directions in noise, three starts each."""

from dataclasses import fields

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from avcl_teach import encoders, training
from avcl_teach.comparison import SegmentSplit, hidden_segments

SEEDS = (0, 1, 2)
DIM = 16


def cut(seed):
    """Return segments whose sound is their class's direction in noise, and whose picture is the class."""
    directions = torch.randn(9, DIM, generator=torch.Generator().manual_seed(99))
    directions[8] = 0  # class -1 stands last: nothing is heard
    g = torch.Generator().manual_seed(seed)
    heard, viewed = (torch.randint(-1, 8, (150, 8), generator=g) for _ in range(2))
    x_a = 0.5 * directions[heard] + torch.randn(150, 8, DIM, generator=g)
    x_v = F.one_hot(viewed.clamp_min(0), 8).float()[:, :, None].expand(-1, -1, 2, -1)
    given = {"x_a": x_a, "x_v": x_v, "heard": heard, "viewed": viewed, "index": torch.arange(150)}
    given |= dict.fromkeys(("event", "event_label"), torch.zeros(150, 8, dtype=torch.long))
    covers = [f.name for f in fields(SegmentSplit) if f.name not in given]
    return SegmentSplit(**given, **dict.fromkeys(covers, torch.zeros(150, 8, 2)))


@pytest.fixture(scope="module")
def cuts():
    torch.set_num_threads(1)
    return cut(0), cut(1)


def mean_pool(h, mask):
    return (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


class Listener(nn.Module):
    def __init__(self, pool):
        super().__init__()
        self.features, self.pool = nn.Sequential(nn.Linear(DIM, 32), nn.GELU()), pool
        self.head = nn.Linear(32, 4)

    def forward(self, x, mask):
        return self.head(self.pool(self.features(x), mask))


def only(rows):
    return F.one_hot(rows.where, rows.mask.shape[1]).bool()


@pytest.fixture(scope="module")
def listeners(cuts):
    """Return {pooling: accuracy a seed}, and hits of attention with their chance."""
    found = {"mean": [], "attention": [], "told": [], "hits": [], "chance": []}
    how = {"lengths": (8, 16), "wanted": range(4), "others": range(4, 8), "silent": 0.5}
    pools = {
        "mean": lambda: mean_pool,
        "told": lambda: mean_pool,
        "attention": lambda: encoders.AttentionPool(32, sharpness=4.0),
    }
    for s in SEEDS:
        train, test = (hidden_segments(c, n, seed=s, **how) for c, n in zip(cuts, (1000, 400), strict=True))
        for name, pool in pools.items():
            seen, of = (only(r) if name == "told" else r.mask for r in (train, test))
            torch.manual_seed(s)
            model = Listener(pool())
            training.fit(
                model, lambda m, b: F.cross_entropy(m(b[0], b[1]), b[2]), (train.sounds, seen, train.label),
                steps=70, batch_size=64, lr=1e-2, seed=s, progress=False,
            )  # fmt: skip
            with torch.no_grad():
                right = model(test.sounds, of).argmax(1) == test.label
                found[name].append(right.float().mean().item())
                if name == "attention":
                    w = model.pool.weights(model.features(test.sounds), test.mask)
                    found["hits"].append((w.argmax(1) == test.where).float().mean().item())
                    found["chance"].append((1 / test.lengths).mean().item())
    return found


def test_attention_finds_the_segment_that_the_mean_drowns(listeners):
    for mean, attention, told in zip(
        listeners["mean"], listeners["attention"], listeners["told"], strict=True
    ):
        assert 0.25 < mean < attention - 0.05
        assert attention < told + 0.02
    for hit, chance in zip(listeners["hits"], listeners["chance"], strict=True):
        assert hit > chance + 0.3


def asked(cut, n, seed, **how):
    rows = hidden_segments(cut, n, **({"lengths": (4, 8, 12), "seed": seed} | how))
    places = F.one_hot(rows.place.clamp_min(0), 4).float()
    return rows, (8 * rows.picture - 1, rows.sounds, places, rows.mask, rows.answer)


def loss(pool, batch):
    p = pool(batch[0], batch[1], values=batch[2], mask=batch[3])
    return F.nll_loss((p + 1e-6).log(), batch[4])


class Straight(encoders.AdditiveScore):
    """Addition without its tanh."""

    def forward(self, q, k):
        return (self.W_q(q)[:, :, None] + self.W_k(k)[:, None]) @ self.u


FORMS = {
    "additive": lambda: encoders.AdditiveScore(8, DIM),
    "scaled dot": lambda: encoders.ScaledDotScore(8, DIM),
    "no tanh": lambda: Straight(8, DIM),
    "dot, wide": lambda: encoders.DotScore(8, DIM, hidden=256),
    "scaled dot, wide": lambda: encoders.ScaledDotScore(8, DIM, hidden=256),
}


@pytest.fixture(scope="module")
def pools(cuts):
    found = {}
    for name, form in FORMS.items():
        for s in SEEDS:
            torch.manual_seed(s)
            pool = encoders.QueryPool(form())
            training.fit(
                pool, loss, asked(cuts[0], 600, s)[1], steps=40, batch_size=64, lr=1e-2, seed=s,
                progress=False,
            )  # fmt: skip
            found.setdefault(name, []).append(pool)
    return found


@torch.no_grad()
def judge(pool, cut, seed, *, wrong=False, **how):
    rows, (query, x, places, mask, answer) = asked(cut, 600, seed + 100, **how)
    query = query.roll(1, 0) if wrong else query
    p, w = pool(query, x, values=places, mask=mask), pool.weights(query, x, mask)
    right, hit = p.argmax(1) == answer, w.argmax(1) == rows.where
    return [t.float().mean().item() for t in (right, hit, w.gather(1, rows.where[:, None]))]


@pytest.mark.parametrize("name", ["additive", "scaled dot"])
def test_every_form_finds_what_the_picture_asks_for_and_nothing_with_a_wrong_picture(pools, cuts, name):
    for s, pool in zip(SEEDS, pools[name], strict=True):
        right, hit, _ = judge(pool, cuts[1], s)
        astray, miss, _ = judge(pool, cuts[1], s, wrong=True)
        assert right > 0.4
        assert hit > 0.35  # by chance 0.15
        assert abs(astray - 0.25) < 0.06
        assert miss < 0.22


def test_without_its_tanh_addition_cannot_hear_the_question(pools, cuts):
    for s, pool in zip(SEEDS, pools["no tanh"], strict=True):
        assert abs(judge(pool, cuts[1], s)[0] - 0.25) < 0.06


def test_wide_dot_products_need_their_scale(pools, cuts):
    for s, dot, scaled in zip(SEEDS, pools["dot, wide"], pools["scaled dot, wide"], strict=True):
        assert judge(scaled, cuts[1], s)[0] > judge(dot, cuts[1], s)[0] + 0.02


def test_longer_rows_take_weight_faster_than_hits(pools, cuts):
    for s, pool in zip(SEEDS, pools["scaled dot"], strict=True):
        _, hit, weight = judge(pool, cuts[1], s, lengths=(8,))
        _, hit_long, weight_long = judge(pool, cuts[1], s, lengths=(64,))
        assert weight_long < 0.6 * weight
        assert weight_long / weight < hit_long / hit
        assert hit_long > 3 / 64
        assert hit_long < hit
