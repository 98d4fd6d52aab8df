"""What lesson 11 says, at a small size: what co-attention buys, what its maps show, what breaks."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from avcl_teach import encoders

SEEDS = (0, 1, 2)
K, R, D = 4, 6, 12  # classes, regions, features


def stage(n, seed):
    """Draw sounds of one thing, and pictures in which it is seen beside a silent one of another class."""
    g, fixed = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(99)
    sounds, looks = torch.randn(K, D, generator=fixed), torch.randn(K, D, generator=fixed)
    loud = torch.randint(0, K, (n,), generator=g)
    mute = (loud + torch.randint(1, K, (n,), generator=g)) % K
    place = torch.rand(n, R, generator=g).argsort(1)[:, :2]
    v = 0.3 * torch.randn(n, R, D, generator=g)
    v[torch.arange(n), place[:, 0]] += looks[loud]
    v[torch.arange(n), place[:, 1]] += looks[mute]
    a = sounds[loud] + 0.3 * torch.randn(n, D, generator=g)
    return a, v, loud, mute, place


class Maps(nn.Module):
    def __init__(self):
        super().__init__()
        self.f, self.g, self.own = nn.Linear(D, 16), nn.Linear(D, 16), encoders.OwnMap(16)


def fit_maps(seed, *, weight=10.0, stop=True, steps=80):
    torch.manual_seed(seed)
    net, (a, v, y, _, _) = Maps(), stage(512, 0)
    adam = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(steps):
        rows = torch.randperm(len(a))[:64]
        f, g = net.f(a[rows]), net.g(v[rows])
        S = torch.einsum("id,jpd->ijp", F.normalize(f, dim=1), F.normalize(g, dim=2))
        S = 0.3 * (S / 0.3).logsumexp(-1) / 0.1
        like = (y[rows][:, None] == y[rows]).float()
        like = like / like.sum(1, keepdim=True)
        G, A = encoders.guided_map(g, f, temperature=0.3), net.own(g)
        agree = encoders.map_consistency(A, G) if stop else (A - G).square().sum(1).mean()
        loss = F.cross_entropy(S, like) + F.cross_entropy(S.T, like) + weight * agree
        adam.zero_grad()
        loss.backward()
        adam.step()
    return net.eval()


@torch.no_grad()
def draw(net, a, v):
    f, g = net.f(a), net.g(v)
    return net.own(g), encoders.guided_map(g, f)


def share(maps, place):
    return (maps.argmax(1) == place).float().mean().item()


@pytest.fixture(scope="module")
def test_set():
    return stage(256, 1)


@pytest.fixture(scope="module")
def nets():
    return [fit_maps(s) for s in SEEDS]


def test_guided_map_points_at_what_sounds_and_moves_with_the_sound(nets, test_set):
    a, v, loud, mute, place = test_set
    swap = torch.stack([(loud == c).nonzero()[0, 0] for c in mute])
    for net in nets:
        _, G = draw(net, a, v)
        assert share(G, place[:, 0]) > 0.8
        assert share(G, place[:, 1]) < 0.15
        _, G = draw(net, a[swap], v)
        assert share(G, place[:, 1]) > 0.8


def test_own_map_finds_things_and_cannot_know_which_one_sounds(nets, test_set):
    a, v, _, _, place = test_set
    for net in nets:
        A, _ = draw(net, a, v)
        loud, mute = share(A, place[:, 0]), share(A, place[:, 1])
        assert loud + mute > 0.6  # chance: 2 of 6
        assert abs(loud - mute) < 0.2


def test_without_stop_gradient_the_maps_agree_on_less(test_set):
    a, v = test_set[:2]

    def entropy(M):
        return -(M * M.clamp_min(1e-9).log()).sum(1).mean().item()

    for seed in SEEDS[:2]:
        kept, free = (draw(fit_maps(seed, stop=stop), a, v) for stop in (True, False))
        assert entropy(free[1]) > entropy(kept[1]) + 0.1


def segments(n, seed):
    """Draw segments: what is heard, what is seen in one region, and the class where both are the same."""
    a, v, heard, mute, place = stage(n, seed)
    g = torch.Generator().manual_seed(seed + 50)
    match = torch.rand(n, generator=g) < 0.5
    rows = torch.arange(n)
    v[rows, place[:, 0]] = torch.where(match[:, None], v[rows, place[:, 0]], v[rows, place[:, 1]])
    v[rows, place[:, 1]] = 0.3 * torch.randn(n, D, generator=g)
    return a, v, torch.where(match, heard, K)


class Labeller(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(D, 16), nn.LayerNorm(16))
        self.g = nn.Sequential(nn.Linear(D, 16), nn.LayerNorm(16))
        self.look = encoders.RegionAttention(16, 2, window=0)
        self.head = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, K + 1))

    def forward(self, a, v):
        return self.head(self.look(self.f(a)[:, None], self.g(v)[:, None]))[:, 0]


def accuracy(seed):
    torch.manual_seed(seed)
    net, (a, v, y) = Labeller(), segments(1024, 0)
    adam = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(110):
        rows = torch.randperm(len(a))[:128]
        loss = F.cross_entropy(net(a[rows], v[rows]), y[rows])
        adam.zero_grad()
        loss.backward()
        adam.step()
    a, v, y = segments(256, 1)
    with torch.no_grad():
        right = (net(a, v).argmax(1) == y).float().mean().item()
        other = (net(a, v.roll(1, 0)).argmax(1) == y).float().mean().item()
    return right, other


def test_both_modalities_are_needed_and_wrong_pictures_leave_what_one_can_do():
    kept = [accuracy(s) for s in SEEDS]
    assert min(right for right, _ in kept) > 0.85
    assert max(other for _, other in kept) < 0.6  # bound of either modality alone: about 0.5
