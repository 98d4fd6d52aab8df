"""Co-attention in all its forms: peers, padding, order, gradients, saving, low precision, bad input."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jaxtyping import config
from torch import nn

from avcl_teach import encoders
from avcl_teach.metrics.maps import covered_share, mass_inside, pointing_accuracy

B, N_A, N_V, D = 2, 5, 7, 8


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair(n_a=N_A, n_v=N_V):
    return randn(B, n_a, D), randn(B, n_v, D, seed=1)


def mask_of(present):
    return present[:, None, None]


def co(a, v, module, present_a=None, present_v=None):
    masks = [None if p is None else mask_of(p) for p in (present_a, present_v)]
    return module(a, v, mask_a=masks[0], mask_v=masks[1])


def many(a, v, module, present_a=None, present_v=None):
    masks = [None if p is None else mask_of(p) for p in (present_a, present_v)]
    return module([a, v], masks=masks)


def joint(a, v, module, present_a=None, present_v=None):
    return module(a, v, present=present_a)


def chunks(a, v, module, present_a=None, present_v=None):
    return module(a, v, present_1=present_a, present_2=present_v)[:2]


FORMS = {
    "pairwise": (lambda: encoders.CoAttention(D, 2), co),
    "many": (lambda: encoders.ManyCoAttention(D, 2, n_sequences=2), many),
    "self and co": (lambda: encoders.SelfAndCoAttention(D, 2), co),
    "joint": (lambda: encoders.JointCoAttention(D, recursions=3), joint),
    "chunks": (lambda: encoders.ChunkCoAttention(D, D, hidden=6), chunks),
}


@pytest.fixture(params=FORMS)
def form(request):
    torch.manual_seed(0)
    make, call = FORMS[request.param]
    module = make()
    with torch.no_grad():  # biases start at zero and would hide a fault
        for p in module.parameters():
            if p.ndim == 1:
                p.add_(0.1 * torch.randn_like(p))
    same = request.param == "joint"
    return request.param, module, call, pair(N_V if same else N_A)


def test_shapes(form):
    name, module, call, (a, v) = form
    out = call(a, v, module)
    wanted = ((B, D), (B, D)) if name == "chunks" else (a.shape, v.shape)
    assert [tuple(x.shape) for x in out] == [tuple(s) for s in wanted]


@pytest.mark.parametrize("rubbish", [0.0, 1e6])
def test_padding_never_changes_the_answer(form, rubbish):
    name, module, call, (a, v) = form
    alone = call(a, v, module)
    pad = torch.full((B, 3, D), rubbish)
    more = [torch.cat([x, pad], 1) for x in (a, v)]
    present = [torch.arange(x.shape[1] + 3).expand(B, -1) < x.shape[1] for x in (a, v)]
    padded = call(*more, module, *present)
    for x, y, z in zip(alone, padded, (a, v), strict=True):
        y = y if name == "chunks" else y[:, : z.shape[1]]
        torch.testing.assert_close(x, y, atol=1e-5, rtol=1e-5)


def test_the_order_of_the_steps_does_not_matter(form):
    name, module, call, (a, v) = form
    order = torch.randperm(v.shape[1], generator=torch.Generator().manual_seed(1))
    moved = (a[:, order], v[:, order]) if name == "joint" else (a, v[:, order])
    before, after = call(a, v, module), call(*moved, module)
    first = before[0][:, order] if name == "joint" else before[0]
    torch.testing.assert_close(after[0], first, atol=1e-5, rtol=1e-5)
    second = before[1] if name == "chunks" else before[1][:, order]
    torch.testing.assert_close(after[1], second, atol=1e-5, rtol=1e-5)


def test_clips_of_a_batch_do_not_see_each_other(form):
    _, module, call, (a, v) = form
    both, first = call(a, v, module), call(a[:1], v[:1], module)
    for x, y in zip(both, first, strict=True):
        torch.testing.assert_close(x[:1], y, atol=1e-5, rtol=1e-5)


def test_gradient_reaches_every_parameter(form):
    _, module, call, (a, v) = form
    sum(x.square().sum() for x in call(a, v, module)).backward()
    dead = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead


def test_weights_saved_and_loaded_give_the_same_answer(form, tmp_path):
    name, module, call, (a, v) = form
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    torch.manual_seed(7)
    other = FORMS[name][0]()
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    for x, y in zip(call(a, v, module), call(a, v, other), strict=True):
        assert torch.equal(x, y)


def test_low_precision_is_close(form):
    _, module, call, (a, v) = form
    with torch.autocast("cpu", torch.bfloat16):
        low = call(a, v, module)
    for x, y in zip(call(a, v, module), low, strict=True):
        torch.testing.assert_close(y.float(), x, atol=0.06, rtol=0.06)


def test_all_forms_compile_whole():
    """Compile outside of pytest, whose checks of types cannot be traced."""
    code = """
import torch
from test_co_attention import FORMS, N_A, N_V, pair
from avcl_teach import encoders
for name, (make, call) in FORMS.items():
    module, (a, v) = make(), pair(N_V if name == "joint" else N_A)
    compiled = torch.compile(lambda a, v: call(a, v, module), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(a, v), call(a, v, module))
look, a, v = encoders.RegionAttention(8, 2), torch.randn(2, 4, 8), torch.randn(2, 4, 3, 8)
torch.testing.assert_close(torch.compile(look, fullgraph=True, backend="eager")(a, v), look(a, v))
own, guide, there = encoders.OwnMap(8), torch.randn(2, 8), torch.ones(2, 4, dtype=torch.bool)
for form, given in ((own, (a,)), (encoders.guided_map, (a, guide))):
    compiled = torch.compile(form, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*given, present=there), form(*given, present=there))
"""
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_forward_touches_no_values(form):
    _, module, call, (a, v) = form
    out = call(a.to("meta"), v.to("meta"), module.to("meta"))
    assert all(x.device.type == "meta" for x in out)


def test_without_weights_it_is_the_formula_and_forms_meet():
    a, v = pair()
    S = a @ v.mT / D**0.5
    new_a, new_v = encoders.co_attend(a, v)
    torch.testing.assert_close(new_a, a + S.softmax(2) @ v)
    torch.testing.assert_close(new_v, v + S.mT.softmax(2) @ a)
    module = encoders.CoAttention(D, 1)
    with torch.no_grad():
        for look in (module.to_a, module.to_v):
            look.in_proj_weight.copy_(torch.eye(D).repeat(3, 1))
            look.out_proj.weight.copy_(torch.eye(D))
    torch.testing.assert_close(module(a, v), (new_a, new_v))
    A, A_back = module.attention_weights(a, v)
    torch.testing.assert_close(A[:, 0], S.softmax(2))
    torch.testing.assert_close(A_back[:, 0], S.mT.softmax(2))


def test_a_step_that_may_look_nowhere_stays_as_it_is():
    a, v = pair()
    nothing = torch.zeros(B, 1, N_V, dtype=torch.bool)
    new_a, new_v = encoders.co_attend(a, v, mask_v=nothing)
    assert torch.equal(new_a, a)
    assert not torch.equal(new_v, v)


def test_co_attention_is_two_of_torch_s_own():
    a, v = randn(B, N_A, D), randn(B, N_V, 12, seed=1)
    torch.manual_seed(0)
    peers = [
        nn.MultiheadAttention(dim, 2, kdim=other, vdim=other, batch_first=True)
        for dim, other in ((D, 12), (12, D))
    ]
    module = encoders.CoAttention(D, 2, dim_v=12)
    for look, peer in zip((module.to_a, module.to_v), peers, strict=True):
        look.load_state_dict(peer.state_dict())
    hidden = torch.tensor([[False] * 6 + [True], [False] * 4 + [True] * 3])
    new_a, new_v = module(a, v, mask_v=mask_of(~hidden))
    wanted = a + peers[0](a, v, v, key_padding_mask=hidden)[0]
    torch.testing.assert_close(new_a, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(new_v, v + peers[1](v, a, a)[0], atol=1e-5, rtol=1e-5)


def test_without_the_residual_only_context_is_left():
    a, v = pair()
    torch.manual_seed(0)
    module = encoders.CoAttention(D, 2)
    bare = encoders.CoAttention(D, 2, residual=False)
    bare.load_state_dict(module.state_dict())
    torch.testing.assert_close(bare(a, v)[0], module(a, v)[0] - a)
    torch.testing.assert_close(bare(a, v)[1], module(a, v)[1] - v)


def test_many_takes_the_mean_of_what_the_others_give():
    a, v = pair()
    z = randn(B, 3, D, seed=2)
    torch.manual_seed(0)
    module = encoders.ManyCoAttention(D, 2, n_sequences=3)
    out = module([a, v, z])
    taken = (module.pairs["1_0"](v, a) + module.pairs["1_2"](v, z)) / 2
    torch.testing.assert_close(out[1], v + taken)
    assert len(module.pairs) == 6


def test_scales_are_means_of_the_steps_that_are_there():
    x = torch.arange(5.0).view(1, 5, 1)
    context, mask = encoders.several_scales(x, factors=(1, 2, 4))
    assert context.flatten().tolist() == [0, 1, 2, 3, 4, 0.5, 2.5, 4, 1.5, 4]
    assert mask.all()
    padded = torch.cat([x, torch.full((1, 3, 1), 1e6)], 1)
    context, mask = encoders.several_scales(padded, present=torch.arange(8)[None] < 5)
    assert context.flatten()[mask.flatten()].tolist() == [0, 1, 2, 3, 4, 0.5, 2.5, 4, 1.5, 4]
    assert not context.flatten()[~mask.flatten()].any()


def test_window_counts_steps_and_makes_nothing_up():
    mask = encoders.region_window_mask(3, 2, past=1, future=0)
    assert mask.int().tolist() == [[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1]]


@pytest.fixture
def regions():
    torch.manual_seed(0)
    return encoders.RegionAttention(D, 2, dim_v=6, window=1), randn(B, 4, D), randn(B, 4, 3, 6, seed=1)


def test_regions_out_of_reach_change_nothing(regions):
    module, a, v = regions
    far = v.clone()
    far[:, 3] = 1e3
    before, after = module(a, v), module(a, far)
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.equal(before[:, 2], after[:, 2])


def test_maps_of_regions_sum_to_one_within_reach(regions):
    module, a, v = regions
    maps = module.maps(a, v)
    assert maps.shape == (B, 4, 4, 3)
    torch.testing.assert_close(maps.sum((2, 3)), torch.ones(B, 4))
    assert not maps[:, 0, 2:].any()


def test_regions_are_the_loop_over_steps(regions):
    module, a, v = regions
    for t in range(4):
        keys = v[:, max(0, t - 1) : t + 2].flatten(1, 2)
        wanted = a[:, t : t + 1] + module.look(a[:, t : t + 1], keys)
        torch.testing.assert_close(module(a, v)[:, t : t + 1], wanted, atol=1e-5, rtol=1e-5)


def test_padded_steps_of_regions_are_not_looked_at(regions):
    module, a, v = regions
    present = torch.tensor([[True] * 4 + [False] * 2]).expand(B, -1)
    longer = [torch.cat([x, torch.full((B, 2, *x.shape[2:]), 1e6)], 1) for x in (a, v)]
    padded = module(*longer, present=present)[:, :4]
    torch.testing.assert_close(padded, module(a, v), atol=1e-5, rtol=1e-5)
    sum(p.square().sum() for p in module(a, v)).backward()
    assert all(p.grad.any() for name, p in module.named_parameters() if name != "look.in_proj_bias")


def test_recursion_is_one_unit_used_again():
    a, v = pair(N_V)
    torch.manual_seed(0)
    once, thrice = encoders.JointCoAttention(D, recursions=1), encoders.JointCoAttention(D, recursions=3)
    thrice.load_state_dict(once.state_dict())
    assert sum(p.numel() for p in once.parameters()) == sum(p.numel() for p in thrice.parameters())
    x, y = a, v
    for _ in range(3):
        x, y = once(x, y)
    torch.testing.assert_close(thrice(a, v), (x, y))


def test_one_round_is_the_formula():
    a, v = pair(N_V)
    torch.manual_seed(0)
    module = encoders.JointCoAttention(D, recursions=1)
    J = module.joint(torch.cat([a, v], -1))
    unit = module.unit_a
    C = torch.tanh(a @ unit.agree.weight.T @ J.mT / D**0.5)
    H = torch.relu(unit.keep(a) + (C @ J / N_V) @ unit.take.weight.T)
    torch.testing.assert_close(module(a, v)[0], a + unit.out(H))


def test_chunks_are_the_released_formula():
    z_1, z_2 = pair()
    torch.manual_seed(0)
    m = encoders.ChunkCoAttention(D, D, hidden=6)
    A = torch.tanh(z_1 @ m.affinity.weight.T @ z_2.mT)
    H = torch.tanh(z_1 @ m.to_1.weight.T + A @ (z_2 @ m.to_2.weight.T))
    s = (H @ m.score_1.weight.T)[..., 0].softmax(1)
    code, _, s_1, _ = m(z_1, z_2)
    torch.testing.assert_close(s_1, s)
    torch.testing.assert_close(code, torch.einsum("nk,nkd->nd", s, z_1))


def test_guided_map_follows_its_guide():
    F_v = torch.eye(4)[None] * 3
    guide = torch.tensor([[0.0, 2.0, 0.0, 0.0]])
    G = encoders.guided_map(F_v, guide, temperature=0.1)
    assert int(G.argmax()) == 1
    torch.testing.assert_close(G, (torch.tensor([[0.0, 1, 0, 0]]) / 0.1).softmax(1))
    present = torch.tensor([[True, False, True, True]])
    G = encoders.guided_map(F_v, guide, present=present)
    torch.testing.assert_close(G, torch.tensor([[1 / 3, 0, 1 / 3, 1 / 3]]))


def test_own_map_ignores_padding():
    torch.manual_seed(0)
    own = encoders.OwnMap(D)
    x = randn(B, 4, D)
    padded = torch.cat([x, torch.full((B, 2, D), 1e6)], 1)
    there = (torch.arange(6) < 4).expand(B, -1)
    torch.testing.assert_close(own(padded, present=there)[:, :4], own(x))
    own(x)[:, 0].sum().backward()
    assert all(p.grad.any() for p in own.parameters())


def test_maps_in_bf16_and_saved_weights_of_the_own_map(tmp_path):
    torch.manual_seed(0)
    own, other = encoders.OwnMap(D), encoders.OwnMap(D)
    x, guide = randn(B, N_V, D), randn(B, D, seed=1)
    torch.save(own.state_dict(), tmp_path / "own.pt")
    other.load_state_dict(torch.load(tmp_path / "own.pt", weights_only=True))
    assert torch.equal(own(x), other(x))
    with torch.autocast("cpu", torch.bfloat16):
        low = own(x), encoders.guided_map(x, guide, temperature=0.5)
    for y, z in zip(low, (own(x), encoders.guided_map(x, guide, temperature=0.5)), strict=True):
        torch.testing.assert_close(y.float(), z, atol=0.02, rtol=0.05)
        torch.testing.assert_close(y.float().sum(1), torch.ones(B), atol=0.01, rtol=0.01)
    (own(x) * torch.arange(N_V)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in own.parameters())


def test_consistency_moves_the_own_map_alone():
    own = torch.tensor([[0.5, 0.5], [1.0, 0.0]], requires_grad=True)
    guided = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    loss = encoders.map_consistency(own, guided)
    assert loss.item() == pytest.approx(0.25)
    loss.backward()
    assert guided.grad is None
    torch.testing.assert_close(own.grad, torch.tensor([[-0.5, 0.5], [0.0, 0.0]]))


def test_pointing_mass_and_chance():
    maps = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.7, 0.1]])
    cover = torch.tensor([[0.5, 0.05, 0.0], [0.2, 0.3, 0.0], [0.0, 0.0, 0.0]])
    assert pointing_accuracy(maps, cover).item() == pytest.approx(0.5)
    assert mass_inside(maps, cover).item() == pytest.approx((0.7 + 0.4) / 2)
    assert covered_share(cover).item() == pytest.approx((1 / 3 + 2 / 3) / 2)
    even = torch.full((3, 3), 1 / 3)
    assert mass_inside(even, cover).item() == pytest.approx(covered_share(cover).item())
    assert pointing_accuracy(maps, torch.zeros(3, 3)).item() == 0


X, Z = torch.zeros(2, 3, D), torch.zeros(2, 4, D)
NO = torch.zeros(2, 9, dtype=torch.bool)
WRONG = {
    "another batch": (lambda: encoders.co_attend(X, Z[:1]), ValueError, "a and v"),
    "another dim": (lambda: encoders.co_attend(X, Z[..., :4]), ValueError, "one dim"),
    "numbers as mask": (lambda: encoders.co_attend(X, Z, mask_v=torch.ones(3, 4)), TypeError, "Bool"),
    "mask of another size": (lambda: encoders.co_attend(X, Z, mask_v=NO), ValueError, "mask"),
    "heads": (lambda: encoders.CoAttention(D, 3), ValueError, "divides"),
    "context": (lambda: encoders.CoAttention(D, 2)(X, Z[..., :4]), ValueError, "context"),
    "one sequence": (lambda: encoders.ManyCoAttention(D, 2, n_sequences=1), ValueError, "at least 2"),
    "too few": (lambda: encoders.ManyCoAttention(D, 2, n_sequences=3)([X, Z]), ValueError, "3 sequences"),
    "flat": (lambda: encoders.SelfAndCoAttention(D, 2)(X[0], Z[0]), ValueError, "a and v"),
    "no rounds": (lambda: encoders.JointCoAttention(D, recursions=0), ValueError, "at least 1"),
    "unequal": (lambda: encoders.JointCoAttention(D)(X, Z), ValueError, "one shape"),
    "present": (lambda: encoders.JointCoAttention(D)(X, X, present=NO), ValueError, "present"),
    "chunks": (lambda: encoders.ChunkCoAttention(D, D)(X, Z[..., :4]), ValueError, "chunk"),
    "chunks there": (lambda: encoders.ChunkCoAttention(D, D)(X, Z, present_1=NO), ValueError, "present"),
    "factor": (lambda: encoders.several_scales(X, factors=(0,)), ValueError, "factors"),
    "scales there": (lambda: encoders.several_scales(X, present=NO), ValueError, "present"),
    "no region": (lambda: encoders.region_window_mask(3, 0, past=1, future=1), ValueError, "region"),
    "window": (lambda: encoders.RegionAttention(D, 2, window=-1), ValueError, "window"),
    "regions": (lambda: encoders.RegionAttention(D, 2)(X, Z), ValueError, "region, dim"),
    "steps there": (
        lambda: encoders.RegionAttention(D, 2)(X, X[:, :, None], present=NO),
        ValueError,
        "present",
    ),
    "guide": (lambda: encoders.guided_map(X, X), ValueError, "guide"),
    "temperature": (lambda: encoders.guided_map(X, X[:, 0], temperature=0), ValueError, "above 0"),
    "map there": (lambda: encoders.guided_map(X, X[:, 0], present=NO), ValueError, "present"),
    "own": (lambda: encoders.OwnMap(4)(X), ValueError, "position"),
    "maps": (lambda: encoders.map_consistency(X[:, 0], X[:, 0, :4]), ValueError, "two maps"),
    "cover": (lambda: pointing_accuracy(X[:, 0], X[:, 0, :4]), ValueError, "one shape"),
    "least": (lambda: pointing_accuracy(X[:, 0], X[:, 0], least=0), ValueError, "above 0"),
}


@pytest.fixture
def shapes_unchecked():
    """Let bad input reach the package's own errors, as it does for users."""
    was = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", was)


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_named(shapes_unchecked, name):
    call, error, words = WRONG[name]
    with pytest.raises(error, match=words):
        call()
