"""Exercise 2 of lesson 13: tell modalities apart by the nearer mean, on items not met."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def nearest_mean_probe(
    a: Float[Tensor, "n d"],
    v: Float[Tensor, "n d"],
    a_test: Float[Tensor, "m d"],
    v_test: Float[Tensor, "m d"],
) -> Float[Tensor, ""]:
    """Share of test latents strictly nearer to their own modality's training mean."""
    return _share(a.mean(0), v.mean(0), a_test, v_test)


def _share(m_a, m_v, a_test, v_test):
    right_a = (a_test - m_a).norm(dim=1) < (a_test - m_v).norm(dim=1)
    right_v = (v_test - m_v).norm(dim=1) < (v_test - m_a).norm(dim=1)
    return torch.cat([right_a, right_v]).float().mean()


def by_a_plane(a, v, a_test, v_test):
    m_a, m_v = a.mean(0), v.mean(0)
    w, middle = m_a - m_v, (m_a + m_v) / 2
    right = torch.cat([(a_test - middle) @ w > 1e-6, (v_test - middle) @ w < -1e-6])
    return right.float().mean()


def by_cdist(a, v, a_test, v_test):
    means = torch.stack([a.mean(0), v.mean(0)])
    D_a, D_v = ((x[:, None] - means).square().sum(2) for x in (a_test, v_test))
    right = (D_a[:, 0] < D_a[:, 1]).sum() + (D_v[:, 1] < D_v[:, 0]).sum()
    return right / (len(a_test) + len(v_test))


def clouds_apart(g):
    shift = torch.tensor([0.8, 0.0, -0.4])
    x = [torch.randn(n, 3, generator=g) for n in (9, 9, 7, 7)]
    return x[0] + shift, x[1], x[2] + shift, x[3]


def test_set_moved(g):
    a, v, a_test, v_test = clouds_apart(g)
    return a, v, a_test + 0.7, v_test + 0.7


def clouds_of_other_sizes(g):
    x = [torch.randn(n, 4, generator=g) for n in (8, 8, 5, 5)]
    return 3 * x[0] + 1.5, x[1], 3 * x[2] + 1.5, x[3]


def long_mean(g):
    return tuple(torch.randn(n, 2, generator=g) + m for n, m in ((6, 4.0), (6, 2.0), (5, 4.0), (5, 2.0)))


def halfway(g):
    a, v = torch.tensor([[2.0, 1.0], [2.0, -1.0]]), torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    return (
        a,
        v,
        torch.tensor([[1.0, 5.0], [2.0, 0.0], [3.0, 1.0]]),
        torch.tensor([[1.0, 0.0], [0.5, 2.0], [1.5, 0.0]]),
    )


def few_items_many_numbers(g):
    return tuple(torch.randn(n, 12, generator=g) for n in (4, 4, 6, 6))


def judged_on_its_training_set(a, v, a_test, v_test):
    return _share(a.mean(0), v.mean(0), a, v)


def means_of_the_test_set(a, v, a_test, v_test):
    return _share(a_test.mean(0), v_test.mean(0), a_test, v_test)


def means_of_everything(a, v, a_test, v_test):
    m_a, m_v = torch.cat([a, a_test]).mean(0), torch.cat([v, v_test]).mean(0)
    return _share(m_a, m_v, a_test, v_test)


def sounds_only(a, v, a_test, v_test):
    m_a, m_v = a.mean(0), v.mean(0)
    return ((a_test - m_a).norm(dim=1) < (a_test - m_v).norm(dim=1)).float().mean()


def share_of_errors(a, v, a_test, v_test):
    return 1 - nearest_mean_probe(a, v, a_test, v_test)


def modalities_swapped(a, v, a_test, v_test):
    return _share(v.mean(0), a.mean(0), a_test, v_test)


def more_alike_by_product(a, v, a_test, v_test):
    m_a, m_v = a.mean(0), v.mean(0)
    right = torch.cat([a_test @ m_a > a_test @ m_v, v_test @ m_v > v_test @ m_a])
    return right.float().mean()


def ties_count(a, v, a_test, v_test):
    m_a, m_v = a.mean(0), v.mean(0)
    right_a = (a_test - m_a).norm(dim=1) <= (a_test - m_v).norm(dim=1)
    right_v = (v_test - m_v).norm(dim=1) <= (v_test - m_a).norm(dim=1)
    return torch.cat([right_a, right_v]).float().mean()


def nearer_than_the_partner(a, v, a_test, v_test):
    m_a, m_v = a.mean(0), v.mean(0)
    right_a = (a_test - m_a).norm(dim=1) < (v_test - m_a).norm(dim=1)
    right_v = (v_test - m_v).norm(dim=1) < (a_test - m_v).norm(dim=1)
    return torch.cat([right_a, right_v]).float().mean()


def counted(a, v, a_test, v_test):
    return nearest_mean_probe(a, v, a_test, v_test) * (len(a_test) + len(v_test))


def stretched_to_majority(a, v, a_test, v_test):
    share = nearest_mean_probe(a, v, a_test, v_test)
    return torch.maximum(share, 1 - share)


PROBES = Exercise(
    name="auto_encoders.nearest_mean_probe",
    lesson="13",
    title="Probe for the modality",
    stars=2,
    minutes=10,
    reference=nearest_mean_probe,
    cases=(
        clouds_apart, test_set_moved, clouds_of_other_sizes, long_mean, halfway, few_items_many_numbers
    ),
    gradient="off",
    mistakes=(
        Mistake(
            judged_on_its_training_set,
            "Give it noise, many numbers and few rows. Does yours find a gap there? On whom do you judge?",
        ),
        Mistake(means_of_the_test_set, "Who told your probe where the test set lies?"),
        Mistake(means_of_everything, "Change a test row: does what your probe has learnt change with it?"),
        Mistake(sounds_only, "What would your share be if every latent were called a sound?"),
        Mistake(share_of_errors, "Two clouds far apart: is your share near 1, or near 0?"),
        Mistake(modalities_swapped, "To which mean should a sound be nearer?"),
        Mistake(
            more_alike_by_product, "Move everything by the same step: distances stay. Does your share stay?"
        ),
        Mistake(ties_count, "A latent halfway between the means: right, or a miss?"),
        Mistake(
            nearer_than_the_partner,
            "The question is to which of two means one latent is nearer. Which two lengths do you compare?",
        ),
        Mistake(counted, "A share lies between 0 and 1. What did you divide by?"),
        Mistake(
            stretched_to_majority,
            "Yours is never below one half. What does a probe score that is misled on the test set?",
        ),
    ),
    alternatives=(by_a_plane, by_cdist),
    properties=(
        properties.bounded(clouds_apart, low=0, high=1),
        properties.shift_invariant(clouds_apart, arg=(0, 1, 2, 3)),
    ),
)  # fmt: skip
