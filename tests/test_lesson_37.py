"""What lesson 37 says of its stored generator: words, doubles, wrong faces, step; and of the measures."""

import pytest
import torch

from avcl_teach.comparison import listeners, talking, train_talking
from avcl_teach.encoders import lip_speech
from avcl_teach.features.spectral import stft
from avcl_teach.metrics import speech
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.table1 import stored_table
from avcl_teach.world.variants import speech_audit


@pytest.fixture(scope="module")
def test_split():
    return talking.talk("test", train_talking.SIZES["n_test"])


@pytest.fixture(scope="module")
def spoken(test_split):
    """Speech of the stored generator, and what the recogniser makes of it."""
    G, (recogniser, _) = train_talking.stored_speech(), train_talking.stored_listeners()
    y = talking.speak(G, test_split.frames)
    return y, listeners.transcribe(recogniser, y)


def test_the_stored_generator_reproduces_its_card(spoken, test_split):
    card = train_talking.stored_card()
    found = speech.word_error_rate(test_split.words.tolist(), spoken[1])
    assert found == pytest.approx(card["scores"]["WER"], abs=0.02)
    assert card["steps"] == 1500 and card["scores"]["WER, true speech"] < 0.02


def test_the_stored_row_stands_off_its_controls():
    (row,) = (r for r in stored_table()["rows"] if r["about"]["name"] == "mira2021")
    assert row["n_seeds"] >= 3 and not row["errors"]
    assert row["beats_chance"] and row["beats_wrong_partner"]
    assert row["ceiling"]["mean"] < 2 < row["score"]["mean"]
    assert len(row["claims"]) == 3


def test_it_reads_lips_and_no_more(spoken, test_split):
    """Beside what sight leaves open, few words are lost; a stranger's face loses most of them."""
    doubles = speech_audit.homophenes()
    said, heard = test_split.words.tolist(), spoken[1]
    in_doubt = sum(w in doubles for s in said for w in s) / sum(map(len, said)) / 2
    assert abs(in_doubt - speech_audit.sight_floor()) < 0.04
    assert abs(speech.word_error_rate(said, heard) - in_doubt) < 0.08
    merged = [[[min(w, doubles.get(w, w)) for w in s] for s in x] for x in (said, heard)]
    assert speech.word_error_rate(*merged) < 0.08
    order = wrong_partners(test_split.sentences)
    assert speech.word_error_rate(said, [heard[i] for i in order]) > 0.65


def test_generated_speech_is_in_step(spoken, test_split):
    a, b = (speech.envelope(x).unflatten(1, (-1, 320)).mean(2) for x in (spoken[0], test_split.x))
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    scores = {k: float((a.roll(k, 1) * b).sum()) for k in range(-4, 5)}
    assert max(scores, key=scores.get) == 0
    assert max(scores[-1], scores[1]) < 0.8 * scores[0]


def test_comparisons_rank_what_the_lesson_lists(test_split):
    losses = talking.Losses("paper", train_talking.stored_listeners()[1])
    x = test_split.x[:48]
    late = losses.comparative(x.roll(320, 1), x)
    stranger = losses.comparative(x.roll(1, 0), x)
    upside_down = losses.comparative(-x, x)
    for name in ("perceptual", "power", "mfcc"):
        assert float(upside_down[name]) < 1e-4
        assert 0.5 * float(stranger[name]) < float(late[name]) < float(stranger[name])


def test_words_survive_the_vocoder(test_split):
    recogniser, _ = train_talking.stored_listeners()
    x = lip_speech.sound_of(lip_speech.log_spectrum(test_split.x[:64]), n_steps=0)
    assert speech.word_error_rate(test_split.words[:64].tolist(), listeners.transcribe(recogniser, x)) < 0.05


def test_the_toy_table():
    said, heard = ["mado", "pose", "fobi", "bisu"], ["bato", "fobi", "bisu", "teda"]
    assert speech.word_errors([said], [heard]) == (1, 1, 1, 4)
    assert sum(a != b for a, b in zip(said, heard, strict=True)) == 4
    assert speech.word_error_rate([said], [3 * said]) == 2.0


def test_distances_worked_by_hand():
    k = torch.arange(8)
    E = torch.exp(2j * torch.pi * k[:, None] * k / 8)
    kept = torch.tensor([1, 2, 2, 2, 1, 0, 0, 0]) / 8
    sounds = (k == 2).float(), 0.8 * torch.cos(torch.pi * k / 4)
    p, q = ((E @ (kept * (E.conj() @ x.to(E.dtype)))).abs() for x in sounds)
    for x, e in zip(sounds, (p, q), strict=True):
        torch.testing.assert_close(speech.envelope(x), e)
    by_hand = sum((a - b) ** 2 / 8 for a, b in zip(p.tolist(), q.tolist(), strict=True)) ** 0.5
    assert float(speech.envelope_distance(*sounds)) == pytest.approx(by_hand, rel=1e-4)
    tone = 0.8 * torch.cos(880 * torch.pi * torch.arange(4000) / 8000)
    X = stft(tone, n_fft=512, hop_length=160)
    totals = [sum(abs(2 * a) ** 2 for a in frame) for frame in X.T.tolist()]
    by_hand = (sum(totals) / len(totals)) ** 0.5
    assert float(speech.stft_distance(tone, -tone)) == pytest.approx(by_hand, rel=1e-4)
    assert float(speech.envelope_distance(tone, -tone)) == pytest.approx(0, abs=1e-5)


def test_phases_found_anew_lie_no_nearer_than_a_stranger(spoken, test_split):
    """Envelopes tell them apart, the complex spectrum does not, and silence is nearer than both."""
    y, x = spoken[0], test_split.x
    order = wrong_partners(test_split.sentences)
    own, other, nothing = (speech.stft_distance(z, x).mean() for z in (y, y[order], 0 * y))
    assert nothing < own and own > 0.9 * other
    assert speech.envelope_distance(y, x).mean() < 0.9 * speech.envelope_distance(y[order], x).mean()


def test_a_few_rounds_bring_the_loss_down():
    data = talking.talk("val", 48)
    _, ear = train_talking.stored_listeners()
    _, duel = talking.train_speech("no critics", data, ear, steps=8, batch_size=8)
    first, last = (torch.tensor(duel.generator_losses[part]).mean() for part in (slice(2), slice(-2, None)))
    assert last < 0.85 * first
