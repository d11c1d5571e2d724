"""Gather the records of sweeps into one table: those of their latest grids, with notes about the
rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.collect import collect
from artifacts.errors import StoreFull, StoreNotWritable
from artifacts.store import Store
from runner.report.origins import Latest, origin_notes
from runner.report.tables import plural
from runner.report.where import matching, parse
from runner.sweep.reconcile import reconcile_if_idle
from runner.sweep.sweep import Sweep, submitted_sweeps


@dataclass(frozen=True)
class Gathered:
    """The records of some sweeps, and notes about those that are not among them."""

    table: pa.Table
    unreadable: tuple[str, ...]
    left_out: tuple[str, ...]
    """Notes about what is not among the rows."""
    latest: Mapping[str, Latest]
    """The sweeps' latest submissions, by name; empty where rows are not trials."""
    attempts: pa.Table
    """Every attempt at the trials of the table, with the column COUNTS."""

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Return what is to be said below the table."""
        return (*self.left_out, *origin_notes(self.table, self.latest))

    def where(self, condition: str) -> Gathered:
        """Return the records for which a condition holds, such as ``lr<0.1 and model=resnet18``."""
        rows = matching(self.table, parse(condition), condition)
        note = f"{plural(len(rows), 'trial')} of {self.table.num_rows} where {condition}"
        table = self.table.take(rows) if rows else self.table.slice(0, 0)
        trials = {
            sweep: frozenset(table.filter(pc.equal(table["sweep"], sweep))["trial"].to_pylist())
            for sweep in pc.unique(self.table["sweep"]).to_pylist()
        }
        attempts = self.attempts.filter(_among(self.attempts, trials))
        return Gathered(table, self.unreadable, (note, *self.left_out), self.latest, attempts)


def gather(
    store: Store,
    sweeps: Sequence[str],
    *,
    attempts: bool = False,
    expected: Mapping[str, Collection[str]] | None = None,
    latest: Mapping[str, Latest] | None = None,
    without: Collection[str] = (),
) -> Gathered:
    """Collect the records of the sweeps, of all the store's sweeps if none is named.

    Args:
        store: Where the records are.
        sweeps: Their names.
        attempts: One row per attempt instead of one per trial.
        expected: By sweep the trials of its latest grid; records of other trials are left out, and
            trials without a record are counted. None, or a sweep that it lacks, keeps every record.
        latest: The sweeps' latest submissions, by name: of several completed attempts at a trial
            one counts that was computed with the same, and notes tell which trials have none.
        without: Columns that are not read; they are missing in every row.

    Raises:
        UnknownSweep: The store has no sweep of that name.
    """
    latest = latest or {}
    preferred = {one.sweep: one.preferred for one in latest.values()}
    collected = collect(
        store, sweeps or store.sweeps(), attempts=attempts, preferred=preferred, without=without
    )
    table, every, notes = collected.table, collected.attempts, list[str]()
    if expected is not None:
        notes = notes_of(table, expected)
        wanted = of_grid(table, expected)
        if not pc.all(wanted).as_py():
            table, every = table.filter(wanted), every.filter(of_grid(every, expected))
    return Gathered(
        table,
        tuple(f"{problem.path}: {problem.reason}" for problem in collected.unreadable),
        tuple(notes),
        {} if attempts else latest,
        every,
    )


def of_grid(table: pa.Table, expected: Mapping[str, Collection[str]]) -> pa.ChunkedArray:
    """Return for each row whether its trial is among those of its sweep's latest grid; true for the
    rows of other stores too, whose grids were others."""
    return pc.or_(_among(table, expected), pc.is_valid(table["merged_from"]))


def _among(table: pa.Table, trials: Mapping[str, Collection[str]]) -> pa.ChunkedArray:
    """Return for each row whether its trial is among those of its sweep; true for the rows of other
    sweeps."""
    wanted = pc.invert(pc.is_in(table["sweep"], pa.array(list(trials), pa.string())))
    for sweep, ids in trials.items():
        here = pc.is_in(table["trial"], pa.array(list(ids), pa.string()))
        wanted = pc.or_(wanted, pc.and_(pc.equal(table["sweep"], sweep), here))
    return wanted


def notes_of(table: pa.Table, expected: Mapping[str, Collection[str]]) -> list[str]:
    """Return what is to be said of records whose trials no latest grid has, and of trials without
    a record."""
    notes = []
    if left_out := pc.sum(pc.invert(of_grid(table, expected))).as_py():
        notes.append(
            f"{plural(left_out, 'record')} of earlier grids left out (--all includes them)"
        )
    kept = table.filter(_among(table, expected))
    recorded = sum(
        pc.count_distinct(kept.filter(pc.equal(kept["sweep"], sweep))["trial"]).as_py()
        for sweep in expected
    )
    if missing := sum(map(len, expected.values())) - recorded:
        notes.append(f"{plural(missing, 'trial')} without a record yet")
    return notes


def open_sweeps(store: Store, names: Sequence[str]) -> list[Sweep]:
    """Return the sweeps of these names, or all that were submitted if none is named."""
    return [Sweep(store, name) for name in names or submitted_sweeps(store)]


def expected_trials(sweeps: Iterable[Sweep]) -> dict[str, frozenset[str]]:
    """Return by sweep the trials of its latest submission.

    A sweep that was only recorded, never submitted here, is not among them.
    """
    return {sweep.shown_name: sweep.latest.trial_ids for sweep in sweeps if sweep.submitted}


def settle_before(sweeps: Iterable[Sweep]) -> list[str]:
    """Derive the records that workers could not write, and return what prevented it.

    A store that cannot be written to is collected as it is.
    """
    warnings: list[str] = []
    for sweep in sweeps:
        try:
            settled = reconcile_if_idle(sweep)
        except (StoreFull, StoreNotWritable) as error:
            return [*warnings, f"{error}; collected as it is"]
        if settled and sweep.queue.scheduler_error:
            warnings.append(
                f"the scheduler does not answer, so what it holds of {sweep.name} is not known: "
                f"{sweep.queue.scheduler_error}"
            )
    return warnings
