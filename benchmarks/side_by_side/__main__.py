"""Command line: see the package's docstring."""

import argparse
import datetime
import json
import os
import sys
import time
from importlib import metadata
from pathlib import Path


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side")
    parser.add_argument(
        "--only", nargs="+", metavar="CASE", help="these cases; the others keep stored results"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to see that it runs; nothing is stored"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--busy",
        action="store_true",
        help="on a busy machine: processor time of one thread; nothing is stored",
    )
    parser.add_argument("--report", action="store_true", help="write the page from the stored results")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument(
        "--memory", nargs=2, metavar=("CASE", "CONTENDER"), help="one peak, as JSON (internal)"
    )
    args = parser.parse_args(arguments)
    args.threads = 1 if args.busy else args.threads
    return args


ARGS = parse() if __name__ == "__main__" else None
if ARGS:  # before torch is loaded
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(ARGS.threads)

import torch  # noqa: E402

from benchmarks.side_by_side import cases, measure, report  # noqa: E402

RESULTS = measure.ROOT / "benchmarks" / "results" / "side_by_side.json"
PAGE = measure.ROOT / "book" / "benchmarks.md"
QUICK_SIZE = 64
PACKAGES = (
    "torch", "numpy", "pytorch-metric-learning", "open_clip_torch", "cca-zoo", "torchmetrics", "faiss-cpu",
    "mir_eval", "fast_bss_eval",
)  # fmt: skip


def run_case(case: cases.Case, *, quick: bool, threads: int, busy: bool = False) -> dict:
    """Measure one case: rows of contenders and the bounds held against them."""
    begin = time.perf_counter()
    size = min(case.size, QUICK_SIZE) if quick else case.size
    turns = {"seconds": 0.2, "least": 2, "most": 3} if quick else dict(case.turns)
    clock = time.process_time if busy else time.perf_counter
    runs, rows, results = {}, {}, {}
    for name, build in case.contenders(size).items():
        rows[name] = {"name": name, "peer": name in cases.PEERS}
        try:
            runs[name] = build()
            if turns.get("warm", True):
                results[name] = runs[name]()
        except (ImportError, RuntimeError, MemoryError) as error:
            runs.pop(name, None)
            rows[name]["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    if not turns.pop("warm", True):
        runs = {name: _keeping(run, results, name) for name, run in runs.items()}
    for name, times in measure.take_turns(runs, clock=clock, **turns).items():
        rows[name] |= measure.summary(times)
    expected = results.get(case.reference)
    for name, found in results.items():
        same_job = name not in (case.reference, *cases.LESS_TO_DO, *cases.FLOORS)
        if expected is not None and same_job:
            rows[name]["difference"] = measure.difference(found, expected)
    del runs, results, expected
    for name in case.memory if not quick else ():
        if "failed" not in rows[name]:
            peak = measure.peak_in_a_fresh_process(case.key, name, threads=threads)
            rows[name] |= {
                "mb": peak.get("mb"),
                **({"memory_failed": peak["failed"]} if "failed" in peak else {}),
            }
    return {
        "key": case.key,
        "title": case.title,
        "setting": case.setting,
        "reference": case.reference,
        "rows": list(rows.values()),
        "bounds": [report.judged(bound, rows) for bound in case.bounds],
        "seconds": round(time.perf_counter() - begin, 1),
    }


def _keeping(run, results: dict, name: str):
    """A run that keeps its first results."""

    def keep():
        found = run()
        results.setdefault(name, found)

    return keep


def peak(case: cases.Case, contender: str) -> float:
    """Peak memory of one call of one contender, after a small call that loads what has to be loaded."""
    case.contenders(min(case.size, QUICK_SIZE))[contender]()()
    return measure.peak_of(case.contenders(case.size)[contender]())


def version_of(package: str) -> str | None:
    """Version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def measure_all(chosen: list[cases.Case], *, quick: bool, threads: int, busy: bool = False) -> dict:
    """Run the cases one after the other and tell how they went."""
    done = []
    for i, case in enumerate(chosen, 1):
        print(f"[{i}/{len(chosen)}] {case.title}", flush=True)
        done.append(run_case(case, quick=quick, threads=threads, busy=busy))
        for row in done[-1]["rows"]:
            print("    " + report.line(row), flush=True)
        for bound in done[-1]["bounds"]:
            print("    " + report.sentence(bound), flush=True)
    return {
        "schema": 1,
        "when": datetime.date.today().isoformat(),
        "command": "python -m benchmarks.side_by_side",
        "threads": threads,
        "dtype": "float32",
        "machine": measure.machine(),
        "versions": {"python": sys.version.split()[0]} | {p: version_of(p) for p in PACKAGES},
        "cases": done,
    }


def store(result: dict, *, results: Path = RESULTS, page: Path = PAGE) -> None:
    """Write results and page; cases that were not run keep what is stored of them."""
    if results.exists():
        new = {case["key"]: case for case in result["cases"]}
        old = json.loads(results.read_text(encoding="utf-8"))["cases"]
        kept = {case["key"]: case for case in old if case["key"] in cases.BY_KEY} | new
        result = result | {"cases": [kept[key] for key in cases.BY_KEY if key in kept]}
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    page.write_text(report.page(result), encoding="utf-8")


def main(args: argparse.Namespace) -> int:
    """Do what the command line asks for; exit code 1 when a bound is missed."""
    torch.set_num_threads(args.threads)
    if args.memory:
        print(json.dumps({"mb": peak(cases.BY_KEY[args.memory[0]], args.memory[1])}))
        return 0
    if args.list:
        print("\n".join(f"{case.key:36s} {case.title}" for case in cases.CASES))
        return 0
    if args.report:
        PAGE.write_text(report.page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
        return 0
    unknown = set(args.only or ()) - set(cases.BY_KEY)
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}; --list names them", file=sys.stderr)
        return 2
    chosen = [case for case in cases.CASES if args.only is None or case.key in args.only]
    result = measure_all(chosen, quick=args.quick, threads=args.threads, busy=args.busy)
    if not (args.quick or args.busy):
        store(result)
        print(f"stored in {RESULTS.relative_to(measure.ROOT)} and {PAGE.relative_to(measure.ROOT)}")
    bounds = [bound for case in result["cases"] for bound in case["bounds"]]
    print(report.tally(bounds))
    return 0 if args.quick or all(bound["met"] for bound in bounds) else 1


if __name__ == "__main__":
    sys.exit(main(ARGS))
