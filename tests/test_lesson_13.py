"""What lesson 13 says, on made-up pairs: a part that is shared and a larger one that is not."""

import pytest
import torch

from avcl_teach import comparison, encoders
from avcl_teach.encoders import drop_modalities, only, perceptron
from avcl_teach.metrics.gap import modality_probe, two_sample_test

SEEDS, DIM = (0, 1), 16


@pytest.fixture(scope="module")
def pairs():
    return comparison.toy_pairs(512, 128, n_classes=4)


def parts(n=40):
    return [[perceptron(n, 48, DIM) for _ in range(2)], [perceptron(DIM, 48, n) for _ in range(2)]]


def squared(x_hat, xs):
    return sum((y - x).square().mean() for y, x in zip(x_hat, xs, strict=True))


def own(model, batch):
    return squared(model(batch[:2])[1], batch[:2])


def dropped(model, batch):
    present = drop_modalities(len(batch[0]), 2, p=0.5)
    return squared(model(batch[:2], present)[1], batch[:2])


def crossed(model, batch):
    h, x_hat = model(batch[:2])
    return encoders.cross_errors(x_hat, batch[:2]).sum() + (h[:, 0] - h[:, 1]).square().mean()


def concatenated():
    return encoders.ConcatenatedLatent(*parts(), perceptron(2 * DIM, DIM), dims=[DIM, DIM])


WAYS = {
    "separate": (lambda: encoders.AlignedLatents(*parts()), own),
    "concatenated": (concatenated, own),
    "concatenated, dropout": (concatenated, dropped),
    "attended, dropout": (lambda: encoders.AttendedLatent(*parts(), dim=DIM), dropped),
    "cross": (lambda: encoders.CrossReconstruction(*parts()), crossed),
    "cross, wrong partners": (lambda: encoders.CrossReconstruction(*parts()), crossed),
}


@pytest.fixture(scope="module")
def models(pairs):
    def train(name, seed):
        make, loss = WAYS[name]
        torch.manual_seed(seed)
        x_a, x_v, _ = pairs.train
        if "wrong" in name:
            x_v = x_v[torch.randperm(len(x_v))]
        model = make()
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, fused=True)
        for _ in range(80):
            rows = torch.randint(len(x_a), (128,))
            optimizer.zero_grad()
            loss(model, (x_a[rows], x_v[rows])).backward()
            optimizer.step()
        return model.eval()

    return {name: [train(name, s) for s in SEEDS] for name in WAYS}


@pytest.fixture(scope="module")
def found(models, pairs):
    return {
        name: [comparison.latent_report(m, pairs, n_permutations=199) for m in made]
        for name, made in models.items()
    }


def values(found, name, metric):
    return torch.tensor([r[metric] for r in found[name]])


def test_separate_latents_retrieve_by_chance_and_shared_ones_do_not(found):
    chance = found["separate"][0]["chance mAP"]
    assert abs(values(found, "separate", "mAP").mean() - chance) < 0.06
    for name in ("concatenated, dropout", "attended, dropout", "cross"):
        assert values(found, name, "mAP").min() > chance + 0.1
        assert values(found, name, "R@10").min() > 0.15  # chance 10 / 128
        assert max(r["wrong mAP"] for r in found[name]) < chance + 0.1


def test_shared_latents_have_a_smaller_mmd_and_still_a_gap(found):
    apart = values(found, "separate", "MMD2")
    for name in ("concatenated, dropout", "attended, dropout", "cross"):
        assert (values(found, name, "MMD2") < 0.7 * apart).all()
    assert values(found, "separate", "p").max() <= 0.005


def test_a_small_gap_is_no_correlation(found):
    name, chance = "cross, wrong partners", found["cross"][0]["chance mAP"]
    assert (values(found, name, "MMD2") < 0.5 * values(found, "separate", "MMD2")).all()
    assert values(found, name, "mAP").mean() < chance + 0.06


def test_only_the_other_side_can_be_drawn_from_a_shared_latent(found):
    assert values(found, "cross", "sound from picture").max() < 0.97
    assert (
        values(found, "cross", "sound from sound").max() < values(found, "cross", "sound from picture").min()
    )
    assert values(found, "separate", "sound from picture").min() > 1
    assert values(found, "cross, wrong partners", "sound from picture").min() > 0.97


def test_modality_dropout_pays_where_a_side_is_missing(models, pairs):
    def accuracy(model, m):
        xs, n = pairs.test[:2], pairs.test.n_pairs
        with torch.no_grad():
            h, q = model.encode(pairs.train[:2]), model.encode(xs, only(n, 2, m))
        return comparison.linear_probe(h, pairs.train.labels, q, pairs.test.labels)

    gain = [
        accuracy(with_it, m) - accuracy(without, m)
        for m in (0, 1)
        for with_it, without in zip(models["concatenated, dropout"], models["concatenated"], strict=True)
    ]
    assert sum(gain) / len(gain) > 0.02


def test_a_partner_mixed_in_makes_a_perfect_score_without_training(pairs):
    torch.manual_seed(0)
    model = encoders.AlignedLatents(*parts())
    with torch.no_grad():
        a, v = model.alone(pairs.test[:2])
    y = pairs.test.labels
    assert comparison.report(a, v, y)["R@10 a2v"] < 0.2
    assert comparison.report(a + v / 2, v + a / 2, y)["R@10 a2v"] > 0.95


def test_a_probe_that_is_judged_on_its_training_set_finds_a_gap_in_noise():
    a, v, a_test, v_test = torch.randn(4, 24, 40, generator=torch.Generator().manual_seed(0))
    assert modality_probe(a, v, a, v) > 0.9
    assert modality_probe(a, v, a_test, v_test) < 0.75
    assert two_sample_test(a, v).p > 0.05
