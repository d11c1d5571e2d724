"""`runner collect`: every record of a sweep in one table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, StoreOption, SweepsArgument, sweeps_of
from runner.report.tables import Table, listing, plural, summary_table

if TYPE_CHECKING:
    import pyarrow as pa

    from artifacts.store import Store

ATTEMPT_COLUMNS = ("trial", "attempt", "outcome")
AFTER_ATTEMPT_COLUMNS = ("total_s", "node", "error_type")


def collect(
    sweeps: SweepsArgument = None,
    store: StoreOption = DEFAULT_STORE,
    file: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Also write every row and column: .parquet, .csv or .json by its ending."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="COLUMN,...", help="Columns to group by; else every parameter that varies, but for the seed."),
    ] = None,
    attempts: Annotated[bool, typer.Option("--attempts", help="One row per attempt instead of one per trial.")] = False,
    earlier: Annotated[bool, typer.Option("--all", help="Also trials that the sweep's grid no longer has.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Gather all records into one table.

    Trials that differ in the seed alone are averaged: each row shows
    mean ± standard deviation (n - 1) and the number n of completed trials
    behind it. Trials that did not complete are counted, never averaged.

    \b
    Example:
      runner collect
      runner collect quickstart --by model,lr
      runner collect quickstart -o table.csv
    """
    from artifacts.store import Store

    opened = Store(store)
    sweeps = sweeps_of(opened, sweeps)
    _settle(opened, sweeps)
    gathered = gather(opened, sweeps or [], attempts=attempts, expected=None if earlier else _expected(opened, sweeps))
    if file is not None:
        from artifacts.collect import write_table

        write_table(gathered.table, file)
        output.note(f"wrote {plural(gathered.table.num_rows, 'row')} to {file}")
    keys = None if by is None else [name.strip() for name in by.split(",") if name.strip()]
    _print(gathered, keys, attempts=attempts, as_json=as_json)
    for problem in gathered.unreadable:
        output.error(problem)
    if gathered.unreadable:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Gathered:
    """The records of some sweeps, and what is to be said about those that are not among them."""

    table: pa.Table
    unreadable: tuple[str, ...]
    notes: tuple[str, ...]


def gather(
    store: Store, sweeps: Sequence[str], *, attempts: bool = False, expected: Mapping[str, Collection[str]] | None = None
) -> Gathered:
    """Collect the records of the sweeps, of all the store's sweeps if none is named.

    Args:
        attempts: One row per attempt instead of one per trial.
        expected: By sweep the trials of its latest grid; records of other trials are left out, and trials without a record are
            counted. None, or a sweep that it lacks, keeps every record.

    Raises:
        UnknownSweep: The store has no sweep of that name.
    """
    from artifacts.collect import collect as collect_records

    collected = collect_records(store, sweeps or store.sweeps(), attempts=attempts)
    table, notes = collected.table, []
    if expected is not None:
        ids = list(zip(table.column("sweep").to_pylist(), table.column("trial").to_pylist(), strict=True))
        kept = [row for row, (sweep, trial) in enumerate(ids) if sweep not in expected or trial in expected[sweep]]
        if len(kept) < len(ids):
            table = table.take(kept) if kept else table.slice(0, 0)
            notes.append(f"{plural(len(ids) - len(kept), 'record')} of earlier grids left out (--all includes them)")
        missing = sum(len(trials) for trials in expected.values()) - len({ids[row] for row in kept if ids[row][0] in expected})
        if missing:
            notes.append(f"{plural(missing, 'trial')} without a record yet")
    return Gathered(table, tuple(f"{problem.path}: {problem.reason}" for problem in collected.unreadable), tuple(notes))


def _settle(store: Store, sweeps: Sequence[str] | None) -> None:
    """Derive the records that workers could not write; a store that cannot be written to is collected as it is."""
    from artifacts.errors import StoreFull, StoreNotWritable
    from runner.settle import settle_if_idle
    from runner.status import submitted_sweeps

    for sweep in sweeps or submitted_sweeps(store):
        try:
            view = settle_if_idle(store, sweep)
        except (StoreFull, StoreNotWritable) as error:
            output.warn(f"{error}; collected as it is")
            return
        if view is not None and view.trouble:
            output.warn(f"the scheduler does not answer, so what it holds of {sweep} is not known: {view.trouble}")


def _expected(store: Store, sweeps: Sequence[str] | None) -> dict[str, frozenset[str]]:
    """By sweep the trials of its latest submission; a sweep that was only recorded, never submitted here, is not among them."""
    from runner.status import latest_submission, submitted_sweeps

    submitted = [name for name in submitted_sweeps(store) if not sweeps or name in sweeps]
    return {name: frozenset(spec.trial_id for spec in latest_submission(store, name).specs) for name in submitted}


def _print(gathered: Gathered, by: Sequence[str] | None, *, attempts: bool, as_json: bool) -> None:
    from artifacts.tables import rows_of
    from runner.report.summary import summarise

    table = gathered.table
    grouped = by is not None or not attempts
    if as_json:
        output.json(summarise(table, by).as_rows() if by is not None else rows_of(table))
        return
    if not table.num_rows:
        output.say("no records")
    else:
        output.table(summary_table(summarise(table, by)) if grouped else _attempts_table(table))
    for note in gathered.notes:
        output.say(note)
    _say_next(table)


def _attempts_table(table: pa.Table) -> Table:
    from artifacts.tables import rows_of
    from runner.report.summary import metrics_of, varying_columns

    metrics = [metric.name for metric in metrics_of(table) if not metric.timing]
    diverged = ("diverged",) if True in table.column("diverged").to_pylist() else ()
    names = list(dict.fromkeys((*ATTEMPT_COLUMNS, *diverged, *varying_columns(table), "seed", *metrics, *AFTER_ATTEMPT_COLUMNS)))
    return listing(names, rows_of(table.select([name for name in names if name in table.column_names])))


def _say_next(table: pa.Table) -> None:
    trials, outcomes = table.column("trial").to_pylist(), table.column("outcome").to_pylist()
    failed = next((trial for trial, outcome in zip(trials, outcomes, strict=True) if outcome != "completed"), None)
    if failed is not None:
        output.next_step(output.typed("runner", "show", failed), "tells why it did not complete")
    elif trials:
        output.next_step(output.typed("runner", "show", trials[0]), "shows everything that one trial recorded")
    else:
        there = Path("grid.yaml").is_file()
        output.next_step(*(("runner submit grid.yaml", "runs the trials of a grid") if there else ("runner init", "writes a first grid")))
