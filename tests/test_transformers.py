"""Stacks against nn.TransformerEncoder and nn.TransformerDecoder; translation, its mask and its symbols."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from avcl_teach.encoders.masks import causal_mask, padding_mask
from avcl_teach.encoders.positions import rotary
from avcl_teach.encoders.transformers import (
    EncoderDecoder,
    TransformerDecoder,
    TransformerEncoder,
    attention_maps,
    next_symbol_loss,
    shift_right,
    translate,
)

D, H = 12, 3
TINY = (EncoderDecoder(6, 9), torch.ones(1, 2, 6))
MODELS = {
    "encoder": (lambda: TransformerEncoder(D, H, 2), lambda: (torch.randn(3, 5, D),)),
    "decoder": (
        lambda: TransformerDecoder(D, H, 2, dim_memory=7),
        lambda: (torch.randn(3, 5, D), torch.randn(3, 4, 7)),
    ),
    "encoder-decoder": (
        lambda: EncoderDecoder(6, 9, dim=D, n_heads=H, n_layers=2),
        lambda: (torch.randn(3, 5, 6), torch.randint(9, (3, 4))),
    ),
}


def shake(module):
    """Give every parameter a value of its own: fresh biases are 0 and fresh norms are 1."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return module


@pytest.fixture(params=MODELS)
def case(request):
    make, inputs = MODELS[request.param]
    return make, shake(make()), inputs()


def close(x, y):
    assert_close(x, y, atol=1e-5, rtol=1e-5)


def peers(kind, layer, norm_first):
    one = layer(D, H, 4 * D, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first)
    more = {"enable_nested_tensor": False} if kind is nn.TransformerEncoder else {}
    return kind(one, 2, norm=nn.LayerNorm(D) if norm_first else None, **more)


@pytest.mark.parametrize("norm_first", [True, False])
def test_stacks_equal_pytorch_with_weights_going_both_ways(norm_first):
    ours = shake(TransformerEncoder(D, H, 2, norm_first=norm_first))
    peer = peers(nn.TransformerEncoder, nn.TransformerEncoderLayer, norm_first)
    peer.load_state_dict(ours.state_dict())
    x, memory, keep = torch.randn(3, 5, D), torch.randn(3, 4, D), padding_mask(torch.tensor([5, 3, 1]), 5)
    close(ours(x, mask=keep), peer(x, src_key_padding_mask=~keep[:, 0, 0]))
    close(ours(x, causal=True), peer(x, mask=~causal_mask(5)))
    peer = shake(peers(nn.TransformerDecoder, nn.TransformerDecoderLayer, norm_first))
    ours = TransformerDecoder(D, H, 2, norm_first=norm_first)
    ours.load_state_dict(peer.state_dict())
    close(ours(x, memory), peer(x, memory, tgt_mask=~causal_mask(5)))


def test_shapes(case):
    _, model, inputs = case
    assert model(*inputs).shape == ((3, 4, 9) if isinstance(model, EncoderDecoder) else (3, 5, D))


def test_every_parameter_receives_a_gradient(case):
    _, model, inputs = case
    y = model(*inputs)
    (y * torch.randn_like(y)).sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().max() > 0, name


def test_stored_weights_give_the_same_answer(case, tmp_path):
    make, model, inputs = case
    torch.save(model.state_dict(), tmp_path / "m.pt")
    fresh = make()
    fresh.load_state_dict(torch.load(tmp_path / "m.pt", weights_only=True))
    close(fresh(*inputs), model(*inputs))


def test_runs_in_bf16_near_float32_and_without_values(case):
    _, model, inputs = case
    with torch.autocast("cpu", torch.bfloat16):
        y = model(*inputs)
    assert_close(y.float(), model(*inputs), atol=0.1, rtol=0.1)
    assert model.to("meta")(*(x.to("meta") for x in inputs)).shape == y.shape


def test_all_compile_without_a_break():
    code = """
import torch
from test_transformers import MODELS
for name, (make, inputs) in MODELS.items():
    model, inputs = make(), inputs()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*inputs), model(*inputs))
    torch._dynamo.reset()
"""  # in a process of its own: the checks of shapes that tests install cannot be compiled
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_encoder_is_blind_to_order_unless_features_are_turned():
    model, x, p = shake(TransformerEncoder(D, H, 2)), torch.randn(2, 6, D), torch.randperm(6)
    close(model(x[:, p]), model(x)[:, p])
    p = torch.tensor([5, 4, 3, 2, 1, 0])
    assert (model(x[:, p], rotate=rotary) - model(x, rotate=rotary)[:, p]).abs().max() > 1e-3


@pytest.mark.parametrize("junk", [0.0, 1e6])
def test_padding_of_the_source_never_changes_the_translation(junk):
    model = shake(EncoderDecoder(6, 9, dim=D, n_heads=H))
    source, y = torch.randn(2, 4, 6), torch.randint(9, (2, 5))
    padded = torch.cat([source, torch.full((2, 3, 6), junk)], 1)
    keep = padding_mask(torch.tensor([4, 4]), 7)
    close(model(padded, y, source_mask=keep), model(source, y))
    marks = {"start": 6, "stop": 7, "pad": 8, "max_length": 5}
    assert translate(model, padded, source_mask=keep, **marks).equal(translate(model, source, **marks))


def test_answers_depend_on_the_past_and_leak_without_the_mask():
    model = shake(EncoderDecoder(6, 9, dim=D, n_heads=H))
    source, y = torch.randn(1, 4, 6), torch.tensor([[1, 2, 3, 4, 5]])
    other = torch.tensor([[1, 2, 3, 8, 5]])
    change = (model(source, other) - model(source, y)).abs().amax((0, 2))
    assert change[:3].max() < 1e-5
    assert change[3:].min() > 1e-4
    change = (model(source, other, causal=False) - model(source, y, causal=False)).abs().amax((0, 2))
    assert change.min() > 1e-5


def test_loss_is_the_mean_over_what_is_no_padding():
    logits, targets = torch.randn(2, 3, 5), torch.tensor([[1, 2, 4], [3, 4, 4]])
    p = logits.log_softmax(-1)
    wanted = -(p[0, 0, 1] + p[0, 1, 2] + p[1, 0, 3]) / 3
    assert_close(next_symbol_loss(logits, targets, pad=4), wanted)


def test_shift_gives_start_then_the_targets_but_the_last():
    assert shift_right(torch.tensor([[4, 5, 6], [7, 8, 9]]), 1).tolist() == [[1, 4, 5], [1, 7, 8]]


def test_greedy_translation_equals_one_full_pass_and_stops():
    torch.manual_seed(0)
    model = shake(EncoderDecoder(6, 9, dim=D, n_heads=H)).eval()
    source = torch.randn(16, 4, 6)
    out = translate(model, source, start=6, stop=7, pad=8, max_length=6)
    full = model(source, shift_right(out, 6)).argmax(-1)
    stopped = torch.cat([torch.zeros(16, 1, dtype=torch.bool), (out == 7).cumsum(1)[:, :-1] > 0], 1)
    assert (full == out)[~stopped].all()
    assert (out[stopped] == 8).all()


def test_a_small_model_learns_to_read_a_sequence_backwards():
    torch.manual_seed(0)
    model = EncoderDecoder(5, 8, dim=32, n_heads=4, n_layers=1)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)

    def batch(n):
        y = torch.randint(5, (n, 4))
        return torch.eye(5)[y], torch.cat([y.flip(1), torch.full((n, 1), 6)], 1)

    for _ in range(150):
        source, y = batch(64)
        loss = next_symbol_loss(model(source, shift_right(y, 5)), y, pad=7)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    source, y = batch(64)
    found = translate(model, source, start=5, stop=6, pad=7, max_length=5)
    assert (found == y).float().mean() > 0.9
    assert (translate(model, source.roll(1, 0), start=5, stop=6, pad=7, max_length=5) == y)[
        :, :4
    ].float().mean() < 0.4


def test_maps_are_the_weights_of_each_layer_and_leave_the_model_alone():
    model = shake(EncoderDecoder(6, 9, dim=D, n_heads=H, n_layers=2))
    source, y = torch.randn(2, 4, 6), torch.randint(9, (2, 5))
    before = model(source, y)
    maps = attention_maps(model, source, y)
    assert len(maps) == 2 + 2 * 2
    assert maps["encoder.layers.0.self_attn"].shape == (2, H, 4, 4)
    cross, own = (maps[f"decoder.layers.1.{k}"] for k in ("multihead_attn", "self_attn"))
    assert cross.shape == (2, H, 5, 4)
    close(cross.sum(-1), torch.ones(2, H, 5))
    assert own.triu(1).abs().max() == 0
    close(model(source, y), before)
    memory = model.encode(source)
    x = model._place(model.embed(y) * D**0.5)
    layer = model.decoder.layers[0]
    x = x + layer.self_attn(layer.norm1(x), causal=True)
    close(
        maps["decoder.layers.0.multihead_attn"],
        layer.multihead_attn.attention_weights(layer.norm2(x), memory),
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TransformerEncoder(D, H, 0), "n_layers >= 1"),
        (lambda: EncoderDecoder(0, 9), "dim_in >= 1"),
        (lambda: EncoderDecoder(6, 9).encode(torch.ones(1, 3, 5)), r"\[batch, key, 6\]"),
        (
            lambda: EncoderDecoder(6, 9, dim=8).decode(torch.zeros(2, 3).long(), torch.ones(1, 3, 8)),
            r"symbols \[1, position\], got \[2, 3\]",
        ),
        (lambda: shift_right(torch.zeros(2, 0).long(), 1), "position >= 1"),
        (
            lambda: translate(
                EncoderDecoder(6, 9), torch.ones(1, 2, 6), start=0, stop=1, pad=2, max_length=0
            ),
            "max_length >= 1",
        ),
        (lambda: attention_maps(nn.Linear(2, 2), torch.ones(1, 2)), "MultiHeadAttention in it, got Linear"),
    ],
)
def test_bad_input_is_named(make, words):
    from jaxtyping import TypeCheckError

    with pytest.raises((ValueError, TypeCheckError), match=f"{words}|Type-check"):
        make()
