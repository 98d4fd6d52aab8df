"""What lesson 15 says, at a small size: collapse, averages, the gap between modalities, stored pictures."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from avcl_teach import comparison, objectives
from avcl_teach.comparison.adversaries import Referee
from avcl_teach.encoders.adversarial import Discriminator, Generator, layers
from avcl_teach.encoders.conditions import NoCondition
from avcl_teach.metrics.gap import modality_probe
from avcl_teach.training.two_player import fit_two

PLACES = torch.tensor([-2.0, 0.0, 2.0])


def real(n, seed):
    g = torch.Generator().manual_seed(seed)
    return PLACES[torch.randint(3, (n,), generator=g), None] + 0.2 * torch.randn(n, 1, generator=g)


def play(*, seed=0, rounds=150, **how):
    torch.manual_seed(seed)
    trunk = nn.Sequential(layers(1, 64, 64), nn.LeakyReLU(0.2))
    G, D = Generator(1, dim_noise=1), Discriminator(trunk, NoCondition(64))

    def lose_D(G, D, batch):
        with torch.no_grad():
            fake = G.sample(len(batch[0]))
        return objectives.discriminator_log_loss(D(batch[0]), D(fake))

    def lose_G(G, D, batch):
        return objectives.generator_log_loss(D(G.sample(len(batch[0]))))

    how = {"steps": rounds, "batch_size": 128, "betas": (0.5, 0.9), "seed": seed} | how
    duel = fit_two(G, D, lose_G, lose_D, real(2048, 0), watch=lambda G, D, s: G.sample(1024)[:, 0],
                   watch_every=25, **how)  # fmt: skip
    return [x for _, x in duel.watched]


def distance(x):
    return float((x.sort().values - real(1024, 1)[:, 0].sort().values).abs().mean())


def modes(x):
    return int(((x[:, None] - PLACES).abs() < 0.6).double().mean(0).gt(0.1).sum())


def test_an_even_game_finds_the_modes_and_a_hasty_generator_loses_them():
    even = play(lr_generator=5e-3, lr_discriminator=5e-3)
    hasty = play(lr_generator=1e-2, lr_discriminator=2e-4, seed=1)
    assert distance(even[-1]) < 0.6 < 1.0 < distance(even[0])
    assert modes(even[-1]) == 3
    assert sum(map(modes, hasty[2:])) / len(hasty[2:]) < 1.5
    assert distance(hasty[-1]) > distance(even[-1]) + 0.3


def unit(run, split):
    return [F.normalize(z, dim=1) for z in run.embed(split)]


@pytest.fixture(scope="module")
def judged():
    """Return {arm: (modality probe, R@10)}."""
    pairs = comparison.toy_pairs(512, 128, n_classes=4)
    joint = partial(objectives.adversarial_metric, metric=objectives.info_nce)
    arms = {
        "none": (partial(joint, gamma=0), partial(Referee, r1=1.0)),
        "calm": (partial(joint, gamma=3), partial(Referee, r1=1.0)),
        "heavy": (partial(joint, gamma=100), partial(Referee, r1=1.0)),
        "alone": (objectives.modality_confusion, partial(Referee, r1=3.0)),
    }
    found = {}
    for name, (objective, parameters) in arms.items():
        run = comparison.train(objective, pairs, parameters=parameters, steps=100, lr=2e-3)
        A, V, a, v = *unit(run, pairs.train), *unit(run, pairs.test)
        r10 = (run.report["R@10 a2v"] + run.report["R@10 v2a"]) / 2
        found[name] = modality_probe(A, V, a, v), r10
    return found


def test_a_calm_judge_narrows_the_gap_at_little_cost(judged):
    assert judged["none"][0] > 0.8
    assert judged["calm"][0] < judged["none"][0] - 0.1
    assert judged["calm"][1] > judged["none"][1] - 0.1


def test_too_heavy_a_judge_costs_retrieval_and_alone_it_finds_nothing(judged):
    assert judged["heavy"][1] < judged["calm"][1] - 0.1
    assert judged["alone"][1] < 10 / 128 + 0.1
