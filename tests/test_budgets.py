"""The table of sizes and the start of a lesson."""

import dataclasses
import random

import numpy as np
import pytest
import torch

from avcl_teach import budgets


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("AVCL_BUDGET", "AVCL_THREADS", "AVCL_DEVICE"):
        monkeypatch.delenv(name, raising=False)


def test_start_prints_one_line_and_reads_sizes(capsys, monkeypatch):
    monkeypatch.setenv("AVCL_BUDGET", "quick")
    lesson = budgets.start("00")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    for part in ("avcl_teach 0.", torch.__version__, str(lesson.device), "quick"):
        assert part in out
    assert lesson.n_train == budgets.SIZES["00"]["n_train"][0]
    assert lesson.seed == 0


def test_budget_is_read_without_regard_to_case_and_space(monkeypatch):
    monkeypatch.setenv("AVCL_BUDGET", " GPU ")
    assert budgets.choose_budget(torch.device("cpu")) == "gpu"


def test_default_budget_follows_the_device():
    assert budgets.choose_budget(torch.device("cpu")) == "cpu"
    assert budgets.choose_budget(torch.device("cuda")) == "gpu"


def test_wrong_budget_is_refused_with_the_right_ones(monkeypatch):
    monkeypatch.setenv("AVCL_BUDGET", "huge")
    with pytest.raises(ValueError, match="quick, cpu, gpu; got 'huge'"):
        budgets.start("00")


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_wrong_threads_are_refused(monkeypatch, text):
    monkeypatch.setenv("AVCL_THREADS", text)
    with pytest.raises(ValueError, match="AVCL_THREADS"):
        budgets.start("00", quiet=True)


def test_threads_are_set(monkeypatch):
    monkeypatch.setenv("AVCL_THREADS", "1")
    torch.set_num_threads(2)
    try:
        budgets.start("00", quiet=True)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(1)


def test_unknown_lesson_and_size_are_named():
    with pytest.raises(ValueError, match="'99'"):
        budgets.start("99", quiet=True)
    with pytest.raises(AttributeError, match="n_nothing.*n_train"):
        _ = budgets.start("00", quiet=True).n_nothing


def test_same_seed_same_draws_in_all_three_generators():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    budgets.start("00", seed=5, quiet=True)
    first = draw()
    budgets.start("00", seed=5, quiet=True)
    assert draw() == first
    budgets.start("00", seed=6, quiet=True)
    other = draw()
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_quick_is_never_larger_than_cpu_and_cpu_never_than_gpu():
    for lesson, table in budgets.SIZES.items():
        for name, values in table.items():
            sizes = [len(x) if isinstance(x, tuple) else x for x in values]
            sizes = [float("inf") if x is None else x for x in sizes]  # None: all there is
            assert sizes == sorted(sizes), (lesson, name)


def test_a_lesson_survives_copying():
    import copy

    lesson = budgets.start("00", quiet=True)
    assert copy.copy(lesson).n_train == lesson.n_train


def test_no_size_hides_a_field_of_the_lesson():
    """`lesson.sizes` is the whole table; a size of that name could not be read."""
    fields = {field.name for field in dataclasses.fields(budgets.Lesson)}
    for lesson, sizes in budgets.SIZES.items():
        assert not fields & set(sizes), (lesson, fields & set(sizes))
