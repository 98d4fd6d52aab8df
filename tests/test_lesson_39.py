"""What lesson 39 says, at a size of seconds: cues, mirrors, turns, and a frame that flips the sound."""

import math

import pytest
import torch

from avcl_teach.comparison.around import heard, mel_products, turned_power
from avcl_teach.comparison.ear_scenes import ear_scenes
from avcl_teach.comparison.train_two_ears import stored_ears
from avcl_teach.features.spectral import stft
from avcl_teach.metrics.spatial import ear_envelope_distance, ear_stft_distance, side_accuracy, side_db
from avcl_teach.metrics.speech import envelope
from avcl_teach.systems import lin2021, morgado2020
from avcl_teach.world.variants import panoramas, two_ears


@pytest.fixture(scope="module")
def scenes():
    return lin2021.windows(ear_scenes(64, "test"), torch.full((64,), 4000))


def test_delay_is_four_samples_at_most():
    seconds = two_ears.delay_s(torch.tensor([0.0, two_ears.EDGE]))
    assert seconds[0] == 0 and 3.5 < 8000 * seconds[1] < 4.5


def test_a_click_from_the_right_is_earlier_and_louder_on_the_right():
    click = torch.zeros(200)
    click[100] = 1.0
    left, right = two_ears.pan(click, torch.tensor(two_ears.EDGE))
    assert right.argmax() < 100 < left.argmax() and right.max() > left.max()


def _cell_by_cell(X, Y):
    total = 0.0
    for x, y in zip(X.tolist(), Y.tolist(), strict=True):
        gaps = [(a.real - b.real) ** 2 + (a.imag - b.imag) ** 2 for a, b in zip(x, y, strict=True)]
        total += sum(gaps) / len(gaps)
    return total


def test_the_distances_worked_by_hand_are_the_tested_ones(scenes):
    Y = torch.tensor([[1 + 1j, 2 + 0j], [0 + 0j, 1 - 1j]])
    X = torch.tensor([[1 + 0j, 1 + 0j], [1 + 0j, 1 - 1j]])
    assert _cell_by_cell(X, Y) == 1.5
    true = scenes[0][0]
    mono = true.mean(0, keepdim=True).expand_as(true)
    x, y = (z / true.abs().max() for z in (mono, true))
    X, Y = (stft(z, n_fft=512, hop_length=160).flatten(1) for z in (x, y))
    found = float(ear_stft_distance(mono, true, own_peak=False))
    assert _cell_by_cell(X, Y) == pytest.approx(found, rel=1e-4) and found > 0.01
    total = 0.0
    for a, b in zip(envelope(x).tolist(), envelope(y).tolist(), strict=True):
        squares = [(p - q) ** 2 for p, q in zip(a, b, strict=True)]
        total += math.sqrt(sum(squares) / len(squares))
    assert total == pytest.approx(float(ear_envelope_distance(mono, true, own_peak=False)), rel=1e-4)


@pytest.mark.parametrize(("left", "right"), [(3.0, 1.0), (1.0, 3.0), (2.0, 2.0)])
def test_sides_have_the_factors_that_the_lesson_writes(left, right):
    C = torch.tensor([[[[0.9, 0.2, 0.0, -0.1], [0.8, 0.1, 0.0, 0.0]]]])
    x = torch.linspace(-2, 2, 4)
    ramp = torch.sigmoid(-2 * x) - torch.sigmoid(2 * x)
    P_av = torch.sigmoid(4 * (C * ramp).mean())
    P_a = torch.sigmoid(torch.tensor(8 * (left - right) / (left + right)))
    S_L, S_R = torch.full((1, 2, 2), left), torch.full((1, 2, 2), right)
    torch.testing.assert_close(lin2021.sound_side(S_L, S_R, (1, 1))[0, 0], P_a)
    torch.testing.assert_close(lin2021.picture_side(C)[0, 0], P_av)
    cost = torch.nn.functional.binary_cross_entropy(P_av, P_a)
    torch.testing.assert_close(lin2021.consistency(C, S_L, S_R, (1, 1)), cost)


def test_flip_the_frame_and_the_sound_flips(scenes):
    sound, frame = scenes
    model = stored_ears()
    with torch.no_grad():
        kept, turned = (side_db(lin2021.estimate(model, sound, f)) for f in (frame, frame.flip(-1)))
    leans = kept.abs() > 0.2
    assert leans.sum() > 10
    assert (kept.sign() != turned.sign())[leans].float().mean() > 0.8


def test_own_picture_beats_mono_and_another_picture(scenes):
    sound, frame = scenes
    model = stored_ears()
    mono = sound.mean(1, keepdim=True).expand_as(sound)
    with torch.no_grad():
        found, wrong = (lin2021.estimate(model, sound, f) for f in (frame, frame.roll(1, 0)))
    score, none, bad = (ear_stft_distance(x, sound, own_peak=False) for x in (found, mono, wrong))
    # paired differences over 64 scenes, two standard errors from 0
    for gain in (none - score, bad - none):
        assert gain.mean() > 2 * gain.std() / math.sqrt(len(gain))
    assert side_accuracy(mono, sound, least_db=0.3) == 0.5
    assert side_accuracy(found, sound, least_db=0.3) > side_accuracy(wrong, sound, least_db=0.3) + 0.2


def test_magnitudes_of_thirty_degrees_left_right_and_behind_are_equal():
    x = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    seen = [
        heard(mel_products(panoramas.encode(x, torch.full((1, 16), math.radians(t)))), directions=True)[0]
        for t in (30, -30, 150)
    ]
    right, left, behind = (z.mean((1, 2)) for z in seen)
    for other in (left, behind):
        assert (right[:3] - other[:3]).abs().max() < 1e-3
        assert (right[3:] - other[3:]).abs().max() > 0.5


def test_magnitudes_of_several_views_tell_all_but_half_a_turn():
    x = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))

    def magnitudes(degrees, yaw):
        power = mel_products(panoramas.encode(x, torch.full((1, 16), math.radians(degrees))))
        return heard(turned_power(power, torch.tensor([math.radians(yaw)])))

    for yaw in (0, 20, 75, 130):
        torch.testing.assert_close(magnitudes(30, yaw), magnitudes(210, yaw), atol=1e-3, rtol=0)
    for other in (-30, 150):
        assert (magnitudes(30, 20) - magnitudes(other, 20)).abs().mean() > 0.1


def test_hard_negatives_cost_what_easy_ones_do_not():
    angles = torch.tensor([[0.0, 60.0], [180.0, 250.0]]).deg2rad()
    a, a_hat = (torch.stack([z.cos(), z.sin()], 2) for z in (angles, angles + 0.3))
    easy, both = (morgado2020.alignment_loss(a_hat, a, hard=hard) for hard in (False, True))
    assert easy < 0.1 * both
