"""Write the table three times: JSON with everything, CSV for a spreadsheet, a page to read."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from avcl_teach import systems
from avcl_teach.table1.jobs import write_whole

COLUMNS = (
    "system", "paper", "lesson", "task", "metric", "unit", "protocol", "labels_used", "paired", "n_seeds",
    "score", "score_low", "score_high", "chance", "wrong_partner", "wrong_low", "wrong_high", "ceiling",
    "beats_chance", "beats_wrong_partner", "claim", "claim_difference", "claim_low", "claim_high",
    "claim_verdict", "seconds", "peak_mb", "mark", "survey_row", "correction", "errors",
)  # fmt: skip


def write_table(rows: Sequence[dict], folder: Path, *, about: Mapping[str, object]) -> dict:
    """Write ``table1.json``, ``table1.csv`` and ``table1.md`` into the folder, each whole or not at all.

    Rows of other systems that a table there already holds stay, if it was made with the same budget and
    device: a run of one system loses no other. A table of another budget or device is kept beside, as
    ``table1.<budget>.<device>.json``. Returns the table as written. Errors: ValueError when ``table1.json``
    is there but is no such table.
    """
    path = folder / "table1.json"
    kept: list[dict] = []
    if path.is_file():
        old = read_table(path)
        same = all(old["about"].get(name) == about[name] for name in ("budget", "device"))
        if same:
            fresh = {row["about"]["name"] for row in rows}
            kept = [row for row in old["rows"] if row["about"]["name"] not in fresh]
        else:
            of = old["about"]
            write_whole(
                folder / f"table1.{of['budget']}.{of['device']}.json", json.dumps(old, indent=1) + "\n"
            )
    everything = sorted([*kept, *rows], key=lambda row: (row["about"]["lesson"], row["about"]["name"]))
    table = {"about": dict(about), "rows": everything}
    write_whole(path, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    write_whole(folder / "table1.csv", as_csv(everything))
    write_whole(folder / "table1.md", as_page(table))
    return table


def read_table(path: str | Path) -> dict:
    """Read a table that `write_table` wrote. Errors: ValueError, naming the file, when it is none."""
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"expected a table of Table 1 in {path}, got text that is not JSON: {error}"
        ) from None
    if not isinstance(table, dict) or not {"about", "rows"} <= table.keys():
        raise ValueError(f"expected a table of Table 1 in {path}, got JSON without 'about' and 'rows'")
    return table


def as_csv(rows: Iterable[dict]) -> str:
    """Return the rows as CSV with the columns of `COLUMNS`, one line a claim (one where there is none)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        for claim in row.get("claims") or [None]:
            values = _cells(row, claim)
            writer.writerow([_plain(values[name]) for name in COLUMNS])
    return out.getvalue()


INTRODUCTION = """# Table 1, living

Every system of the survey's Table 1 that is built here so far, small but faithful, trained and tested on one
machine with `avcl table1` (budget `{budget}`, {device}). Means over seeds with half a 95 % interval.
**Chance** is the level without knowledge, **wrong partner** the same trained system with the other modality
shuffled at test, **ceiling** an oracle's. A score is bold when its interval touches neither that of chance
nor that of the wrong partner. Scores of different metrics or protocols are not comparable. The same as a file
for a spreadsheet: {{download}}`table1.csv`.
"""

WHOLE = (
    "system", "lesson", "task", "metric", "score", "chance", "wrong partner", "ceiling", "claims", "seeds",
    "s", "MB",
)  # fmt: skip
NARROW = ("system", "metric", "score", "chance", "wrong partner", "ceiling")
_NUMBERS = {"score", "chance", "wrong partner", "ceiling", "seeds", "s", "MB"}

MADE_WITH = """
Made with avcl_teach {avcl_teach}, torch {torch}, Python {python} on {device}, {threads} thread(s) a run;
seconds are those of the fastest run of the first arm, memory is the most that one of them held."""


def as_page(table: dict) -> str:
    """Return the table as a page of Markdown: one table to compare, then each system in words."""
    rows = table["rows"]
    lines = [INTRODUCTION.format(**table["about"]), as_lines(rows, linked=True)]
    here = {row["about"]["name"] for row in rows}
    missing = [name for name in systems.names() if name not in here]
    if missing:
        lines += ["", f"Built, and not run for this page yet: {', '.join(missing)}."]
    for row in rows:
        lines += ["", *_words(row)]
    made = next((row["made_with"] for row in rows if "made_with" in row), None)
    if made:
        lines.append(MADE_WITH.format(**made))
    return "\n".join(lines) + "\n"


def as_lines(rows: Sequence[dict], *, columns: Sequence[str] = WHOLE, linked: bool = False) -> str:
    """Return rows as one Markdown table; linked: the paper leads to the words about it further down."""
    ruler = ["---:" if name in _NUMBERS else "---" for name in columns]
    table = [columns, ruler, *([_shown(row, linked)[name] for name in columns] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)


def _shown(row: dict, linked: bool) -> dict[str, str]:
    about = row["about"]
    cells = dict.fromkeys(WHOLE, "")
    cells |= {"lesson": about["lesson"], "task": _safe(about["task"]), "metric": _safe(about["metric"])}
    cells["system"] = f"[{about['paper']}](#{about['name']})" if linked else about["paper"]
    if "score" not in row:
        return cells | {"score": "failed"}
    for name in ("score", "chance", "wrong_partner", "ceiling"):
        cells[name.replace("_", " ")] = spread(row[name], about["unit"])
    if row["beats_chance"] and row["beats_wrong_partner"]:
        cells["score"] = f"**{cells['score']}**"
    if not about["higher_is_better"]:
        cells["metric"] += " (lower is better)"
    verdicts = [claim["verdict"] for claim in row["claims"]]
    told = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts)) or "none made"
    peak = f"{row['peak_mb']:.0f}" if row["peak_mb"] else ""
    return cells | {"claims": told, "seeds": str(row["n_seeds"]), "s": f"{row['seconds']:.0f}", "MB": peak}


def _words(row: dict) -> list[str]:
    about = row["about"]
    lines = [
        f"({about['name']})=",
        f"## {about['paper']}",
        "",
        f"- As printed in the survey: {_sentence(about['survey_row'])}",
        *([f"- What is meant: {_sentence(about['correction'])}"] if about["correction"] else []),
        f"- Construction: {about['mark']}. Kept: {_sentence(about['kept'])}",
        f"- Protocol: {_sentence(about['protocol'])} Chance: {_sentence(about['chance'])}"
        f" Ceiling: {_sentence(about['ceiling'])}",
        f"- Labels used: {_sentence(about['labels_used'])} Paired: {_sentence(about['paired'])}",
    ]
    lines += [f"- Claim: {words}" for words in claim_words(row)]
    if row.get("extra"):
        extras = (f"{name} {spread(value, '')}" for name, value in row["extra"].items())
        lines.append(f"- Beside it: {'; '.join(extras)}.")
    lines += [f"- Failed: {error}" for error in row.get("errors", [])]
    return lines


def claim_words(row: dict) -> list[str]:
    """Return a line for every claim of a row: its sentence, the verdict, the difference of its arms."""
    about, lines = row["about"], []
    for claim in row.get("claims", []):
        text = _sentence(claim["text"][:1].upper() + claim["text"][1:])
        lines.append(f"{text} **{claim['verdict'].capitalize()}**{_difference(claim, about)}")
    return lines


def _difference(claim: dict, about: dict) -> str:
    if claim["difference"] is None:
        return "."
    unit = about["unit"] if claim["metric"] == "score" else ""
    d, low, high = (number(x, unit) for x in claim["difference"])
    metric = about["metric"] if claim["metric"] == "score" else claim["metric"]
    return (
        f": {claim['better']} less {claim['worse']} {d} [{low}, {high}] ({metric}, {claim['n_seeds']} seeds)."
    )


def spread(value: dict | None, unit: str) -> str:
    """Write a summary as mean ± half its interval."""
    if value is None:
        return "–"
    mean = number(value["mean"], unit)
    half = None if value["low"] is None else value["mean"] - value["low"]
    return mean if half is None or half < 1e-9 else f"{mean}\u00a0±\u00a0{number(half, unit)}"


def number(x: float, unit: str) -> str:
    """Write a number with the digits that its unit deserves: one for % and dB, three for shares."""
    digits = 1 if unit or abs(x) >= 10 else 3
    return f"{x:.{digits}f}{chr(160) + unit if unit else ''}"


def _cells(row: dict, claim: dict | None) -> dict[str, object]:
    about = row["about"]
    values: dict[str, object] = {name: about.get(name) for name in COLUMNS} | {"system": about["name"]}
    values |= {name: row.get(name) for name in ("n_seeds", "seconds", "peak_mb")}
    values |= {name: row.get(name) for name in ("beats_chance", "beats_wrong_partner")}
    for name, short in (("score", "score"), ("wrong_partner", "wrong")):
        found = row.get(name) or {}
        values |= {
            name: found.get("mean"),
            f"{short}_low": found.get("low"),
            f"{short}_high": found.get("high"),
        }
    for name in ("chance", "ceiling"):
        values[name] = (row.get(name) or {}).get("mean")
    values["errors"] = "; ".join(row.get("errors", []))
    if claim is not None:
        d = claim["difference"] or [None] * 3
        values |= dict(zip(("claim_difference", "claim_low", "claim_high"), d, strict=True))
        values |= {"claim": claim["text"], "claim_verdict": claim["verdict"]}
    return values


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "?")) else f"{text}."


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
