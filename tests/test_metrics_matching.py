"""1:k matching and verification against brute force, scikit-learn and closed forms."""

import itertools

import pytest
import torch

from avcl_teach.metrics.matching import choice_accuracy, verification_auc


def brute(sim, q, g, k):
    right = []
    for i, row in enumerate(sim.tolist()):
        others = [row[j] for j in range(len(g)) if g[j] != q[i]]
        for own in (row[j] for j in range(len(g)) if g[j] == q[i]):
            right += [float(all(own > x for x in c)) for c in itertools.combinations(others, k - 1)]
    return sum(right) / len(right)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_accuracy_is_that_of_all_line_ups(k):
    g = torch.Generator().manual_seed(k)
    sim = torch.randn(5, 9, generator=g)
    q, ids = torch.arange(5) % 3, torch.arange(9) % 3
    assert choice_accuracy(sim, q, ids, k=k) == pytest.approx(
        brute(sim, q.tolist(), ids.tolist(), k), abs=1e-9
    )


def test_a_constant_similarity_is_chance_at_two_and_perfection_is_one():
    ids = torch.arange(6) % 3
    assert choice_accuracy(torch.zeros(6, 6), ids, ids) == 0.5
    assert choice_accuracy((ids[:, None] == ids).float(), ids, ids, k=4) == 1.0


def test_allowed_narrows_the_others():
    sim = torch.tensor([[0.5, 0.9, 0.1]])
    q, ids = torch.tensor([0]), torch.tensor([0, 1, 2])
    assert choice_accuracy(sim, q, ids) == 0.5
    assert choice_accuracy(sim, q, ids, allowed=torch.tensor([[True, False, True]])) == 1.0
    assert choice_accuracy(sim, q, ids, allowed=torch.tensor([[True, True, False]])) == 0.0


def test_queries_without_a_line_up_are_left_out():
    ids = torch.tensor([0, 1, 2])
    allowed = torch.tensor([[False, False, False], [True, False, False], [False, False, False]])
    assert choice_accuracy(torch.eye(3), ids, ids, allowed=allowed) == 1.0
    with pytest.raises(ValueError, match="a partner and 1 others"):
        choice_accuracy(torch.eye(3), ids, ids, allowed=torch.zeros(3, 3, dtype=torch.bool))


def test_auc_is_scikit_learns():
    from sklearn.metrics import roc_auc_score

    g = torch.Generator().manual_seed(0)
    sim = torch.randint(0, 5, (8, 10), generator=g).float()
    q, ids = torch.arange(8) % 4, torch.arange(10) % 4
    same = q[:, None] == ids
    expected = roc_auc_score(same.flatten().numpy(), sim.flatten().numpy())
    assert verification_auc(sim, q, ids) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("call", [choice_accuracy, verification_auc])
def test_ids_of_another_length_are_refused(call):
    with pytest.raises((ValueError, TypeError)):  # TypeError where shapes are checked at run time
        call(torch.zeros(2, 3), torch.arange(3), torch.arange(3))


def test_bad_k_and_one_kind_of_pairs_are_refused():
    with pytest.raises(ValueError, match="k >= 2"):
        choice_accuracy(torch.zeros(2, 2), torch.arange(2), torch.arange(2), k=1)
    with pytest.raises(ValueError, match="same and other"):
        verification_auc(torch.zeros(2, 2), torch.zeros(2).long(), torch.zeros(2).long())
