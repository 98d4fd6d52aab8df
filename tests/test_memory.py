"""Memories: what is written can be read, padding never matters, nothing stays from one call to the next."""

import io
import subprocess
import sys
from pathlib import Path

import jaxtyping
import pytest
import torch
from torch.testing import assert_close

from avcl_teach.encoders import memory
from avcl_teach.encoders.memory import KeyValueMemory, NearestMemory, address, write_all, write_step

MODELS = {
    "slots": lambda: KeyValueMemory(5, 3, n_slots=6, dim=8),
    "adding": lambda: KeyValueMemory(5, 3, n_slots=6, dim=8, erase=False),
    "nearest": lambda: NearestMemory(5, 3, k=2, dim=8),
    "newest": lambda: NearestMemory(5, 3, k=2, dim=8, size=4),
}


@pytest.fixture
def shapes_unchecked():
    """Let bad input reach the package's own errors, as it does for users."""
    was = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", was)


@pytest.fixture(params=MODELS, name="model")
def make(request):
    torch.manual_seed(0)
    return MODELS[request.param]()


def batch(b=4, n=7, q=2, seed=1):
    g = torch.Generator().manual_seed(seed)
    return (torch.randn(b, m, d, generator=g) for m, d in ((n, 5), (n, 3), (q, 5)))


def steps(w, values, gate, erase):
    M = torch.zeros(len(w), w.shape[2], values.shape[2])
    for t in range(w.shape[1]):
        M = write_step(M, w[:, t], values[:, t], gate[:, t], erase[:, t])
    return M


def draws(b=3, n=9, s=4, d=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    w = torch.randn(b, n, s, generator=g).softmax(-1)
    return w, torch.randn(b, n, d, generator=g), *torch.rand(2, b, n, generator=g)


def test_writing_at_once_is_writing_step_by_step():
    w, values, gate, erase = draws()
    assert_close(write_all(w, values, gate, erase), steps(w, values, gate, erase))
    assert_close(write_all(w, values, gate), steps(w, values, gate, torch.zeros_like(erase)))
    first = write_all(w[:, :4], values[:, :4], gate[:, :4], erase[:, :4])
    whole = write_all(w[:, 4:], values[:, 4:], gate[:, 4:], erase[:, 4:], first)
    assert_close(whole, write_all(w, values, gate, erase))
    added = write_all(w[:, 4:], values[:, 4:], gate[:, 4:], None, first)
    assert_close(added, first + write_all(w[:, 4:], values[:, 4:], gate[:, 4:]))


def test_a_full_erase_replaces_and_its_gradient_is_finite():
    w = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    values = torch.tensor([[[1.0, 2.0], [5.0, 6.0]]], requires_grad=True)
    gate = torch.ones(1, 2, requires_grad=True)
    M = write_all(w, values, gate, torch.ones(1, 2))
    assert_close(M[0], torch.tensor([[5.0, 6.0], [0.0, 0.0]]), atol=1e-4, rtol=0)
    M.square().sum().backward()
    assert values.grad.isfinite().all() and gate.grad.isfinite().all()
    assert_close(write_all(w, values, gate)[0, 0], torch.tensor([6.0, 8.0]))
    assert write_all(w, values, torch.zeros(1, 2), torch.ones(1, 2)).abs().max() == 0


def test_one_slot_reads_the_same_for_every_query():
    model = KeyValueMemory(5, 3, n_slots=1)
    x_key, x_value, x_query = batch()
    r = model(x_key, x_value, x_query)
    assert_close(r[:, 0], r[:, 1])


def test_addresses_share_out_one(shapes_unchecked):
    torch.manual_seed(0)
    w = address(torch.randn(2, 3, 4), torch.randn(5, 4))
    assert_close(w.sum(-1), torch.ones(2, 3))
    with pytest.raises(ValueError, match="dim 4"):
        address(torch.randn(2, 3, 4), torch.randn(5, 3))


def test_shapes_and_an_empty_start(model):
    x_key, x_value, x_query = batch()
    dim = 8
    first = model(x_key, x_value, x_query)
    assert first.shape == (4, 2, dim)
    model(x_key.roll(1, 0), x_value.roll(1, 0), x_query)
    assert_close(model(x_key, x_value, x_query), first, msg="nothing stays from the call between")
    assert_close(model(x_key[2:3], x_value[2:3], x_query[2:3]), first[2:3])


@pytest.mark.parametrize("garbage", [0.0, 1e6])
def test_padding_never_changes_the_answer(model, garbage):
    x_key, x_value, x_query = batch()
    alone = model(x_key, x_value, x_query)
    pads = [torch.cat([x, torch.full_like(x[:, :3], garbage)], 1) for x in (x_key, x_value)]
    there = torch.arange(10).expand(4, 10) < 7
    assert_close(model(*pads, x_query, mask=there), alone, atol=1e-5, rtol=1e-5)
    before = [torch.cat([torch.full_like(x[:, :3], garbage), x], 1) for x in (x_key, x_value)]
    assert_close(model(*before, x_query, mask=there.flip(1)), alone, atol=1e-5, rtol=1e-5)


def test_a_memory_of_nothing_reads_zeros(model):
    x_key, x_value, x_query = batch()
    nothing = torch.zeros(4, 7, dtype=torch.bool)
    assert model(x_key, x_value, x_query, mask=nothing).abs().max() == 0


def test_order_matters_only_where_something_is_erased_or_dropped():
    x_key, x_value, x_query = batch()
    turned = x_key.flip(1), x_value.flip(1)
    for name, make in MODELS.items():
        torch.manual_seed(0)
        model = make()
        same = torch.allclose(model(*turned, x_query), model(x_key, x_value, x_query), atol=1e-5)
        assert same == (name in ("adding", "nearest")), name


def test_queries_do_not_disturb_each_other(model):
    x_key, x_value, x_query = batch(q=3)
    r = model(x_key, x_value, x_query)
    assert_close(model(x_key, x_value, x_query[:, [2, 0, 1]]), r[:, [2, 0, 1]])


def test_gradient_reaches_every_parameter(model):
    model(*batch()).square().sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.abs().max() > 0, name


def test_state_is_saved_and_loaded_with_weights_only(model, request):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    torch.manual_seed(1)
    other = MODELS[request.node.callspec.params["model"]]()
    other.load_state_dict(torch.load(file, weights_only=True))
    inputs = list(batch())
    assert torch.equal(other(*inputs), model(*inputs))


def test_nearest_with_all_keys_is_attention_with_one_head():
    torch.manual_seed(0)
    model = NearestMemory(5, 3, k=7, dim=8)
    x_key, x_value, x_query = batch()
    q, k = (torch.nn.functional.normalize(model.to_key(x), dim=-1) for x in (x_query, x_key))
    scale = model.log_scale.exp().item()
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, model.to_value(x_value), scale=scale)
    assert_close(model(x_key, x_value, x_query), expected, atol=1e-5, rtol=1e-5)


def test_nearest_finds_the_same_key_and_forgets_what_is_older_than_its_size():
    torch.manual_seed(0)
    model = NearestMemory(5, 3, k=1, dim=8, size=4)
    x_key, x_value, _ = batch(n=6)
    weights, index = model.found(x_key, x_key)
    assert weights.eq(1).all() and (index[:, 2:, 0] == torch.arange(2, 6)).all()
    assert (index >= 2).all()
    there = torch.tensor([True, True, True, True, False, False]).expand(4, 6)
    assert model.kept(x_key, there).equal(there)


def test_runs_in_bf16_on_meta_and_compiled(model):
    inputs = list(batch())
    plain = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(*inputs).float()
    assert (low - plain).abs().mean() < 0.1 * plain.abs().mean() + 0.05
    on_meta = model.to("meta")(*(x.to("meta") for x in inputs))
    assert on_meta.shape == plain.shape


def test_all_compile_whole():
    code = """
import torch
from test_memory import MODELS, batch
for make in MODELS.values():
    model, inputs = make(), list(batch())
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*inputs), model(*inputs))
    torch._dynamo.reset()
"""  # in a process of its own: the checks of shapes that tests install cannot be compiled
    where = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=where)
    assert done.returncode == 0, done.stderr


def test_bad_input_says_what_was_expected(model, shapes_unchecked):
    x_key, x_value, x_query = batch()
    with pytest.raises(ValueError, match="keys"):
        model(x_value, x_value, x_query)
    with pytest.raises(ValueError, match="values"):
        model(x_key, x_value[:, :5], x_query)
    with pytest.raises(ValueError, match="a mask"):
        model(x_key, x_value, x_query, mask=torch.ones(4, 3, dtype=torch.bool))
    for kind in (KeyValueMemory, NearestMemory):
        with pytest.raises(ValueError, match=">= 1"):
            kind(0, 3)
    with pytest.raises(ValueError, match=">= 1"):
        KeyValueMemory(5, 3, n_slots=0)
    with pytest.raises(ValueError, match="temperature > 0"):
        NearestMemory(5, 3, temperature=0.0)
    with pytest.raises(ValueError, match="a memory"):
        KeyValueMemory(5, 3).write(x_key, x_value, memory=torch.zeros(4, 2, 2))
    with pytest.raises(TypeError, match="Bool"):
        memory.check_sequence(x_key, x_value, torch.ones(4, 7), (5, 3))
