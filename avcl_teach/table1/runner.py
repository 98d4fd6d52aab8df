"""Run jobs, each in a process of its own: what one of them does, even dying, never costs the others."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from avcl_teach.table1.jobs import Job, read_record, record_path


def run_jobs(
    jobs: Sequence[Job],
    *,
    folder: Path,
    workers: int = 1,
    again: bool = False,
    limit_s: float = 3600.0,
    said: Callable[[Job, dict], None] = lambda job, record: None,
) -> dict[Job, dict]:
    """Return a record for every job: read where it was run before, else run now; failures hold "error".

    ``folder``: of the records, one JSON file a finished run, moved there whole · ``workers``: processes at a
    time · ``again``: run what has a record too · ``limit_s``: a run that takes longer is stopped and has
    failed (an older record of it stays) · ``said(job, record)`` is called after each, in the order in which
    they end. After an interrupt (Ctrl+C) running processes are stopped and the records stay; the next call
    goes on from there. Errors: ValueError for less than 1 worker.
    """
    if workers < 1:
        raise ValueError(f"expected at least 1 worker, got {workers}")
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[Job, dict] = {}
    paths = {job: record_path(job, folder) for job in jobs}
    for job, path in paths.items():
        record = None if again else read_record(path)
        if record is not None:
            found[job] = record
            said(job, record)
    running: set[subprocess.Popen] = set()
    pool = ThreadPoolExecutor(workers)
    try:
        futures = {
            pool.submit(_run, job, paths[job], limit_s, _threads(workers), running): job
            for job in jobs
            if job not in found
        }
        for future in as_completed(futures):
            job = futures[future]
            found[job] = future.result()
            said(job, found[job])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(running):
            process.kill()
        pool.shutdown(wait=True)
    return {job: found[job] for job in jobs}


def _run(job: Job, path: Path, limit_s: float, threads: int, running: set) -> dict:
    fresh = path.with_name(f"{path.stem}.run{os.getpid()}.json")
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "avcl_teach.table1.one", json.dumps(job._asdict()), str(fresh)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    running.add(process)
    try:
        _, told = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return _failure(job, f"stopped after {limit_s:.0f} s", started)
    finally:
        running.discard(process)
    record = read_record(fresh) if process.returncode == 0 else None
    if record is None:
        return _failure(job, _reason(process.returncode, told), started)
    fresh.replace(path)
    return record


def _reason(code: int, told: str) -> str:
    lines = [line for line in told.strip().splitlines() if line.strip()]
    if code < 0:
        return f"the process was ended by signal {-code}" + (" (out of memory?)" if code == -9 else "")
    return lines[-1].strip() if lines else f"the process ended with code {code} and said nothing"


def _failure(job: Job, error: str, started: float) -> dict:
    return {"job": job._asdict(), "error": error, "seconds": round(time.perf_counter() - started, 2)}


def _threads(workers: int) -> int:
    return max(1, (os.cpu_count() or 1) // workers)
