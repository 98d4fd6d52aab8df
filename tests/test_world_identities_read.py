"""Traits of people read back from rendered faces and voices: as strongly tied as they were drawn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avcl_teach.features import log_mel
from avcl_teach.world.variants import identities

HOW = {"size_px": 32, "frame_rate_hz": 1.0}
PAIRS = [2, 3]  # tilt and skin value, presence and skin hue: read off pixels and off the spectrum
PEOPLE = 100


def skin(clips):
    """Median colour of a few pixels in the middle of each face: [clip, 3]."""
    middle = (clips.box[:, 0, 0, :2] + clips.box[:, 0, 0, 2:]) / 2 * clips.frames.shape[-1]
    parts = [
        frames[0, :, int(y) - 1 : int(y) + 4, int(x) - 2 : int(x) + 3].float().flatten(1).median(1).values
        for frames, (x, y) in zip(clips.frames, middle.tolist(), strict=True)
    ]
    return torch.stack(parts).numpy()


def spectrum(clips):
    """Mean log-mel spectrum of the louder half of each voice, its level taken off: [clip, 40]."""
    M = log_mel(clips.mono, sample_rate_hz=clips.sample_rate_hz, n_mels=40)
    loud = M.exp().sum(1, keepdim=True)
    loud = (loud > loud.median(2, keepdim=True).values).float()
    S = (M * loud).sum(2) / loud.sum(2)
    return (S - S.mean(1, keepdim=True)).numpy()


@pytest.fixture(scope="module")
def readers():
    """Two readers that were taught on other people: traits of a face from pixels, of a voice from sound."""
    known = identities.render_people(300, n_samples=1, **HOW)

    def taught(see, traits):
        model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 6)))
        model.fit(see(known), known.extra[traits][:, PAIRS].numpy())

        def read(clips):  # mean over the meetings with each person
            found = torch.from_numpy(model.predict(see(clips)))
            return found.view(PEOPLE, -1, len(PAIRS)).mean(1)

        return read

    return taught(skin, "face_traits"), taught(spectrum, "voice_traits")


def read_people(readers, **options):
    clips = identities.render_people(PEOPLE, split="test", n_samples=2, **HOW, **options)
    face, voice = (read(clips) for read in readers)
    return face, voice, {name: x[::2] for name, x in clips.extra.items()}


def correlations(a, b):
    a, b = ((x - x.mean(0)) / x.std(0, unbiased=False) for x in (a.double(), b.double()))
    return (a * b).mean(0)


def test_traits_can_be_read_and_are_tied_by_rho_and_by_partners_only(readers):
    face, voice, true = read_people(readers)
    clear = (
        correlations(face, true["face_traits"][:, PAIRS]),
        correlations(voice, true["voice_traits"][:, PAIRS]),
    )
    assert (clear[0] > 0.85).all() and (clear[1] > 0.5).all()
    tied = identities.realized_rho(voice, face, true["attribute"])
    assert (tied > 0.25).all()  # less than rho, as readers err ...
    rho = (tied / (clear[0] * clear[1])).mean()  # ... and rho again when their errors are taken out
    assert abs(rho - identities.RHO) < 0.2  # standard error of 2 pairs of 100 people: about 0.08
    wrong = [identities.realized_rho(voice.roll(k, 0), face, true["attribute"]) for k in range(1, 40)]
    wrong = torch.stack(wrong)
    assert wrong.mean(0).abs().max() < 0.06 and (wrong < tied).float().mean() > 0.95
    crossed = identities.realized_rho(voice.flip(1), face, true["attribute"])
    assert crossed.abs().max() < 0.25  # a trait is tied to its own partner alone


def test_people_without_ties_are_read_as_untied(readers):
    face, voice, true = read_people(readers, rho=0.0)
    assert correlations(face, true["face_traits"][:, PAIRS]).min() > 0.85
    tied = identities.realized_rho(voice, face, true["attribute"])
    assert tied.abs().max() < 0.25  # two and a half standard errors of 100 people
