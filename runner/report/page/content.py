"""Gather what a page says, before it is written as HTML or Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import TYPE_CHECKING, Final

from artifacts.store import Store
from runner import __version__
from runner.errors import FrozenFileDamaged
from runner.report.answers import Answers, answers_of
from runner.report.cells import Cell, Trials
from runner.report.failures import Cause, causes
from runner.report.gather import expected_trials, gather, open_sweeps
from runner.report.origins import latest_of
from runner.report.plots.frontier import accuracy_against_time
from runner.report.plots.learning import learning_curves
from runner.report.plots.plot import NotDrawn, Plot
from runner.report.plots.speed import speed_up
from runner.report.plots.timeline import timeline
from runner.report.plots.timings import batch_size_sweep, time_ledger, top_operators
from runner.report.summary import (
    ENVIRONMENT,
    HARDWARE,
    arranged,
    more_is_better,
    sorted_by,
    summarize,
)
from runner.report.tables import Table, plural, summary_table, text
from runner.sweep.sweep import Sweep

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS: Final = 200
_MOST_CAUSES: Final = 25
_MOST_VALUES: Final = 12


@dataclass(frozen=True)
class About:
    """What one sweep froze when it was last submitted."""

    sweep: str
    lines: tuple[tuple[str, str], ...]
    packages: str
    """One to a line."""
    patch: str
    """What no commit has of the user's code."""


@dataclass(frozen=True)
class Difference:
    """A column of the environment or the hardware in which the completed trials differ."""

    column: str
    values: tuple[tuple[str, int, str], ...]
    """Each value, how many trials have it, and in which cells they are."""
    left_out: int


@dataclass(frozen=True)
class Content:
    """Everything that a page says."""

    title: str
    made_at: str
    version: str
    counts: tuple[tuple[str, int], ...]
    """How many trials by outcome, those without a record included."""
    hardware: str
    notes: tuple[str, ...]
    answers: Answers | None
    """What each axis does; None if nothing varies or nothing has completed."""
    table: Table | None
    """Means of the groups; None if nothing has completed."""
    plots: tuple[Plot, ...]
    not_drawn: tuple[NotDrawn, ...]
    causes: tuple[Cause, ...]
    more_causes: int
    about: tuple[About, ...]
    differences: tuple[Difference, ...]
    trials: Trials

    @property
    def n_trials(self) -> int:
        """Return how many trials the sweeps have."""
        return sum(count for _, count in self.counts)

    @property
    def completed(self) -> int:
        """Return how many of them completed."""
        return dict(self.counts).get("completed", 0)


def read_content(store: Store, names: Sequence[str], warnings: Iterable[str] = ()) -> Content:
    """Read the records of sweeps, of all of the store if none is named, and gather a page of them.

    Args:
        store: Where the records are.
        names: Of the sweeps.
        warnings: What is to be said beside the notes about records.

    Raises:
        UnknownSweep: The store has no sweep of that name.
    """
    sweeps = open_sweeps(store, names)
    expected, latest = expected_trials(sweeps), latest_of(sweeps)
    chosen = gather(store, names, expected=expected, latest=latest)
    every = gather(store, names, attempts=True, expected=expected)
    ids = zip(
        chosen.table.column("sweep").to_pylist(),
        chosen.table.column("trial").to_pylist(),
        strict=True,
    )
    recorded = sum(sweep in expected for sweep, _ in set(ids))
    return content_of(
        store,
        [sweep for sweep in sweeps if sweep.submitted],
        chosen.table,
        every.table,
        (*warnings, *chosen.unreadable, *chosen.notes),
        without_record=sum(map(len, expected.values())) - recorded,
    )


def content_of(
    store: Store,
    sweeps: Sequence[Sweep],
    table: pa.Table,
    attempts: pa.Table,
    notes: Iterable[str] = (),
    *,
    without_record: int = 0,
) -> Content:
    """Gather what a page says of some sweeps.

    Args:
        store: Where logs and files are.
        sweeps: The sweeps that were submitted to it.
        table: Their records, one row per trial.
        attempts: Their records, one row per attempt.
        notes: What is to be said of trials that are not among the rows.
        without_record: How many trials have none yet.
    """
    trials = Trials(table)
    names = list(dict.fromkeys([*trials.values("sweep"), *(sweep.shown_name for sweep in sweeps)]))
    counts = Counter(trials.values("outcome"))
    listed, more = causes(store, attempts, _MOST_CAUSES)
    order = [spec.trial_id for sweep in sweeps for spec in sweep.latest.specs]
    answers = answers_of(trials, order)
    plots = list(_plots(trials, answers, store, attempts))
    return Content(
        title=", ".join(names) or "no sweep",
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        counts=(
            *counts.most_common(),
            *([("no record yet", without_record)] if without_record else []),
        ),
        hardware=trials.hardware(trials.completed) if trials.completed else "",
        notes=tuple(notes),
        answers=answers,
        table=_means(trials),
        plots=tuple(plot for plot in plots if isinstance(plot, Plot)),
        not_drawn=tuple(plot for plot in plots if isinstance(plot, NotDrawn)),
        causes=tuple(listed),
        more_causes=more,
        about=tuple(about for sweep in sweeps for about in _about(sweep)),
        differences=tuple(_differences(trials)),
        trials=trials,
    )


def _plots(
    trials: Trials, answers: Answers | None, store: Store, attempts: pa.Table
) -> Iterable[Plot | NotDrawn]:
    yield speed_up(() if answers is None else answers.comparisons)
    yield accuracy_against_time(trials)
    yield from learning_curves(trials)
    yield from batch_size_sweep(trials)
    yield time_ledger(trials)
    yield top_operators(trials, store)
    yield timeline(attempts)


def _means(trials: Trials) -> Table | None:
    """Return the groups' means; of very many groups the best by the first metric."""
    if not trials.completed:
        return None
    if len(trials.cells) <= _MOST_ROWS:
        return summary_table(summarize(trials.table))
    kept = {trials.keys[cell.rows[0]] for cell in _best(trials)}
    rows = [row for row, key in enumerate(trials.keys) if key in kept]
    summary = summarize(trials.table.take(rows), trials.varying)
    shown = arranged(summary, None, _MOST_ROWS)
    return summary_table(replace(shown, left_out=len(trials.cells) - len(shown.groups)))


def _best(trials: Trials) -> list[Cell]:
    """Return the cells whose mean result is best; of thousands nobody reads all."""
    result = trials.result
    if result is None:
        return trials.cells[:_MOST_ROWS]

    def mean(cell: Cell) -> float | None:
        found = trials.numbers(result.name, cell.rows)
        return fmean(found) if found else None

    means = {cell.label: mean(cell) for cell in trials.cells}
    return sorted_by(
        trials.cells, lambda cell: means[cell.label], largest_first=more_is_better(result.name)
    )[:_MOST_ROWS]


def _about(sweep: Sweep) -> Iterable[About]:
    try:
        submission = sweep.latest
        about = submission.about
        patch = submission.patch
    except FrozenFileDamaged as error:
        yield About(sweep.shown_name, (("not readable", str(error)),), "", "")
        return
    frozen = about.environment
    commit = frozen.commit or "not in a repository"
    changed = f", with uncommitted changes{' (kept below)' * bool(patch)}" if frozen.dirty else ""
    lines = (
        ("submission", f"{submission.number}, backend {about.backend}"),
        ("code", f"{commit}{changed}"),
        ("untracked modules", ", ".join(frozen.untracked)),
        ("runner", frozen.runner_version),
        ("Python", frozen.python),
        ("submitted on", f"{frozen.host}, {frozen.platform}, {plural(frozen.cpus, 'CPU')}"),
        ("grid", about.grid),
        ("data folder", about.data_dir or ""),
        ("notes", "; ".join(about.notes)),
    )
    packages = "\n".join(f"{name} {version}" for name, version in frozen.packages.items())
    yield About(sweep.shown_name, tuple(line for line in lines if line[1]), packages, patch)


def _differences(trials: Trials) -> Iterable[Difference]:
    """Yield the columns in which completed trials ran on or with different things."""
    for name in dict.fromkeys((*HARDWARE, *ENVIRONMENT)):
        values = trials.values(name)
        found: dict[str, list[int]] = {}
        for row in trials.completed:
            if values[row] is not None:
                found.setdefault(text(values[row]), []).append(row)
        if len(found) > 1:
            ranked = sorted(found.items(), key=lambda entry: -len(entry[1]))
            yield Difference(
                name,
                tuple(
                    (value, len(rows), _cells_of(trials, rows))
                    for value, rows in ranked[:_MOST_VALUES]
                ),
                max(0, len(ranked) - _MOST_VALUES),
            )


def _cells_of(trials: Trials, rows: Sequence[int]) -> str:
    numbers = list(dict.fromkeys(trials.cell_of_row[row] for row in rows))
    if len(numbers) == len(trials.cells):
        return "every cell"
    named = "; ".join(trials.cells[number].label for number in numbers[:3])
    return f"{named} and {len(numbers) - 3} more cells" if len(numbers) > 3 else named
