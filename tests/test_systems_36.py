"""Systems that generate, in their quick size: what they return, that arms differ, that they refuse."""

import math

import pytest
import torch

from avcl_teach.comparison.face_voice_pictures import STATES, faces_and_voices
from avcl_teach.encoders.dense_pictures import DenseGenerator, LateCodeDiscriminator, YesNoJudges
from avcl_teach.encoders.variational import FromEither, Gaussian
from avcl_teach.systems import athanasiadis2020, fanzeres2021, zhu2021b
from avcl_teach.systems._faces_to_voices import Adaptation, FaceToVoice, few_labelled, label_sets

SYSTEMS = (fanzeres2021, zhu2021b, athanasiadis2020)
LEFT_OUT = ("true label", "code of 8")  # seconds


@pytest.fixture(scope="module")
def outcomes():
    return {
        (system.ABOUT.name, arm): system.run(0, arm=arm, budget="quick")
        for system in SYSTEMS
        for arm in system.ABOUT.arms
        if arm not in LEFT_OUT
    }


def test_fields_are_finite_and_scores_are_shares(outcomes):
    for outcome in outcomes.values():
        fields = (outcome.score, outcome.chance, outcome.wrong_partner, outcome.ceiling)
        assert all(math.isfinite(x) and 0 <= x <= 1 for x in fields)
        assert all(math.isfinite(x) for x in outcome.extra.values())


def test_arms_differ_and_a_seed_gives_the_same_again(outcomes):
    for system in SYSTEMS:
        name = system.ABOUT.name
        found = [o.extra for (who, _), o in outcomes.items() if who == name]
        assert all(a != b for i, a in enumerate(found) for b in found[:i])
    assert zhu2021b.run(0, budget="quick") == outcomes["zhu2021b", "paper"]


def test_chance_is_what_no_knowledge_gives(outcomes):
    assert outcomes["fanzeres2021", "paper"].chance == 1 / 8
    assert outcomes["athanasiadis2020", "paper"].chance == 1 / 2
    y = torch.arange(4).repeat(50)
    by_ties = zhu2021b.class_mrr(torch.zeros(200, 200), y, y)
    torch.manual_seed(0)
    by_draws = sum(zhu2021b.class_mrr(torch.rand(200, 200), y, y) for _ in range(20)) / 20
    assert by_ties == pytest.approx(by_draws, abs=0.01)


def test_unknown_arms_and_budgets_are_refused():
    for system in SYSTEMS:
        with pytest.raises(ValueError, match="expected an arm of"):
            system.run(0, arm="none such", budget="quick")
        with pytest.raises(ValueError, match="expected a budget of"):
            system.run(0, budget="huge")


# --- MS-VAE


def test_a_query_does_not_find_itself():
    S = torch.eye(3)
    y = torch.tensor([0, 0, 1])
    assert zhu2021b.class_mrr(S, y, y) == 1
    S[1, 0] = -1
    assert zhu2021b.class_mrr(S, y, y, same=True) == 0.625  # a tie: (1 + 1/2) / 2, and rank 2


def test_dissimilarity_by_hand():
    net = zhu2021b.SharedDecoderVAE(2, 3, 4, hidden=(8,)).eval()
    q, g = torch.randn(5, 4), torch.randn(6, 4)
    found = zhu2021b.dissimilarity(net, q, g)
    x, y = net.decoder(q[1]), net.decoder(g[2])
    torch.testing.assert_close(found[1, 2], (q[1] - g[2]).norm() / 2 + (x - y).square().mean() / 2)


def test_a_stretch_lies_where_the_diagonal_sums_least():
    D = torch.ones(4, 5)
    D[1, 3], D[2, 4] = 0.0, 0.5  # rows 1 and 2 fit columns 3 and 4
    D[1, 0] = 0.2  # alone better than its neighbour, the sum is not
    assert zhu2021b.best_offset(D, 1, 2) == 3
    assert zhu2021b.best_offset(D, 2, 1) == 4
    assert zhu2021b.best_offset(torch.rand(4, 4), 0, 4) == 0  # nowhere else to lie
    with pytest.raises(ValueError, match="inside 4 segments, got 2 from 3"):
        zhu2021b.best_offset(D, 3, 2)


def test_moments_are_found_by_a_net_that_hears_what_it_sees_and_not_in_other_clips():
    class Told(zhu2021b.SharedDecoderVAE):
        def forward(self, x_a, x_v):
            zero = torch.zeros(1, 1)
            return [FromEither(zero, zero, x, Gaussian(x, torch.zeros_like(x))) for x in (x_a, x_v)]

    torch.manual_seed(0)
    moments = []
    for i in range(60):
        x = torch.randn(6, 3)
        moments.append(zhu2021b.Moment(x, x.clone(), i % 4, 2 + i % 2))
    found = zhu2021b.find_moments(Told(3, 3, 3, hidden=(8,)).eval(), moments)
    assert found["moment"] == 1
    assert found["moment, chance"] == pytest.approx((1 / 5 + 1 / 4) / 2)
    assert abs(found["moment, wrong clip"] - found["moment, chance"]) < 0.15  # 120 questions


def test_matched_moments_are_one_stretch_that_ends_inside_the_clip():
    moments = zhu2021b.matched_moments(0, n_train=128, n_test=64)
    assert 20 < len(moments) <= 64
    assert all(2 <= m.length < 8 and 0 <= m.start <= 8 - m.length for m in moments)
    assert all(m.x_a.shape == (8, 64) and m.x_v.shape == (8, 182) for m in moments)


def test_the_distance_is_of_posteriors_or_of_draws():
    def side(mean, z):
        q = Gaussian(torch.full((1, 2), mean), torch.zeros(1, 2))
        return FromEither(torch.zeros(1, 1), torch.zeros(1, 1), torch.full((1, 2), z), q)

    sides = side(0.0, 3.0), side(2.0, 3.0)  # unlike posteriors, equal draws
    assert zhu2021b.apart(*sides, distance="paper") > 0
    assert zhu2021b.apart(*sides, distance="samples") == 0
    assert zhu2021b.apart(*sides, distance="no distance") == 0


# --- Sound-to-Imagination


def test_a_code_becomes_a_picture_and_every_number_of_it_matters():
    torch.manual_seed(0)
    G = DenseGenerator(8, width=8)
    code = torch.randn(2, 8, requires_grad=True)
    x = G(code)
    assert x.shape == (2, 1, 32, 32) and x.min() >= 0 and x.max() <= 1
    (slope,) = torch.autograd.grad(x.square().sum(), code)
    assert (slope != 0).all()
    with pytest.raises(ValueError, match="multiple of 4"):
        DenseGenerator(6)
    with pytest.raises(ValueError, match="code"):
        G(torch.randn(2, 12))


def test_the_late_code_is_compared_and_not_added():
    torch.manual_seed(0)
    D = LateCodeDiscriminator(8, width=8)
    x, e = torch.rand(2, 1, 32, 32), torch.randn(2, 8)
    change = D(x, e) - D(x, e.flip(0))
    assert not torch.allclose(change[0], -change[1], atol=1e-6)  # as a sum of two readings would have it


def test_no_judge_shares_a_weight():
    torch.manual_seed(0)
    judges = YesNoJudges(3, width=2).eval()
    x = torch.rand(2, 1, 32, 32)
    grads = torch.autograd.grad(judges(x)[:, 1].sum(), list(judges.parameters()))
    for g in grads:
        own = g.flatten(1).abs().sum(1) if g.ndim > 1 else g.abs()
        k = len(own) // 3
        assert own[:k].sum() == 0 and own[2 * k :].sum() == 0 and own[k : 2 * k].sum() > 0


def test_spoilt_pictures_keep_their_shape_and_are_others():
    x = torch.rand(9, 1, 32, 32)
    spoilt = fanzeres2021.spoil(x)
    assert spoilt.shape == x.shape and ((spoilt - x).abs().flatten(1).amax(1) > 1e-3).all()
    torch.testing.assert_close(spoilt[6].flatten().sort().values, x[6].flatten().sort().values)  # moved


def test_the_running_mean_of_d_moves_slowly_and_bears_no_gradient():
    torch.manual_seed(0)
    G, D = DenseGenerator(8, width=8), LateCodeDiscriminator(8, width=8)
    game = fanzeres2021.MovingAverageGame(momentum=0.9)
    batch = torch.rand(4, 1, 32, 32), torch.randn(4, 8)
    game.discriminator(G, D, batch)
    before = game.slow.score.weight.clone()
    with torch.no_grad():
        D.score.weight += 1
    game.discriminator(G, D, batch)
    torch.testing.assert_close(game.slow.score.weight, before + 0.1)
    game.generator(G, D, batch).backward()
    assert all(p.grad is None for p in game.slow.parameters())


# --- dacssGAN


@pytest.fixture(scope="module")
def clips():
    return faces_and_voices(96, 32, n_val=4)


def test_faces_and_voices(clips):
    train = clips.train
    assert train.x_v.shape == (96, 2, 32, 32) and train.x_a.shape == (96, 1, 32, 32)
    for x in (train.x_v, train.x_a):
        assert x.min() >= 0 and x.max() <= 1
    assert train.labels.unique().tolist() == list(range(len(STATES)))
    with pytest.raises(ValueError, match="at least"):
        faces_and_voices(2)


def test_sets_are_of_faces_that_neither_taught_nor_calibrated(clips):
    sets, faces = label_sets(clips.train, steps=2, level=0.9)
    assert len(sets) == faces.n_clips == 48
    torch.testing.assert_close(faces.index, clips.train.index[48:])
    wide, _ = label_sets(clips.train, steps=2, level=0.99)
    assert (wide | ~sets).all()  # a higher level never takes a label away


def test_labels_of_other_voices_are_never_read(clips):
    few = few_labelled(clips.train.labels, 5)
    assert torch.bincount(clips.train.labels[few]).tolist() == [5] * 2
    G, game = FaceToVoice(), Adaptation(clips.train.x_a[few], clips.train.labels[few])
    c = torch.tensor([[True, False]]).expand(8, -1)
    torch.manual_seed(0)
    x = G.sample(clips.train.x_v[:8], c)
    assert x.shape == (8, 1, 32, 32) and set(vars(game)) == {"voice", "label", "r1"}
    torch.manual_seed(0)
    assert not torch.equal(x, G.sample(clips.train.x_v[:8], ~c))
