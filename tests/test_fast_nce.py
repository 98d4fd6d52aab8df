"""InfoNCE, fast and tiled: equal to the readable form in value and gradient, wherever that is finite."""

import doctest
import inspect
import math

import pytest
import torch

from avcl_teach import objectives
from avcl_teach.objectives import nce
from avcl_teach.objectives.fast import nce as fast
from avcl_teach.objectives.fast import tiled_nce

FORMS = {
    "one buffer": fast.info_nce,
    "tiles": lambda *x, **k: tiled_nce.tiled_info_nce(*x, strip_rows=4, **k),
    "one tile": tiled_nce.tiled_info_nce,
}
LABELS = {
    "none": None,
    "classes": torch.arange(11) % 4,
    "all different": torch.arange(11),
    "all equal": torch.zeros(11, dtype=torch.long),
}


def pair(b: int = 11, d: int = 5, seed: int = 0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    a = torch.randn(b, d, generator=g, dtype=torch.float64)
    return a.to(dtype), (a + torch.randn(b, d, generator=g, dtype=torch.float64)).to(dtype)


def run(form, a, v, labels=None, *, temperature, **hyper):
    """Value and gradients by a, v and the temperature."""
    a, v = a.clone().requires_grad_(), v.clone().requires_grad_()
    tau = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
    loss = form(a, v, labels, temperature=tau, **hyper)
    return loss.detach(), *torch.autograd.grad(2.5 * loss, (a, v, tau))


@pytest.mark.parametrize("temperature", [1e6, 1.0, 0.07, 0.0141, 0.01, 1e-3, 1e-6])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("form", FORMS)
def test_value_and_gradient_are_those_of_the_readable_form(form, labels, symmetric, temperature):
    for dtype, rtol in ((torch.float64, 1e-9), (torch.float32, 2e-5)):
        a, v = pair(dtype=dtype)
        hyper = {"temperature": temperature, "symmetric": symmetric}
        expected = run(nce.info_nce, a, v, LABELS[labels], **hyper)
        for x, y in zip(run(FORMS[form], a, v, LABELS[labels], **hyper), expected, strict=True):
            assert x.dtype == y.dtype
            torch.testing.assert_close(x, y, rtol=rtol, atol=rtol * max(float(y.abs().max()), 1e-3))


@pytest.mark.parametrize("temperature", [0.4, 0.02, 1e-3])  # the last takes the way with maxima
@pytest.mark.parametrize("labels", ["none", "classes"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_gradcheck(form, symmetric, labels, temperature):
    a, v = (x.requires_grad_() for x in pair(d=3))
    tau = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
    labels = LABELS[labels]

    def loss(a, v, tau):
        return FORMS[form](a, v, labels, temperature=tau, symmetric=symmetric)

    assert torch.autograd.gradcheck(loss, (a, v, tau), eps=1e-7, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_each_input_alone_gets_its_gradient(form):
    a, v = pair()
    expected = run(nce.info_nce, a, v, temperature=0.2)[1:]
    for i in range(3):
        inputs = [a.clone(), v.clone(), torch.tensor(0.2, dtype=torch.float64)]
        inputs[i].requires_grad_()
        loss = FORMS[form](inputs[0], inputs[1], temperature=inputs[2])
        (gradient,) = torch.autograd.grad(2.5 * loss, inputs[i], retain_graph=True)
        torch.testing.assert_close(gradient, expected[i])
        (again,) = torch.autograd.grad(2.5 * loss, inputs[i])  # what was kept is still what it was
        assert torch.equal(again, gradient)
    with torch.no_grad():
        torch.testing.assert_close(FORMS[form](a, v), nce.info_nce(a, v))


@pytest.mark.parametrize("form", FORMS)
def test_small_losses_keep_their_digits(form):
    a = torch.eye(6)
    exact = math.log1p(5 * math.exp(-1 / 0.05))  # 1e-8: float32 cross-entropy says 0
    assert float(FORMS[form](a, a, temperature=0.05)) == pytest.approx(exact, rel=1e-4)
    assert float(FORMS[form](a, a, torch.zeros(6, dtype=torch.long), temperature=0.05)) == 0
    assert float(FORMS[form](a[:1], a[1:2], temperature=0.05)) == 0  # one pair: nothing to contrast with


@pytest.mark.parametrize("form", FORMS)
def test_positives_that_point_away_from_each_other_at_a_small_temperature(form):
    a, _ = pair(b=40, d=16, dtype=torch.float32)
    for temperature in (0.02, 0.01, 0.005):
        expected = run(nce.info_nce, a, -a, temperature=temperature)
        found = run(FORMS[form], a, -a, temperature=temperature)
        for x, y in zip(found, expected, strict=True):
            torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-5 * float(y.abs().max()))
    assert float(found[0]) > 100


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-6, 1e15, 1e30])
def test_lengths_from_nothing_to_huge(form, size):
    a, v = pair(dtype=torch.float32)
    expected = run(nce.info_nce, size * a, v, temperature=0.1)
    found = run(FORMS[form], size * a, v, temperature=0.1)
    for x, y in zip(found, expected, strict=True):
        assert torch.isfinite(x).all()
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-5 * float(y.abs().max()))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("lengths", ["long", "short", "mixed", "mixed and labelled"])
def test_products_of_rows_of_any_length_stay_in_range(lengths, symmetric):
    a, v = pair(b=40, d=16, dtype=torch.float32)
    spread = torch.logspace(-10, 15, 40)[:, None]
    of_a, of_v = {"long": (1e17, 1e17), "short": (1e-11, 1e-11)}.get(lengths, (spread, spread.flip(0)))
    labels = torch.arange(40) % 7 if "labelled" in lengths else None
    hyper = {"temperature": 0.07, "symmetric": symmetric}
    expected = run(nce.info_nce, (of_a * a).double(), (of_v * v).double(), labels, **hyper)
    found = run(fast.info_nce, of_a * a, of_v * v, labels, **hyper)
    torch.testing.assert_close(found[0].double(), expected[0], rtol=1e-5, atol=0)
    torch.testing.assert_close(found[3], expected[3], rtol=1e-4, atol=0)
    for x, y in zip(found[1:3], expected[1:3], strict=True):  # a gradient is as large as its row is short
        size = y.abs().amax(1, keepdim=True)
        torch.testing.assert_close(x / size, y / size, check_dtype=False, rtol=0, atol=1e-4)


def test_the_room_for_temporaries_serves_any_size_kind_and_mode():
    a, v = pair(b=9, dtype=torch.float32)
    fast._KEPT.__dict__.clear()
    with torch.inference_mode():
        first = fast.info_nce(a, v)
    torch.testing.assert_close(fast.info_nce(a, v), first)
    torch.testing.assert_close(fast.info_nce(a.double(), v.double()).float(), first)
    for b in (3, 9, 600, 9):
        x, y = pair(b=b, dtype=torch.float32)
        torch.testing.assert_close(fast.info_nce(x, y), nce.info_nce(x, y))
    outer = torch.empty(2, 3)
    assert fast.scratch(outer).data_ptr() == fast.scratch(torch.empty(1, 3)).data_ptr()


@pytest.mark.parametrize("form", FORMS)
def test_equal_rows(form):
    a = torch.ones(11, 4).requires_grad_()
    loss = FORMS[form](a, a, temperature=0.01)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(11)) and a.grad.abs().max() < 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_half_precision_is_lifted(form):
    a, v = pair(dtype=torch.float32)
    exact = run(FORMS[form], a, v, temperature=0.1)
    for dtype in (torch.bfloat16, torch.float16):
        loss, da, dv, _ = run(FORMS[form], a.to(dtype), v.to(dtype), temperature=0.1)
        assert loss.dtype == torch.float32 and da.dtype == dv.dtype == dtype
        torch.testing.assert_close(loss, exact[0], rtol=2e-2, atol=1e-2)
        torch.testing.assert_close(da.float(), exact[1], rtol=0.1, atol=2e-2 * float(exact[1].abs().max()))


@pytest.mark.parametrize("form", FORMS)
def test_autocast_does_not_lower_it(form):
    a, v = pair(b=64, d=32, dtype=torch.float32)
    expected = run(FORMS[form], a, v, temperature=0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = run(FORMS[form], a, v, temperature=0.05)
    for x, y in zip(found, expected, strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize("form", FORMS)
def test_inputs_stay_as_they_are(form):
    a, v = pair()
    before = a.clone(), v.clone()
    run(FORMS[form], a, v, LABELS["classes"], temperature=0.1)
    assert torch.equal(a, before[0]) and torch.equal(v, before[1])


def test_a_large_batch_agrees_in_bands_and_strips():
    a, v = pair(b=700, d=24, dtype=torch.float32)  # several bands, several strips, a last one that is short
    labels = torch.arange(700) % 90
    for labelled in (None, labels):
        expected = run(nce.info_nce, a.double(), v.double(), labelled, temperature=0.07)
        for form in (fast.info_nce, tiled_nce.tiled_info_nce, FORMS["tiles"]):
            for x, y in zip(run(form, a, v, labelled, temperature=0.07), expected, strict=True):
                torch.testing.assert_close(
                    x, y, check_dtype=False, rtol=1e-5, atol=1e-5 * float(y.abs().max())
                )


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_rows_of_length_1_need_no_scaling(symmetric, labels):
    a, v = (torch.nn.functional.normalize(x, dim=1) for x in pair())
    hyper = {"temperature": 0.05, "symmetric": symmetric}
    loss, da, dv, dt = run(fast.info_nce_of_unit_rows, a, v, LABELS[labels], **hyper)
    expected = run(nce.info_nce, a, v, LABELS[labels], **hyper)
    torch.testing.assert_close(loss, expected[0])
    torch.testing.assert_close(dt, expected[3])
    for g, x, wanted in ((da, a, expected[1]), (dv, v, expected[2])):
        torch.testing.assert_close(g - (g * x).sum(1, keepdim=True) * x, wanted)


def test_gradcheck_of_rows_of_length_1():
    a, v = (torch.nn.functional.normalize(x, dim=1).requires_grad_() for x in pair(d=3))
    tau = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def loss(a, v, tau):
        return fast.info_nce_of_unit_rows(a, v, temperature=tau)

    assert torch.autograd.gradcheck(loss, (a, v, tau))


@pytest.mark.parametrize("size", [0.0, 3.0, 30.0, 1e4])
@pytest.mark.parametrize("symmetric", [True, False])
def test_rows_of_other_lengths_give_the_loss_of_their_products(symmetric, size):
    a, v = (size * x for x in pair(dtype=torch.float32))
    loss, da, dv, _ = run(fast.info_nce_of_unit_rows, a, v, temperature=0.1, symmetric=symmetric)

    def by_products(a, v, labels, *, temperature):
        S, partner = (a @ v.T / temperature).to(a), torch.arange(len(a))
        there = torch.nn.functional.cross_entropy(S, partner)
        return (there + torch.nn.functional.cross_entropy(S.T, partner)) / 2 if symmetric else there

    expected = run(by_products, a.double(), v.double(), temperature=0.1)
    for x, y in zip((loss, da, dv), expected, strict=False):
        torch.testing.assert_close(x.double(), y, rtol=1e-4, atol=1e-5 * max(float(y.abs().max()), 1e-3))


def test_no_strip_has_more_rows_than_asked_for():
    strips = tiled_nce._Strips(*pair(b=10), None, 0.1, 4)
    assert [(i, j) for i, j, _, _ in strips] == [(0, 4), (4, 8), (8, 10)]
    assert strips.buffer.shape == (4, 10)


def test_the_fast_forms_are_what_the_names_stand_for():
    assert inspect.unwrap(objectives.info_nce) is inspect.unwrap(fast.info_nce)
    assert inspect.unwrap(objectives.tiled_info_nce) is inspect.unwrap(tiled_nce.tiled_info_nce)
    readable, quick = inspect.signature(nce.info_nce), inspect.signature(fast.info_nce)
    assert readable.parameters.keys() == quick.parameters.keys()
    for name, parameter in readable.parameters.items():
        assert quick.parameters[name].default == parameter.default


@pytest.mark.parametrize("form", [fast.info_nce, fast.info_nce_of_unit_rows, tiled_nce.tiled_info_nce])
def test_refusals(form):
    a, v = pair()
    bare = inspect.unwrap(form)
    for args, hyper, message in [
        ((a, v[:5]), {}, "one shape"),
        ((a[0], v[0]), {}, "one shape"),
        ((a[:0], v[:0]), {}, "one shape"),
        ((a, v, torch.zeros(5, dtype=torch.long)), {}, "expected 11 labels"),
        ((a, v), {"temperature": 0.0}, "temperature > 0"),
        ((a, v), {"temperature": float("nan")}, "temperature > 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            bare(*args, **hyper)
    with pytest.raises(ValueError, match="strip_rows >= 1"):
        tiled_nce.tiled_info_nce(a, v, strip_rows=0)


@pytest.mark.parametrize("module", [fast, tiled_nce])
def test_examples_in_the_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
