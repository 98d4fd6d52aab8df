"""From the records of a system to its row: intervals over seeds, controls, and what became of the claims."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from avcl_teach.comparison.verdicts import interval, paired_difference
from avcl_teach.table1.declare import Claim, System
from avcl_teach.table1.jobs import Job


def row_of(about: System, records: Mapping[Job, dict]) -> dict:
    """Return the row of a system, JSON values only, from the records of its jobs (others are passed over).

    "score", "wrong_partner", "chance", "ceiling" : {"mean", "low", "high", "values"}, 95 % t-intervals over
    seeds, low and high None for a single seed · "beats_chance", "beats_wrong_partner": the intervals do not
    touch (None for a single seed) · "claims": as `judge` has them · "extra": means by
    name · "seconds", "peak_mb": least and most of the first arm's runs · "errors".
    """
    mine = {job: record for job, record in records.items() if job.system == about.name}
    good = {job: record for job, record in mine.items() if "outcome" in record}
    first = [record for job, record in sorted(good.items()) if job.arm == about.arms[0]]
    row = {"about": asdict(about), "n_seeds": len(first)}
    row["errors"] = [
        f"{job.arm}, seed {job.seed}: {record['error']}" for job, record in mine.items() if "error" in record
    ]
    if not first:
        return row
    for name in ("score", "chance", "wrong_partner", "ceiling"):
        row[name] = summary([record["outcome"][name] for record in first])
    row["beats_chance"] = apart(row["score"], row["chance"], higher=about.higher_is_better)
    row["beats_wrong_partner"] = apart(row["score"], row["wrong_partner"], higher=about.higher_is_better)
    shared = set.intersection(*(set(record["outcome"]["extra"]) for record in first))
    row["extra"] = {
        name: summary([record["outcome"]["extra"][name] for record in first]) for name in sorted(shared)
    }
    row["seconds"] = round(min(record["seconds"] for record in first), 1)  # others may have shared the cores
    peaks = [record["peak_mb"] for record in first if record.get("peak_mb")]
    row["peak_mb"] = max(peaks) if peaks else None
    row["claims"] = [judge(claim, about, good) for claim in about.claims]
    row["made_with"] = {k: first[0][k] for k in ("avcl_teach", "torch", "python", "device", "threads")}
    return row


def row_or_failure(about: System, records: Mapping[Job, dict]) -> dict:
    """Return `row_of`, or where that fails a row that says why: one bad record does not cost the table."""
    try:
        return row_of(about, records)
    except Exception as error:
        return {"about": asdict(about), "n_seeds": 0, "errors": [f"{type(error).__name__}: {error}"]}


def summary(values: Sequence[float | None]) -> dict | None:
    """Return {"mean", "low", "high", "values"} over seeds; None where a value is missing."""
    if any(x is None or math.isnan(x) for x in values):
        return None
    if len(values) < 2:
        return {"mean": values[0], "low": None, "high": None, "values": list(values)}
    mean, low, high = interval(list(values))
    return {"mean": mean, "low": low, "high": high, "values": list(values)}


def apart(x: dict | None, y: dict | None, *, higher: bool = True) -> bool | None:
    """Say whether the interval of x lies wholly on the better side of y's; None where there is none."""
    if x is None or y is None or x["low"] is None or y["low"] is None:
        return None
    return x["low"] > y["high"] if higher else x["high"] < y["low"]


def judge(claim: Claim, about: System, records: Mapping[Job, dict]) -> dict:
    """Compare the two arms of a claim seed by seed: "shown", "not shown", "reversed", or "not run".

    Shown means that the 95 % interval of better - worse lies above 0 (below, where lower scores are better).
    A seed counts where both arms tell the claim's metric, and it is a number.
    """
    arms = {}
    for name in (claim.better, claim.worse):
        arms[name] = {
            job.seed: value
            for job, record in records.items()
            if job.system == about.name
            and job.arm == name
            and (value := _value(record["outcome"], claim.metric)) is not None
        }
    better, worse = arms[claim.better], arms[claim.worse]
    seeds = sorted(better.keys() & worse.keys())
    out = {**asdict(claim), "n_seeds": len(seeds), "difference": None, "verdict": "not run"}
    if len(seeds) < 2:
        return out
    d = paired_difference([better[s] for s in seeds], [worse[s] for s in seeds])
    sign = 1 if about.higher_is_better or claim.metric != "score" else -1
    low, high = sorted((sign * d.low, sign * d.high))
    verdict = "shown" if low > 0 else "reversed" if high < 0 else "not shown"
    means = {"better_mean": _mean(better, seeds), "worse_mean": _mean(worse, seeds)}
    return out | means | {"difference": [d.mean, d.low, d.high], "verdict": verdict}


def _value(outcome: dict, metric: str) -> float | None:
    value = outcome["score"] if metric == "score" else outcome["extra"].get(metric)
    return None if value is None or math.isnan(value) else value


def _mean(values: Mapping[int, float], seeds: Sequence[int]) -> float:
    return sum(values[s] for s in seeds) / len(seeds)
