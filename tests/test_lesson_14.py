"""What lesson 14 says, at a small size: collapse, shared decoders, and scores that are not what they seem."""

from functools import partial

import pytest
import torch

from avcl_teach import comparison, metrics, objectives, training
from avcl_teach.encoders import VAE, CorrelatedVAE, SharedDecoderVAE, reparametrise
from avcl_teach.metrics.latents import active_units, kl_per_dimension

SEEDS = (0, 1)
bound = partial(objectives.elbo, noise_log_variance=-2.0)


@pytest.fixture(scope="module")
def pairs():
    return comparison.toy_pairs(512, 128, n_classes=4, instance=0.4, nuisance=0.7)


def vae(pairs, loss, seed=0):
    torch.manual_seed(seed)
    model = VAE(40, 8, hidden=(32,))
    settings = {"steps": 50, "batch_size": 64, "lr": 2e-2, "seed": seed, "progress": False}
    training.fit(model, loss, pairs.train.x_v, **settings)
    with torch.no_grad():
        return model(pairs.test.x_v)[1]


def with_beta(beta):
    def loss(model, batch):
        x_hat, q = model(batch[0])
        return -bound(batch[0], x_hat, *q, beta=beta)

    return loss


def released(model, batch):
    """MSE averaged over everything, KL summed over the batch."""
    x_hat, q = model(batch[0])
    return (batch[0] - x_hat).square().mean() + 0.1 * kl_per_dimension(*q).sum() * len(x_hat)


def test_a_larger_beta_buys_fewer_nats_until_the_latent_is_silent(pairs):
    found = [vae(pairs, with_beta(beta)) for beta in (0.1, 3.0, 300.0)]
    nats = [float(kl_per_dimension(*q).sum()) for q in found]
    assert nats[0] > nats[1] + 3 and nats[1] > nats[2] + 1 and nats[2] < 0.1
    assert active_units(found[0].mean) == 8 and active_units(found[2].mean) == 0


def test_summing_one_term_and_averaging_the_other_silences_the_latent(pairs):
    assert active_units(vae(pairs, released).mean) == 0


def test_a_draw_through_is_less_noisy_than_the_score():
    g = torch.Generator().manual_seed(0)
    z = 1 + 0.5 * torch.randn(50_000, generator=g)
    through, score = 2 * z, z**2 * (z - 1) / 0.25
    assert through.mean() == pytest.approx(2, abs=0.02)
    assert score.mean() == pytest.approx(2, abs=0.1)
    assert score.var() > 10 * through.var()


@pytest.fixture(scope="module")
def shared(pairs):
    """Return {arm: class mAP across sides, one a seed}."""

    def loss(model, batch, *, both, weight):
        a, v = model(*batch)
        if both:
            x = torch.cat(batch, 1)
            fit = sum(bound(x, torch.cat([side.x_a, side.x_v], 1), *side.q) for side in (a, v))
        else:
            fit = bound(batch[0], a.x_a, *a.q) + bound(batch[1], v.x_v, *v.q)
        return -fit + weight * objectives.gaussian_wasserstein2(*a.q, *v.q)

    def run(seed, *, wrong=False, **how):
        torch.manual_seed(seed)
        model = SharedDecoderVAE(40, 40, 8, hidden=(48,))
        x_a, x_v = pairs.train[:2]
        data = (x_a, x_v[torch.randperm(len(x_v))] if wrong else x_v)
        settings = {"steps": 50, "batch_size": 64, "lr": 2e-2, "seed": seed, "progress": False}
        training.fit(model, partial(loss, **how), data, **settings)
        with torch.no_grad():
            a, v = model(*pairs.test[:2])
        y = pairs.test.labels
        return float(metrics.mean_average_precision(-torch.cdist(a.z, v.z), y, y))

    arms = {
        "itself": {"both": False, "weight": 0.0},
        "itself + d": {"both": False, "weight": 5.0},
        "both": {"both": True, "weight": 0.0},
        "both + d": {"both": True, "weight": 5.0},
        "wrong partners": {"both": True, "weight": 5.0, "wrong": True},
    }
    return {name: torch.tensor([run(s, **how) for s in SEEDS]) for name, how in arms.items()}


def test_to_regenerate_both_is_enough_and_itself_alone_is_not(shared, pairs):
    chance = metrics.chance_map(pairs.test.labels, pairs.test.labels)
    assert shared["wrong partners"].mean() < chance + 0.2
    for name in ("both", "itself + d", "both + d"):
        assert shared[name].min() > shared["itself"].max() + 0.25, name
        assert shared[name].min() > shared["wrong partners"].max() + 0.25, name


def test_a_little_of_the_partner_makes_an_untrained_net_perfect(pairs):
    torch.manual_seed(0)
    model = SharedDecoderVAE(40, 40, 8, hidden=(48,)).eval()
    with torch.no_grad():
        a, v = (side.z for side in model(*pairs.test[:2]))
    own = metrics.recall_at_k(-torch.cdist(a, v), 10)
    half = metrics.recall_at_k(-torch.cdist((a + v) / 2, (a + v) / 2), 10)
    assert own < 0.2 and half == 1.0


def test_the_distance_of_samples_shrinks_equal_clouds_and_wasserstein_leaves_them_alone():
    def of_samples(m1, l1, m2, l2):
        return (reparametrise(m1, l1) - reparametrise(m2, l2)).square().sum(1).mean()

    torch.manual_seed(0)
    zero, l = torch.zeros(4000, 2), torch.zeros(4000, 2, requires_grad=True)
    for distance, pull in ((objectives.gaussian_wasserstein2, 0.0), (of_samples, 2.0)):
        (g,) = torch.autograd.grad(distance(zero, l, zero, l.detach()), l)
        assert float(g.sum()) == pytest.approx(pull, abs=0.15)


def test_centres_that_are_drawn_anew_pull_to_zero():
    torch.manual_seed(0)
    z, y = torch.randn(32, 16, requires_grad=True), torch.arange(32) % 4
    for _ in range(400):
        objectives.center_loss(z, z, y, centers=torch.randn(4, 16)).backward()
    assert torch.cosine_similarity(z.grad.flatten(), z.detach().flatten(), dim=0) > 0.99


def test_cca_afterwards_rescues_vaes_that_never_met(pairs):
    def loss(model, batch):
        a, v = model(*batch)
        return -bound(batch[0], a.x, *a.q) - bound(batch[1], v.x, *v.q)

    torch.manual_seed(0)
    model = CorrelatedVAE(40, 40, 4, n_latent=8, n_hidden=32)
    model.classifier.requires_grad_(False)
    settings = {"steps": 50, "batch_size": 64, "lr": 2e-2, "progress": False}
    training.fit(model, loss, pairs.train[:2], **settings)
    with torch.no_grad():
        a, v = (side.z for side in model(*pairs.test[:2]))
        seen = (side.z for side in model(*pairs.train[:2]))
    cca = objectives.fit_cca(*seen, n_components=4, ridge=1e-2)
    y = pairs.test.labels
    alone, after = (
        float(metrics.mean_average_precision(metrics.cosine_similarity(p, q), y, y))
        for p, q in ((a, v), (cca.transform_a(a), cca.transform_v(v)))
    )
    assert alone < 0.45 and after > alone + 0.15
