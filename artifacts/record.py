"""The record: one row about one attempt at one trial."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from artifacts.columns import COLUMNS, OUTCOMES, RESERVED, SCHEMA_VERSION, Column
from artifacts.errors import BadColumn, BadName
from artifacts.values import clean, fit, infer, shown

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "COLUMNS",
    "RESERVED",
    "SCHEMA_VERSION",
    "Column",
    "Outcome",
    "Record",
    "check_sweep",
    "check_trial",
    "parameter_column",
]


class Outcome(StrEnum):
    """How an attempt ended; what each word means stands in columns.OUTCOMES."""

    completed = "completed"
    failed = "failed"
    timed_out = "timed_out"
    out_of_memory = "out_of_memory"
    gpu_out_of_memory = "gpu_out_of_memory"
    preempted = "preempted"
    wrong_device = "wrong_device"
    crashed = "crashed"
    killed = "killed"
    cancelled = "cancelled"
    interrupted = "interrupted"
    node_failed = "node_failed"
    unknown = "unknown"


# Filled from the record's own fields, so that a row cannot contradict its file's name.
_OWN: Final = frozenset({"schema_version", "sweep", "trial", "attempt", "parameters", "results"})
_JUDGED: Final = ("loss", "accuracy")
_TYPES: Final = {column.name: column.type for column in COLUMNS if column.name not in _OWN}
_TRIAL: Final = re.compile(r"(?!compacted-)[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
_LONGEST_SWEEP: Final = 200


@dataclass(frozen=True)
class Record:
    """One attempt, checked when it is built: publishing it can then fail for the disk's reasons
    only.

    Args:
        sweep: Name of the submitted grid.
        trial: Id of the trial.
        attempt: Which execution of it, from 0 or 1 upward.
        parameters: The trial's parameters; each becomes a column of its own, see parameter_column.
        values: Columns of COLUMNS by name, ``outcome`` among them; None is the same as leaving one
            out.
        results: What the user's own function returned; each becomes a column of its own.

    Raises:
        BadName: The sweep or the trial cannot be a file's name.
        BadColumn: A value names no column, does not fit its column, or two want the same one;
            ``keeping`` leaves it out instead.
    """

    sweep: str
    trial: str
    attempt: int
    parameters: Mapping[str, Any]
    values: Mapping[str, Any]
    results: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_sweep(self.sweep)
        check_trial(self.trial)
        if self.attempt < 0:
            raise BadColumn("attempt", f"{self.attempt} is below zero")
        own: dict[str, tuple[str, Any]] = {}
        for name, value in self.parameters.items():
            column = clean(parameter_column(name))
            if column in own:
                raise BadColumn(
                    "parameters",
                    f"two of {', '.join(map(clean, self.parameters))} would share a column: rename "
                    "one",
                )
            own[column] = infer(name, value)
        parameters = list(own)
        for name, value in self.results.items():
            column = clean(name)
            if column in own or column in RESERVED:
                other = (
                    "the record"
                    if column in RESERVED
                    else "a parameter"
                    if column in parameters
                    else "another result"
                )
                raise BadColumn(name, f"{other} has a column of this name: return it under another")
            own[column] = infer(name, value)
        results = list(own)[len(parameters) :]
        core = {
            "schema_version": ("int", SCHEMA_VERSION),
            "sweep": ("string", self.sweep),
            "trial": ("string", self.trial),
        }
        core |= {
            "attempt": ("int", self.attempt),
            "parameters": ("list<string>", parameters),
            "results": ("list<string>", results),
        }
        fitted = self._fitted()
        if fitted["outcome"] == Outcome.completed:
            fitted.setdefault(
                "diverged", _diverged(fitted, {name: own[name][1] for name in results})
            )
        core |= {name: (_TYPES[name], value) for name, value in fitted.items()}
        object.__setattr__(
            self, "_columns", {**{c.name: core[c.name] for c in COLUMNS if c.name in core}, **own}
        )

        from artifacts.parquet import row_bytes  # pyarrow takes 0.2 s to import

        object.__setattr__(self, "_file", row_bytes(list(self.columns())))

    @classmethod
    def keeping(
        cls,
        sweep: str,
        trial: str,
        attempt: int,
        parameters: Mapping[str, Any],
        values: Mapping[str, Any],
        results: Mapping[str, Any] | None = None,
    ) -> Record:
        """Build the record of what columns can hold; what none can is left out, and ``not_written``
        says what and why.

        Raises:
            BadName: The sweep or the trial cannot be a file's name.
            BadColumn: Without this value there is no record: its outcome.
        """
        parameters, values, results = dict(parameters), dict(values), dict(results or {})
        left_out: list[str] = []
        while True:
            try:
                return cls(
                    sweep,
                    trial,
                    attempt,
                    parameters,
                    values | ({"not_written": left_out} if left_out else {}),
                    results,
                )
            except BadColumn as error:
                if not _leave_out(error.name, parameters, values, results):
                    raise
                if (reason := f"{clean(error.name)}: {error.reason}") not in left_out:
                    left_out.append(reason)

    @property
    def file(self) -> bytes:
        """Return the record as the file that is published."""
        data: bytes = self.__dict__["_file"]
        return data

    @property
    def derived(self) -> bool:
        """Return whether it was derived in place of one that its worker could not write."""
        return bool(self.values.get("derived"))

    def columns(self) -> Iterator[tuple[str, str, Any]]:
        """Name, type and value of every column that has one, in the order of the schema; then
        parameters, then results."""
        columns: dict[str, tuple[str, Any]] = self.__dict__["_columns"]
        for name, (kind, value) in columns.items():
            yield name, kind, value

    def to_table(self) -> pa.Table:
        """Return the row as it is published: one row, without columns for what is missing."""
        from artifacts.parquet import row_table

        return row_table(list(self.columns()))

    def _fitted(self) -> dict[str, Any]:
        fitted: dict[str, Any] = {"derived": False}
        for name, value in self.values.items():
            if name not in _TYPES:
                reason = (
                    "the record fills it from its own fields"
                    if name in _OWN
                    else "the record has no such column (see docs/records.md)"
                )
                raise BadColumn(name, reason)
            fitted[name] = fit(name, _TYPES[name], value)
        if fitted.get("outcome") not in OUTCOMES:
            raise BadColumn(
                "outcome", f"{shown(fitted.get('outcome'))} is none of {', '.join(OUTCOMES)}"
            )
        return {name: value for name, value in fitted.items() if value is not None}


def _diverged(values: Mapping[str, Any], results: Mapping[str, Any]) -> bool:
    """Whether a loss or an accuracy, of the whole or of the last epoch, is NaN or infinite."""
    last = (values.get("history") or [{}])[-1]
    return any(
        isinstance(value, float) and not math.isfinite(value) and name.lower().endswith(_JUDGED)
        for part in (values, results, last, last.get("extra") or {})
        for name, value in part.items()
    )


def _leave_out(
    name: str, parameters: dict[str, Any], values: dict[str, Any], results: dict[str, Any]
) -> bool:
    """Take what cannot be written out of the place it stands in; False if it stands nowhere, or
    nothing is a record without it."""
    for part in (results, parameters, values):
        if name in part and not (part is values and name == "outcome"):
            del part[name]
            return True
    if name == "parameters":
        columns = [clean(parameter_column(parameter)) for parameter in parameters]
        del parameters[
            next(parameter for n, parameter in enumerate(parameters) if columns[n] in columns[:n])
        ]
        return True
    metric = name.removeprefix("history.")
    entries = values.get("history")
    if metric == name or not isinstance(entries, list):
        return False
    lighter = [_without(entry, metric) for entry in entries]
    changed = any(
        len(new) < len(old) or new.get("extra") != old.get("extra")
        for new, old in zip(lighter, entries, strict=True)
    )
    values["history"] = lighter
    return changed


def _without(entry: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """An epoch without the metric, if that is what no column can hold."""
    try:
        fit("history", "history", [entry])
    except BadColumn as error:
        if error.name == f"history.{metric}":
            extra = {
                name: value for name, value in (entry.get("extra") or {}).items() if name != metric
            }
            return {
                name: value for name, value in entry.items() if name not in (metric, "extra")
            } | ({"extra": extra} if extra else {})
    return dict(entry)


def parameter_column(name: str) -> str:
    """Return the column of a parameter: its own name, or ``engine_asked`` where the record has an
    ``engine`` of its own."""
    return f"{name}_asked" if name in RESERVED else name


def check_sweep(name: str) -> None:
    """Raise BadName unless it is one visible component of a path."""
    if (
        not name
        or name.startswith(".")
        or "/" in name
        or "\\" in name
        or not name.isprintable()
        or len(name.encode()) > _LONGEST_SWEEP
    ):
        raise BadName(
            "sweep",
            name,
            f"a name without slashes that does not start with a dot, of {_LONGEST_SWEEP} bytes at "
            "most",
        )


def check_trial(name: str) -> None:
    """Raise BadName unless a file name made of it can be taken apart again."""
    if not _TRIAL.fullmatch(name):
        raise BadName("trial", name, "letters, digits, '-' and '_', the way trial ids are spelled")
