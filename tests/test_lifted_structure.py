"""Lifted structure: by hand, limits, peer, gradients, adversarial batches."""

import inspect
import math

import pytest
import torch

from avcl_teach import objectives
from avcl_teach.objectives.fast import lifted_structure as fast
from avcl_teach.objectives.lifted_structure import lifted, lifted_joint, lifted_pairs
from avcl_teach.objectives.triplets import unit_distances

FORMS = (lifted, lifted_joint, fast.lifted_joint)
LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3])


def pair(b: int = 7, d: int = 5, *, seed: int = 0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(2, b, d, generator=g, dtype=dtype).unbind()


def by_hand(D, P, N, margin):
    """Song's equation 4 on a table of numbers, pair by pair."""
    total, pairs = 0.0, 0
    for i, row in enumerate(D):
        for j in range(len(row)):
            if not P[i][j]:
                continue
            pairs += 1
            terms = [math.exp(margin - D[i][n]) for n in range(len(row)) if N[i][n]]
            terms += [math.exp(margin - D[n][j]) for n in range(len(D)) if N[n][j]]
            total += max(0.0, D[i][j] + math.log(sum(terms))) ** 2
    return total / (2 * pairs)


@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_equals_the_equation_pair_by_pair(margin):
    a, v = pair()
    D = unit_distances(a, v)
    for y in (LABELS, torch.arange(7)):
        P = y[:, None] == y
        expected = by_hand(D.tolist(), P.tolist(), (~P).tolist(), margin)
        assert float(lifted(a, v, y, margin=margin)) == pytest.approx(expected)
    assert expected == pytest.approx(float(lifted(a, v, margin=margin)))


def test_two_pairs_by_hand():
    a = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    # each pair at distance 0; two negatives at sqrt 2, e^(1 - sqrt 2) each
    J = math.log(2 * math.exp(1 - math.sqrt(2)))
    assert float(lifted(a, a)) == pytest.approx(J**2 / 2)


def test_a_far_negative_counts_little_a_near_one_much():
    D = torch.full((3, 3), 1.9)
    D.fill_diagonal_(0.5)
    P = torch.eye(3, dtype=torch.bool)
    base = lifted_pairs(D, P, ~P, margin=1.0)
    D[0, 1] = 0.1
    assert lifted_pairs(D, P, ~P, margin=1.0) > base + 0.1


@pytest.mark.parametrize("form", FORMS)
def test_symmetric_in_the_sides_and_free_of_order_and_length(form):
    a, v = pair()
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    loss = form(a, v, LABELS)
    torch.testing.assert_close(form(v, a, LABELS), loss)
    torch.testing.assert_close(form(a[order], v[order], LABELS[order]), loss)
    torch.testing.assert_close(form(5 * a, 0.3 * v, LABELS), loss)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_right_in_float64(form):
    a, v = (x.requires_grad_() for x in pair())
    assert torch.autograd.gradcheck(lambda a, v: form(a, v, LABELS), (a, v))
    assert torch.autograd.gradcheck(form, (a, v))


@pytest.mark.parametrize("form", FORMS)
def test_half_precision_is_computed_in_float32(form):
    a, v = pair(dtype=torch.float32)
    low = form(a.bfloat16(), v.bfloat16(), LABELS)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, form(a, v, LABELS), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("form", FORMS)
def test_adversarial_batches_have_a_finite_loss_and_gradient(form):
    a, v = pair(dtype=torch.float32)
    batches = {
        "one class": (a, v, torch.zeros(7, dtype=torch.long)),
        "one pair": (a[:1], v[:1], LABELS[:1]),
        "zeros": (0 * a, 0 * v, LABELS),
        "huge": (1e6 * a, 1e6 * v, LABELS),
        "duplicates": (a[[0, 0, 1, 1, 2, 2, 0]], v[[0, 0, 1, 1, 2, 2, 0]], LABELS),
        "partners equal": (a, a, LABELS),
    }
    for kind, (a, v, y) in batches.items():
        for labels in (None, y):
            x = [t.clone().requires_grad_() for t in (a, v)]
            loss = form(*x, labels)
            loss.backward()
            assert torch.isfinite(loss) and all(torch.isfinite(t.grad).all() for t in x), kind
            if kind == "one pair" or (kind == "one class" and labels is not None):
                assert float(loss.detach()) == 0.0


@pytest.mark.parametrize("form", FORMS)
def test_bad_input_is_refused_in_words(form):
    form, (a, v) = inspect.unwrap(form), pair()
    with pytest.raises(ValueError, match="one shape"):
        form(a, v[:5])
    with pytest.raises(ValueError, match="7 labels"):
        form(a, v, LABELS[:3])
    with pytest.raises(ValueError, match="margin > 0"):
        form(a, v, margin=-1.0)


def peer(x, y, **ref):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    return losses.LiftedStructureLoss(neg_margin=1.0)(x, y, **ref)


@pytest.mark.parametrize("margin", [0.1, 1.0, 80.0])  # the last is left to the readable form
@pytest.mark.parametrize("kind", ["random", "zeros", "duplicates", "lengths", "one pair", "nan"])
def test_the_fast_form_has_the_value_and_the_gradient_of_the_readable_one(kind, margin):
    for dtype, rtol in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        a, v = pair(dtype=dtype)
        if kind == "zeros":
            a[0] = v[3] = 0
        if kind == "nan":
            a[2, 1] = math.nan
        if kind == "duplicates":
            a, v = torch.eye(7, 5, dtype=dtype)[[0, 0, 1, 1, 2, 2, 0]], torch.eye(7, 5, dtype=dtype)
        if kind == "lengths":
            a, v = a * 1e-9, v * torch.logspace(-8, 8, 7, dtype=dtype)[:, None]
        if kind == "one pair":
            a, v = a[:1], v[:1]
        for labels in (None, LABELS[: len(a)], torch.zeros(len(a), dtype=torch.long)):
            found = []
            for form in (lifted_joint, fast.lifted_joint):
                x = a.clone().requires_grad_(), v.clone().requires_grad_()
                loss = form(*x, labels, margin=margin)
                found.append((loss.detach(), *torch.autograd.grad(2.5 * loss, x, retain_graph=True)))
            for slow, quick in zip(*(f[:1] if kind == "nan" else f for f in found), strict=True):
                assert quick.dtype == slow.dtype
                rows = [(slow, quick)] if slow.ndim == 0 else zip(slow, quick, strict=True)
                for wanted, row in rows:  # a gradient is as large as its row is short
                    size = float(wanted.abs().max().nan_to_num(1.0))
                    atol = rtol * max(size, 1e-3)
                    torch.testing.assert_close(row, wanted, rtol=rtol, atol=atol, equal_nan=True)


def test_the_fast_form_is_what_the_name_stands_for_and_keeps_what_backward_needs():
    assert inspect.unwrap(objectives.lifted_joint) is inspect.unwrap(fast.lifted_joint)
    readable, quick = (inspect.signature(form).parameters for form in (lifted_joint, fast.lifted_joint))
    assert [(x.name, x.default) for x in readable.values()] == [(x.name, x.default) for x in quick.values()]
    a, v = (x.requires_grad_() for x in pair())
    loss = fast.lifted_joint(a, v, LABELS)
    (once,) = torch.autograd.grad(loss, a, retain_graph=True)
    (twice,) = torch.autograd.grad(loss, a)
    assert torch.equal(once, twice)
    exact = fast.lifted_joint(*pair(dtype=torch.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(objectives.lifted_joint(*pair(dtype=torch.float32)), exact)


@pytest.mark.parametrize("kind", ["random", "tuples", "duplicates", "close", "one class"])
def test_peer_agrees_on_the_concatenation(kind):
    a, v = pair()
    y = {"tuples": torch.arange(7), "one class": torch.zeros(7, dtype=torch.long)}.get(kind, LABELS)
    if kind == "duplicates":
        a, v = a[[0, 0, 1, 1, 2, 2, 0]], v[[0, 1, 1, 1, 2, 2, 0]]
    if kind == "close":
        a, v = 1 + 0.01 * a, 1 + 0.01 * v
    x = torch.cat([a, v]).requires_grad_()
    expected = peer(x, torch.cat([y, y]))
    for form in (lifted_joint, fast.lifted_joint):
        ours = form(*x.chunk(2), y)
        torch.testing.assert_close(ours, expected.to(ours), rtol=1e-7, atol=1e-10)
        if expected.requires_grad:
            want, got = (torch.autograd.grad(loss, x, retain_graph=True)[0] for loss in (expected, ours))
            torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-7)


def test_peer_takes_the_wrong_negatives_across_modalities():
    a, v = pair()
    D, y = unit_distances(a, v), LABELS
    loss = peer(a, y, ref_emb=v, ref_labels=y.clone())
    N = y[:, None] != y
    E = torch.where(N, (1 - D).exp(), 0.0).sum(1)  # of query i, and of query j in place of item j
    either = E[:, None] + E * ~torch.eye(7, dtype=torch.bool)  # once where i = j
    J = (D + either.log()).clamp_min(0) ** 2 / 2
    torch.testing.assert_close(loss, J[~N].mean())
    assert (loss - lifted(a, v, y)).abs() > 1e-3
