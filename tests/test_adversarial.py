"""Losses of both players, penalties, reversed gradients, heads with a condition, small picture networks."""

import doctest
import importlib
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn
from torch.nn import functional as F

from avcl_teach import objectives
from avcl_teach.encoders.adversarial import Discriminator, Generator, ModalityDiscriminator, reverse_gradient
from avcl_teach.encoders.conditions import (
    LabelProjection,
    LatentCondition,
    NoCondition,
    PredictionHead,
    conformal_sets,
)
from avcl_teach.encoders.small_pictures import PictureGenerator, PictureTrunk, sound_auto_encoder
from avcl_teach.metrics.frechet import frechet_distance
from avcl_teach.objectives import adversarial
from avcl_teach.storage import read_tensors, write_tensors

BAD = (ValueError, TypeCheckError)  # with shapes checked at run time, the second comes first
GAMES = ("NON_SATURATING", "SATURATING", "LEAST_SQUARES", "HINGE", "WASSERSTEIN")


def judge(dim=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(dim, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0))


def test_log_losses_are_pytorchs_cross_entropy_and_survive_large_logits():
    real, fake = torch.randn(5), torch.randn(7)
    cross_entropy = F.binary_cross_entropy_with_logits
    expected = cross_entropy(real, torch.ones(5)) + cross_entropy(fake, torch.zeros(7))
    torch.testing.assert_close(objectives.discriminator_log_loss(real, fake), expected)
    torch.testing.assert_close(objectives.generator_log_loss(fake), cross_entropy(fake, torch.ones(7)))
    assert objectives.discriminator_log_loss(torch.full((2,), -1e4), torch.full((2,), 1e4)) == 2e4


def test_saturating_loss_is_minus_the_judges_part_and_its_slope_fades():
    logit = torch.tensor([-12.0], requires_grad=True)
    (slope,) = torch.autograd.grad(objectives.generator_saturating_loss(logit), logit)
    assert -1e-4 < slope.item() < 0
    (slope,) = torch.autograd.grad(objectives.generator_log_loss(logit), logit)
    assert slope.item() == pytest.approx(-1, abs=1e-4)


@pytest.mark.parametrize("name", GAMES)
def test_every_generator_wants_higher_logits_and_every_judge_lower_ones_for_fakes(name):
    game = getattr(objectives, name)
    real, fake = torch.zeros(3, requires_grad=True), torch.zeros(4, requires_grad=True)
    of_real, of_fake = torch.autograd.grad(game.discriminator(real, fake), (real, fake))
    assert (of_real < 0).all() and (of_fake >= 0).all() and (name == "LEAST_SQUARES" or of_fake.sum() > 0)
    (of_fake,) = torch.autograd.grad(game.generator(fake), fake)
    assert (of_fake < 0).all()
    with pytest.raises(ValueError, match="at least one logit"):
        game.generator(torch.zeros(0))


def test_best_judge_pays_ln4_less_twice_the_jensen_shannon_divergence():
    p, q = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.1, 0.3, 0.6]).double()
    logit = (p / q).log()
    loss = (p * F.softplus(-logit)).sum() + (q * F.softplus(logit)).sum()
    m = (p + q) / 2
    js = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    assert loss.item() == pytest.approx(math.log(4) - 2 * js.item())
    for away in (logit + 0.1, logit * 1.1):
        assert (p * F.softplus(-away)).sum() + (q * F.softplus(away)).sum() > loss


def test_penalties_have_their_closed_form_and_reach_the_judges_weights():
    D, x, z = judge(), torch.randn(6, 3), torch.randn(6, 3)
    W, w = D[0].weight, D[2].weight[0]
    grad = ((1 - torch.tanh(D[0](x)) ** 2) * w) @ W
    r1 = objectives.r1_penalty(D, x)
    torch.testing.assert_close(r1, grad.square().sum(1).mean() / 2)
    r1.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (W, D[2].weight))
    line = lambda x: 3 * x[:, 0] + 4 * x[:, 1]  # noqa: E731
    assert objectives.gradient_penalty(line, x, z).item() == pytest.approx(16, rel=1e-5)
    assert objectives.gradient_penalty(line, x, z, target=0).item() == pytest.approx(25, rel=1e-5)


def test_penalties_do_not_reach_the_generator_and_flat_judges_have_no_nan():
    D, fake = judge(), torch.randn(4, 3, requires_grad=True)
    objectives.gradient_penalty(D, torch.randn(4, 3), fake).backward()
    assert fake.grad is None
    flat = nn.Sequential(nn.Linear(3, 1), nn.ReLU(), nn.Flatten(0))
    nn.init.constant_(flat[0].bias, -100)
    objectives.gradient_penalty(flat, torch.zeros(4, 3), torch.zeros(4, 3)).backward()
    assert flat[0].weight.grad.isfinite().all()


def test_penalties_refuse_what_does_not_fit():
    with pytest.raises(BAD, match="one shape|Type-check"):
        objectives.gradient_penalty(judge(), torch.zeros(2, 3), torch.zeros(3, 3))
    with pytest.raises(BAD, match="one logit a sample|Type-check"):
        objectives.r1_penalty(lambda x: x, torch.zeros(2, 3))


def test_reversed_gradient_is_exact_forward_and_turned_backward():
    x = torch.tensor([1e-30, -3.7, 1e30], requires_grad=True)
    y = reverse_gradient(x, strength=0.7)
    assert torch.equal(y, x)
    (grad,) = torch.autograd.grad((y * torch.arange(3.0)).sum(), x)
    torch.testing.assert_close(grad, -0.7 * torch.arange(3.0))
    for bad in ({"x": x, "strength": -1.0}, {"x": torch.ones(2, dtype=torch.long)}):
        with pytest.raises(BAD, match="expected|Type-check"):
            reverse_gradient(**bad)


def test_reversal_and_confusion_pull_encoders_the_same_way():
    a, v = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    D = judge()
    one = torch.autograd.grad(objectives.modality_adversary(a, v, discriminator=D), (a, v))
    other = torch.autograd.grad(objectives.modality_confusion(a, v, discriminator=D), (a, v))
    assert all((F.cosine_similarity(p, q, dim=1) > 0.99).all() for p, q in zip(one, other, strict=True))
    D_loss = objectives.modality_adversary(a, v, discriminator=D)
    plain = adversarial.discriminator_log_loss(D(a), D(v)) / 2
    mine, expected = (torch.autograd.grad(loss, list(D.parameters())) for loss in (D_loss, plain))
    torch.testing.assert_close(mine, expected)


def test_joint_losses_are_sums_of_their_parts_and_the_teacher_stands_still():
    a, v, y = torch.randn(6, 4), torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    D = judge(4)
    parts = objectives.lifted(a, v, y) + 2 * objectives.modality_confusion(a, v, discriminator=D)
    joint = objectives.adversarial_metric(a, v, y, metric=objectives.lifted, discriminator=D, gamma=2)
    torch.testing.assert_close(joint, parts)
    with pytest.raises(ValueError, match="gamma >= 0"):
        objectives.adversarial_metric(a, v, y, metric=objectives.lifted, discriminator=D, gamma=-1)
    student, teacher = a.clone().requires_grad_(), v.clone().requires_grad_()
    objectives.adversarial_transfer(student, teacher, decoder=nn.Identity(), discriminator=D).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0


def heads():
    torch.manual_seed(0)
    c, labels = torch.randn(5, 4), torch.tensor([0, 2, 1, 1, 0])
    return {
        "none": (NoCondition(8), None),
        "label": (LabelProjection(8, 3), labels),
        "code": (LatentCondition(8, 4), c),
        "prediction": (PredictionHead(8, 3), None),
    }


@pytest.mark.parametrize("name", list(heads()))
def test_discriminators_give_one_logit_a_sample_whatever_the_neighbours(name, tmp_path):
    head, c = heads()[name]
    D = Discriminator(PictureTrunk(8, width=4), head)
    x = torch.rand(5, 3, 32, 32)
    logits = D(x, c)
    assert logits.shape == (5,)
    few = None if c is None else c[:2]
    torch.testing.assert_close(D(x[:2], few), logits[:2], atol=1e-5, rtol=1e-4)  # no batch norm
    loss = logits.square().sum() + (D.head.classify(D.trunk(x)).square().sum() if name == "prediction" else 0)
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in D.parameters())
    write_tensors(tmp_path / "D", D.state_dict(), {})
    again = Discriminator(PictureTrunk(8, width=4), heads()[name][0])
    again.load_state_dict(read_tensors(tmp_path / "D")[0])
    torch.testing.assert_close(again(x, c), logits)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(D(x, c).float(), logits, atol=0.05, rtol=0.05)


def test_projection_takes_numbers_and_shares_of_classes_alike():
    head, h, y = LabelProjection(6, 3), torch.randn(4, 6), torch.tensor([2, 0, 1, 1])
    torch.testing.assert_close(head(h, F.one_hot(y, 3).float()), head(h, y))
    expected = h @ head.score.weight[0] + head.score.bias + (head.rows.weight[y] * h).sum(1)
    torch.testing.assert_close(head(h, y), expected)
    for bad in (torch.zeros(3, dtype=torch.long), torch.zeros(4, 2)):
        with pytest.raises(BAD, match="expected|Type-check"):
            head(h, bad)


def test_sets_hold_the_true_class_as_often_as_promised():
    g = torch.Generator().manual_seed(0)
    y = torch.randint(4, (4000,), generator=g)
    p = (2 * F.one_hot(y, 4) + 1.5 * torch.randn(4000, 4, generator=g)).softmax(1)
    sizes = []
    for level in (0.8, 0.95):
        sets = conformal_sets(p[2000:], p[:2000], y[:2000], level=level)
        held = sets.gather(1, y[2000:, None]).double().mean().item()
        assert held == pytest.approx(level, abs=0.025)
        sizes.append(sets.sum(1).double().mean().item())
    assert sizes[0] < sizes[1] < 4
    with pytest.raises(ValueError, match="level"):
        conformal_sets(p, p, y, level=1.0)


def test_loss_of_sets_is_cross_entropy_for_single_classes_and_skips_empty_ones():
    logits, y = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    single = F.one_hot(y, 3).bool()
    torch.testing.assert_close(objectives.class_set_loss(logits, single), F.cross_entropy(logits, y))
    assert objectives.class_set_loss(logits, torch.ones(5, 3, dtype=torch.bool)).abs() < 1e-6
    single[3:] = False
    logits.requires_grad_()
    loss = objectives.class_set_loss(logits, single)
    torch.testing.assert_close(loss, F.cross_entropy(logits[:3], y[:3]))
    loss.backward()
    assert logits.grad.isfinite().all() and (logits.grad[3:] == 0).all()


def test_all_compile_without_a_break():
    code = """
import torch
from test_adversarial import PictureTrunk, PictureGenerator, Discriminator, ModalityDiscriminator, heads
from avcl_teach.encoders.adversarial import reverse_gradient
x, e, z = torch.rand(5, 3, 32, 32), torch.randn(5, 4), torch.randn(5, 2)
cases = [(Discriminator(PictureTrunk(8, width=4), head), (x, c)) for head, c in heads().values()]
cases += [(PictureGenerator(4, dim_noise=2, width=8), (e, z)), (ModalityDiscriminator(4), (e,))]
for model, inputs in [*cases, (reverse_gradient, (e,))]:
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*inputs), model(*inputs))
    torch._dynamo.reset()
"""  # in a process of its own: the checks of shapes that tests install cannot be compiled
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_generators_read_noise_and_condition_and_refuse_others():
    G = Generator(2, dim_noise=3, dim_condition=4)
    z, c = torch.randn(5, 3), torch.randn(5, 4)
    assert G(z, c).shape == (5, 2) and G.sample(5, c).shape == (5, 2)
    G(z, c).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in G.parameters())
    for args in ((z,), (z, c[:, :2]), (c, c)):
        with pytest.raises(BAD, match="expected|Type-check"):
            G(*args)


def test_picture_generator_draws_in_range_sample_by_sample_and_uses_all_its_weights():
    G = PictureGenerator(4, dim_noise=2, width=8)
    e, z = torch.randn(3, 4), torch.randn(3, 2)
    x = G(e, z)
    assert x.shape == (3, 3, 32, 32) and x.min() >= 0 and x.max() <= 1
    torch.testing.assert_close(G(e[:1], z[:1]), x[:1], atol=1e-5, rtol=1e-4)
    (x * torch.randn_like(x)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in G.parameters())
    with pytest.raises(ValueError, match="code"):
        G(z, z)
    with pytest.raises(ValueError, match=r"expected x \[batch, 3, 32, 32\]"):
        PictureTrunk(4)(torch.zeros(1, 1, 32, 32))
    code, again = sound_auto_encoder(6, width=4)(torch.rand(2, 1, 32, 32))
    assert code.shape == (2, 6) and again.shape == (2, 1, 32, 32)


def test_modality_discriminator_looks_at_directions_when_asked():
    D = ModalityDiscriminator(3, normalise=True)
    x = torch.randn(4, 3)
    torch.testing.assert_close(D(5 * x), D(x))
    linear = ModalityDiscriminator(3, n_hidden=0)
    torch.testing.assert_close(linear(x + 1) - linear(x), (linear(x[:1] + 1) - linear(x[:1])).expand(4))
    with pytest.raises(BAD, match="expected x|Type-check"):
        D(torch.zeros(2, 4))


def test_frechet_distance_has_its_closed_form():
    from scipy.linalg import sqrtm

    g = torch.Generator().manual_seed(0)
    x = torch.randn(60, 4, generator=g, dtype=torch.double)
    y = x[:50] @ torch.randn(4, 4, generator=g, dtype=torch.double) + 1
    C, K = torch.cov(x.T).numpy(), torch.cov(y.T).numpy()
    root = sqrtm(C @ K).real
    expected = (x.mean(0) - y.mean(0)).square().sum().item() + (C + K - 2 * root).trace()
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 3) == pytest.approx(36, rel=1e-9)
    with pytest.raises(BAD, match="one dim|Type-check"):
        frechet_distance(x, y[:, :2])


@pytest.mark.parametrize(
    "name",
    ("objectives.adversarial", "encoders.adversarial", "encoders.conditions", "metrics.frechet"),
)
def test_examples_of_docstrings_hold(name):
    module = importlib.import_module(f"avcl_teach.{name}")
    found = doctest.testmod(module, extraglobs={"torch": torch})
    assert found.attempted > 0 and found.failed == 0
