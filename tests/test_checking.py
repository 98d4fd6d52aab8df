"""The checking machinery: what it accepts, rejects, names, survives and leaves behind."""

import json
import random
import signal
import threading
import time
from collections import OrderedDict

import demo_exercises as demo
import numpy as np
import pytest
import test_exercises_all as every
import torch
from demo_exercises import COSINE, NCE, RANK
from wrong_answers import WRONG

from avcl_teach.exercises import check, find, registry
from avcl_teach.exercises.checking import grade
from avcl_teach.exercises.compare import close, errors, form_fault
from avcl_teach.exercises.exercise import Exercise, Mistake, Property, as_call, call
from avcl_teach.exercises.timelimit import TimeUp, call_within

DEMOS = pytest.mark.parametrize("exercise", demo.EXERCISES, ids=lambda e: e.name)


@pytest.fixture
def registered(monkeypatch):
    """Register the three small exercises."""
    monkeypatch.setattr(registry, "all_exercises", lambda: demo.EXERCISES)


def make(reference, cases, **fields):
    """Make a bare exercise."""
    base = {"name": "demo.bare", "lesson": "98", "title": "Try it", "stars": 1, "minutes": 1}
    return Exercise(**(base | fields), reference=reference, cases=cases)


def vectors(g):
    return torch.randn(int(torch.randint(3, 8, (1,), generator=g)), generator=g)


def matrices(g):
    n, m = torch.randint(2, 7, (2,), generator=g).tolist()
    return torch.randn(n, m, generator=g)


def positive(g):
    return torch.rand(int(torch.randint(3, 8, (1,), generator=g)), 3, generator=g) + 0.5


# what must hold for every exercise holds for the small ones


@DEMOS
def test_demos_hold_to_the_rules_of_every_exercise(exercise):
    every.test_reference_passes_quickly(exercise)
    every.test_alternatives_pass(exercise)
    every.test_mistakes_get_their_own_hint(exercise)
    every.test_hints_do_not_tell(exercise)
    every.test_stub_is_not_attempted(exercise)
    every.test_cases_are_the_same_at_every_check(exercise)


@DEMOS
def test_unseen_wrong_answers_are_rejected(exercise):
    every.test_unseen_wrong_answers_are_rejected(exercise)


# generic mistakes are named


def names_of(exercise, fn):
    return grade(exercise, fn).mistake


REFERENCE_OF_POSITIVE = make(lambda x: x.log().mean(1), (positive,), gradient="off")
NAMED = {
    "negated": lambda x: -x.log().mean(1),
    "log10": lambda x: x.log10().mean(1),
    "log2": lambda x: x.log2().mean(1),
    "no-log": lambda x: x.log().mean(1).exp(),
    "squared": lambda x: x.log().mean(1) ** 2,
    "decibel": lambda x: 10 * x.log10().mean(1),
    "factor": lambda x: x.log().mean(1) * 3.5,
    "offset": lambda x: x.log().mean(1) + 0.25,
    "offset-of-input": lambda x: x.log().mean(1) + x.sum(),
    "reversed": lambda x: x.log().mean(1).flip(0),
    "shifted": lambda x: x.log().mean(1).roll(1, 0),
    "sorted": lambda x: x.log().mean(1).sort().values,
    "complement": lambda x: 1 - x.log().mean(1),
    "reciprocal": lambda x: 1 / x.log().mean(1),
    "absolute": lambda x: x.log().mean(1).abs(),
    "clipped": lambda x: x.log().mean(1).relu(),
    "rounded": lambda x: x.log().mean(1).ceil(),
    "averaged-away": lambda x: x.log().mean(),
    "extra-dimension": lambda x: x.log().mean(1, keepdim=True),
    "not-reduced": lambda x: x.log(),
    "constant": lambda x: torch.zeros(len(x)),
    "numpy": lambda x: x.log().mean(1).numpy(),
    "number": lambda x: x.log().mean().item(),
    "list": lambda x: x.log().mean(1).tolist(),
    "dtype": lambda x: x.double().log().mean(1),
    "nan": lambda x: x.log().mean(1) * float("nan"),
    "in-place": lambda x: x.log_().mean(1),
    "returns-nothing": lambda x: print(x.log().mean(1)),
    "exception": lambda x: x.log().means(1),
    "last-in-0": lambda x: torch.cat([x[:-1].log().mean(1), torch.zeros(1)]),
}


@pytest.mark.parametrize("name", NAMED)
def test_generic_mistakes_are_named(name):
    result = grade(REFERENCE_OF_POSITIVE, NAMED[name])
    assert not result.passed
    assert result.mistake == name, str(result)


@pytest.mark.parametrize(
    ("name", "reference", "wrong"),
    [
        ("transposed", lambda x: x @ x.new_ones(x.shape[1], 3), lambda x: (x @ x.new_ones(x.shape[1], 3)).T),
        ("sum-for-mean", lambda x: x.mean(0), lambda x: x.sum(0)),
        ("mean-for-sum", lambda x: x.sum(0), lambda x: x.mean(0)),
        ("n-for-n-minus-1", lambda x: x.var(0), lambda x: x.var(0, correction=0)),
        ("n-minus-1-for-n", lambda x: x.var(0, correction=0), lambda x: x.var(0)),
        ("n-for-n-minus-1", lambda x: x.std(0), lambda x: x.std(0, correction=0)),
        ("squared", lambda x: x.norm(dim=1), lambda x: (x * x).sum(1)),
        ("wrong-axis", lambda x: x.softmax(1), lambda x: x.softmax(0)),
        ("wrong-axis", lambda x: x / x.norm(dim=0), lambda x: x / x.norm(dim=1, keepdim=True)),
        ("returns-input", lambda x: x - x.mean(0), lambda x: x),
        ("centred", lambda x: x, lambda x: x - x.mean(0)),
        ("diagonal", lambda x: x.T @ x, lambda x: (x.T @ x).fill_diagonal_(0.0)),
        ("softmax", lambda x: x * 2, lambda x: (x * 2).softmax(1)),
    ],
)
def test_more_generic_mistakes_are_named(name, reference, wrong):
    result = grade(make(reference, (matrices,)), wrong)
    assert not result.passed
    assert result.mistake == name, str(result)


def test_a_single_number_is_not_called_off_by_a_factor_or_a_constant():
    exercise = make(lambda x: x.log().mean(), (positive,), gradient="off")
    wrong = names_of(exercise, lambda x: (x**1.7).amax().sin() + 0.3)
    assert wrong not in ("factor-of-input", "offset-of-input")
    assert names_of(exercise, lambda x: x.log().mean() * 3.5) == "factor"
    assert names_of(exercise, lambda x: x.log().mean() + 0.25) == "offset"


def two_vectors(g):
    return call(torch.randn(4, generator=g), torch.randn(4, generator=g), weight=0.3)


def test_swapped_and_ignored_arguments_are_named():
    exercise = make(lambda a, v, weight: a - weight * v, (two_vectors,))
    assert names_of(exercise, lambda a, v, weight: v - weight * a) == "swapped"
    ignored = grade(exercise, lambda a, v, weight: a - v)
    assert ignored.mistake == "ignored-argument"
    assert "weight" in ignored.hint


def test_a_missing_device_is_named_without_a_gpu():
    def on_cpu(a, v, temperature=0.07):
        logits = a @ v.T / temperature
        return (logits.logsumexp(1) - (logits * torch.eye(len(a))).sum(1)).mean()

    def at_home(a, v, temperature=0.07):
        logits = a @ v.T / temperature
        own = torch.eye(len(a), device=a.device, dtype=a.dtype)
        return (logits.logsumexp(1) - (logits * own).sum(1)).mean()

    assert names_of(NCE, on_cpu) == "device"
    assert grade(NCE, at_home).passed


@pytest.mark.parametrize(
    "indices",
    [lambda x: torch.arange(len(x)), lambda x: torch.zeros(len(x), dtype=torch.long), lambda x: x.argmax(1)],
)
def test_indices_and_numbers_may_live_on_the_cpu(indices):
    exercise = make(lambda x: x[torch.arange(len(x)), indices(x) * 0] + torch.tensor(1.0), (matrices,))
    assert grade(exercise, lambda x: 1.0 + x[:, 0]).passed
    assert grade(exercise, exercise.reference).passed


# gradients, properties, large values, structure


def test_gradient_faults():
    assert (
        names_of(NCE, lambda a, v, temperature=0.07: demo.info_nce(a, v, temperature).detach())
        == "gradient-none"
    )
    plain = make(demo.info_nce, (demo.pairs_of_vectors,), gradient="off")
    assert grade(plain, lambda a, v, temperature: demo.info_nce(a, v, temperature).detach()).passed
    frozen = make(lambda x: (x * x.detach()).sum(), (vectors,), gradient="values")
    result = grade(frozen, lambda x: (x * x).sum())
    assert (result.stage, result.mistake) == ("gradient of values", "gradient-values")


def test_a_property_catches_what_the_cases_miss():
    always_positive = Property(
        "not negative", lambda fn, g: bool((fn(-torch.ones(3)) >= 0).all()), "Below zero?"
    )
    exercise = make(lambda x: x.abs(), (lambda g: torch.rand(4, generator=g),), properties=(always_positive,))
    result = grade(exercise, lambda x: x * 1.0)
    assert (result.stage, result.mistake, result.hint) == (
        "properties",
        "property-not-negative",
        "Below zero?",
    )


def test_overflow_is_named_unless_large_values_are_off():
    softmax = {"reference": lambda x: x.softmax(1), "cases": (matrices,)}
    result = grade(make(**softmax), lambda x: x.exp() / x.exp().sum(1, keepdim=True))
    assert (result.stage, result.mistake) == ("large values", "overflow")
    assert grade(make(**softmax, large_values=None), lambda x: x.exp() / x.exp().sum(1, keepdim=True)).passed


def test_outputs_of_other_kinds():
    both = make(lambda x: {"mean": x.mean(), "sizes": (len(x), [x.sum()]), "word": "x"}, (vectors,))
    assert grade(both, lambda x: OrderedDict(word="x", sizes=[len(x), (x.sum(),)], mean=x.mean())).passed
    assert names_of(both, lambda x: {"mean": x.mean()}) == "keys"
    assert names_of(both, lambda x: {"mean": x.mean(), "sizes": (len(x),), "word": "x"}) == "length"
    assert not grade(both, lambda x: {"mean": x.mean(), "sizes": (len(x), [x.sum()]), "word": "y"}).passed
    number = make(lambda x: float(x.mean()), (vectors,))
    assert grade(number, lambda x: x.mean()).passed
    assert names_of(number, lambda x: str(x)) == "kind"
    array = make(lambda x: x.numpy() * 2, (vectors,))
    assert grade(array, lambda x: x.numpy() + x.numpy()).passed
    assert names_of(array, lambda x: x * 2) == "kind"


def test_bad_input_must_raise_where_the_reference_does():
    def strict(x):
        if not len(x):
            raise ValueError("expected at least one number, got none")
        return x.amax()

    exercise = make(strict, (vectors, lambda g: torch.zeros(0)))
    assert grade(exercise, strict).passed
    assert names_of(exercise, lambda x: x.amax() if len(x) else torch.tensor(0.0)) == "no-error"


def test_answers_that_draw_numbers_are_compared_draw_by_draw():
    exercise = make(lambda x: x + torch.randn_like(x), (vectors,))
    assert grade(exercise, lambda x: torch.randn_like(x) + x).passed
    assert not grade(exercise, lambda x: x + torch.rand_like(x)).passed


def test_classes_can_be_answers():
    class Scale:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return x * self.factor

    exercise = make(Scale, (vectors,), use=lambda cls, x: cls(3.0)(x))
    assert grade(exercise, Scale).passed
    assert names_of(exercise, lambda factor: lambda x: x / factor) == "factor"


# what a learner's code may do


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("raise NotImplementedError", "waiting"),
        ("raise NotImplementedError('later')", "waiting"),
        ("...", "waiting"),
        ("pass", "waiting"),
        ("return ...", "waiting"),
        ("'a docstring alone'", "waiting"),
        ("return None", "waiting"),
        ("y = x + 1", "failed"),
        ("torch.zeros(2, device='meta').item()", "failed"),
    ],
)
def test_what_counts_as_attempted(body, state):
    space = {"torch": torch}
    exec(f"def answer(x):\n    {body}", space)
    result = grade(make(lambda x: x + 1, (vectors,)), space["answer"])
    assert result.state == state
    assert result.stage != "check"


def test_errors_come_with_the_learners_line_and_shapes():
    def answer(sim):
        wide = sim.T
        return (sim + wide).sum(1)

    result = grade(RANK, answer)
    assert result.stage == "runs"
    assert "return (sim + wide).sum(1)" in result.message
    assert "sim [" in result.message


def endless(sim):
    while True:
        pass


RELEASED = threading.Event()


def swallowing(sim):
    while not RELEASED.is_set():  # else its thread, which nothing can stop, would slow every later test
        try:
            sum(range(50))
        except:  # noqa: E722
            continue


def printing(sim):
    while True:
        print("again and again")


@pytest.mark.parametrize("fn", [endless, swallowing, printing])
@pytest.mark.parametrize("in_thread", [False, True])
def test_endless_answers_are_stopped(fn, in_thread):
    exercise = make(lambda sim: sim, (vectors,), time_limit_s=0.3)
    found = []
    RELEASED.clear()
    started = time.monotonic()
    if in_thread:
        thread = threading.Thread(target=lambda: found.append(grade(exercise, fn)))
        thread.start()
        thread.join(20)
    else:
        found.append(grade(exercise, fn))
    seconds = time.monotonic() - started
    RELEASED.set()
    assert found[0].mistake == "time-limit"
    assert seconds < 5
    assert len(found[0].printed) < 3000
    for left in (thread for thread in threading.enumerate() if thread.name == "check"):
        left.join(5)
        assert not left.is_alive()


def test_recursion_and_exit_are_named():
    def forever(sim):
        return forever(sim)

    assert names_of(RANK, forever) == "recursion"
    assert names_of(RANK, lambda sim: exit()) == "exit"
    assert names_of(RANK, lambda sim: (_ for _ in ()).throw(KeyboardInterrupt)) == "exception"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_an_interrupt_by_the_user_passes_through():
    def interrupted(sim):
        signal.raise_signal(signal.SIGINT)
        return sim

    outside = signal.getsignal(signal.SIGINT)  # ignored where a shell runs the tests in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            grade(RANK, interrupted)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, outside)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_timers_of_others_are_put_back():
    rung = []
    old = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    left = signal.setitimer(signal.ITIMER_REAL, 0.25)
    try:
        with pytest.raises(TimeUp):
            call_within(lambda: time.sleep(5), limit_s=0.05)
        assert not rung
        time.sleep(0.4)
        assert rung
    finally:
        signal.signal(signal.SIGALRM, old)
        signal.setitimer(signal.ITIMER_REAL, *left)


def test_nothing_is_left_behind(capsys):
    def messy(sim):
        torch.manual_seed(5)
        random.seed(5)
        np.random.seed(5)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_default_device("cpu:0")
        print("here I am")
        sim += 1
        return sim

    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    wanted = torch.rand(2), random.random(), np.random.rand()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    result = grade(RANK, messy)
    assert not result.passed
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert torch.get_default_device() == torch.device("cpu")
    assert torch.equal(torch.rand(2), wanted[0])
    assert (random.random(), np.random.rand()) == wanted[1:]
    assert capsys.readouterr().out == ""
    assert "here I am" in result.printed
    assert grade(RANK, RANK.reference).passed


def test_settings_of_the_notebook_do_not_reach_the_check():
    with torch.no_grad():
        assert grade(NCE, NCE.reference).passed
    with torch.inference_mode():
        assert grade(NCE, NCE.reference).passed
    torch.set_default_dtype(torch.float64)
    try:
        assert grade(RANK, RANK.reference).passed
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_answers_that_write_into_what_they_got_do_not_spoil_the_next_check():
    assert not grade(COSINE, WRONG["changes its input"](COSINE.reference)).passed
    assert grade(COSINE, COSINE.reference).passed


# comparing


def test_errors_are_measured_against_the_scale_of_the_case():
    e = torch.tensor([0.0, 100.0], dtype=torch.float64)
    assert errors(e + torch.tensor([0.009, 0.0]), e, tolerance=1e-4).max() < 1
    assert errors(e + torch.tensor([0.011, 0.0]), e, tolerance=1e-4).max() > 1
    small = torch.tensor([1e-6, 2e-6], dtype=torch.float64)
    assert errors(small * 1.01, small, tolerance=1e-4).max() > 1


def test_nan_and_infinity_match_only_themselves():
    e = torch.tensor([float("nan"), float("inf"), 1.0])
    assert close(e.clone(), e, tolerance=1e-4)
    assert not close(torch.tensor([0.0, float("inf"), 1.0]), e, tolerance=1e-4)
    assert not close(torch.tensor([float("nan"), -float("inf"), 1.0]), e, tolerance=1e-4)


def test_integers_are_compared_exactly():
    assert not close(torch.tensor([100001]), torch.tensor([100000]), tolerance=1e-2)
    assert form_fault(torch.tensor([1.0]), torch.tensor([1])).name == "dtype"


# the report


def test_report_says_the_same_in_colour_symbol_and_words():
    panels = [grade(RANK, fn) for fn in (RANK.reference, lambda sim: sim[:, 0], lambda sim: None)]
    for result, symbol, word in zip(
        panels, "\u2713\u2717\u25cb", ("Passed", "Not yet", "Not attempted"), strict=True
    ):
        html = result._repr_html_()
        assert 'role="status"' in html
        assert html.count("<div") == html.count("</div>")
        for text in (html, str(result)):
            assert symbol in text
            assert word in text
    assert bool(panels[0]) and not panels[1]


def test_report_escapes_what_the_learner_prints():
    def answer(sim):
        print("<script>alert(1)</script>")
        raise ValueError("<b>bold</b>")

    html = grade(RANK, answer)._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_report_for_machines():
    row = json.loads(json.dumps(grade(RANK, RANK.mistakes[0].fn).to_dict()))
    assert (row["state"], row["score"], row["mistake"]) == ("failed", 0.0, "_optimistic")
    assert row["stages_passed"][0] == "signature"
    assert json.loads(json.dumps(grade(RANK, RANK.reference).to_dict()))["score"] == 1.0


def test_a_wrong_answer_sees_the_smallest_input_and_never_the_solution():
    result = grade(RANK, lambda sim: demo.expected_rank(sim) + sim[:, 0] ** 2)
    assert "sim = [[" in result.example
    assert "expected" in result.example and "found" in result.example
    assert "largest error" in result.example
    for line in every.source_lines(RANK.reference):
        assert line not in str(result)


# names and specs


def test_find_and_check_by_name(registered, monkeypatch):
    monkeypatch.setattr("avcl_teach.exercises.checking.find", find)
    assert check("demo.expected_rank", demo.expected_rank).passed
    near = check("demo.expected_ranks", demo.expected_rank)
    assert not near.passed and not near.attempted
    assert "demo.expected_rank" in near.message
    assert "demo.info_nce" in check("losses.info_nce", len).message
    with pytest.raises(KeyError, match="demo.expected_rank"):
        find("demo.expected_ranks")


@pytest.mark.parametrize("fn", [None, 3, "expected_rank", torch.ones(2), demo.expected_rank(torch.eye(3))])
def test_only_functions_are_checked(fn):
    assert names_of(RANK, fn) == "not-a-function"


def test_signature_faults_say_both_signatures():
    result = grade(NCE, lambda a, v: a)
    assert result.stage == "signature"
    assert "(a, v, temperature)" in result.message and "(a, v)" in result.message


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "Rank"}, "topic.function"),
        ({"lesson": "2"}, "two digits"),
        ({"stars": 4}, "stars"),
        ({"minutes": 0}, "positive"),
        ({"gradient": "yes"}, "gradient"),
        ({"mistakes": (Mistake(len, "a"), Mistake(len, "b"))}, "different names"),
    ],
)
def test_bad_specs_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        make(len, (vectors,), **fields)


def test_cases_become_calls():
    x = torch.ones(1)
    assert as_call(x).args == (x,)
    assert as_call((x, 2)).args == (x, 2)
    assert as_call({"x": x}).kwargs == (("x", x),)
    assert as_call(call(x, k=2)) == call(x, k=2)
