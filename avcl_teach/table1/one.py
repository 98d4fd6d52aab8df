"""Run one job in a process of its own and write its record: `python -m avcl_teach.table1.one JOB RECORD`."""

import json
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path

from avcl_teach.table1.jobs import Job, write_whole


def run_job(job: Job) -> dict:
    """Train and evaluate one arm of one system; return its record, JSON values only.

    {"job", "outcome", "seconds", "peak_mb", "threads", "torch", "python", "device"}. Errors: those of the
    system, and ValueError for an outcome that is not finite (only a ceiling may be missing).
    """
    import torch

    from avcl_teach import __version__, systems

    started = time.perf_counter()
    outcome = systems.find(job.system).run(job.seed, arm=job.arm, budget=job.budget, device=job.device)
    values = asdict(outcome)
    for name in ("score", "chance", "wrong_partner"):
        if not abs(values[name]) < float("inf"):
            raise ValueError(f"expected a finite {name} from {job.system}, got {values[name]}")
    if values["ceiling"] != values["ceiling"]:
        values["ceiling"] = None
    return {
        "job": job._asdict(),
        "outcome": values,
        "seconds": round(time.perf_counter() - started, 2),
        "peak_mb": peak_mb(),
        "threads": torch.get_num_threads(),
        "avcl_teach": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if job.device.startswith("cuda") else "cpu",
    }


def peak_mb() -> float | None:
    """Return the most memory this process has held, in MB; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return round(next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 1000, 1)
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1e6 if sys.platform == "darwin" else 1e3), 1)


if __name__ == "__main__":
    asked = Job(**json.loads(sys.argv[1]))
    write_whole(Path(sys.argv[2]), json.dumps(run_job(asked), indent=1) + "\n")
