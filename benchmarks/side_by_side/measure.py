"""Time contenders in turn in one process, and take the memory of each in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def take_turns(
    runs: dict[str, Callable[[], object]],
    *,
    seconds: float,
    least: int,
    most: int,
    burst: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Call all contenders one after the other, again and again: milliseconds of each call.

    Turns let a busy spell of the machine meet them all. With `burst` above 1 a turn is so many calls, of
    which the first, which finds the caches full of another's data, is not counted. Stops after `seconds`,
    but not before `least` rounds, and after `most` at the latest.
    """
    times = {name: [] for name in runs}
    start = time.perf_counter()
    for n in range(most):
        if n >= least and time.perf_counter() - start > seconds:
            break
        for name, run in runs.items():
            for call in range(burst):
                begin = clock()
                run()
                if call or burst == 1:
                    times[name].append(1000 * (clock() - begin))
    return times


def summary(times: list[float]) -> dict:
    """Median, best and number of calls."""
    return {"median_ms": statistics.median(times), "best_ms": min(times), "calls": len(times)}


def difference(found: tuple, expected: tuple) -> float:
    """Largest deviation of any tensor from the expected one, as a share of that one's largest entry."""
    worst = 0.0
    for x, y in zip(found, expected, strict=True):
        gap = float((x.double() - y.double()).abs().max()) / max(float(y.double().abs().max()), 1e-30)
        worst = gap if gap != gap else max(worst, gap)  # NaN stays
    return worst


def peak_of(run: Callable[[], object]) -> float:
    """Megabytes (10^6 bytes) that a call takes at its peak, above what was resident before it.

    The results that it leaves behind count. Linux only: elsewhere NaN.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = _status("VmRSS")
        run()
        return (_status("VmHWM") - before) * 1024 / 1e6
    except OSError:
        return float("nan")


def _status(key: str) -> int:
    """One entry of the process's status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def peak_in_a_fresh_process(case: str, contender: str, *, threads: int, timeout_s: float = 300) -> dict:
    """Run this package's command for one contender's memory: {"mb": ...} or {"failed": why}."""
    command = [sys.executable, "-m", "benchmarks.side_by_side", "--threads", str(threads)]
    command += ["--memory", case, contender]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return {"failed": f"took more than {timeout_s:.0f} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def machine() -> dict:
    """The machine in general words: processor, cores, memory."""
    model = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    memory_gb = pages * os.sysconf("SC_PAGE_SIZE") / 1e9 if pages else 0
    return {"processor": model or "unknown", "cores": os.cpu_count(), "memory_gb": round(memory_gb)}
