"""Transfer: top-1 with ties, budgets, and three ways to use pretrained features kept apart."""

import pytest
import torch
from jaxtyping import TypeCheckError
from sklearn.metrics import accuracy_score
from torch import nn

from avcl_teach.encoders.step_towers import StepTower
from avcl_teach.metrics import transfer

BAD = (ValueError, TypeCheckError)  # with shapes checked at run time, the second comes first


def blobs(n, seed, d=6, k=3):
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % k
    centre = torch.randn(k, d, generator=torch.Generator().manual_seed(99)) * 2
    return centre[y] + torch.randn(n, d, generator=g), y


def test_top1_is_accuracy_where_nothing_ties():
    S = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    y = torch.arange(50) % 4
    assert transfer.top1(S, y) == pytest.approx(accuracy_score(y, S.argmax(1)))


def test_a_model_that_says_nothing_scores_chance():
    assert transfer.top1(torch.zeros(8, 4), torch.zeros(8, dtype=torch.long)) == 0.25
    assert transfer.top1(torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([2])) == 0.0


@pytest.mark.parametrize(
    ("S", "y"),
    [
        (torch.zeros(2, 3), torch.zeros(3).long()),
        (torch.zeros(0, 3), torch.zeros(0).long()),
        (torch.full((1, 2), float("nan")), torch.zeros(1).long()),
        (torch.zeros(1, 2), torch.tensor([2])),
    ],
)
def test_top1_refuses(S, y):
    with pytest.raises(BAD):
        transfer.top1(S, y)


def test_budgets_are_balanced_nested_and_of_the_seed():
    y = torch.arange(60) % 3
    small, large = (transfer.label_budget(y, k, seed=4) for k in (2, 5))
    assert y[large].bincount().tolist() == [5, 5, 5] and len(large.unique()) == 15
    assert set(small.tolist()) <= set(large.tolist())
    assert torch.equal(small, large[:6])  # classes in turn: a prefix
    assert not torch.equal(small, transfer.label_budget(y, 2, seed=5))
    for bad in (0, 21):
        with pytest.raises(ValueError, match="1 to 20"):
            transfer.label_budget(y, bad)


def test_the_probe_leaves_the_encoder_as_it_is():
    encoder = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5)).train()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    found = transfer.probe_top1(encoder, blobs(60, 0), blobs(60, 1), blobs(90, 2))
    assert found > 0.6 and encoder.training
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def test_the_ridge_is_chosen_on_val_alone(monkeypatch):
    seen = []

    def probe(x, y, x_test, y_test, *, ridge):
        seen.append((len(x_test), ridge))
        return {60: -abs(ridge - 1.0), 90: ridge}[len(x_test)]

    monkeypatch.setattr(transfer, "linear_probe", probe)
    assert transfer.probe_top1(nn.Identity(), blobs(30, 0), blobs(60, 1), blobs(90, 2)) == 1.0
    assert [n for n, _ in seen] == [60] * 4 + [90]


def test_fine_tuning_trains_a_copy_and_learns():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(6, 8), nn.ReLU()).requires_grad_(False)
    before = [p.clone() for p in encoder.parameters()]
    model = transfer.fine_tune(encoder, blobs(60, 0), blobs(60, 1), n_classes=3, steps=30, lr=1e-2)
    assert all(torch.equal(p, q) for p, q in zip(encoder.parameters(), before, strict=True))
    assert not torch.equal(model[0][0].weight, before[0])
    x, y = blobs(90, 2)
    assert transfer.top1(model(x).detach(), y) > 0.8
    again = transfer.fine_tune(encoder, blobs(60, 0), blobs(60, 1), n_classes=3, steps=30, lr=1e-2)
    assert torch.equal(again[1].weight, model[1].weight)


def test_fine_tuning_refuses():
    with pytest.raises(ValueError, match="at least 2"):
        transfer.fine_tune(nn.Identity(), blobs(1, 0), blobs(9, 1), n_classes=3)
    with pytest.raises(ValueError, match="classes 0 to 1"):
        transfer.fine_tune(nn.Identity(), blobs(9, 0), blobs(9, 1), n_classes=2)


def test_three_numbers_at_each_budget():
    torch.manual_seed(0)
    good, fresh = nn.Identity(), nn.Sequential(nn.Linear(6, 4), nn.ReLU())
    cuts = blobs(90, 0), blobs(60, 1), blobs(90, 2)
    good = nn.Sequential(good, nn.Linear(6, 6))
    found = transfer.transfer(good, fresh, *cuts, n_classes=3, budgets=(2, 10), steps=10)
    assert list(found) == ["linear probe", "fine-tuned", "from scratch"]
    assert all(len(values) == 2 and 0 <= min(values) <= max(values) <= 1 for values in found.values())
    assert found["linear probe"][1] > 0.8


def test_step_tower_with_one_slot_hardly_sees_order_and_with_slots_does():
    torch.manual_seed(0)
    x = torch.randn(4, 8, 5)
    for slots, changes in ((1, False), (4, True)):
        tower = StepTower(5, 16, width=8, slots=slots)
        tower.mix.weight.data[:, :, (0, 2)] = 0  # no look at neighbours
        same = torch.allclose(tower(x), tower(x.flip(1)), atol=1e-6)
        assert same is not changes
    assert StepTower(5, 16)(x[:, :3]).shape == (4, 16)
    with pytest.raises(ValueError, match="step >= 4"):
        StepTower(5, slots=4)(x[:, :3])
