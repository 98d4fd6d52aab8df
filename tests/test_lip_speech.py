"""From lips to sound: in step, through a vocoder that keeps words, with critics of one number a clip."""

import pytest
import torch
from jaxtyping import TypeCheckError

from avcl_teach.comparison import listeners, talking
from avcl_teach.comparison.train_talking import LISTENERS, stored_card, stored_listeners
from avcl_teach.encoders import lip_speech as ls
from avcl_teach.features import cepstra, log_mel
from avcl_teach.metrics.speech import word_error_rate


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def frames(n=2, t=10):
    return torch.randint(0, 256, (n, t, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )


def test_every_frame_gives_forty_milliseconds():
    G = ls.SpeechGenerator(dim=16, width=8)
    x = frames()
    assert G.reader(x).shape == (2, 10, 16)
    assert G.spectra(x).shape == (2, 129, 41)
    assert G(x).shape == (2, 3200)


def test_decoder_is_in_step_with_the_frames():
    """Without the GRU a frame reaches its own sound and its neighbours', and no further."""
    torch.manual_seed(0)
    G = ls.SpeechGenerator(dim=16, width=8).eval()
    for p in G.reader.gru.parameters():
        torch.nn.init.zeros_(p)
    x, y = frames(1, 20), frames(1, 20)
    y[:, 10] = 255 - y[:, 10]
    changed = (G.spectra(x) - G.spectra(y)).abs().amax(1)[0] > 1e-5
    at = changed.nonzero()[:, 0]
    assert at.min() >= 4 * 8 and at.max() <= 4 * 13
    assert at.float().mean().sub(4 * 10 + 1.5).abs() < 1.5


def test_wrong_frames_are_refused():
    with pytest.raises((ValueError, TypeCheckError)):
        ls.LipReader()(torch.zeros(1, 4, 3, 64, 64, dtype=torch.uint8))
    with pytest.raises(ValueError, match="steps of 16"):
        ls.LipReader(size_px=40)


def test_vocoder_keeps_magnitudes_and_passes_gradients():
    x, _ = talking.talk("val", 4).x, None
    L = ls.log_spectrum(x)
    more, less = (float((ls.log_spectrum(ls.sound_of(L, n_steps=n)) - L).abs().mean()) for n in (32, 0))
    assert more < 0.5 and more < less - 0.2
    L = L[:1, :, :41].clone().requires_grad_()
    ls.sound_of(L).square().sum().backward()
    assert L.grad.isfinite().all() and L.grad.abs().sum() > 0


def test_words_survive_the_vocoder_and_not_an_exchange():
    recogniser, _ = stored_listeners()
    data = talking.talk("test", 48)
    through = ls.sound_of(ls.log_spectrum(data.x), n_steps=4)
    assert word_error_rate(data.words.tolist(), listeners.transcribe(recogniser, data.x)) < 0.03
    assert word_error_rate(data.words.tolist(), listeners.transcribe(recogniser, through)) < 0.05
    assert word_error_rate(data.words.roll(1, 0).tolist(), listeners.transcribe(recogniser, data.x)) > 0.6


def test_stored_listeners_reproduce_their_card():
    card = stored_card(LISTENERS)
    recogniser, _ = stored_listeners()
    data = talking.talk("test", 192)
    found = word_error_rate(data.words.tolist(), listeners.transcribe(recogniser, data.x))
    assert found == pytest.approx(card["scores"]["WER of true speech"], abs=0.003)


def test_writing_down_joins_runs_and_drops_short_ones():
    steps = [16, 16, 0, 0, 0, 16, 16, 5, 5, 5, 5, 4, 5, 5, 5, 16, 9, 9]
    logits = torch.nn.functional.one_hot(torch.tensor([steps]), 17).float()
    assert listeners.write_down(logits) == [[0, 5]]


def test_targets_of_the_recogniser():
    y = listeners.word_targets(torch.tensor([[[0.1, 0.3], [0.4, 0.5]]]), torch.tensor([[2, 7]]), 15)
    assert y[0].tolist() == [16] * 3 + [2] * 5 + [16] * 2 + [7] * 3 + [16] * 2


def test_kinds_of_listener():
    with pytest.raises(ValueError, match='"recogniser" or "ear"'):
        listeners.learn_to_listen("mouth")


def test_critics_give_one_number_and_feel_the_slope():
    D = talking.Critics()
    x = 0.1 * noise(3, 8000)
    wave, power = D.judge(x)
    assert wave.shape == power.shape == (3,)
    losses = talking.Losses("paper", stored_listeners()[1])
    loss = losses.critics(ls.SpeechGenerator(dim=16, width=8), D, (frames(3, 50), 0.1 * noise(3, 16000)))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in D.parameters())


def test_crops_are_cut_at_one_place():
    t = torch.arange(50)
    x = (t * 4).to(torch.uint8)[None, :, None, None, None].expand(5, 50, 3, 32, 32)
    y = t.repeat_interleave(320).float()[None].expand(5, -1)
    torch.manual_seed(0)
    a, b = talking.crop(x, y)
    assert a.shape[:2] == (5, 25) and b.shape == (5, 8000)
    assert torch.equal(a[:, :, 0, 0, 0].float() / 4, b[:, 160::320])
    assert len(b[:, 0].unique()) > 1


def test_mfcc_agrees_with_librosa():
    librosa = pytest.importorskip("librosa")
    from scipy.fft import dct

    x = 0.3 * noise(8000).double()
    L = log_mel(x, n_fft=256, hop_length=80, n_mels=32, eps=1e-6)
    ours = cepstra.mfcc(x)
    torch.testing.assert_close(
        ours, torch.from_numpy(dct(L.numpy(), axis=0, norm="ortho")[:13]), atol=1e-5, rtol=0
    )
    theirs = librosa.feature.mfcc(S=L.numpy(), n_mfcc=13)
    torch.testing.assert_close(ours, torch.from_numpy(theirs), atol=1e-5, rtol=0)


def test_cosines_are_orthonormal_and_bounded():
    C = cepstra.cosine_transform(32)
    torch.testing.assert_close(C @ C.T, torch.eye(32), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="n_coefficients"):
        cepstra.cosine_transform(8, n_coefficients=9)


def test_gain_moves_the_first_cepstrum_alone():
    x = noise(1, 8000)
    d = cepstra.mfcc(2 * x, eps=1e-12) - cepstra.mfcc(x, eps=1e-12)
    expected = torch.zeros_like(d)
    expected[:, 0] = 32**0.5 * torch.tensor(4.0).log()
    torch.testing.assert_close(d, expected, atol=1e-3, rtol=0)


def test_magnitudes_that_run_away_stay_finite():
    L = torch.full((1, 129, 9), 200.0)
    assert ls.sound_of(L).isfinite().all()
    usual = ls.log_spectrum(0.1 * noise(1, 800))
    again = ls.log_spectrum(ls.sound_of(usual, n_steps=32))
    assert float((again - usual).abs().mean()) < 0.5
