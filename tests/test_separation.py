"""Figures of separation: closed forms, properties, two libraries as oracles, silence."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from avcl_teach.metrics import separation
from avcl_teach.metrics.separation import bss_eval, mean_db, si_sdr

BAD = (ValueError, TypeCheckError)  # with shapes checked at run time, the second comes first


def noises(*shape, seed=0, colour=0.0):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x + colour * x.roll(1, -1) if colour else x


def by_projection(y, s, L):
    """The definition, written out: delayed copies as columns, least squares, three parts."""
    n, T = s.shape
    out = []
    for k in range(n):
        copies = torch.zeros(n, L, T + L - 1, dtype=torch.float64)
        for i in range(n):
            for p in range(L):
                copies[i, p, p : p + T] = s[i]
        long = torch.nn.functional.pad(y[k], (0, L - 1))

        def project(A, long=long):
            return A.T @ torch.linalg.lstsq(A.T, long[:, None]).solution[:, 0]

        own, every = project(copies[k]), project(copies.flatten(0, 1))
        parts = own, every - own, long - every

        def db(a, b):
            return float(10 * (a.square().sum() / b.square().sum()).log10())

        out.append((db(own, long - own), db(own, parts[1]), db(every, parts[2])))
    return torch.tensor(out, dtype=torch.float64).T


@pytest.mark.parametrize(("n", "L"), [(2, 5), (3, 4), (1, 3), (2, 1)])
def test_energies_agree_with_projections_written_out(n, L):
    s = noises(n, 60, seed=n)
    y = s + 0.4 * s.roll(1, 0) + 0.3 * noises(n, 60, seed=9) + 0.2 * s.roll(2, -1)
    expected, found = by_projection(y, s, L), bss_eval(y, s, filter_length=L)
    for k, name in enumerate(("sdr", "sir", "sar")):
        if n == 1 and name == "sir":
            assert (found.sir > 100).all()  # nobody interferes
            continue
        torch.testing.assert_close(getattr(found, name), expected[k], atol=1e-6, rtol=0)


def test_agrees_with_mir_eval_on_sounds_of_many_colours():
    from mir_eval import separation as mir

    cases = [(0.0, 3000), (0.95, 2000)]
    for colour, T in cases:
        s = noises(2, 2, T, seed=3, colour=colour)
        s[1, 0] = torch.sin(torch.arange(T, dtype=torch.float64) * 0.3)  # nearly singular
        s[1, 0] += 1e-4 * noises(T, seed=5)
        y = s + 0.3 * s.flip(1) + 0.1 * noises(2, 2, T, seed=4)
        found = bss_eval(y, s)
        for b in range(2):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                oracle = mir.bss_eval_sources(s[b].numpy(), y[b].numpy(), compute_permutation=False)
            for name, x in zip(("sdr", "sir", "sar"), oracle, strict=False):
                assert float((getattr(found, name)[b] - torch.tensor(x)).abs().max()) < 1e-3, (b, name)


def test_agrees_with_fast_bss_eval():
    import fast_bss_eval as fast

    s = noises(2, 6000, seed=1, colour=0.5)
    y = s + 0.2 * s.flip(0) + 0.05 * noises(2, 6000, seed=2)
    sdr, sir, sar = fast.bss_eval_sources(s, y, compute_permutation=False)  # one clip: its solver is right
    for x, name in ((sdr, "sdr"), (sir, "sir"), (sar, "sar")):
        torch.testing.assert_close(getattr(bss_eval(y, s), name), x, atol=1e-3, rtol=0)


def test_si_sdr_agrees_with_fast_bss_eval():
    import fast_bss_eval as fast

    s = noises(3, 2, 2000, seed=1, colour=0.5)
    y = 0.7 * s + 0.3 * s.flip(1) + 0.2 * noises(3, 2, 2000, seed=2)
    s, y = s + 0.4, y - 0.1  # both take no mean off
    peer = fast.si_sdr(s, y, zero_mean=False)  # finds its own order: here the given one is the best
    torch.testing.assert_close(si_sdr(y, s), peer, atol=1e-3, rtol=0)
    assert (peer - fast.si_sdr(s, y, zero_mean=True)).abs().max() > 0.1


def test_float64_factor_stands_in_where_float32_does_not_settle(monkeypatch):
    s = noises(1, 2, 3000, seed=6)
    y = s + 0.3 * s.flip(1) + 0.1 * noises(1, 2, 3000, seed=7)
    expected = bss_eval(y, s, filter_length=64)
    monkeypatch.setattr(separation, "_STEPS", 0)
    for x, e in zip(bss_eval(y, s, filter_length=64), expected, strict=True):
        torch.testing.assert_close(x, e, atol=1e-6, rtol=0)


def test_gain_and_filter_of_the_estimate_cost_sdr_nothing_but_si_sdr():
    s = noises(2, 4000, seed=8)
    room = torch.nn.functional.conv1d(s[:, None], torch.tensor([[[1.0, 0.0, 0.0, 0.2]]]).double(), padding=3)
    y = -3.0 * room[:, 0, :4000] + 0.05 * noises(2, 4000, seed=9)
    assert (bss_eval(y, s).sdr > 20).all()
    assert (si_sdr(y, s) < 0).any()
    torch.testing.assert_close(si_sdr(5 * y, s), si_sdr(y, s))
    torch.testing.assert_close(bss_eval(5 * y, s).sdr, bss_eval(y, s).sdr, atol=1e-6, rtol=0)


def test_who_is_who_is_not_searched_for():
    s = noises(2, 4000, seed=10)
    right, swapped = bss_eval(s + 0.1 * s.flip(0), s), bss_eval(s.flip(0) + 0.1 * s, s)
    assert (right.sdr > 15).all() and (swapped.sdr < -5).all()
    assert (swapped.sar > 60).all()  # all of it is made of references


def test_mixture_of_two_equally_loud_noises_is_near_zero_db():
    s = noises(4, 2, 8000, seed=11)
    y = s.sum(1, keepdim=True).expand_as(s)
    assert bss_eval(y, s).sdr.mean() == pytest.approx(0.5, abs=0.3)  # 512 taps fit a little of the other
    assert si_sdr(y, s).mean() == pytest.approx(0.0, abs=0.2)


def test_silence():
    s = noises(3, 2, 1000, seed=12)
    y = s + 0.1 * noises(3, 2, 1000, seed=13)
    s[1, 0] = 0
    y[2, 1] = 0
    found = bss_eval(y, s, filter_length=16)
    for x in found:
        assert x[1].isnan().all() and x[0].isfinite().all() and x[2, 0].isfinite()
        assert x[2, 1] == -torch.inf
    whole = bss_eval(y[0], s[0], filter_length=16)
    torch.testing.assert_close(whole.sdr, found.sdr[0])
    mean, skipped = mean_db(found.sdr[:2])
    assert skipped == 2 and mean == pytest.approx(float(found.sdr[0].mean()))
    assert si_sdr(y, s)[1, 0].isnan() and si_sdr(y, s)[2, 1] == -torch.inf
    assert si_sdr(y, s)[1, 1].isfinite()  # of the other source of that clip nothing is missing
    mean, skipped = mean_db(si_sdr(y, s)[:2])
    assert skipped == 1 and mean == pytest.approx(float(si_sdr(y, s)[[0, 0, 1], [0, 1, 1]].mean()))
    with pytest.raises(ValueError, match="silence only"):
        mean_db(found.sdr[1])


def test_perfect_estimates_stay_finite():
    s = noises(2, 1000, seed=14)
    assert all(x.isfinite().all() and (x > 60).all() for x in bss_eval(s, s, filter_length=8))
    assert si_sdr(s, s).min() > 100


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 10), st.floats(-3, 3))
def test_si_sdr_closed_form(gain, leak):
    s, e = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    if abs(leak) > 1e-3:
        assert float(si_sdr(gain * (s + leak * e), s)) == pytest.approx(-20 * math.log10(abs(leak)), abs=1e-3)


def test_bad_input():
    s = noises(2, 600)
    with pytest.raises(BAD, match="one shape|Type-check"):
        bss_eval(s, s[:1])
    with pytest.raises(ValueError, match="512"):
        bss_eval(s[:, :100], s[:, :100])
    with pytest.raises(BAD, match="one shape|Type-check"):
        si_sdr(s.int(), s.int())
