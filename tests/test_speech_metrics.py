"""Word errors against jiwer, spectra and envelopes against closed forms."""

import math
import random

import pytest
import torch
from jaxtyping import TypeCheckError

from avcl_teach.metrics import speech

WORDS = ["bin", "lay", "place", "set", "now"]


def draw(rng, low=0):
    return [rng.choice(WORDS) for _ in range(rng.randint(low, 7))]


def test_word_errors_agree_with_jiwer():
    import jiwer

    rng = random.Random(0)
    references, heard = [draw(rng, 1) for _ in range(60)], [draw(rng) for _ in range(60)]
    ours = speech.word_errors(references, heard)
    theirs = jiwer.process_words([" ".join(r) for r in references], [" ".join(h) for h in heard])
    assert ours.rate == pytest.approx(theirs.wer)
    assert sum(ours[:3]) == theirs.substitutions + theirs.deletions + theirs.insertions
    assert ours.n == theirs.substitutions + theirs.deletions + theirs.hits


@pytest.mark.parametrize(
    ("reference", "heard", "expected"),
    [
        ("a b c d", "a b c d", (0, 0, 0)),
        ("a b c d", "a x c d", (1, 0, 0)),
        ("a b c d", "a c d", (0, 1, 0)),
        ("a b c d", "a b b c d", (0, 0, 1)),
        ("a b c d", "", (0, 4, 0)),
        ("a", "b c d", (1, 0, 2)),
    ],
)
def test_each_kind_of_error_by_hand(reference, heard, expected):
    found = speech.word_errors([reference.split()], [heard.split()])
    assert found[:3] == expected
    assert found.rate == sum(expected) / len(reference.split())


def test_rate_is_of_the_set_and_can_pass_one():
    assert speech.word_error_rate([list("abcdefgh"), ["x"]], [list("abcdefgh"), []]) == 1 / 9
    assert speech.word_error_rate([["a"]], [list("bcd")]) == 3.0


def test_edit_distance_is_a_metric():
    rng = random.Random(1)
    for _ in range(40):
        x, y, z = (draw(rng) for _ in range(3))
        d = [speech.edit_table(p, q)[-1][-1] for p, q in ((x, y), (y, x), (y, z), (x, z))]
        assert d[0] == d[1]
        assert d[3] <= d[0] + d[2]
        assert abs(len(x) - len(y)) <= d[0] <= max(len(x), len(y))


def test_bad_transcripts_are_refused():
    with pytest.raises(ValueError, match="one transcript a reference"):
        speech.word_errors([["a"]], [])
    with pytest.raises(ValueError, match="split it first"):
        speech.word_errors(["a b"], [["a"]])
    with pytest.raises(ValueError, match="at least one word"):
        speech.word_errors([[]], [["a"]])


def test_stft_distance_of_noise_and_of_a_flipped_sign():
    g = torch.Generator().manual_seed(0)
    x = 0.3 * torch.randn(1, 80000, generator=g)
    power = 257 * 0.09 * torch.hann_window(512).square().sum()
    assert speech.stft_distance(x, torch.zeros_like(x))[0] == pytest.approx(power.sqrt().item(), rel=0.02)
    assert torch.equal(speech.stft_distance(x, x), torch.zeros(1))
    double = speech.stft_distance(x, torch.zeros_like(x)) * 2
    torch.testing.assert_close(speech.stft_distance(x, -x), double)


def test_log_distance_counts_gain_and_not_phase():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 8000, generator=g)
    torch.testing.assert_close(speech.log_stft_distance(x, -x), torch.zeros(2))
    d = speech.log_stft_distance(x, 2 * x, eps=1e-9)
    torch.testing.assert_close(d, torch.full((2,), math.log(2)), atol=1e-4, rtol=0)
    silence = torch.zeros(1, 4000)
    assert speech.log_stft_distance(silence, silence)[0] == 0


def test_envelope_of_tones_and_of_beats():
    t = torch.arange(8000, dtype=torch.float64) / 8000
    a, b = 0.8 * torch.cos(2 * math.pi * 440 * t + 1.0), 0.3 * torch.cos(2 * math.pi * 300 * t)
    torch.testing.assert_close(speech.envelope(a), torch.full_like(t, 0.8), atol=1e-4, rtol=0)
    assert speech.envelope_distance(a, b).item() == pytest.approx(0.5, abs=1e-4)
    beats = torch.cos(2 * math.pi * 500 * t) + torch.cos(2 * math.pi * 510 * t)
    expected = 2 * torch.cos(2 * math.pi * 5 * t).abs()
    torch.testing.assert_close(speech.envelope(beats), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("n", [400, 401])
def test_envelope_agrees_with_scipy(n):
    from scipy.signal import hilbert

    x = torch.randn(3, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(speech.envelope(x), torch.from_numpy(abs(hilbert(x.numpy()))))


def test_sounds_of_two_shapes_are_refused():
    for measure in (speech.stft_distance, speech.log_stft_distance, speech.envelope_distance):
        with pytest.raises((ValueError, TypeCheckError), match="one shape|801"):
            measure(torch.zeros(2, 800), torch.zeros(2, 801))
    with pytest.raises(ValueError, match="eps"):
        speech.log_stft_distance(torch.zeros(1, 800), torch.zeros(1, 800), eps=0)
