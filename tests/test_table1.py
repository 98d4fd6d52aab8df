"""Tests of the living table: what a row says, what survives a failure, what a second call runs again."""

import csv
import io
import json
import sys
import types
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avcl_teach import systems
from avcl_teach.cli import app
from avcl_teach.table1 import Claim, Outcome, System, lesson_rows, stored_table
from avcl_teach.table1 import jobs as jobs_module
from avcl_teach.table1.jobs import Job, chosen_systems, jobs_of, read_record, record_path
from avcl_teach.table1.one import peak_mb, run_job
from avcl_teach.table1.report import COLUMNS, as_csv, as_page, read_table, write_table
from avcl_teach.table1.rows import apart, judge, row_of, row_or_failure, summary
from avcl_teach.table1.runner import run_jobs

KEYS = ["system", "paper", "task", "metric", "protocol", "chance", "labels_used", "paired", "claim", "lesson"]


def declare(**changes) -> System:
    texts = (
        "paper key lesson task metric protocol chance ceiling labels_used paired survey_row correction kept"
    )
    values = {name: f"the {name}" for name in texts.split()} | {"name": "toy2000", "claims": ()} | changes
    return System(**values)


def record(score, *, wrong=0.1, chance=0.125, ceiling=0.99, **extra) -> dict:
    outcome = {"score": score, "chance": chance, "wrong_partner": wrong, "ceiling": ceiling, "extra": extra}
    made = {"avcl_teach": "1", "torch": "2", "python": "3", "device": "cpu", "threads": 1}
    return {"outcome": outcome, "seconds": 2.0, "peak_mb": 300.0, **made}


def records(scores, *, arm="paper", **kept) -> dict:
    return {Job("toy2000", arm, seed): record(score, **kept) for seed, score in enumerate(scores)}


def test_a_row_holds_the_interval_by_hand():
    runs = records([0.7, 0.8, 0.9])
    runs[Job("toy2000", "paper", 1)] |= {"seconds": 9.0, "peak_mb": 200.0}  # it shared the cores
    row = row_of(declare(), runs)
    half = 4.302652729911275 * 0.1 / 3**0.5  # t_2 at 97.5 %, standard deviation .1
    assert row["score"]["mean"] == pytest.approx(0.8)
    assert row["score"]["high"] == pytest.approx(0.8 + half)
    assert row["beats_chance"] is True and row["beats_wrong_partner"] is True
    assert row["n_seeds"] == 3 and row["seconds"] == 2.0 and row["peak_mb"] == 300.0


def test_intervals_that_touch_beat_nothing():
    row = row_of(declare(), records([0.1, 0.2, 0.9]))
    assert row["beats_chance"] is False and row["beats_wrong_partner"] is False
    assert row_of(declare(), records([0.9]))["beats_chance"] is None  # one seed has no interval


def test_where_lower_is_better_the_sides_are_swapped():
    about = declare(higher_is_better=False, arms=("paper", "less"), claims=(Claim("x", "paper", "less"),))
    runs = records([1.0, 1.1, 1.2], wrong=5.0, chance=6.0) | records([2.0, 2.1, 2.2], arm="less", wrong=5.0)
    row = row_of(about, runs)
    assert row["beats_chance"] is True and row["claims"][0]["verdict"] == "shown"
    assert row["claims"][0]["difference"][0] == pytest.approx(-1.0)
    assert apart(row["wrong_partner"], row["score"], higher=False) is False


@pytest.mark.parametrize(
    ("worse", "verdict"),
    [([0.5, 0.6, 0.7], "shown"), ([0.7, 0.7, 1.0], "not shown"), ([0.9, 1.0, 1.1], "reversed")],
)
def test_a_claim_is_judged_by_paired_differences(worse, verdict):
    claim = Claim("more is more", "paper", "less")
    about = declare(arms=("paper", "less"), claims=(claim,))
    found = judge(claim, about, records([0.7, 0.8, 0.9]) | records(worse, arm="less"))
    assert found["verdict"] == verdict and found["n_seeds"] == 3


def test_a_claim_on_another_metric_and_with_missing_seeds():
    claim = Claim("x", "paper", "less", metric="probe")
    about = declare(arms=("paper", "less"), claims=(claim,))
    runs = records([0.1, 0.1, 0.1], probe=0.9) | records([0.9, 0.9], arm="less", probe=0.5)
    found = judge(claim, about, runs)
    assert found["verdict"] == "shown" and found["n_seeds"] == 2
    alone = {job: kept for job, kept in runs.items() if job.seed == 0}
    assert judge(claim, about, alone)["verdict"] == "not run"


def test_a_missing_ceiling_is_no_number():
    assert summary([0.5, None]) is None and summary([0.5, float("nan")]) is None
    row = row_of(declare(), records([0.7, 0.8], ceiling=None))
    assert row["ceiling"] is None and "| – |" in as_page({"about": about_of(), "rows": [row]})


def about_of(**changes) -> dict:
    return {"budget": "cpu", "device": "cpu", "n_seeds": 3} | changes


def test_a_failed_row_leaves_the_others(tmp_path):
    runs = records([0.7, 0.8, 0.9])
    failed = {Job("toy2000", "paper", 1): {"error": "ran out of memory", "seconds": 1.0}}
    row = row_of(declare(), runs | failed)
    assert row["n_seeds"] == 2 and row["errors"] == ["paper, seed 1: ran out of memory"]
    lost = row_of(declare(name="lost1999"), {Job("lost1999", "paper", 0): {"error": "no", "seconds": 0.0}})
    table = write_table([row, lost], tmp_path, about=about_of())
    page = (tmp_path / "table1.md").read_text()
    assert "| failed |" in page and "Failed: paper, seed 0: no" in page
    assert [r["about"]["name"] for r in table["rows"]] == ["lost1999", "toy2000"]


def test_writing_one_row_keeps_the_rows_that_were_there(tmp_path):
    first, second = row_of(declare(), records([0.7, 0.8])), row_of(declare(name="b1"), {})
    write_table([first], tmp_path, about=about_of())
    table = write_table([second], tmp_path, about=about_of())
    assert {row["about"]["name"] for row in table["rows"]} == {"toy2000", "b1"}
    write_table([second], tmp_path, about=about_of(budget="gpu"))
    kept = read_table(tmp_path / "table1.cpu.cpu.json")
    assert {row["about"]["name"] for row in kept["rows"]} == {"toy2000", "b1"}
    assert not list(tmp_path.glob("*.part"))


def test_a_file_that_is_no_table_is_refused_and_not_overwritten(tmp_path):
    (tmp_path / "table1.json").write_text("my notes")
    with pytest.raises(ValueError, match="expected a table of Table 1"):
        write_table([], tmp_path, about=about_of())
    assert (tmp_path / "table1.json").read_text() == "my notes"
    result = CliRunner().invoke(app, ["table1", "--only", systems.names()[0], "--out", str(tmp_path)])
    assert result.exit_code == 2


def test_a_lesson_reads_its_rows(tmp_path):
    rows = [
        row_of(declare(name=n, lesson=i, paper=n), records([0.7, 0.8])) for n, i in (("a", "30"), ("b", "31"))
    ]
    write_table(rows, tmp_path, about=about_of())
    text = lesson_rows("31", tmp_path).splitlines()
    assert text[0] == "| system | metric | score | chance | wrong partner | ceiling |"
    assert text[2].startswith("| b | ") and len(text) == 3 and not any("| a |" in line for line in text)
    with pytest.raises(ValueError, match="'29'"):
        lesson_rows("29", tmp_path)
    with pytest.raises(FileNotFoundError, match="avcl table1 --out"):
        stored_table(tmp_path / "nowhere")


def test_a_lesson_tells_what_became_of_each_claim(tmp_path):
    claims = (Claim("more is better", "paper", "less"), Claim("never run", "paper", "other"))
    about = declare(lesson="31", paper="b", arms=("paper", "less", "other"), claims=claims)
    row = row_of(about, records([0.7, 0.8]) | records([0.5, 0.6], arm="less"))
    write_table([row], tmp_path, about=about_of())
    last = lesson_rows("31", tmp_path).splitlines()[-2:]
    assert last[0].startswith("- b: More is better. **Shown**: paper less less 0.200 [0.200, 0.200]")
    assert last[1] == "- b: Never run. **Not run**."


def test_csv_has_a_line_a_claim_and_every_column():
    claims = (Claim("one, with a comma", "paper", "less"), Claim("two", "paper", "less"))
    about = declare(arms=("paper", "less"), claims=claims)
    row = row_of(about, records([0.7, 0.8]) | records([0.5, 0.6], arm="less"))
    lines = list(csv.DictReader(io.StringIO(as_csv([row]))))
    assert [line["claim"] for line in lines] == ["one, with a comma", "two"]
    assert set(lines[0]) == set(COLUMNS) and lines[0]["beats_chance"] == "no"
    assert float(lines[0]["claim_difference"]) == pytest.approx(0.2)


def test_the_page_says_what_was_not_run(monkeypatch):
    monkeypatch.setattr(systems, "names", lambda: ["other1990", "toy2000"])
    page = as_page({"about": about_of(), "rows": [row_of(declare(), records([0.7, 0.8]))]})
    assert "not run for this page yet: other1990." in page


def test_a_bar_in_a_text_does_not_break_the_table():
    page = as_page({"about": about_of(), "rows": [row_of(declare(task="a | b"), records([0.7, 0.8]))]})
    header, line = (x for x in page.splitlines() if x.startswith(("| system", "| [the paper]")))
    assert line.replace("\\|", "").count("|") == header.count("|")


# --- jobs and processes ---

TOY = '''"""A toy."""
import os, signal
from avcl_teach.table1 import Claim, Outcome, System, lesson_rows, stored_table
ABOUT = System(**{fields}, name="toy2000", arms=("paper", "less"), claims=(Claim("x", "paper", "less"),))
SIZES = {{"quick": {{}}, "cpu": {{}}, "gpu": {{}}}}
def run(seed, *, arm="paper", budget="cpu", device="cpu"):
    if seed == 1 and arm == "less":
        raise ValueError("expected luck, got seed 1")
    if seed == 2 and arm == "less":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(0.5 + seed / 100, 0.125, 0.1, float("nan"), {{"runs": 1.0}})
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Put a system beside the real ones, here and in child processes, without a file in the package."""
    texts = (
        "paper key lesson task metric protocol chance ceiling labels_used paired survey_row correction kept"
    )
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "toy2000.py").write_text(TOY.format(fields={name: name for name in texts.split()}))
    (folder / "sitecustomize.py").write_text(
        f"import avcl_teach.systems\navcl_teach.systems.__path__.append({str(folder)!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(systems, "__path__", [*systems.__path__, str(folder)])
    real = jobs_module._path_of
    monkeypatch.setattr(
        jobs_module, "_path_of", lambda m: folder / "toy2000.py" if m.endswith("toy2000") else real(m)
    )
    yield folder
    sys.modules.pop("avcl_teach.systems.toy2000", None)


def test_a_failure_and_a_killed_process_cost_only_themselves_and_resume(toy, tmp_path):
    from avcl_teach.systems import find

    jobs = jobs_of(find("toy2000").ABOUT, n_seeds=3)
    assert len(jobs) == 6 and len(set(jobs)) == 6
    assert jobs_of(find("toy2000").ABOUT, n_seeds=3, claims=False) == jobs[:3]
    said = []
    found = run_jobs(jobs, folder=tmp_path / "r", workers=3, said=lambda job, kept: said.append(job))
    assert sorted(said) == sorted(jobs)
    errors = {(job.arm, job.seed): kept["error"] for job, kept in found.items() if "error" in kept}
    assert errors.keys() == {("less", 1), ("less", 2)}
    assert errors["less", 1] == "ValueError: expected luck, got seed 1"
    assert "signal 9" in errors["less", 2]
    good = found[Job("toy2000", "paper", 1)]
    assert good["outcome"]["score"] == 0.51 and good["outcome"]["ceiling"] is None
    assert len(list((tmp_path / "r").iterdir())) == 4
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "r").iterdir()}
    run_jobs([job for job in jobs if job.arm == "paper"], folder=tmp_path / "r")
    assert times == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "r").iterdir()
    }  # nothing ran again


def test_the_command_runs_without_claims_and_takes_what_was_run_before(toy, tmp_path):
    call = ["table1", "--only", "toy2000", "--seeds", "2", "--records", str(tmp_path / "r"), "--json"]
    first = CliRunner().invoke(app, [*call, "--out", str(tmp_path / "a"), "--no-claims"])
    assert first.exit_code == 0
    (row,) = json.loads(first.stdout)["rows"]
    assert row["n_seeds"] == 2 and row["claims"][0]["verdict"] == "not run"
    second = CliRunner().invoke(app, [*call, "--out", str(tmp_path / "b")])
    assert second.exit_code == 1  # seed 1 of the other arm fails, and is told
    (row,) = json.loads(second.stdout)["rows"]
    assert row["n_seeds"] == 2 and "expected luck" in row["errors"][0]
    assert "toy2000" in (tmp_path / "b" / "table1.csv").read_text()


def test_a_module_that_cannot_be_imported_costs_only_itself(toy, tmp_path):
    (toy / "broken1999.py").write_text("def run(:\n")
    call = ["table1", "--only", "toy2000", "--only", "broken1999", "--seeds", "1", "--no-claims"]
    call += ["--records", str(tmp_path / "r"), "--out", str(tmp_path / "a")]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 1 and "broken1999 cannot be imported" in result.output
    (row,) = stored_table(tmp_path / "a")["rows"]
    assert row["about"]["name"] == "toy2000" and row["score"]["mean"] == 0.5
    listed = CliRunner().invoke(app, ["table1", "--list"])
    assert listed.exit_code == 1 and "toy2000" in listed.output and "SyntaxError" in listed.output


def test_in_words_the_command_shows_its_progress_and_where_the_table_lies(toy, tmp_path):
    call = ["table1", "--only", "toy2000", "--seeds", "2", "--no-claims", "--records", str(tmp_path / "r")]
    result = CliRunner().invoke(app, [*call, "--out", str(tmp_path / "a")])
    assert result.exit_code == 0 and "2/2" in result.output  # the bar
    assert "toy2000 paper seed 1: 0.510" in result.output and "table1.md, .csv, .json" in result.output
    again = CliRunner().invoke(app, [*call, "--out", str(tmp_path / "a"), "--again"])
    assert again.exit_code == 0


def test_again_runs_what_has_a_record(toy, tmp_path):
    jobs = jobs_of(systems.find("toy2000").ABOUT, n_seeds=1, claims=False)
    run_jobs(jobs, folder=tmp_path / "r")
    (path,) = (tmp_path / "r").iterdir()
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"outcome": asdict(Outcome(0.9, 0.1, 0.1, 1.0))})
    )
    assert run_jobs(jobs, folder=tmp_path / "r")[jobs[0]]["outcome"]["score"] == 0.9
    assert run_jobs(jobs, folder=tmp_path / "r", again=True)[jobs[0]]["outcome"]["score"] == 0.5


def test_after_an_interrupt_records_stay_and_the_next_call_goes_on(toy, tmp_path):
    jobs = jobs_of(systems.find("toy2000").ABOUT, n_seeds=3, claims=False)

    def interrupt(job, kept):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, folder=tmp_path, workers=1, said=interrupt)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert 1 <= len(kept) < 3
    assert all("outcome" in record for record in run_jobs(jobs, folder=tmp_path).values())
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_the_device_reaches_the_system(monkeypatch):
    asked = {}
    module = types.ModuleType("toy")
    module.run = lambda seed, **kept: asked.update(kept, seed=seed) or Outcome(0.5, 0.1, 0.1, 1.0)
    monkeypatch.setattr(systems, "find", lambda name: module)
    run_job(Job("toy2000", "less", 4, "quick", "meta"))
    assert asked == {"seed": 4, "arm": "less", "budget": "quick", "device": "meta"}


def test_a_claim_on_a_number_that_is_not_told_is_not_run_and_costs_no_row():
    claims = (Claim("x", "paper", "less", "far"), Claim("y", "paper", "less"))
    about = declare(arms=("paper", "less"), claims=claims)
    told = records([0.7, 0.8]) | records([0.5, 0.6], arm="less")
    for job, record in told.items():
        record["outcome"]["extra"] = {"far": float("nan")} if job.arm == "paper" else {}
    row = row_or_failure(about, told)
    assert [claim["verdict"] for claim in row["claims"]] == ["not run", "shown"]
    del next(iter(told.values()))["outcome"]["score"]
    failed = row_or_failure(about, told)
    assert failed["errors"] == ["KeyError: 'score'"] and "score" not in failed
    assert "failed" in as_page({"about": about_of(), "rows": [failed]})


def test_a_run_that_takes_too_long_is_stopped(toy, tmp_path):
    (job,) = jobs_of(systems.find("toy2000").ABOUT, n_seeds=1)[:1]
    found = run_jobs([job], folder=tmp_path, limit_s=0.05)
    assert "stopped after" in found[job]["error"] and not list(tmp_path.glob("*.json"))


def test_records_depend_on_the_source_and_damaged_ones_are_none(toy, tmp_path):
    job = Job("toy2000", "paper", 0)
    before = record_path(job, tmp_path)
    assert record_path(job._replace(seed=1), tmp_path) != before
    (toy / "toy2000.py").write_text((toy / "toy2000.py").read_text() + "\n# changed\n")
    assert record_path(job, tmp_path) != before
    before.write_text('{"outcome": ')
    assert read_record(before) is None
    before.write_text('{"error": "x"}')
    assert read_record(before) is None


def test_a_run_returns_a_record_and_refuses_what_is_not_finite(monkeypatch):
    module = types.ModuleType("toy")
    module.run = lambda seed, **kept: Outcome(float("inf"), 0.1, 0.1, 1.0)
    monkeypatch.setattr(systems, "find", lambda name: module)
    with pytest.raises(ValueError, match="expected a finite score from toy2000, got inf"):
        run_job(Job("toy2000", "paper", 0))
    module.run = lambda seed, **kept: Outcome(0.5, 0.1, 0.1, 1.0, {"x": 1.0})
    kept = run_job(Job("toy2000", "paper", 0))
    assert json.loads(json.dumps(kept))["outcome"]["extra"] == {"x": 1.0}
    assert peak_mb() is None or peak_mb() > 50


@pytest.mark.parametrize("bad", [{"mark": "sure"}, {"claims": (Claim("x", "paper", "other"),)}])
def test_a_declaration_that_contradicts_itself_is_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        declare(**bad)


def test_bad_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 1 seed"):
        jobs_of(declare(), n_seeds=0)
    with pytest.raises(ValueError, match="expected a budget"):
        jobs_of(declare(), n_seeds=1, budget="huge")
    with pytest.raises(ValueError, match="at least 1 worker"):
        run_jobs([], folder=tmp_path, workers=0)


def test_the_command_lists_and_refuses(tmp_path):
    listed = CliRunner().invoke(app, ["table1", "--list", "--json"])
    rows = json.loads(listed.stdout)
    assert [row["system"] for row in rows] == systems.names()
    assert all(list(row) == KEYS and all(isinstance(x, str) for x in row.values()) for row in rows)
    wrong = CliRunner().invoke(app, ["table1", "--only", "nobody1900"])
    assert wrong.exit_code == 2 and "nobody1900" in wrong.output
    assert CliRunner().invoke(app, ["table1", "--list", "--device", "abacus"]).exit_code == 2


@pytest.mark.parametrize("name", systems.names())
def test_every_system_declares_itself(name, root):
    module = systems.find(name)
    about = module.ABOUT
    assert about.name == name and about.lesson in {f"{n}" for n in range(30, 46)}
    assert set(module.SIZES) == {"quick", "cpu", "gpu"} and about.claims
    texts = (about.protocol, about.chance, about.ceiling, about.survey_row, about.kept, about.labels_used)
    assert all(text.strip() for text in texts)
    assert f"{{{about.key}," in (root / "book" / "references.bib").read_text(encoding="utf-8")
    for bad in ({"arm": "no such arm"}, {"budget": "huge"}):
        with pytest.raises(ValueError, match="expected"):
            module.run(0, **{"budget": "quick"} | bad)


def test_rows_are_quoted_as_the_survey_prints_them():
    printed = (Path(__file__).parent / "survey_table1.tsv").read_text(encoding="utf-8").splitlines()
    rows = {line.replace("[", "").replace("]", "").replace("\t", " | ") for line in printed}
    assert len(rows) == 40
    quoted = [about.survey_row for about in chosen_systems(())[0] if about.name != "zeng2018"]  # not a row
    assert len(set(quoted)) == len(quoted) and set(quoted) <= rows


@pytest.mark.parametrize("name", ["table1.md", "table1.csv"])
def test_the_book_holds_what_the_package_ships(name, root):
    shipped, shown = (root / folder / name for folder in ("avcl_teach/table1/made", "book"))
    assert shown.read_text(encoding="utf-8") == shipped.read_text(encoding="utf-8")
    table = stored_table()
    if name == "table1.md":
        assert shipped.read_text(encoding="utf-8") == as_page(table)
    else:
        assert shipped.read_text(encoding="utf-8") == as_csv(table["rows"])
