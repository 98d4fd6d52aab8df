"""The command line: `avcl doctor`, `exercises`, `table1`, `world audit`, `world show`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from avcl_teach.table1.command import table1

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Tools around the audio-visual lessons.")
world_app = typer.Typer(no_args_is_help=True, help="Audit the world and look at it.")
app.add_typer(world_app, name="world")
app.command()(table1)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def write(data: object, *, as_json: bool, text: str = "") -> None:
    """Print data as JSON, or the text."""
    typer.echo(json.dumps(data, indent=1, ensure_ascii=False) if as_json else text)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from avcl_teach import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Tools around the audio-visual lessons."""


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say whether this machine is ready for the lessons; exit code 1 when something is missing."""
    from avcl_teach.doctor import describe, examine

    try:
        report = examine()
    except ValueError as error:  # a variable such as AVCL_BUDGET holds what it must not
        typer.echo(f"not ready: {error}", err=True)
        raise typer.Exit(1) from None
    write(report, as_json=as_json, text=describe(report))
    raise typer.Exit(0 if report["ready"] else 1)


@app.command()
def exercises(
    as_json: AsJson = False, lesson: str = typer.Option("", help="Only those of one lesson.")
) -> None:
    """List every exercise: lesson, stars, minutes, known mistakes, other right answers."""
    from avcl_teach.exercises import exercises_table

    rows = [row for row in exercises_table() if lesson in ("", row["lesson"])]
    if lesson and not rows:
        known = sorted({row["lesson"] for row in exercises_table()})
        raise typer.BadParameter(
            f"no exercises of lesson {lesson!r}; lessons with exercises: {', '.join(known)}"
        )
    lines = [f"{len(rows)} exercises"]
    for row in rows:
        stars = "★" * row["stars"] + "☆" * (3 - row["stars"])
        lines.append(
            f"{row['lesson']}  {stars}  {row['minutes']:>3} min  {row['name']:<34} {row['title']} "
            f"({row['n_mistakes']} known mistakes, {row['n_alternatives']} other right answers)"
        )
    write(rows, as_json=as_json, text="\n".join(lines))


@world_app.command()
def audit(as_json: AsJson = False) -> None:
    """Look for shortcuts in the world; exit code 1 when a bound is broken."""
    from avcl_teach import world

    report = world.audit()
    lines = [f"{'shortcut':<36}{'measured':>9}  {'wanted':<12}"]
    for row in report["checks"]:
        verdict = "ok" if row["passed"] else "BROKEN"
        lines.append(f"{row['name']:<36}{row['percent']:>8} %  {row['low']} to {row['high']} %  {verdict}")
    write(report, as_json=as_json, text="\n".join(lines))
    raise typer.Exit(0 if report["passed"] else 1)


@world_app.command()
def show(
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("world.png"),
    n: Annotated[int, typer.Option(min=1, max=64, help="How many clips.")] = 8,
    preset: str = "standard",
    layout: str = "solo",
    size_px: Annotated[int, typer.Option(min=16, max=512)] = 128,
) -> None:
    """Draw clips of the world into one picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from avcl_teach import show as shows
    from avcl_teach import world

    clips = world.render(n, preset=preset, layout=layout, size_px=size_px, stems=False, masks=False)
    fig, _ = shows.clip_grid(clips)
    fig.savefig(out, dpi=120, bbox_inches="tight")
    plt.close(fig)
    typer.echo(str(out))
