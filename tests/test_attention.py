"""Attention: scores by hand, masks and padding, the fused path, pools; lengths, widths, gradients, files."""

import doctest
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jaxtyping import config
from torch import nn
from torch.testing import assert_close

from avcl_teach import encoders
from avcl_teach.comparison.memory import peak_mb
from avcl_teach.encoders import attention
from avcl_teach.encoders.attention import (
    additive_scores,
    attend,
    attend_fused,
    attention_weights,
    bilinear_scores,
    dot_scores,
    scaled_dot_scores,
)
from avcl_teach.encoders.attention_pools import (
    AdditiveScore,
    AttentionPool,
    BilinearScore,
    DotScore,
    QueryPool,
    ScaledDotScore,
)

SCORES = (AdditiveScore, DotScore, ScaledDotScore, BilinearScore)
every_score = pytest.mark.parametrize("score", SCORES)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def shapes_unchecked():
    """Let bad input reach the package's own errors, as it does for users."""
    was = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", was)


class Fixed(nn.Module):
    """Ask with one learned query, so that both pools are called alike: pool(x, mask)."""

    def __init__(self, score):
        super().__init__()
        self.query, self.pool = nn.Parameter(torch.randn(5)), QueryPool(score(5, 6))

    def forward(self, x, mask=None):
        return self.pool(self.query.expand(len(x), -1), x, mask=mask)


def pools():
    return [AttentionPool(6, sharpness=2.0), *(Fixed(score) for score in SCORES)]


def test_scores_by_hand():
    q, k = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [-1.0, 0.0]])
    assert_close(dot_scores(q, k), torch.tensor([[11.0, -1.0]]))
    assert_close(scaled_dot_scores(q, k), torch.tensor([[11.0, -1.0]]) / 2**0.5)
    W = torch.tensor([[0.0, 1.0], [2.0, 0.0]])  # q W = [4, 1]
    assert_close(bilinear_scores(q, k, W), torch.tensor([[16.0, -4.0]]))
    W_q, W_k, u = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.5]]), torch.tensor([2.0])
    by_hand = [2 * math.tanh(1 + 2), 2 * math.tanh(1 + 0)]
    assert_close(additive_scores(q, k, W_q, W_k, u), torch.tensor([by_hand]))


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_scores_pair_every_query_with_every_key_at_any_two_lengths(lead):
    q, k = torch.randn(*lead, 4, 5), torch.randn(*lead, 7, 5)
    W, W_q, W_k, u = torch.randn(5, 5), torch.randn(3, 5), torch.randn(3, 5), torch.randn(3)
    found = (
        dot_scores(q, k),
        scaled_dot_scores(q, k),
        bilinear_scores(q, k, W),
        additive_scores(q, k, W_q, W_k, u),
    )
    i, j = 2, 6
    alone = (
        (q[..., i, :] * k[..., j, :]).sum(-1),
        (q[..., i, :] * k[..., j, :]).sum(-1) / 5**0.5,
        ((q[..., i, :] @ W) * k[..., j, :]).sum(-1),
        torch.tanh(q[..., i, :] @ W_q.T + k[..., j, :] @ W_k.T) @ u,
    )
    for S, s in zip(found, alone, strict=True):
        assert S.shape == (*lead, 4, 7)
        assert_close(S[..., i, j], s)


@every_score
def test_learned_scores_take_other_widths_and_lengths_and_permute(score):
    s = score(5, 6)
    q, k = torch.randn(2, 4, 5), torch.randn(2, 7, 6)
    S = s(q, k)
    assert S.shape == (2, 4, 7)
    order = torch.randperm(7)
    assert_close(s(q, k[:, order]), S[:, :, order])
    assert_close(s(q.flip(1), k), S.flip(1))


def test_additive_without_tanh_would_not_hear_the_query_and_with_it_is_bounded():
    q, k = 100 * torch.randn(3, 5), torch.randn(4, 5)
    W_q, W_k, u = torch.randn(6, 5), torch.randn(6, 5), torch.randn(6)
    S = additive_scores(q, k, W_q, W_k, u)
    assert S.abs().max() <= u.abs().sum() + 1e-5
    bent = additive_scores(q / 100, k, W_q, W_k, u).softmax(1)
    assert not torch.allclose(bent[0], bent[1], atol=1e-2)
    straight = (((q / 100) @ W_q.T)[:, None] + (k @ W_k.T)) @ u
    assert_close(straight.softmax(1)[0], straight.softmax(1)[1], atol=1e-5, rtol=1e-4)


def test_variance_of_dot_products_is_the_width_and_of_scaled_ones_is_one():
    for d in (4, 64, 1024):
        q, k = torch.randn(2, 500, d)
        assert dot_scores(q, k).std().item() == pytest.approx(d**0.5, rel=0.05)
        assert scaled_dot_scores(q, k).std().item() == pytest.approx(1, rel=0.05)


def test_weights_sum_to_one_over_the_keys_that_may_be_seen_and_to_zero_over_none():
    mask = torch.tensor([[True, True, False], [False, False, False], [True, True, True]])
    S = torch.tensor([[0.0, math.log(3), 50.0], [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    by_hand = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert_close(attention_weights(S, mask), by_hand)
    assert_close(attention_weights(S), S.softmax(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_and_gradients_stay_finite_for_large_scores_and_blind_rows(dtype):
    S = torch.tensor([[6e4, -6e4, 0.0], [1.0, 2.0, 3.0]], dtype=dtype, requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    w = attention_weights(S, mask)
    (w * torch.tensor([1.0, 2.0, 3.0], dtype=dtype)).sum().backward()
    assert w.dtype == dtype
    assert_close(w, torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=dtype))
    assert torch.isfinite(S.grad).all()
    assert not S.grad[1].any()


def test_attend_sums_the_values():
    S = torch.tensor([[0.0, math.log(3)]])
    values = torch.tensor([[4.0, 0.0], [0.0, 8.0]])
    assert_close(attend(S, values), torch.tensor([[1.0, 6.0]]))
    blind = torch.zeros(2, dtype=torch.bool)
    assert_close(attend(S, values, blind), torch.zeros(1, 2))


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
@pytest.mark.parametrize("dim_v", [3, 8, 12])
@pytest.mark.parametrize("kind", ["none", "full", "one for all queries", "padding"])
def test_fused_equals_explicit_in_values_and_gradients(lead, dim_v, kind):
    q, k = torch.randn(*lead, 5, 8), torch.randn(*lead, 7, 8)
    v = torch.randn(*lead, 7, dim_v)
    mask = None if kind == "none" else torch.rand(*lead, 5, 7) > 0.4
    if kind == "full":
        mask[..., 0, :] = False
    elif kind == "one for all queries":
        mask = mask[..., :1, :]
    elif kind == "padding":
        mask = torch.arange(7) < 4
    found = []
    for path in (
        lambda q, k, v: attend(scaled_dot_scores(q, k), v, mask),
        lambda q, k, v: attend_fused(q, k, v, mask),
    ):
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        y = path(*leaves)
        assert y.shape == (*lead, 5, dim_v)
        found.append((y, *torch.autograd.grad(y.square().sum(), leaves)))
    for explicit, fused in zip(*found, strict=True):
        assert_close(fused, explicit, atol=1e-5, rtol=1e-4)


def test_fused_gives_dot_and_bilinear_by_its_scale():
    q, k, v, W = torch.randn(2, 3, 6), torch.randn(2, 5, 4), torch.randn(2, 5, 2), torch.randn(6, 4)
    assert_close(attend_fused(q @ W, k, v, scale=1.0), attend(bilinear_scores(q, k, W), v))
    assert_close(attend_fused(k, k, v, scale=1.0), attend(dot_scores(k, k), v))


def test_fused_memory_grows_with_the_length_and_explicit_with_its_square():
    def megabytes(path, n):
        x, v = torch.randn(1, n, 32, requires_grad=True), torch.randn(1, n, 16)
        mask = (torch.arange(n) < n - 3)[None, None]
        return peak_mb(lambda: path(x, v, mask).sum().backward())

    def explicit(x, v, mask):
        return attend(scaled_dot_scores(x, x), v, mask)

    def fused(x, v, mask):
        return attend_fused(x, x, v, mask)

    assert megabytes(explicit, 1024) > 3.5 * megabytes(explicit, 512)
    assert megabytes(fused, 1024) < 2.2 * megabytes(fused, 512)
    assert megabytes(fused, 1024) < megabytes(explicit, 1024) / 5


def test_equal_to_the_attention_of_pytorch_with_one_head():
    """nn.MultiheadAttention scales its dot products; for the other scores PyTorch has no module."""
    peer = nn.MultiheadAttention(8, 1, bias=False, batch_first=True)
    ours = ScaledDotScore(8, 8, hidden=8)
    W_q, W_k, W_v = peer.in_proj_weight.detach().chunk(3)
    ours.load_state_dict({"W_q.weight": W_q, "W_k.weight": W_k})
    q, k = torch.randn(2, 4, 8), torch.randn(2, 6, 8)
    mask = encoders.padding_mask(torch.tensor([6, 2]), 6)[:, 0]
    with torch.no_grad():
        expected, weights = peer(q, k, k, key_padding_mask=~mask[:, 0])
        y = attend(ours(q, k), k @ W_v.T, mask) @ peer.out_proj.weight.T
    assert_close(attention_weights(ours(q, k), mask), weights, atol=1e-5, rtol=1e-5)
    assert_close(y, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("k", range(5))
def test_padding_never_changes_what_a_pool_says(k):
    pool, x = pools()[k], torch.randn(3, 4, 6)
    mask = torch.tensor([[True] * 4, [True, False, True, False], [True, False, False, False]])
    y = pool(x, mask)
    garbage = torch.cat([x.masked_fill(~mask[..., None], -1e6), torch.full((3, 5, 6), 1e6)], dim=1)
    longer = torch.cat([mask, torch.zeros(3, 5, dtype=torch.bool)], dim=1)
    assert_close(pool(garbage, longer), y, atol=1e-5, rtol=1e-5)
    assert_close(pool(garbage, longer[:, None, None]), y, atol=1e-5, rtol=1e-5)
    assert_close(y[2], x[2, 0])
    assert_close(pool(x, torch.zeros(3, 4, dtype=torch.bool)), torch.zeros(3, 6))


@pytest.mark.parametrize("k", range(5))
def test_pools_do_not_mind_the_order_and_stay_among_their_inputs(k):
    pool, x = pools()[k], torch.randn(3, 4, 6)
    y = pool(x)
    assert y.shape == (3, 6)
    assert_close(pool(x[:, torch.tensor([2, 0, 3, 1])]), y)
    assert (y <= x.amax(1) + 1e-6).all()
    assert (y >= x.amin(1) - 1e-6).all()
    assert_close(pool(x[1:2]), y[1:2])


@pytest.mark.parametrize("k", range(5))
def test_gradient_reaches_every_parameter_of_a_pool(k):
    pool, x = pools()[k], torch.randn(3, 4, 6, requires_grad=True)
    pool(x, torch.tensor([True, True, True, False]).expand(3, 4)).square().sum().backward()
    for name, p in pool.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().sum() > 0, name
    assert not x.grad[:, 3].any()


@pytest.mark.parametrize("k", range(5))
def test_pools_come_back_from_a_file(k, tmp_path):
    pool, other, x = pools()[k], pools()[k], torch.randn(2, 4, 6)
    torch.save(pool.state_dict(), tmp_path / "pool.pt")
    assert not torch.allclose(other(x), pool(x))
    other.load_state_dict(torch.load(tmp_path / "pool.pt", weights_only=True))
    assert_close(other(x), pool(x))


@pytest.mark.parametrize("k", range(5))
def test_pools_run_in_bf16_and_on_meta(k):
    pool, x = pools()[k], torch.randn(2, 9, 6)
    mask = torch.arange(9) < torch.tensor([[9], [4]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = pool(x, mask)
    assert_close(y.float(), pool(x, mask), atol=0.05, rtol=0.05)
    assert pool.to("meta")(x.to("meta"), mask.to("meta")).shape == (2, 6)


def test_pools_and_the_fused_path_compile_whole():
    """Compile outside of pytest, whose checks of types cannot be traced."""
    code = """
import torch
from test_attention import pools
from avcl_teach.encoders.attention import attend_fused
x, mask = torch.randn(2, 9, 6), torch.arange(9) < torch.tensor([[9], [4]])
for pool in pools():
    compiled = torch.compile(pool, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, mask), pool(x, mask))
compiled = torch.compile(attend_fused, fullgraph=True, backend="eager")
given = x, x, x[..., :3], mask[:, None]
torch.testing.assert_close(compiled(*given), attend_fused(*given))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_attention_pool_is_the_additive_score_of_a_query_that_is_nothing():
    pool, x = AttentionPool(6, hidden=4, sharpness=3.0), torch.randn(2, 5, 6)
    nothing = torch.zeros(2, 1, 1)
    S = additive_scores(nothing, x, torch.randn(4, 1), pool.W.weight, pool.u)
    assert_close(pool.weights(x), attention_weights(3 * S)[:, 0])
    assert_close(pool(x), attend(3 * S, x)[:, 0])


def test_query_pool_reads_off_other_values_than_it_looks_at():
    pool = QueryPool(DotScore(2, 2, hidden=2))
    with torch.no_grad():
        pool.score.W_q.weight.copy_(10 * torch.eye(2)), pool.score.W_k.weight.copy_(torch.eye(2))
    x = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]).expand(2, 2, 2)
    values = torch.tensor([[[7.0], [9.0]]]).expand(2, 2, 1)
    y = pool(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), x, values=values)
    assert_close(y, torch.tensor([[7.0], [9.0]]), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: dot_scores(torch.ones(2, 3), torch.ones(2, 4)), ValueError, r"one width.*\[3\] and \[4\]"),
        (lambda: scaled_dot_scores(torch.ones(2, 3), torch.ones(2, 4)), ValueError, "one width"),
        (
            lambda: bilinear_scores(torch.ones(2, 3), torch.ones(2, 4), torch.ones(4, 3)),
            ValueError,
            r"\[4, 3\] and \[3, 4\]",
        ),
        (
            lambda: additive_scores(
                torch.ones(2, 3), torch.ones(2, 4), torch.ones(5, 4), torch.ones(5, 4), torch.ones(5)
            ),
            ValueError,
            "W_q",
        ),
        (
            lambda: additive_scores(
                torch.ones(2, 3), torch.ones(2, 4), torch.ones(5, 3), torch.ones(6, 4), torch.ones(5)
            ),
            ValueError,
            "W_k",
        ),
        (lambda: attention_weights(torch.ones(2, 3), torch.ones(2, 3)), TypeError, "Bool"),
        (lambda: attention_weights(torch.ones(2, 3), torch.ones(3, 2) > 0), ValueError, "broadcasts"),
        (lambda: attend(torch.ones(2, 3), torch.ones(4, 2)), ValueError, "one value a key"),
        (
            lambda: attend_fused(torch.ones(2, 3), torch.ones(4, 2), torch.ones(4, 2)),
            ValueError,
            "one width",
        ),
        (
            lambda: attend_fused(torch.ones(2, 3), torch.ones(4, 3), torch.ones(5, 2)),
            ValueError,
            "one value a key",
        ),
        (
            lambda: attend_fused(torch.ones(2, 3), torch.ones(4, 3), torch.ones(4, 2), torch.ones(2, 4)),
            TypeError,
            "Bool",
        ),
        (lambda: DotScore(3, 0), ValueError, "dim_k"),
        (lambda: BilinearScore(0, 3), ValueError, "dim_q"),
        (lambda: AdditiveScore(3, 3, hidden=0), ValueError, "hidden"),
        (lambda: AttentionPool(0), ValueError, "dim"),
        (lambda: AttentionPool(3)(torch.ones(2, 4, 5)), ValueError, r"position, 3\], got \[2, 4, 5\]"),
        (lambda: AttentionPool(3)(torch.ones(2, 4, 3), torch.ones(2, 3) > 0), ValueError, r"\[2, 4\]"),
        (lambda: AttentionPool(3)(torch.ones(2, 4, 3), torch.ones(2, 4)), TypeError, "Bool"),
        (lambda: QueryPool(DotScore(3, 3))(torch.ones(3, 3), torch.ones(2, 4, 3)), ValueError, "query"),
        (
            lambda: QueryPool(DotScore(3, 3))(
                torch.ones(2, 3), torch.ones(2, 4, 3), values=torch.ones(2, 5, 3)
            ),
            ValueError,
            "values",
        ),
    ],
)
def test_bad_input_is_refused_in_words(shapes_unchecked, call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_examples_in_docstrings():
    found = doctest.testmod(attention)
    assert found.attempted >= 1
    assert found.failed == 0
