"""Multi-head attention against nn.MultiheadAttention, its masks, its memory, and the inputs it refuses."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from avcl_teach.encoders.masks import causal_mask, check_mask, padding_mask, window_mask
from avcl_teach.encoders.multi_head import MultiHeadAttention

MASKS = ("none", "padding", "causal", "both")
LENGTHS = torch.tensor([5, 3, 1])
ONES = torch.ones(1, 3, 4)


def masks(kind, n=5):
    """Return ours (mask, causal) and theirs (key_padding_mask, attn_mask), True = hidden there."""
    padding = padding_mask(LENGTHS, n) if kind in ("padding", "both") else None
    causal = kind in ("causal", "both")
    hidden = {"key_padding_mask": None if padding is None else ~padding[:, 0, 0]}
    hidden["attn_mask"] = ~causal_mask(n) if causal else None
    return {"mask": padding, "causal": causal}, hidden


def pair(dim=12, n_heads=3, **theirs):
    """Return ours and PyTorch's, with our weights in both and biases that are not zero."""
    ours = MultiHeadAttention(dim, n_heads, dim_context=theirs.get("kdim"), bias=theirs.get("bias", True))
    if ours.in_proj_bias is not None:
        nn.init.normal_(ours.in_proj_bias)
        nn.init.normal_(ours.out_proj.bias)
    peer = nn.MultiheadAttention(dim, n_heads, batch_first=True, **theirs)
    peer.load_state_dict(ours.state_dict())
    return ours, peer


@pytest.mark.parametrize("kind", MASKS)
def test_output_weights_and_gradients_equal_pytorch(kind):
    ours, peer = pair()
    how, hidden = masks(kind)
    x = torch.randn(3, 5, 12, requires_grad=True)
    z = x.detach().clone().requires_grad_()
    y = ours(x, **how)
    y_peer, weights = peer(z, z, z, need_weights=True, average_attn_weights=False, **hidden)
    assert_close(y, y_peer, atol=1e-5, rtol=1e-5)
    assert_close(ours.attention_weights(x, **how), weights, atol=1e-5, rtol=1e-5)
    out = torch.randn_like(y)
    (y * out).sum().backward()
    (y_peer * out).sum().backward()
    assert_close(x.grad, z.grad, atol=1e-5, rtol=1e-5)
    theirs = dict(peer.named_parameters())
    for name, p in ours.named_parameters():
        assert_close(p.grad, theirs[name].grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("theirs", [{}, {"kdim": 7, "vdim": 7}, {"bias": False}])
def test_weights_go_both_ways_and_a_context_of_another_width_equals_pytorch(theirs):
    ours, peer = pair(**theirs)
    with torch.no_grad():
        for p in peer.parameters():
            p.normal_()
    ours.load_state_dict(peer.state_dict())
    x, context = torch.randn(2, 4, 12), torch.randn(2, 6, theirs.get("kdim", 12))
    keep = padding_mask(torch.tensor([6, 2]), 6)
    y = peer(x, context, context, key_padding_mask=~keep[:, 0, 0])[0]
    assert_close(ours(x, context, mask=keep), y, atol=1e-5, rtol=1e-5)


def test_equals_the_formula_written_out_head_by_head():
    ours, _ = pair(dim=8, n_heads=2)
    x = torch.randn(1, 3, 8)
    q, k, v = (
        x[0] @ W.T + b for W, b in zip(ours.in_proj_weight.chunk(3), ours.in_proj_bias.chunk(3), strict=True)
    )
    heads = []
    for h in (slice(0, 4), slice(4, 8)):
        scores = [[(q[i, h] @ k[j, h]).item() / math.sqrt(4) for j in range(3)] for i in range(3)]
        heads.append(torch.tensor(scores).softmax(1) @ v[:, h])
    wanted = ours.out_proj(torch.cat(heads, 1))
    assert_close(ours(x)[0], wanted, atol=1e-5, rtol=1e-5)


def test_a_query_that_may_look_nowhere_gets_the_bias_and_no_nan():
    ours, _ = pair()
    x = torch.randn(2, 4, 12, requires_grad=True)
    keep = padding_mask(torch.tensor([4, 0]), 4)
    y = ours(x, mask=keep)
    assert_close(y[1], ours.out_proj.bias.expand(4, 12))
    weights = ours.attention_weights(x, mask=keep)
    assert_close(weights.sum(-1), torch.tensor([1.0, 0.0])[:, None, None].expand(2, 3, 4))
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert (x.grad[1] == 0).all()


@pytest.mark.parametrize("junk", [0.0, 1e6])
def test_padding_never_changes_the_answer(junk):
    ours, _ = pair()
    x = torch.randn(3, 5, 12)
    padded = torch.cat([x, torch.full((3, 4, 12), junk)], 1)
    keep = padding_mask(torch.full((3,), 5), 9)
    assert_close(ours(padded, mask=keep)[:, :5], ours(x), atol=1e-5, rtol=1e-5)
    assert_close(ours(x, padded, mask=keep), ours(x, x.clone()), atol=1e-5, rtol=1e-5)


def test_the_future_does_not_reach_the_past():
    ours, _ = pair()
    x = torch.randn(2, 6, 12)
    changed = x.clone()
    changed[:, 4:] += 10
    assert_close(ours(changed, causal=True)[:, :4], ours(x, causal=True)[:, :4])
    assert (ours(changed, causal=True)[:, 4:] - ours(x, causal=True)[:, 4:]).abs().max() > 0.1
    window = window_mask(6, past=6, future=0)
    assert_close(ours(x, mask=window), ours(x, causal=True), atol=1e-5, rtol=1e-5)


def test_permuting_queries_permutes_the_answer_and_permuting_the_context_does_nothing():
    ours, _ = pair()
    x, context, p = torch.randn(2, 5, 12), torch.randn(2, 7, 12), torch.randperm(5)
    assert_close(ours(x[:, p]), ours(x)[:, p], atol=1e-5, rtol=1e-5)
    assert_close(ours(x[:, p], context), ours(x, context)[:, p], atol=1e-5, rtol=1e-5)
    assert_close(ours(x, context[:, torch.randperm(7)]), ours(x, context), atol=1e-5, rtol=1e-5)


def test_heads_divide_the_width_without_changing_the_number_of_weights():
    counts = {h: sum(p.numel() for p in MultiHeadAttention(12, h).parameters()) for h in (1, 3, 12)}
    assert set(counts.values()) == {4 * 12 * 12 + 4 * 12}


def test_dropout_acts_in_training_only():
    layer = MultiHeadAttention(12, 3, dropout=0.5)
    x = torch.randn(2, 6, 12)
    assert (layer(x) - layer(x)).abs().max() > 1e-3
    layer.eval()
    assert_close(layer(x), layer(x))


def test_compiles_whole():
    code = """
import torch
from avcl_teach.encoders import MultiHeadAttention, padding_mask
layer, x = MultiHeadAttention(12, 3), torch.randn(3, 5, 12)
compiled = torch.compile(layer, fullgraph=True, backend="eager")
for how in ({}, {"mask": padding_mask(torch.tensor([5, 3, 1]), 5)}, {"causal": True}):
    torch.testing.assert_close(compiled(x, **how), layer(x, **how))
"""  # in a process of its own: the checks of shapes that tests install cannot be compiled
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_runs_in_bf16_near_float32():
    ours, _ = pair()
    x, keep = torch.randn(3, 5, 12), padding_mask(LENGTHS, 5)
    with torch.autocast("cpu", torch.bfloat16):
        y = ours(x, mask=keep)
    assert y.dtype == torch.bfloat16
    assert_close(y.float(), ours(x, mask=keep), atol=0.05, rtol=0.05)


def test_runs_where_there_are_no_values():
    layer = MultiHeadAttention(12, 3).to("meta")
    assert layer(torch.empty(2, 5, 12, device="meta"), causal=True).shape == (2, 5, 12)


@pytest.mark.parametrize("causal", [False, True])
def test_no_array_of_length_squared_is_made(causal):
    n, layer = 4096, MultiHeadAttention(16, 2)
    x = torch.randn(1, n, 16, requires_grad=True)
    with torch.profiler.profile(profile_memory=True) as seen:
        layer(x, causal=causal).sum().backward()
    largest = max(event.self_cpu_memory_usage for event in seen.events())
    assert 0 < largest < n * n  # bytes: a quarter of one n x n float32 matrix, were there one
    with torch.no_grad(), torch.profiler.profile(profile_memory=True) as seen:
        layer.attention_weights(x, causal=causal)
    assert max(event.self_cpu_memory_usage for event in seen.events()) >= 2 * 4 * n * n  # it does see one


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MultiHeadAttention(10, 3), "n_heads divides, got 10 and 3"),
        (lambda: MultiHeadAttention(10, 0), "n_heads divides"),
        (lambda: MultiHeadAttention(4, 2, dropout=1.0), r"dropout in \[0, 1\)"),
        (lambda: MultiHeadAttention(4, 2)(torch.ones(1, 3, 5)), r"\[batch, query, 4\]"),
        (lambda: MultiHeadAttention(4, 2, dim_context=6)(torch.ones(1, 3, 4)), "got none"),
        (
            lambda: MultiHeadAttention(4, 2).check(ONES.expand(2, 3, 4), ONES),
            "context .2, key",
        ),
        (lambda: MultiHeadAttention(4, 2)(*torch.ones(2, 1, 3, 4), causal=True), "got a context"),
        (
            lambda: MultiHeadAttention(4, 2)(torch.ones(1, 3, 4), mask=torch.ones(4, 3, dtype=torch.bool)),
            r"\[1, 2, 3, 3\], got \[4, 3\]",
        ),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_masks_that_are_not_bool_are_refused():
    with pytest.raises(TypeError, match="Bool mask"):
        check_mask(torch.zeros(3, 3), (1, 2, 3, 3))


@pytest.mark.parametrize("lengths", [[-1, 2], [1, 4]])
def test_lengths_outside_the_sequence_are_refused(lengths):
    with pytest.raises(ValueError, match="0 to 3"):
        padding_mask(torch.tensor(lengths), 3)


def test_windows_need_widths_of_zero_or_more():
    assert window_mask(4, past=0, future=0).equal(torch.eye(4, dtype=torch.bool))
    assert window_mask(3, past=0, future=1).int().tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 1]]
    with pytest.raises(ValueError, match="past >= 0"):
        window_mask(3, past=-1, future=0)
