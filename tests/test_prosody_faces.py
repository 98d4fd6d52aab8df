"""Pitch of known tones, and faces cut out where they are."""

import pytest
import torch

from avcl_teach.features.faces import Eigenfaces, face_crops
from avcl_teach.features.prosody import pitch_track, prosody


def tone(f0_hz, seconds=1.0, rate=8000):
    t = torch.arange(round(seconds * rate)) / rate
    return sum(torch.sin(2 * torch.pi * k * f0_hz * t) / k for k in range(1, 6))


@pytest.mark.parametrize("f0", [90.0, 120.0, 200.0, 310.0])
def test_the_pitch_of_a_tone_is_found(f0):
    octaves, sure = pitch_track(tone(f0)[None])
    found = 100 * 2**octaves
    assert (found / f0 - 1).abs().max() < 0.03 and sure.min() > 0.9


def test_noise_is_less_periodic_than_a_tone_and_silence_is_not_a_number_to_fear():
    g = torch.Generator().manual_seed(0)
    _, of_noise = pitch_track(torch.randn(1, 8000, generator=g))
    assert of_noise.mean() < 0.6
    octaves, sure = pitch_track(torch.zeros(1, 8000))
    assert torch.isfinite(octaves).all() and torch.isfinite(sure).all() and sure.max() < 0.1


def test_prosody_knows_rises_and_no_voices():
    low, high = tone(110.0), tone(220.0)
    x = prosody(torch.stack([torch.cat([low, high]), torch.cat([low, low])]), n_steps=16)
    assert x.shape == (2, 16, 31)
    assert x[0, 12, 0] - x[0, 4, 0] == pytest.approx(1.0, abs=0.1)  # an octave
    assert x[1, :, 0].abs().max() < 0.05
    two = prosody(torch.stack([tone(110.0, 2.0), tone(165.0, 2.0)]), n_steps=16)
    torch.testing.assert_close(two[0, 2:14, 0], two[1, 2:14, 0], atol=0.05, rtol=0)
    assert x[0, 0, -1] == 0 and x[0, -1, -1] == 1
    with pytest.raises(ValueError, match="divide into 6 half steps"):
        prosody(torch.zeros(1, 16000), n_steps=3)
    with pytest.raises(ValueError, match="expected a hop"):
        pitch_track(torch.zeros(1, 10))


def test_a_crop_follows_the_face_and_forgets_light():
    frames = torch.full((2, 3, 3, 40, 40), 100, dtype=torch.uint8)
    centre = torch.tensor([[[0.3, 0.5], [0.4, 0.5], [0.5, 0.5]]]).repeat(2, 1, 1)
    for j, x in enumerate((12, 16, 20)):
        frames[0, j, :, 18:22, x - 2 : x + 2] = 200
        frames[1, j, :, 18:22, x - 2 : x + 2] = 150  # half the contrast
    crops = face_crops(frames, centre, torch.tensor([0.4, 0.4]), size_px=16)
    assert crops.shape == (2, 3, 16, 16)
    torch.testing.assert_close(crops[0, 0], crops[0, 2], atol=0.05, rtol=0)
    torch.testing.assert_close(crops[0], crops[1], atol=0.05, rtol=0)
    assert crops[0, 0, 7:9, 7:9].min() > 1.5 and crops.mean((2, 3)).abs().max() < 1e-4
    with pytest.raises(ValueError, match="at least 4 px"):
        face_crops(frames, centre, torch.tensor([0.4, 0.4]), size_px=2)


def test_eigenfaces_are_principal_components():
    g = torch.Generator().manual_seed(0)
    axis = torch.randn(2, 16, generator=g)
    axis = torch.linalg.qr(axis.T)[0].T
    x = torch.randn(50, 2, 2, generator=g) * torch.tensor([5.0, 2.0]) @ axis
    faces = Eigenfaces(2).fit(x.unflatten(2, (4, 4)))
    z = faces.transform(x.unflatten(2, (4, 4)))
    assert (faces.axes.T @ axis.T).abs().diagonal().min() > 0.98
    assert (z @ faces.axes.T + faces.mean - x).abs().max() < 1e-4
    assert faces.axes.gather(0, faces.axes.abs().argmax(0, keepdim=True)).min() > 0
    with pytest.raises(RuntimeError, match="fit"):
        Eigenfaces(2).transform(x.unflatten(2, (4, 4)))
    with pytest.raises(ValueError, match="1 to 16 components"):
        Eigenfaces(17).fit(x.unflatten(2, (4, 4)))
