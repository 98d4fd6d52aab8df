"""The shipped table, as it was measured, for lessons that show a row beside their own run."""

from pathlib import Path

MADE = Path(__file__).with_name("made")


def stored_table(folder: str | Path = MADE) -> dict:
    """Read a table that `avcl table1` wrote, by default the shipped one: {"about", "rows"}.

    Errors: FileNotFoundError with the command that makes it; ValueError for a file that is no such table.
    """
    from avcl_teach.table1.report import read_table

    path = Path(folder) / "table1.json"
    if not path.is_file():
        raise FileNotFoundError(f"no table at {path}; avcl table1 --out {folder} makes it")
    return read_table(path)


def lesson_rows(lesson: str, folder: str | Path = MADE) -> str:
    """Return the shipped rows of one lesson in Markdown: a table of scores and controls, then every claim.

    Errors: as `stored_table`, and ValueError for a lesson without rows.
    """
    from avcl_teach.table1.report import NARROW, as_lines, claim_words

    rows = [row for row in stored_table(folder)["rows"] if row["about"]["lesson"] == lesson]
    if not rows:
        raise ValueError(f"expected a lesson with rows in the table, got {lesson!r}")
    claims = [f"- {row['about']['paper']}: {words}" for row in rows for words in claim_words(row)]
    lines = [as_lines(rows, columns=NARROW)]
    if claims:
        lines += ["", "What the papers claim, here:", "", *claims]
    return "\n".join(lines)
