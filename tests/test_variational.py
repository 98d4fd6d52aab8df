"""Variational auto-encoders: draws, gradients, who sees whom, stored weights, autocast, compile."""

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
from avcl_teach.encoders.variational import (
    VAE,
    CorrelatedVAE,
    Gaussian,
    GaussianEncoder,
    SharedDecoderVAE,
    draw,
    reparametrise,
)
from avcl_teach.metrics import latents
from avcl_teach.metrics.latents import active_units, kl_per_dimension

N, N_A, N_V, Z = 6, 10, 7, 4


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(N, N_A, generator=g), torch.randn(N, N_V, generator=g)


MODELS = {
    "encoder": (lambda: GaussianEncoder(N_A, Z, hidden=(12,)), lambda: batch()[:1]),
    "linear encoder": (lambda: GaussianEncoder(N_A, Z, hidden=()), lambda: batch()[:1]),
    "vae": (lambda: VAE(N_A, Z, hidden=(12, 9)), lambda: batch()[:1]),
    "shared decoder": (lambda: SharedDecoderVAE(N_A, N_V, Z, hidden=(12,)), batch),
    "correlated": (lambda: CorrelatedVAE(N_A, N_V, 3, n_latent=Z, n_hidden=12), batch),
}
every = pytest.mark.parametrize("name", MODELS)


def make(name, seed=0):
    torch.manual_seed(seed)
    model, inputs = MODELS[name]
    return model(), inputs()


def flat(out):
    """All tensors of a nested tuple."""
    return [out] if isinstance(out, torch.Tensor) else [x for part in out for x in flat(part)]


def test_a_draw_has_the_mean_and_the_deviation_asked_for():
    m, l = torch.tensor([1.0, -2.0]), torch.tensor([0.0, 2 * torch.log(torch.tensor(3.0))])
    torch.manual_seed(0)
    z = reparametrise(m.expand(40_000, 2), l.expand(40_000, 2))
    torch.testing.assert_close(z.mean(0), m, atol=0.05, rtol=0)
    torch.testing.assert_close(z.std(0), torch.tensor([1.0, 3.0]), atol=0.05, rtol=0)


def test_the_gradient_goes_through_the_draw():
    g = torch.Generator().manual_seed(0)
    m, l, eps = (torch.randn(5, 3, generator=g, dtype=torch.float64) for _ in range(3))
    m.requires_grad_(), l.requires_grad_()
    z = reparametrise(m, l, eps)
    z.sum().backward()
    torch.testing.assert_close(m.grad, torch.ones_like(m))
    torch.testing.assert_close(l.grad, ((z - m) / 2).detach())
    assert torch.autograd.gradcheck(lambda m, l: reparametrise(m, l, eps), (m, l))


def test_shapes_that_differ_are_refused():
    x = torch.zeros(3, 2)
    for other in ((torch.zeros(3, 1), None), (x, torch.zeros(2, 3))):
        with pytest.raises(ValueError, match="expected one shape, got mean"):
            inspect.unwrap(reparametrise)(x, *other)


def test_shapes():
    x_a, x_v = batch()
    q = make("encoder")[0](x_a)
    assert isinstance(q, Gaussian) and q.mean.shape == q.log_variance.shape == (N, Z)
    x, q = make("vae")[0](x_a)
    assert x.shape == x_a.shape and q.mean.shape == (N, Z)
    for side in make("shared decoder")[0](x_a, x_v):
        assert side.x_a.shape == x_a.shape and side.x_v.shape == x_v.shape and side.z.shape == (N, Z)
    for side, x in zip(make("correlated")[0](x_a, x_v), (x_a, x_v), strict=True):
        assert side.x.shape == x.shape and side.z.shape == (N, Z) and side.scores.shape == (N, 3)


@every
def test_training_draws_and_evaluation_takes_the_mean(name):
    model, inputs = make(name)
    outs = [flat(model(*inputs)) for _ in range(2)]
    drawn = any(not torch.equal(x, y) for x, y in zip(*outs, strict=True))
    assert drawn == ("encoder" not in name)
    model.eval()
    for x, y in zip(flat(model(*inputs)), flat(model(*inputs)), strict=True):
        assert torch.equal(x, y)
    if name in ("shared decoder", "correlated"):
        assert all(torch.equal(side.z, side.q.mean) for side in model(*inputs))


def test_a_noise_that_is_given_is_used_in_evaluation_too():
    model, (x,) = make("vae")
    model.eval()
    eps = torch.ones(N, Z)
    q = model.encoder(x)
    torch.testing.assert_close(model(x, eps)[0], model.decoder(q.mean + (q.log_variance / 2).exp()))
    torch.testing.assert_close(draw(q, torch.zeros(N, Z), training=True), q.mean)


@every
def test_items_do_not_see_each_other(name):
    model, inputs = make(name)
    model.eval()
    order = torch.tensor([3, 0, 5, 1])
    for x, y in zip(flat(model(*(x[order] for x in inputs))), flat(model(*inputs)), strict=True):
        torch.testing.assert_close(x, y[order])


@pytest.mark.parametrize("name", ["shared decoder", "correlated"])
def test_neither_side_sees_the_other(name):
    model, (x_a, x_v) = make(name)
    model.eval()
    first, second = model(x_a, x_v)
    for x, y in zip(flat(model(x_a, 1e6 + x_v)[0]), flat(first), strict=True):
        assert torch.equal(x, y)
    for x, y in zip(flat(model(1e6 + x_a, x_v)[1]), flat(second), strict=True):
        assert torch.equal(x, y)


def test_one_decoder_serves_both_sides():
    model, (x_a, x_v) = make("shared decoder")
    model.eval()
    model.encoder_v = model.encoder_a
    first, second = model(x_a, x_a)
    for x, y in zip(flat(first), flat(second), strict=True):
        assert torch.equal(x, y)
    torch.testing.assert_close(torch.cat(model.decode(first.z), 1), torch.cat([first.x_a, first.x_v], 1))


@every
def test_the_gradient_reaches_every_parameter(name):
    model, inputs = make(name)
    sum(x.square().sum() for x in flat(model(*inputs))).backward()
    for key, p in model.named_parameters():
        assert p.grad is not None and p.grad.abs().max() > 0, key


@every
def test_stored_weights_give_the_same_answer(name, tmp_path):
    model, inputs = make(name)
    wanted = flat(model.eval()(*inputs))
    torch.save(model.state_dict(), tmp_path / "m.pt")
    save_model(model, tmp_path / "m.safetensors")
    one, two = make(name, seed=1)[0].eval(), make(name, seed=2)[0].eval()
    one.load_state_dict(torch.load(tmp_path / "m.pt", weights_only=True))
    load_model(two, tmp_path / "m.safetensors")
    for again in (one, two):
        for x, y in zip(flat(again(*inputs)), wanted, strict=True):
            assert torch.equal(x, y)


@every
def test_bf16_autocast_is_close(name):
    model, inputs = make(name)
    model.eval()
    wanted = flat(model(*inputs))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = flat(model(*inputs))
    for x, y in zip(found, wanted, strict=True):
        torch.testing.assert_close(x.float(), y, atol=0.05, rtol=0.05)


@every
def test_it_runs_without_values(name):
    model, inputs = make(name)
    out = flat(model.to("meta").train()(*(x.to("meta") for x in inputs)))
    assert all(x.device.type == "meta" for x in out)


def test_all_compile_without_a_break():
    code = """
import torch
from test_variational import MODELS, flat, make
for name in MODELS:
    model, inputs = make(name)
    compiled = torch.compile(model.eval(), fullgraph=True, backend="eager")
    for x, y in zip(flat(compiled(*inputs)), flat(model(*inputs)), strict=True):
        torch.testing.assert_close(x, y)
    torch.compile(model.train(), fullgraph=True, backend="eager")(*inputs)
    torch._dynamo.reset()
"""  # in a process of its own: the checks of shapes that tests install cannot be compiled
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["encoder", "shared decoder", "correlated"])
def test_other_widths_are_refused(name):
    model, inputs = make(name)
    for side in range(len(inputs)):
        wrong = [x[:, :-1] if k == side else x for k, x in enumerate(inputs)]
        with pytest.raises(ValueError, match=rf"\[batch, {inputs[side].shape[1]}\]"):
            model(*wrong)


def test_a_linear_vae_learns_the_principal_plane():
    """With a linear decoder and small noise the optimum spans the first principal components."""
    g = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=g)).Q
    x = torch.randn(512, 6, generator=g) * torch.tensor([3.0, 2.0, 0.1, 0.1, 0.1, 0.1]) @ basis.T
    torch.manual_seed(0)
    model = VAE(6, 2, hidden=())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(250):
        out, q = model(x)
        optimizer.zero_grad()
        (-objectives.elbo(x, out, *q, noise_log_variance=-4.6)).backward()
        optimizer.step()
    W = torch.linalg.qr(model.decoder[0].weight.detach()).Q
    assert (W.T @ basis[:, :2]).square().sum() > 1.98  # of 2: the planes are one
    assert active_units(q.mean.detach()) == 2


def test_divergence_by_dimension_sums_to_the_whole_and_is_0_for_the_prior():
    g = torch.Generator().manual_seed(0)
    m, l = torch.randn(9, 5, generator=g), torch.randn(9, 5, generator=g)
    torch.testing.assert_close(kl_per_dimension(m, l).sum(), objectives.gaussian_kl(m, l))
    assert torch.equal(kl_per_dimension(torch.zeros(4, 3), torch.zeros(4, 3)), torch.zeros(3))
    with pytest.raises(ValueError, match="at least one item"):
        inspect.unwrap(kl_per_dimension)(m, l[:, :2])
    assert doctest.testmod(latents).failed == 0


def test_active_units_move_with_the_item():
    m = torch.zeros(50, 3)
    m[:, 0] = torch.linspace(-1, 1, 50)
    m[:, 1] = 7.0
    assert active_units(m) == 1
    assert active_units(m, threshold=1.0) == 0
    with pytest.raises(ValueError, match="at least 2 items"):
        active_units(m[:1])


def test_names_are_found_where_lessons_look():
    for name in ("VAE", "SharedDecoderVAE", "CorrelatedVAE", "GaussianEncoder"):
        assert issubclass(getattr(encoders, name), nn.Module)
    assert encoders.reparametrise is reparametrise
