"""Turns records into what trackers of experiments call runs: parameters, metrics, curves, tags."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
import pyarrow as pa

from artifacts.columns import COLUMNS
from artifacts.identity import name_of
from artifacts.record import Outcome
from artifacts.store import Store
from artifacts.tables import rows_of
from runner.errors import RunnerError
from runner.report.record import epoch

_NAMES: Final = ("sweep", "trial", "attempt", "parameters", "results", "history", "schema_version")
"""Columns that a run has in another way."""
_SETTINGS: Final = ("workload", "target", "seed")
"""What was asked for beside the parameters."""
_NUMBERS: Final = frozenset(
    column.name
    for column in COLUMNS
    if column.type == "double" or (column.type == "int" and column.section != "identity")
)
_ENDED: Final = frozenset({Outcome.completed, Outcome.failed})


class ToolRefused(RunnerError):
    """Another tool did not take the runs; those before are there."""

    tool: str
    place: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.tool} did not take the runs at {self.place} ({self.reason}): check that it is "
            "reached from here and can be written to; the same command adds what is missing"
        )


@dataclass
class Exported:
    """What an export did."""

    place: str
    """Where the runs are now: a URI or a folder."""
    added: int = 0
    known: int = 0
    """Were there already."""
    notes: list[str] = field(default_factory=list)
    """What had to be shortened or renamed."""


@dataclass(frozen=True)
class Run:
    """One attempt, as a tracker has it."""

    key: str
    """What tells it from every other attempt of any store."""
    sweep: str
    """The name that it has now."""
    former: tuple[str, ...]
    """Its other names: under one of them it may have been exported before."""
    trial: str
    attempt: int
    merged_from: str
    outcome: str
    params: Mapping[str, Any]
    """Plain values, with workload, target and seed."""
    metrics: Mapping[str, float]
    """The columns and results that are numbers."""
    curves: tuple[tuple[int, Mapping[str, float]], ...]
    """For each entry of the history its step and its numbers; the step is the epoch, or counts the
    entries where an epoch is no whole number."""
    tags: Mapping[str, str]
    """All other columns that have a value."""
    began: datetime | None
    total_s: float

    @property
    def completed(self) -> bool:
        """Return whether it ran to its end."""
        return self.outcome == Outcome.completed

    @property
    def cut_short(self) -> bool:
        """Return whether it ended otherwise than by itself."""
        return self.outcome not in _ENDED


def runs_of(table: pa.Table, store: Store) -> Iterator[Run]:
    """Yield the run of each row.

    Args:
        table: Collected records.
        store: Theirs.
    """
    origin, names = name_of(store.root), dict[str, list[str]]()
    for row in rows_of(table):
        sweep = row["sweep"]
        if sweep not in names:
            names[sweep] = store.names_of(store.resolve(sweep))
        yield _run(row, origin, names[sweep])


def plain_text(value: Any) -> str:
    """Return a value as text: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return msgspec.json.encode(value, enc_hook=str).decode()


def _run(row: Mapping[str, Any], store: str, names: Sequence[str]) -> Run:
    """The run of a row.

    Args:
        row: A record.
        store: Id of the store that it was collected from.
        names: Every name that its sweep has had, the first first.
    """
    parameters, results = row["parameters"] or (), row["results"] or ()
    params = {name: row[name] for name in _SETTINGS if row.get(name) is not None}
    params |= {name: row.get(name) for name in parameters}
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    own = {*(column.name for column in COLUMNS), *results} - {*_NAMES, *_SETTINGS}
    for name in [name for name in row if name in own]:
        value = row[name]
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and (name in _NUMBERS or name in results):
            metrics[name] = float(value)
        else:
            tags[name] = plain_text(value)
    origin = row.get("merged_from") or ""
    return Run(
        key=f"{origin or store}/{names[0]}/{row['trial']}/{row['attempt']}",
        sweep=row["sweep"],
        former=tuple(name for name in names if name != row["sweep"]),
        trial=row["trial"],
        attempt=row["attempt"],
        merged_from=origin,
        outcome=row["outcome"],
        params=params,
        metrics=metrics,
        curves=tuple(_curves(row.get("history") or ())),
        tags=tags,
        began=row.get("started_at"),
        total_s=row.get("total_s") or 0.0,
    )


def _curves(history: Any) -> Iterator[tuple[int, Mapping[str, float]]]:
    entries = [epoch(entry) for entry in history]
    whole = all(float(entry.get("epoch") or 0.5).is_integer() for entry in entries)
    for number, entry in enumerate(entries, 1):
        step = int(entry["epoch"]) if whole else number
        yield (
            step,
            {
                name: float(value)
                for name, value in entry.items()
                if (name != "epoch" or not whole) and isinstance(value, int | float)
            },
        )
