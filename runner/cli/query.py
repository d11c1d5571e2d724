"""Run `runner query "SELECT …"`: answer SQL over the records."""

from __future__ import annotations

import os
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, SweepsArgument, sweeps_of
from runner.report.tables import listing, plural

if TYPE_CHECKING:
    import pyarrow as pa

VIEWS = {
    "results": "one row per trial, its attempt that counts",
    "attempts": "every attempt, with the columns of results",
    "epochs": "the history of results, one row per epoch",
    "parameters": "the parameters of results, one row per trial",
}
_WIDEST_TYPE = 26
_MOST_ROWS = 1000
"""What is printed of a longer table; JSON, CSV and files have every row."""


def query(
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SQL", help="One SELECT, in quotes.", show_default=False),
    ] = None,
    sweeps: SweepsArgument = None,
    stores: Annotated[
        list[Path] | None,
        typer.Option(
            "--store",
            metavar="FOLDER",
            help="Folder of records; may be given several times, and the column `store` tells them "
            "apart. By default RUNNER_STORE, else results.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Also write a file: .parquet, .csv or .json."
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonOption = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="List the views and their columns; SQL is left out.")
    ] = False,
    earlier: Annotated[
        bool, typer.Option("--all", help="Include trials that the sweep's grid no longer has.")
    ] = False,
) -> None:
    """Answer SQL over the records; only SELECT, and it changes nothing.

    The views: results has one row per trial, as collect has it; attempts
    has every attempt; epochs has the history of results, one row per epoch;
    parameters has the parameters of results. The SQL is DuckDB's.

    \b
    Example:
      runner query --schema
      runner query "SELECT target, model, median(samples_per_s) FROM results GROUP BY ALL"
      runner query "SELECT epoch, avg(val_accuracy) FROM epochs GROUP BY ALL ORDER BY 1" quickstart
      runner query "FROM attempts WHERE outcome != 'completed'" -o failures.csv
      runner query "SELECT store, count(*) FROM results GROUP BY ALL" --store A --store B
    """
    from artifacts.query import answer, describe
    from artifacts.store import Store
    from artifacts.table_files import csv_bytes, write_table
    from artifacts.tables import rows_of
    from runner.report.query import gather_stores

    if schema:
        sql, sweeps = None, [*([sql] if sql else ()), *(sweeps or ())]
    elif sql is None:
        raise typer.BadParameter(
            "give one SELECT in quotes, or --schema to see what there is", param_hint="SQL"
        )
    if as_csv and as_json:
        raise typer.BadParameter("choose one of --csv and --json", param_hint="--csv")
    folders = stores or [Path(os.environ.get("RUNNER_STORE") or DEFAULT_STORE)]
    once = {folder.resolve(): folder for folder in reversed(folders)}
    opened = {str(folder): Store(folder) for folder in reversed(once.values())}
    named = {name: sweeps_of(store, sweeps) for name, store in opened.items()}
    asked = gather_stores(opened, named, earlier=earlier)
    found = describe(asked.attempts) if sql is None else answer(sql, asked.attempts)
    if file is not None:
        write_table(found, file)
        output.note(f"wrote {plural(found.num_rows, 'row')} to {file}")
    if as_json:
        output.json(rows_of(found))
    elif as_csv:
        output.say(csv_bytes(found).decode().rstrip("\n"))
    elif schema:
        _print_schema(found)
    elif file is None:
        _print(found)
    for note in asked.notes:
        output.note(note)
    for problem in asked.unreadable:
        output.error(problem)
    if asked.unreadable:
        raise typer.Exit(1)


def _print(found: pa.Table) -> None:
    from artifacts.tables import rows_of

    shown = listing(found.column_names, rows_of(found.slice(0, _MOST_ROWS)))
    notes: tuple[str, ...] = ()
    if found.num_rows > _MOST_ROWS:
        notes = (
            f"the first {_MOST_ROWS} of {found.num_rows} rows: --csv, --json and -o give them all",
        )
    elif not found.num_rows:
        notes = ("no rows",)
    output.table(replace(shown, notes=notes))


def _print_schema(columns: pa.Table) -> None:
    """Print the views below one another; `attempts` has the columns of `results`."""
    from artifacts.tables import rows_of

    rows = rows_of(columns)
    for view, what in VIEWS.items():
        own = [
            {**row, "type": textwrap.shorten(row["type"], _WIDEST_TYPE, placeholder=" …")}
            for row in rows
            if row["view"] == view
        ]
        output.heading(f"{view}: {what}")
        if view != "attempts":
            output.table(listing(("column", "type", "unit"), own), indent=2)
        output.say()
    output.say("docs/records.md says what the columns mean, and so does --schema --json.")
