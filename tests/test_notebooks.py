"""Lessons run: the learner's copy clean with nothing filled in, the source with every check passed."""

import nbformat
import pytest
import run_notebooks

from avcl_teach.authoring.outputs import output_faults

pytestmark = pytest.mark.notebooks
NAMES = run_notebooks.lesson_names()
RUNAWAY_CPU_S = 180.0  # a lesson that runs away; what it does take stands on the page of times
PEAK_MB = 1500


def outputs_of(notebook):
    """Yield each output of a notebook with its cell."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield cell, output


def executed(name: str, kind: str):
    """Read a lesson as it ran in `quick`."""
    return nbformat.read(run_notebooks.executed_path(name, kind, "quick"), as_version=4)


def test_there_are_lessons():
    assert {"00_first_look", "01_seeing_and_hearing_tensors", "02_a_common_space"} <= set(NAMES)


@pytest.mark.parametrize("kind", run_notebooks.KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_runs_clean(name, kind, lesson_runs):
    record = lesson_runs[name, kind]
    assert record["error"] is None, record["error"]
    for cell, output in outputs_of(executed(name, kind)):
        assert output.output_type != "error", cell.source
        stderr = output.output_type == "stream" and output.name == "stderr"
        assert not stderr or "Warning" not in output.text, (cell.source, output.text)


@pytest.mark.parametrize("kind", run_notebooks.KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_media_have_alt_texts_and_captions_and_fit_the_budget_of_a_page(name, kind, lesson_runs):
    assert output_faults(executed(name, kind)) == []


@pytest.mark.parametrize("name", NAMES)
def test_neither_runs_away_nor_outgrows_the_memory(name, lesson_runs):
    record = lesson_runs[name, "learner"]
    assert record["cpu_s"] is None or record["cpu_s"] < RUNAWAY_CPU_S
    assert record["peak_mb"] is None or record["peak_mb"] < PEAK_MB


@pytest.mark.parametrize("name", NAMES)
def test_every_check_passes_with_the_solutions(name, lesson_runs):
    panels = check_panels(executed(name, "solved"))
    assert len(panels) >= 3
    assert all("Passed" in text for text in panels), [text for text in panels if "Passed" not in text]


@pytest.mark.parametrize("name", NAMES)
def test_every_check_waits_in_the_learners_copy(name, lesson_runs):
    panels = check_panels(executed(name, "learner"))
    assert len(panels) >= 3
    assert all("Not attempted yet" in text for text in panels), panels


def check_panels(notebook) -> list[str]:
    """Return what each call of check() answered, one text a call."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and any(line.startswith("check(") for line in cell.source.splitlines()):
            shown = [output.data["text/plain"] for output in cell.outputs if "data" in output]
            assert shown, f"no answer to: {cell.source}"
            texts += shown
    return texts


@pytest.mark.parametrize("name", NAMES)
def test_the_first_output_is_the_line_that_start_prints(name, lesson_runs):
    _, first = next(outputs_of(executed(name, "learner")))
    assert first.text.startswith("avcl_teach ") and "budget quick" in first.text


@pytest.mark.parametrize("name", NAMES)
def test_media_stay_small(name, lesson_runs):
    text = run_notebooks.executed_path(name, "learner", "quick").stat().st_size
    assert text < 6_000_000, f"{text / 1e6:.1f} MB of outputs"
