"""The command `avcl table1`: train, evaluate and tabulate the systems of Table 1."""

import json
from pathlib import Path
from typing import Annotated

import typer


def table1(
    only: Annotated[list[str] | None, typer.Option(help="Only this system; may come again.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=50, help="Runs of each arm.")] = 3,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    budget: Annotated[str, typer.Option(help="quick, cpu or gpu; by default as fits the device.")] = "",
    out: Annotated[Path, typer.Option(help="Folder for table1.json, .csv and .md.")] = Path("table1"),
    workers: Annotated[int, typer.Option(min=1, help="Processes at a time; they share the cores.")] = 2,
    claims: Annotated[bool, typer.Option(help="Run what the claims compare, too.")] = True,
    again: Annotated[bool, typer.Option("--again", help="Run what has a record too.")] = False,
    records: Annotated[Path | None, typer.Option(help="Folder of finished runs.")] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Say what there is, run nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Train and test every system of Table 1 that is here, over seeds, beside its chance and controls.

    Started again after an interrupt it goes on where it stopped. A run that fails is told in its row, a
    system that cannot be imported is named; the others are not touched; exit code 1 then.
    """
    from avcl_teach.table1.jobs import chosen_systems, jobs_of, read_record, record_path, records_folder

    try:
        chosen, broken = chosen_systems(only or ())
        budget = budget or ("cpu" if device == "cpu" else "gpu")
        how = {"n_seeds": seeds, "budget": budget, "device": device}
        every = [job for about in chosen for job in jobs_of(about, **how)]
        jobs = every if claims else [job for about in chosen for job in jobs_of(about, **how, claims=False)]
        check_device(device)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    for name, why in broken.items():
        typer.echo(f"{name} cannot be imported and is left out: {why}", err=True)
    if list_only:
        rows = [listed(about) for about in chosen]
        lines = [f"{row['system']:<18}{row['lesson']:<4}{row['task']:<42}{row['metric']}" for row in rows]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False) if as_json else "\n".join(lines))
        raise typer.Exit(1 if broken else 0)
    from tqdm import tqdm

    from avcl_teach.table1.report import read_table, spread, write_table
    from avcl_teach.table1.rows import row_or_failure
    from avcl_teach.table1.runner import run_jobs

    if (out / "table1.json").is_file():  # refuse before the work, not after it
        try:
            read_table(out / "table1.json")
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    with tqdm(total=len(jobs), unit="run", disable=as_json) as bar:

        def said(job, record) -> None:
            how = record.get("error") or f"{record['outcome']['score']:.3f}"
            bar.write(f"{job.system} {job.arm} seed {job.seed}: {how} ({record['seconds']:.0f} s)")
            bar.update()

        folder = records or records_folder()
        kept = run_jobs(
            jobs, folder=folder, workers=workers, again=again, said=(lambda *_: None) if as_json else said
        )
    for job in every:  # what a claim compares counts wherever it has been run, now or before
        record = kept.get(job) or read_record(record_path(job, folder))
        if record is not None:
            kept[job] = record
    rows = [row_or_failure(about, kept) for about in chosen]
    table = write_table(rows, out, about={"budget": budget, "device": device.split(":")[0], "n_seeds": seeds})
    if as_json:
        typer.echo(json.dumps(table, indent=1, ensure_ascii=False))
    else:
        for row in rows:
            unit, score = row["about"]["unit"], row.get("score")
            typer.echo(f"{row['about']['name']:<18}{spread(score, unit) if score else 'failed'}")
        typer.echo(f"{out / 'table1.md'}, .csv, .json")
    raise typer.Exit(1 if broken or any(row["errors"] for row in rows) else 0)


def listed(about) -> dict:
    """Return what ``--list --json`` says of a system."""
    row = {"system": about.name, "paper": about.paper, "task": about.task, "metric": about.metric}
    row |= {"protocol": about.protocol, "chance": about.chance, "labels_used": about.labels_used}
    row |= {"paired": about.paired, "claim": " ".join(claim.text for claim in about.claims)}
    return row | {"lesson": about.lesson}


def check_device(device: str) -> None:
    """Refuse a device that torch does not know or this machine does not have. Errors: ValueError."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"expected a device of this machine, got {device!r}: {str(error).splitlines()[0]}"
        ) from None
