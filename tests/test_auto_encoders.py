"""Auto-encoders i to v: shapes, missing sides and padding, gradients, stored weights, autocast, compile."""

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_model, save_model
from torch import nn

from avcl_teach import encoders, objectives
from avcl_teach.encoders import auto_encoders, conditioned_decoders, hash_codes, joint_latents, weak_to_strong
from avcl_teach.encoders.joint_latents import drop_modalities, only

N, D, SIZES, KEYS = 6, 8, (10, 7), 5


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(N, size, generator=g) for size in SIZES]


def context(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(N, 4, D, generator=g), torch.randn(N, KEYS, 6, generator=g)


def series(seed=0):
    g = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(s, generator=g) for s in ((N, 5, 3), (N, 5, 1), (N, 4)))


def parts():
    return [encoders.perceptron(n, 12, D) for n in SIZES], [encoders.perceptron(D, 12, n) for n in SIZES]


def joint(**settings):
    f, g = parts()
    return encoders.ConcatenatedLatent(f, g, encoders.perceptron(2 * D, D), dims=[D, D], **settings)


def attended(**settings):
    return encoders.AttendedLatent(*parts(), dim=D, n_heads=2, **settings)


def conditioned(kind):
    make = {
        "attending": lambda: encoders.AttendingCondition(D, 6, n_heads=2),
        "tiling": lambda: encoders.TilingCondition(D, 6),
        "film": lambda: encoders.FilmCondition(D, 6),
    }
    return encoders.ConditionedDecoder(make[kind](), encoders.perceptron(D, 12, 3))


MODELS = {
    "tied": (lambda: encoders.TiedAutoEncoder(10, 3), lambda: (batch()[0],)),
    "plain": (lambda: encoders.AutoEncoder(parts()[0][0], parts()[1][0]), lambda: (batch()[0],)),
    "aligned": (lambda: encoders.AlignedLatents(*parts()), lambda: (batch(),)),
    "cross": (lambda: encoders.CrossReconstruction(*parts()), lambda: (batch(),)),
    "concatenated": (joint, lambda: (batch(),)),
    "concatenated, gates, missing": (
        lambda: joint(gates=True), lambda: (batch(), torch.arange(2 * N).view(N, 2) % 3 > 0)
    ),
    "attended": (attended, lambda: (batch(),)),
    "attended, gates, missing": (
        lambda: attended(gates=True), lambda: (batch(), torch.arange(2 * N).view(N, 2) % 3 > 0)
    ),
    "classified": (
        lambda: encoders.ClassifiedLatent(encoders.AlignedLatents(*parts()), D, 4), lambda: (batch(),)
    ),
    "classified, joint": (lambda: encoders.ClassifiedLatent(attended(), D, 4), lambda: (batch(),)),
    "weak to strong": (
        lambda: encoders.WeakToStrong(
            parts()[0], [encoders.perceptron(D, SIZES[1]), encoders.perceptron(D, SIZES[1])],
            dim=D, n_classes=3,
        ), lambda: tuple(batch())
    ),
    "attending": (lambda: conditioned("attending"), context),
    "tiling": (lambda: conditioned("tiling"), context),
    "film": (lambda: conditioned("film"), context),
    "filler": (
        lambda: encoders.SeriesFiller(
            encoders.attend_to_equal_times(8), n_steps=5, n_channels=3, n_look=4, dim=8
        ), series
    ),
    "gate": (lambda: encoders.SpatialGate(6), lambda: (context()[0], context()[1][:, :4])),
}  # fmt: skip


def flat(out):
    if torch.is_tensor(out):
        return [out]
    return [x for item in out for x in flat(item)]


@pytest.fixture(params=MODELS)
def case(request):
    torch.manual_seed(0)
    make, inputs = MODELS[request.param]
    return make, make(), inputs()


def test_every_parameter_gets_a_gradient(case):
    _, model, inputs = case
    g = torch.Generator().manual_seed(1)
    sum((x * torch.randn(x.shape, generator=g)).sum() for x in flat(model(*inputs))).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all(), name
        # a key's bias adds the same to all scores of a query: softmax does not see it
        if name.endswith("in_proj_bias"):
            d = len(p) // 3
            p = p.grad[2 * d :]
            assert p.abs().max() > 0, name
        else:
            assert p.grad.abs().max() > 0, name


def test_weights_are_stored_and_loaded_safely(case, tmp_path):
    make, model, inputs = case
    torch.save(model.state_dict(), tmp_path / "w.pt")
    save_model(model, tmp_path / "w.safetensors")
    expected = flat(model(*inputs))
    other, third = make(), make()
    other.load_state_dict(torch.load(tmp_path / "w.pt", weights_only=True))
    load_model(third, tmp_path / "w.safetensors")
    for same in (other, third):
        for x, y in zip(flat(same(*inputs)), expected, strict=True):
            torch.testing.assert_close(x, y)


def test_bfloat16_autocast_stays_close(case):
    _, model, inputs = case
    expected = flat(model(*inputs))
    with torch.autocast("cpu", torch.bfloat16):
        found = flat(model(*inputs))
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x.float(), y, atol=0.06, rtol=0.06)


def test_all_compile_without_a_break():
    code = """
import torch
from test_auto_encoders import MODELS, flat
for name, (make, inputs) in MODELS.items():
    model = make()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for x, y in zip(flat(compiled(*inputs())), flat(model(*inputs())), strict=True):
        torch.testing.assert_close(x, y)
    torch._dynamo.reset()
"""  # in a process of its own: the checks of shapes that tests install cannot be compiled
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_items_of_a_batch_do_not_mix(case):
    _, model, inputs = case

    def first(x):
        return [y[:2] for y in x] if isinstance(x, list) else x[:2]

    for x, y in zip(flat(model(*map(first, inputs))), flat(model(*inputs)), strict=True):
        torch.testing.assert_close(x, y[:2], atol=1e-6, rtol=1e-5)


def test_shapes():
    xs, (H, C) = batch(), context()
    h, x_hat = encoders.AlignedLatents(*parts())(xs)
    assert h.shape == (N, 2, D) and [x.shape for x in x_hat] == [x.shape for x in xs]
    h, table = encoders.CrossReconstruction(*parts())(xs)
    assert [[x.shape[1] for x in row] for row in table] == [list(SIZES)] * 2
    for model in (joint(), attended()):
        h, x_hat = model(xs)
        assert h.shape == (N, D) and [x.shape for x in x_hat] == [x.shape for x in xs]
    assert attended().weights(xs).shape == (N, 2, 2)
    assert conditioned("attending")(H, C).shape == (N, 4, 3)
    h, _, y = encoders.ClassifiedLatent(encoders.AlignedLatents(*parts()), D, 4)(xs)
    assert y.shape == (N, 2, 4)


@pytest.mark.parametrize("make", [joint, attended])
@pytest.mark.parametrize("gates", [False, True])
@pytest.mark.parametrize("rubbish", [0.0, 1e6, float("nan")])
def test_what_stands_in_a_missing_input_never_matters(make, gates, rubbish):
    torch.manual_seed(0)
    model, xs = make(gates=gates), batch()
    present = only(N, 2, 0)
    expected = model.encode(xs, present)
    spoilt = [xs[0], torch.full_like(xs[1], rubbish)]
    found = model.encode(spoilt, present)
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    found.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    both = model.encode(xs, torch.ones(N, 2, dtype=torch.bool))
    torch.testing.assert_close(both, model.encode(xs))
    assert not torch.allclose(both, expected, atol=1e-3)


def test_attention_gives_the_share_of_a_missing_modality_to_the_others():
    torch.manual_seed(0)
    model, xs = attended(), batch()
    w = model.weights(xs)
    torch.testing.assert_close(w.sum(-1), torch.ones(N, 2))
    assert w.min() > 0 and w.std() > 0
    alone = model.weights(xs, only(N, 2, 1))
    torch.testing.assert_close(alone, torch.tensor([0.0, 1.0]).expand(N, 2, 2))


def test_attended_latent_is_multi_head_attention_of_torch():
    torch.manual_seed(0)
    model, xs = attended(), batch()
    theirs = nn.MultiheadAttention(D, 2, batch_first=True)
    theirs.load_state_dict(model.attention.state_dict())
    Z = torch.stack([f(x) for f, x in zip(model.encoders, xs, strict=True)], 1) + model.kind
    present = drop_modalities(N, 2, p=0.5, generator=torch.Generator().manual_seed(0))
    y, w = theirs(model.query.expand(N, 1, D), Z, Z, key_padding_mask=~present, average_attn_weights=False)
    torch.testing.assert_close(model.encode(xs, present), y[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.weights(xs, present), w[:, :, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["attending", "tiling", "film"])
@pytest.mark.parametrize("rubbish", [1e6, float("nan")])
def test_padding_and_order_of_the_context_never_matter(kind, rubbish):
    torch.manual_seed(0)
    model, (H, C) = conditioned(kind), context()
    expected = model(H, C)
    padded = torch.cat([C, torch.full((N, 3, 6), rubbish)], 1)
    mask = (torch.arange(KEYS + 3) < KEYS).expand(N, -1)
    found = model(H, padded, mask)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    found.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    torch.testing.assert_close(model(H, C.flip(1)), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model(H.flip(1), C), expected.flip(1), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(model(H, C.roll(1, 0)), expected, atol=1e-3)  # another clip's picture


def test_attending_condition_is_multi_head_attention_of_torch():
    torch.manual_seed(0)
    ours, (H, C) = encoders.AttendingCondition(D, 6, n_heads=2), context()
    theirs = nn.MultiheadAttention(D, 2, kdim=6, vdim=6, batch_first=True)
    theirs.load_state_dict(ours.attention.state_dict())
    y, w = theirs(H, C, C, average_attn_weights=False)
    torch.testing.assert_close(ours(H, C), H + y, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.weights(H, C), w, atol=1e-5, rtol=1e-5)


def test_the_other_conditions_by_hand():
    torch.manual_seed(0)
    H, C = context()
    film, tile, gate = encoders.FilmCondition(D, 6), encoders.TilingCondition(D, 6), encoders.SpatialGate(6)
    c = C.mean(1)
    by_hand = torch.stack([(1 + film.scale(c)) * H[:, p] + film.offset(c) for p in range(4)], 1)
    torch.testing.assert_close(film(H, C), by_hand)
    by_hand = torch.stack([tile.mix(torch.cat([H[:, p], c], 1)) for p in range(4)], 1)
    torch.testing.assert_close(tile(H, C), by_hand)
    s = gate.score(C[:, :4]).sigmoid()
    torch.testing.assert_close(gate(H, C[:, :4]), s * H)


def test_the_best_tied_auto_encoder_is_pca():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(200, 6, generator=g) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.3, 0.1]) + 4
    torch.manual_seed(0)
    model = encoders.TiedAutoEncoder(6, 2)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (model(x)[1] - x).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    _, s, Vh = torch.linalg.svd(x - x.mean(0))
    best = float(s[2:].square().sum() / x.numel())
    assert closure().item() == pytest.approx(best, rel=1e-3)
    Q = torch.linalg.qr(model.weight.detach().T).Q
    torch.testing.assert_close(Q @ Q.T, Vh[:2].T @ Vh[:2], atol=0.01, rtol=0)


def test_cross_errors_against_loops_and_their_targets():
    torch.manual_seed(0)
    xs = batch()
    _, x_hat = encoders.CrossReconstruction(*parts())(xs)
    E = encoders.cross_errors(x_hat, xs)
    for m in range(2):
        for n in range(2):
            assert E[m, n].item() == pytest.approx(nn.functional.mse_loss(x_hat[m][n], xs[n]).item())
    with pytest.raises(ValueError, match="2 reconstructions"):
        inspect.unwrap(auto_encoders.cross_errors)([[xs[0]]], xs)


def test_missing_modalities_are_drawn_as_told():
    g = torch.Generator().manual_seed(0)
    present = drop_modalities(4000, 3, p=0.4, generator=g)
    assert present.any(1).all()
    # each goes with 0.4, but for the third of the 0.4^3 of rows in which all would go
    assert abs((~present).float().mean() - (0.4 - 0.4**3 / 3)) < 0.02
    assert drop_modalities(5, 2, p=0.0).all()
    assert (drop_modalities(50, 2, p=1.0, generator=g).sum(1) == 1).all()


def test_associates_are_others_of_the_class():
    y = torch.tensor([0, 1, 0, 2, 0, 1])
    g = torch.Generator().manual_seed(0)
    draws = torch.stack([encoders.associates(y, generator=g) for _ in range(200)])
    assert (y[draws] == y).all()
    own = draws == torch.arange(6)
    assert own[:, 3].all() and not own[:, [0, 1, 2, 4, 5]].any()
    assert {2, 4} == set(draws[:, 0].tolist())


def test_codes():
    h = torch.tensor([[0.0, -0.2, 3.0], [-0.0, 1.0, -1.0]])
    b = encoders.binary_codes(h)
    assert b.tolist() == [[1, -1, 1], [1, 1, -1]]
    assert encoders.hamming_similarity(b, b).diagonal().tolist() == [1, 1]
    assert float(encoders.hamming_similarity(b[:1], b[1:])) == pytest.approx(1 / 3)
    y = torch.tensor([0, 1])
    s = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    expected = sum((s[i, j] - h[i] @ b[j] / 3) ** 2 for i in range(2) for j in range(2)) / 4
    torch.testing.assert_close(encoders.code_similarity(h, b, y), expected)
    leaf = h.clone().requires_grad_()
    encoders.quantisation(leaf).backward()
    torch.testing.assert_close(leaf.grad, 2 * (h - b) / 6)  # the code does not move
    with pytest.raises(ValueError, match="-1 and"):
        inspect.unwrap(hash_codes.hamming_similarity)(h, h)


def test_latents_alone_never_saw_the_partner():
    xs, other = batch(), batch(1)
    for make in (joint, attended, MODELS["aligned"][0], MODELS["cross"][0], MODELS["classified, joint"][0]):
        torch.manual_seed(0)
        model = make()
        a, v = model.alone(xs)
        a_again, v_moved = model.alone([xs[0], other[1]])
        torch.testing.assert_close(a_again, a, atol=0, rtol=0)
        assert not torch.allclose(v_moved, v, atol=1e-3)
    model = joint()
    torch.testing.assert_close(model.alone(xs)[1], model.encode(xs, only(N, 2, 1)))


def test_a_filler_sees_time_only_where_its_condition_does():
    x, motion, look = series()
    torch.manual_seed(0)
    blind = encoders.SeriesFiller(encoders.Unconditioned(), n_steps=5, n_channels=3, n_look=4, dim=8)
    torch.testing.assert_close(blind(x, motion, look), blind(x, motion.flip(0), look.flip(0)))
    tiling = encoders.TilingCondition(8, 8)
    H, C = blind.latents(x, motion, look)
    torch.testing.assert_close(tiling(H, C.flip(1)), tiling(H, C), atol=1e-6, rtol=1e-5)
    made = encoders.SeriesFiller(encoders.attend_to_equal_times(32), n_channels=3, n_look=4)
    H, C = made.latents(torch.zeros(1, 16, 3), torch.zeros(1, 16, 1), torch.zeros(1, 4))
    weights = made.decoder.condition.weights(H, C)[0, 0, :, :16]
    assert (weights.argmax(1) == torch.arange(16)).float().mean() > 0.8  # equal times attract at the start


def test_hidden_steps():
    hidden = encoders.hide_steps(200, 9, 4, generator=torch.Generator().manual_seed(0))
    assert (hidden.sum(1) == 4).all()
    assert ((hidden[:, 1:] != hidden[:, :-1]).sum(1) <= 2).all()  # one stretch
    assert hidden.any(0).all()
    with pytest.raises(ValueError, match="n_hidden"):
        inspect.unwrap(encoders.hide_steps)(3, 4, 5)


def test_translation_without_the_strong_side():
    torch.manual_seed(0)
    make, inputs = MODELS["weak to strong"]
    model, (x_w, x_s) = make(), inputs()
    alone, helped = model(x_w), model(x_w, x_s)
    assert alone.z_strong is None and alone.reconstruction is None
    torch.testing.assert_close(alone.logits, helped.logits)
    loss = objectives.deep_cca(helped.z, helped.z_strong, ridge=1e-2)
    loss.backward()
    assert model.weak[0].weight.grad.abs().max() > 0 and model.strong[0].weight.grad.abs().max() > 0


@pytest.mark.parametrize("module", [auto_encoders, joint_latents, conditioned_decoders, hash_codes])
def test_the_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


def test_bad_input_is_refused():
    xs, (f, g), (H, C) = batch(), parts(), context()
    for model in (encoders.AlignedLatents(f, g), encoders.CrossReconstruction(f, g), joint()):
        with pytest.raises(ValueError, match="2 modalities"):
            model(xs[:1])
        with pytest.raises(ValueError, match="batches of one size"):
            model([xs[0], xs[1][:3]])
    forward = inspect.unwrap(joint_latents._JointLatent.uni_modal)
    for wrong in (torch.ones(N, 2), torch.ones(N, 3, dtype=torch.bool)):
        with pytest.raises(ValueError, match="present as Bool"):
            forward(joint(), xs, wrong)
    with pytest.raises(ValueError, match="one decoder an encoder"):
        encoders.AlignedLatents(f, g[:1])
    with pytest.raises(ValueError, match="one latent size"):
        encoders.ConcatenatedLatent(f, g, nn.Identity(), dims=[D])
    with pytest.raises(ValueError, match="two sizes"):
        encoders.perceptron(4)
    with pytest.raises(ValueError, match="dim in 1"):
        encoders.TiedAutoEncoder(4, 5)
    with pytest.raises(ValueError, match="n_classes"):
        encoders.ClassifiedLatent(encoders.AlignedLatents(f, g), D, 1)
    with pytest.raises(ValueError, match="two encoders"):
        encoders.WeakToStrong(f[:1], g, dim=D, n_classes=3)
    with pytest.raises(ValueError, match="expected a mask"):
        inspect.unwrap(conditioned_decoders.masked_mean)(C, torch.ones(N, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="same places"):
        inspect.unwrap(encoders.SpatialGate.forward)(encoders.SpatialGate(6), H, C)
    for p, n in ((1.5, 2), (0.5, 0)):
        with pytest.raises(ValueError, match="expected p in"):
            inspect.unwrap(drop_modalities)(3, n, p=p)
    with pytest.raises(ValueError, match="modality of 0"):
        inspect.unwrap(only)(3, 2, 2)
    assert weak_to_strong.associates(torch.tensor([4])).tolist() == [0]
