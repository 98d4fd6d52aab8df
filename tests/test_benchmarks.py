"""The comparison with other libraries: a tiny run, its record, and the page made from a stored one."""

import importlib
import json
import re
import sys

import pytest
import torch

ROOT_MODULES = ("cases", "measure", "peers", "report", "__main__")


@pytest.fixture(scope="module")
def bench(root):
    """The benchmark's modules, found from the repository's root."""
    sys.path.insert(0, str(root))
    yield {name: importlib.import_module(f"benchmarks.side_by_side.{name}") for name in ROOT_MODULES}
    sys.path.remove(str(root))


def stored(bench, *, ms=(10.0, 30.0, 4.0), mb=(50.0, 900.0)) -> dict:
    """A record of one case, made by hand."""
    rows = {
        "info_nce": {"name": "info_nce", "peer": False, "median_ms": ms[0], "best_ms": 9.0, "calls": 5},
        "open_clip": {"name": "open_clip", "peer": True, "median_ms": ms[1], "best_ms": 29.0, "calls": 5},
        "three products": {
            "name": "three products", "peer": False, "median_ms": ms[2], "best_ms": 4.0, "calls": 5,
        },
        "absent": {"name": "absent", "peer": True, "failed": "ImportError: no | such library"},
    }  # fmt: skip
    rows["info_nce"] |= {"mb": mb[0], "difference": 3e-6}
    rows["open_clip"] |= {"mb": mb[1]}
    cases = bench["cases"]
    bounds = [
        cases.time_at_most("info_nce", "three products", 2.4, prototype=2.0),
        cases.faster("info_nce", "open_clip", 2.9),
        cases.memory_at_most("info_nce", 60),
        cases.memory_share("info_nce", "open_clip", 0.1),
        cases.agreement("info_nce", "readable form", 1e-5),
        cases.faster("info_nce", "absent", 2),
    ]
    case = {
        "key": "info_nce_256", "title": "InfoNCE, B = 256", "setting": "B = 256, D = 512",
        "reference": "readable form", "rows": list(rows.values()), "seconds": 1.0,
        "bounds": [bench["report"].judged(bound, rows) for bound in bounds],
    }  # fmt: skip
    machine = {"processor": "Some Processor", "cores": 2, "memory_gb": 16}
    versions = {"torch": "2.0", "cca-zoo": None}
    return {
        "schema": 1, "when": "2026-01-02", "command": "python -m benchmarks.side_by_side", "threads": 2,
        "dtype": "float32", "machine": machine, "versions": versions, "cases": [case],
    }  # fmt: skip


def test_bounds_are_judged(bench):
    bounds = stored(bench)["cases"][0]["bounds"]
    assert [b["measured"] for b in bounds[:5]] == [2.5, 3.0, 50.0, 50 / 900, 3e-6]
    assert [b["met"] for b in bounds] == [False, True, True, True, True, None]
    assert bench["report"].tally(bounds) == "4 of 6 bounds met, 1 missed, 1 not measured"


def test_the_page_tells_what_was_measured_and_what_was_missed(bench):
    page = bench["report"].page(stored(bench))
    assert "Measured on 2026-01-02: Some Processor, 2 cores, 16 GB; float32, 2 threads; torch 2.0.\n" in page
    assert "4 of 6 bounds met, 1 missed, 1 not measured." in page
    assert "Missed: `info_nce`: at most 2.4 x the time of three products (InfoNCE, B = 256)." in page
    row = "| InfoNCE, B = 256 | `info_nce`: at least 2.9 x as fast as open_clip | 3 | - | met |"
    assert row in page.splitlines()
    assert (
        "| InfoNCE, B = 256 | `info_nce`: at most 2.4 x the time of three products | 2.5 | 2 | **missed** |"
        in page
    )
    assert "| absent | failed: ImportError: no / such library | | | | |" in page
    assert page.index("| three products |") < page.index("| `info_nce` | 10.00") < page.index("| open_clip |")
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {6, 7}
    everything = bench["report"].page(stored(bench, ms=(9.0, 30.0, 4.0)))
    assert "Missed" not in everything and "**missed**" not in everything


def test_the_versions_of_all_that_is_compared_are_told(bench, root):
    lines = (root / "benchmarks" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {re.split("[=>]", line)[0]: line for line in lines if line and line[0] != "#"}
    helpers = {"lightning-utilities"}  # not called here
    assert set(wanted) - helpers <= set(bench["__main__"].PACKAGES)
    record = json.loads((root / "benchmarks/results/side_by_side.json").read_text(encoding="utf-8"))
    versions = record["versions"]
    assert set(bench["__main__"].PACKAGES) <= set(versions)
    pinned = {name: line.split("==")[1] for name, line in wanted.items() if "==" in line}
    assert pinned == {name: versions[name] for name in pinned}
    page = (root / "book" / "benchmarks.md").read_text(encoding="utf-8")
    assert all(f"{name} {versions[name]}" in page for name in bench["__main__"].PACKAGES)
    assert "np.linalg.solve" in page  # what the benchmark patches is told


def test_every_bound_names_contenders_of_its_case_and_every_case_its_reference(bench):
    cases = bench["cases"]
    assert len(cases.BY_KEY) == len(cases.CASES)
    for case in cases.CASES:
        names = set(case.contenders(16))
        assert (case.reference is None or case.reference in names) and set(case.memory) <= names
        for bound in case.bounds:
            assert bound["own"] in names and bound.get("other", case.reference) in names
            assert bound["own"] not in cases.PEERS
            if bound["kind"] == "difference":
                assert bound["other"] == case.reference
            if bound["kind"] in ("megabytes", "memory share"):
                assert {bound["own"], bound.get("other", bound["own"])} <= set(case.memory)


def test_own_functions_of_every_case_run_and_agree(bench):
    """Whatever is installed: the kit's side of every case works, and peers that are there agree with it."""
    for case in bench["cases"].CASES:
        record = bench["__main__"].run_case(case, quick=True, threads=1)
        rows = {row["name"]: row for row in record["rows"]}
        for name, row in rows.items():
            assert ("failed" in row and row["peer"]) or row["calls"] >= 2, (case.key, name, row)
        for bound in record["bounds"]:
            if bound["kind"] == "difference" and "failed" not in rows[bound["other"]]:
                assert bound["met"], (case.key, bound)
        json.dumps(record)


def test_contenders_take_turns(bench):
    order = []
    runs = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    times = bench["measure"].take_turns(runs, seconds=0.0, least=3, most=9)
    assert order == ["a", "b"] * 3 and len(times["a"]) == len(times["b"]) == 3
    ticks = iter(range(100))
    times = bench["measure"].take_turns(runs, seconds=9.0, least=1, most=2, clock=lambda: next(ticks))
    assert times == {"a": [1000, 1000], "b": [1000, 1000]}
    order.clear()
    times = bench["measure"].take_turns(runs, seconds=0.0, least=2, most=2, burst=3)
    assert "".join(order) == "aaabbb" * 2 and len(times["a"]) == 4  # the first of each burst is not counted
    assert bench["measure"].summary([3.0, 1.0, 9.0]) == {"median_ms": 3.0, "best_ms": 1.0, "calls": 3}


def test_difference_is_a_share_of_the_largest_entry(bench):
    x = (torch.tensor([1.0, -4.0]), torch.zeros(2))
    y = (torch.tensor([1.1, -4.0]), torch.zeros(2))
    assert bench["measure"].difference(y, x) == pytest.approx(0.1 / 4)
    broken = bench["measure"].difference((torch.tensor([float("nan"), 1.0]), x[1]), x)
    assert broken != broken


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the process's status in Linux")
def test_peak_memory_sees_what_was_there_for_a_moment(bench):
    kept = []

    def run():
        torch.ones(20_000_000)  # 80 MB that go again
        kept.append(torch.ones(5_000_000))  # 20 MB that stay

    assert 75 < bench["measure"].peak_of(run) < 115


def test_storing_keeps_cases_that_were_not_run(bench, tmp_path):
    main = bench["__main__"]
    results, page = tmp_path / "results" / "side_by_side.json", tmp_path / "benchmarks.md"
    first = stored(bench)
    main.store(first, results=results, page=page)
    second = stored(bench)
    second["cases"][0] |= {"key": "recall", "title": "R@k"}
    main.store(second, results=results, page=page)
    assert [case["key"] for case in json.loads(results.read_text())["cases"]] == ["info_nce_256", "recall"]
    assert page.read_text() == bench["report"].page(json.loads(results.read_text()))


def test_the_book_has_the_page_of_the_stored_results(bench, root):
    results = root / "benchmarks" / "results" / "side_by_side.json"
    record = json.loads(results.read_text(encoding="utf-8"))
    assert (root / "book" / "benchmarks.md").read_text(encoding="utf-8") == bench["report"].page(record)
    assert {case["key"] for case in record["cases"]} == set(bench["cases"].BY_KEY)
    assert record["threads"] == 2 and record["dtype"] == "float32"
