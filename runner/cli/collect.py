"""Run `runner collect`: gather every record of a sweep into one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    SweepsArgument,
    grid_step,
    sweeps_of,
)
from runner.report.summary import UnknownColumn, known_columns
from runner.report.tables import Table, listing, plural, summary_table

if TYPE_CHECKING:
    import pyarrow as pa

    from runner.report.gather import Gathered
    from runner.report.summary import Summary

ATTEMPT_COLUMNS = ("trial", "attempt", "outcome")
TRIAL_COLUMNS = ("trial", "outcome")
LARGE = ("history",)
"""What only files and JSON show."""
AFTER_ATTEMPT_COLUMNS = ("total_s", "node", "error_type")


def collect(
    sweeps: SweepsArgument = None,
    store: StoreOption = DEFAULT_STORE,
    file: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Also write a file. .parquet, .csv and .json hold every row and column, or with "
            "--by the means; .md and .tex hold the printed table.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="COLUMN,...",
            help="Columns to group by. By default every parameter that varies, except the seed.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="COLUMN,...",
            help="Columns to average. By default the accuracy or first result, and the times.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help='Keep only these trials, as in "lr<0.1 and model=resnet18".',
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="[-]COLUMN",
            help="Sort by a column, best first; with a minus, worst first.",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            min=1,
            metavar="N",
            help="Keep the first N rows; without --sort the best by the first metric.",
        ),
    ] = None,
    trials: Annotated[
        bool,
        typer.Option("--trials", help="Show one row per trial, with its id, instead of means."),
    ] = False,
    attempts: Annotated[
        bool,
        typer.Option(
            "--attempts",
            help="Show one row per attempt, with the trial's id, instead of means.",
        ),
    ] = False,
    earlier: Annotated[
        bool, typer.Option("--all", help="Include trials that the sweep's grid no longer has.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Gather all records into one table.

    Trials that differ only in the seed are averaged. Each row shows the
    mean ± standard deviation (n - 1) and the number n of completed trials.
    Trials that did not complete are counted, never averaged.

    \b
    Example:
      runner collect
      runner collect quickstart --by model,lr
      runner collect quickstart --where "lr<0.1" --metric val_accuracy --top 3
      runner collect quickstart --trials --sort test_accuracy
      runner collect quickstart --by model,lr -o table.tex
    """
    from artifacts.store import Store
    from runner.errors import SweepNotNamed
    from runner.report.gather import expected_trials, gather, open_sweeps, settle_before
    from runner.report.origins import latest_of
    from runner.sweep.sweep import submitted_sweeps

    opened = Store(store)
    sweeps = sweeps_of(opened, sweeps)
    if not sweeps and not opened.sweeps() and not submitted_sweeps(opened):
        raise SweepNotNamed(str(store), ())
    chosen = open_sweeps(opened, sweeps)
    for trouble in settle_before(chosen):
        output.warn(trouble)
    asked = f"{by} {metric} {where} {sort}"
    only_means = file is None and not as_json and not any(name in asked for name in LARGE)
    gathered = gather(
        opened,
        sweeps,
        attempts=attempts,
        expected=None if earlier else expected_trials(chosen),
        latest=latest_of(chosen),
        without=LARGE if only_means else (),
    )
    if where is not None:
        gathered = gathered.where(where)
    shown = _View(
        gathered.table, _names(by), _names(metric), sort, top, trials=trials, attempts=attempts
    )
    if file is not None:
        output.note(f"wrote {plural(shown.write(file), 'row')} to {file}")
    if as_json:
        output.json(shown.plain())
    else:
        _print(gathered, shown)
    for problem in gathered.unreadable:
        output.error(problem)
    if gathered.unreadable:
        raise typer.Exit(1)


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


class _View:
    """The rows that the options ask for: means of groups, or trials or attempts, in their order."""

    def __init__(
        self,
        table: pa.Table,
        by: Sequence[str] | None,
        metrics: Sequence[str] | None,
        sort: str | None,
        top: int | None,
        *,
        trials: bool,
        attempts: bool,
    ) -> None:
        self.listed = trials or (attempts and by is None)
        self._table, self._by, self._metrics, self._sort, self._top, self._attempts = (
            table,
            by,
            metrics,
            sort,
            top,
            attempts,
        )

    @cached_property
    def summary(self) -> Summary:
        """Return the means."""
        from runner.report.summary import arranged, summarize

        return arranged(summarize(self._table, self._by, self._metrics), self._sort, self._top)

    @cached_property
    def rows(self) -> pa.Table:
        """Return the records."""
        from runner.report.summary import arranged_rows

        return (
            self._table.take(arranged_rows(self._table, self._sort, self._top))
            if self._table.num_rows
            else self._table
        )

    @property
    def table(self) -> Table:
        """Return the table that is printed."""
        return self._listing() if self.listed else summary_table(self.summary)

    def plain(self) -> list[dict[str, Any]]:
        """Return what ``--json`` prints: the groups that ``--by`` asks for, else the records."""
        from artifacts.tables import rows_of

        return (
            self.summary.as_rows()
            if self._by is not None and not self.listed
            else rows_of(self.rows)
        )

    def write(self, file: Path) -> int:
        """Write the file that ``-o`` names, and return the number of its rows."""
        from artifacts.table_files import write_table
        from runner.report import export

        if (self._by is not None and not self.listed) or file.suffix in export.TEXT:
            if self.listed:
                export.write_text(self.table, file)
            else:
                export.write_summary(self.summary, self.table, file)
            return len(self.table.rows)
        rows = self.rows if self.listed else self._table
        write_table(rows, file)
        return int(rows.num_rows)

    def _listing(self) -> Table:
        from artifacts.tables import rows_of
        from runner.report.summary import metrics_of, varying_columns

        table = self.rows
        metrics = self._metrics or [
            metric.name for metric in metrics_of(self._table) if not metric.timing
        ]
        diverged = ("diverged",) if True in table.column("diverged").to_pylist() else ()
        first, last = (
            (ATTEMPT_COLUMNS, AFTER_ATTEMPT_COLUMNS)
            if self._attempts
            else (TRIAL_COLUMNS, AFTER_ATTEMPT_COLUMNS[:1])
        )
        sort = () if self._sort is None else (self._sort.removeprefix("-"),)
        after = [name for name in last if table.column(name).null_count < table.num_rows]
        keys = self._by or varying_columns(self._table)
        names = list(dict.fromkeys((*first, *diverged, *keys, "seed", *metrics, *sort, *after)))
        for name in names:
            if name not in table.column_names:
                raise UnknownColumn(name, known_columns(self._table))
        left_out = self._table.num_rows - table.num_rows
        notes = (f"the first {table.num_rows} of {self._table.num_rows} rows",) if left_out else ()
        return replace(listing(names, rows_of(table.select(names))), notes=notes)


def _print(gathered: Gathered, shown: _View) -> None:
    if gathered.table.num_rows:
        output.table(shown.table)
    else:
        output.say("no records")
    for note in gathered.notes:
        output.say(note)
    _say_next(shown.rows if shown.listed else gathered.table)


def _say_next(table: pa.Table) -> None:
    trials, outcomes = table.column("trial").to_pylist(), table.column("outcome").to_pylist()
    failed = next(
        (trial for trial, outcome in zip(trials, outcomes, strict=True) if outcome != "completed"),
        None,
    )
    if failed is not None:
        output.next_step(output.typed("runner", "show", failed), "says why it did not complete")
    elif trials:
        output.next_step(
            output.typed("runner", "show", trials[0]), "shows everything that one trial recorded"
        )
    else:
        grid_step("shows the trials of a grid, which submit runs")
