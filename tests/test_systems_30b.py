"""Systems of speech to image, face to voice and music for video: parts by hand, runs in quick."""

import math

import pytest
import torch

from avcl_teach import systems
from avcl_teach.comparison.captioned_pairs import captioned_pairs, mfcc
from avcl_teach.comparison.music_pairs import colours, height, picture_features
from avcl_teach.comparison.people_pairs import identity_map, people_pairs
from avcl_teach.comparison.scene_reader import naming_accuracy, pictures, scene_reader
from avcl_teach.systems import horiguchi2018, ilharco2019, merkx2019, pretet2021, zheng2021a

NAMES = ("merkx2019", "ilharco2019", "horiguchi2018", "zheng2021a", "pretet2021")
_KEPT: dict = {}


def outcome(name, arm=None):
    module = systems.find(name)
    arm = arm or module.ABOUT.arms[0]
    if (name, arm) not in _KEPT:
        _KEPT[name, arm] = module.run(0, arm=arm, budget="quick")
    return _KEPT[name, arm]


@pytest.mark.parametrize("name", NAMES)
def test_quick_runs_are_whole_and_wrong_partners_are_near_chance(name):
    found = outcome(name)
    values = (found.score, found.chance, found.wrong_partner, found.ceiling, *found.extra.values())
    assert all(math.isfinite(x) for x in values)
    assert found.ceiling > found.chance + 5
    # quick galleries hold 40 to 64 items of percent points: three standard errors of the control
    assert abs(found.wrong_partner - found.chance) < 20


@pytest.mark.parametrize("name", ["horiguchi2018", "zheng2021a"])
def test_strangers_are_matched_even_in_quick(name):
    assert outcome(name).score > outcome(name).wrong_partner


@pytest.mark.parametrize("name", NAMES)
def test_arms_differ_and_unknown_ones_are_refused(name):
    module = systems.find(name)
    assert outcome(name, module.ABOUT.arms[1]) != outcome(name)
    with pytest.raises(ValueError, match="expected an arm"):
        module.run(0, arm="none such", budget="quick")
    with pytest.raises(ValueError, match="expected a budget"):
        module.run(0, budget="none such")


def test_the_stored_reader_names_things_as_its_card_says():
    cls, colour = naming_accuracy(scene_reader(), *pictures(200, split="val"))
    assert cls > 0.85  # 0.91 on 1,000 pictures
    assert colour > 0.95  # 0.99


def test_steps_after_a_convolution_are_those_of_torch():
    conv = torch.nn.Conv1d(1, 1, 6, stride=2)
    for n in range(6, 30):
        assert merkx2019.steps_after(torch.tensor([n])).item() == conv(torch.zeros(1, 1, n)).shape[2]


def test_padding_changes_no_caption():
    data = captioned_pairs(48, 40, n_val=16)
    cut = data.test
    model = merkx2019.SpeechImage().eval()
    spectrogram = ilharco2019.SpectrogramEncoder().eval()
    n = cut.n_frames[:6]
    longer = torch.nn.functional.pad(cut.x_a[:6], (0, 30), value=3.0)
    for row in (0, 3, 5):
        alone = cut.x_a[row : row + 1, :, : int(n[row])]
        together = model.speech(cut.x_a[:6], n)[row]
        # the last step sees the difference across the end in its cepstra, the others do not
        torch.testing.assert_close(model.speech(alone, n[row : row + 1])[0], together, atol=0.05, rtol=0)
        torch.testing.assert_close(spectrogram(alone, n[row : row + 1])[0], spectrogram(longer, n)[row])


def test_attention_gives_padding_no_weight_and_each_dimension_its_own():
    pool = merkx2019.VectorAttention(4)
    h, n = torch.randn(2, 5, 4), torch.tensor([2, 5])
    alpha = pool.weights(h, n)
    assert alpha[0, 2:].abs().max() == 0
    torch.testing.assert_close(alpha.sum(1), torch.ones(2, 4))
    assert (alpha[1, :, 0] - alpha[1, :, 1]).abs().max() > 1e-4


def test_cepstra_are_scipys():
    from scipy.fft import dct

    x = torch.randn(1, 40, 6)
    c = mfcc(x)
    assert c.shape == (1, 39, 6)
    expected = dct(x[0].numpy(), type=2, axis=0, norm="ortho")[:13]
    torch.testing.assert_close(c[0, :13], torch.as_tensor(expected), atol=1e-5, rtol=0)
    torch.testing.assert_close(c[0, 13:26, 2], (c[0, :13, 3] - c[0, :13, 1]) / 2)


def test_best_of_five_counts_a_picture_once():
    S = torch.zeros(10, 2)
    image = torch.arange(2).repeat_interleave(5)
    S[0, 0], S[1, 0], S[7, 1] = 2.0, 1.0, 3.0
    found = merkx2019.evaluate(S, image, k=1)
    assert found["i2c"] == 100.0


def test_identity_map_is_fishers_discriminant():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    g = torch.Generator().manual_seed(0)
    who = torch.arange(40).repeat_interleave(6)
    x = torch.randn(40, 8, generator=g)[who] + 0.8 * torch.randn(240, 8, generator=g)
    mean, W = identity_map(x, who, dim=2, ridge=1e-6)
    z = (x - mean) @ W
    peer = torch.as_tensor(
        LinearDiscriminantAnalysis(solver="eigen", n_components=2).fit_transform(x.numpy(), who.numpy())
    ).float()
    for k in range(2):
        r = torch.corrcoef(torch.stack([z[:, k], peer[:, k]]))[0, 1]
        assert r.abs() > 0.999


def test_people_of_the_cuts_are_distinct_and_samples_are_of_the_person():
    data = people_pairs(80, 60, n_val=16)
    assert torch.cdist(data.train.face_traits, data.test.face_traits).min() > 1e-4
    a, v = horiguchi2018.draw_samples(data.train, torch.tensor([3, 5]))
    assert (torch.cdist(a, data.train.x_a).argmin(1) // 4).tolist() == [3, 5]
    assert (torch.cdist(v, data.train.x_v).argmin(1) // 4).tolist() == [3, 5]


def test_line_up_puts_the_own_item_where_it_says_and_nowhere_else():
    torch.manual_seed(0)
    own = torch.arange(7.0)[:, None]
    candidates, place = zheng2021a.line_up(own, k=4)
    assert torch.equal(candidates[torch.arange(7), place], own)
    assert ((candidates == own[:, None]).sum((1, 2)) == 1).all()
    places = torch.cat([zheng2021a.line_up(own, k=4)[1] for _ in range(100)])
    assert places.bincount(minlength=4).min() > 120  # of 700, 175 expected


def test_colours_of_what_moves_are_a_mean_direction_and_a_bin():
    rgb = torch.zeros(2, 4, 3, 6, 6)
    rgb[0, :, 0], rgb[1, :, 0], rgb[1, :, 2] = 1.0, 0.1, 0.5  # red, and a darker blue
    mask = torch.zeros(2, 4, 6, 6)
    mask[:, :, 2:4] = 1.0
    x = colours(rgb, mask)
    assert x[:, :12].argmax(1).tolist() == [0, 8] and torch.allclose(x[:, :12].sum(1), torch.ones(2))
    torch.testing.assert_close(x[0, 12:], torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]))
    angle = torch.tensor(math.atan2(-0.5 * 3**0.5, -0.3))
    torch.testing.assert_close(x[1, 12:14], torch.stack([angle.cos(), angle.sin()]))
    torch.testing.assert_close(x[1, 14:], torch.tensor([0.1, 0.0, 0.5, 0.5, 0.5]))
    assert colours(rgb, 0 * mask).abs().max() == 0  # nothing moves: no colour, no division by zero


@pytest.mark.parametrize("period", (4, 6))
def test_picture_features_hear_the_beat_of_a_dance(period):
    assert height(torch.eye(5)[None, :, :, None])[0].tolist() == [0, 0.25, 0.5, 0.75, 1]
    frames = torch.zeros(1, 32, 3, 24, 24, dtype=torch.uint8)
    for t in range(32):
        down = 6 + round(6 * math.sin(2 * math.pi * t / period))
        frames[0, t, 0, down : down + 6, 3:9] = 200
        frames[0, t, 0, 18 - down : 24 - down, 15:21] = 200
    x = picture_features(frames)
    assert x.shape == (1, 72) and x[0, :12].argmax() == 0
    bounce = x[0, -15:]
    assert bounce[1:10].argmax() + 2 == period  # lags 2 to 10
    assert (picture_features(frames[:, :1].expand(-1, 32, -1, -1, -1)) == 0).all()  # a still picture


def test_violating_triplets_by_hand():
    S = torch.tensor([[0.5, 0.45, 0.1], [0.0, 0.9, 0.85], [0.2, 0.3, 0.6]])
    a2v = (0.05 + 0.05 + 0.0) / 3  # the nearest wrong picture of each sound
    v2a = (0.0 + 0.0 + 0.35) / 3  # the nearest wrong sound of each picture
    found = pretet2021.violating_triplets(S, margin=0.1, n=1)
    torch.testing.assert_close(found, torch.tensor(3 * v2a + a2v))
    assert pretet2021.violating_triplets(S, n=99) == pretet2021.violating_triplets(S, n=2)


def test_structure_is_zero_where_orders_agree_and_has_a_gradient_where_not():
    x = torch.nn.functional.normalize(torch.randn(5, 3), dim=1)
    assert pretet2021.structure(x, x) == 0
    z = torch.randn(5, 3, requires_grad=True)
    loss = pretet2021.structure(x, z)
    assert loss > 0
    loss.backward()
    assert z.grad.abs().max() > 0


def test_galleries_are_blocks_of_their_own():
    S = torch.randn(24, 24, generator=torch.Generator().manual_seed(0))
    halves = [pretet2021.evaluate(S[i : i + 12, i : i + 12])["v2a"] for i in (0, 12)]
    assert pretet2021.in_galleries(S, size=12)["v2a"] == pytest.approx(sum(halves) / 2)
    assert pretet2021.in_galleries(S, size=12)["v2a"] != pretet2021.evaluate(S)["v2a"]
