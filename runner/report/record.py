"""Show one record to a reader: its columns by section with their units, and its history as a
table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from artifacts.columns import COLUMNS, OUTCOMES, RESERVED, Column
from jobs.errors import JobsError
from jobs.registry import BUILT_IN, Workload, workload
from runner.report.tables import Table, listing, percent, text

OWN_SECTIONS = ("parameters", "results")
ACCURACIES = ("test_accuracy", "val_accuracy", "train_accuracy")
TIMES = ("total_s", "train_s", "eval_s", "queue_s")


@dataclass(frozen=True)
class Line:
    """One column of the record; a value of several lines (a traceback) keeps them."""

    name: str
    value: str


@dataclass(frozen=True)
class Section:
    """The columns that belong together, and the names of those that the attempt left empty."""

    title: str
    lines: tuple[Line, ...]
    empty: tuple[str, ...] = ()


def headline(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a reader wants to know first of one attempt: how good, how long, why not, and
    what differs from the defaults."""
    accuracies = [
        Line(name, with_unit(row[name], "fraction"))
        for name in ACCURACIES
        if row.get(name) is not None
    ]
    results = [
        Line(name, text(row[name]))
        for name in row.get("results") or ()
        if isinstance(row.get(name), int | float)
    ]
    times = [
        Line(name.removesuffix("_s"), f"{row[name]:.3g} s")
        for name in TIMES
        if row.get(name) is not None
    ]
    error = ": ".join(filter(None, (row.get("error_type"), first_line(row.get("error_message")))))
    known = workload_of(row)
    changed = [name for name, shown in _parameters(row).items() if known is None or shown.changed]
    title = "parameters" if known is None else "differs from the defaults"
    pairs = ", ".join(f"{name} {_parameters(row)[name].value}" for name in changed)
    lines = (
        ", ".join(f"{line.name} {line.value}" for line in (*accuracies, *results)),
        ", ".join(f"{line.name} {line.value}" for line in times),
        f"{OUTCOMES.get(row['outcome'], '')}{': ' * bool(error)}{error}"
        if row["outcome"] != "completed"
        else "",
        f"{title}: {pairs or 'nothing'}",
    )
    return tuple(filter(None, lines))


def first_line(message: str | None) -> str:
    """Return the line of a message that names the error: the first, or the last if it is a whole
    traceback."""
    lines = (message or "").strip().splitlines() or [""]
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def sections(row: Mapping[str, Any]) -> tuple[Section, ...]:
    """Return every column of one record except its history, in the order of the schema; parameters
    and results follow the identity."""
    found: list[Section] = []
    for title, columns in _by_section().items():
        shown = [column for column in columns if column.name not in OWN_SECTIONS]
        lines = tuple(
            Line(c.name, with_unit(row[c.name], c.unit))
            for c in shown
            if row.get(c.name) is not None
        )
        found.append(Section(title, lines, tuple(c.name for c in shown if row.get(c.name) is None)))
        if title == "identity":
            found.extend(
                section for name in OWN_SECTIONS if (section := _own_section(name, row)) is not None
            )
    return tuple(found)


def history_table(history: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row per epoch; metrics that no epoch has are left out, and the workload's own come
    last."""
    rows = [epoch(entry) for entry in history]
    names = dict.fromkeys(name for row in rows for name in row)
    return listing(list(names), rows)


def epoch(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return one entry of a history without its missing values; the workload's own metrics come
    last."""
    extra = entry.get("extra") or ()
    own = dict(
        extra.items() if isinstance(extra, Mapping) else extra
    )  # Arrow gives a map as a list of pairs
    return {
        name: value for name, value in entry.items() if name != "extra" and value is not None
    } | own


def with_unit(value: Any, unit: str) -> str:
    """Return a value as text with its unit; a fraction in percent."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds").replace(
            "+00:00", f" {unit}" if unit else ""
        )
    if unit == "fraction":
        return f"{percent(value)} %"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return f"{text(value)} {unit.split(' (')[0]}".rstrip()


def _by_section() -> dict[str, list[Column]]:
    columns: dict[str, list[Column]] = {}
    for column in COLUMNS:
        if column.name != "history":
            columns.setdefault(column.section, []).append(column)
    return columns


def _own_section(name: str, row: Mapping[str, Any]) -> Section | None:
    if name == "parameters":
        lines = tuple(Line(parameter, shown.value) for parameter, shown in _parameters(row).items())
    else:
        lines = tuple(
            Line(column, text(row.get(column)) or "null") for column in row.get(name) or ()
        )
    return Section(name, lines) if lines else None


@dataclass(frozen=True)
class _Used:
    value: str
    changed: bool
    """Whether the grid asked for something else than the default."""


def _parameters(row: Mapping[str, Any]) -> dict[str, _Used]:
    """Return the parameters by their names in a grid, each with the value that was used."""
    asked = {
        (name.removesuffix("_asked") if name.removesuffix("_asked") in RESERVED else name): row.get(
            name
        )
        for name in row.get("parameters") or ()
    }
    known = workload_of(row)
    params, stands_for = None, {}
    if known is not None:
        with suppress(JobsError):  # of an older release, which knew other parameters
            params = known.read(asked)
            stands_for = known.stands_for(params, row)
    defaults = (
        {field.name: field.default for field in msgspec.structs.fields(known.params)}
        if known is not None
        else {}
    )
    found = {}
    for name, value in asked.items():
        used = stands_for.get(name) if value is None or value == "auto" else None
        plain = text(value) or "null"
        shown = plain if used is None else f"{text(used)} ({'default' if value is None else plain})"
        default = defaults.get(name, msgspec.NODEFAULT)
        found[name] = _Used(
            shown,
            default is msgspec.NODEFAULT
            or (tuple(value) if isinstance(value, list) else value) != default,
        )
    return found


def workload_of(row: Mapping[str, Any]) -> Workload | None:
    """Return the built-in workload that computed it; None for a user's own function, whose defaults
    are in its source."""
    return workload(row["workload"]) if row.get("workload") in BUILT_IN else None
