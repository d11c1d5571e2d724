"""One record as a person reads it: its columns by section with their units, and its history as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from artifacts.columns import COLUMNS, Column
from runner.report.tables import Table, listing, percent, text

OWN_SECTIONS = ("parameters", "results")


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


def sections(row: Mapping[str, Any]) -> tuple[Section, ...]:
    """Every column of one record but its history, in the order of the schema; its parameters and results after its identity."""
    found: list[Section] = []
    for title, columns in _by_section().items():
        shown = [column for column in columns if column.name not in OWN_SECTIONS]
        lines = tuple(Line(c.name, with_unit(row[c.name], c.unit)) for c in shown if row.get(c.name) is not None)
        found.append(Section(title, lines, tuple(c.name for c in shown if row.get(c.name) is None)))
        if title == "identity":
            found.extend(section for name in OWN_SECTIONS if (section := _own_section(name, row)) is not None)
    return tuple(found)


def history_table(history: Sequence[Mapping[str, Any]]) -> Table:
    """One row per epoch; metrics that no epoch has are left out, and the workload's own stand last."""
    rows = [epoch(entry) for entry in history]
    names = dict.fromkeys(name for row in rows for name in row)
    return listing(list(names), rows)


def epoch(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of a history without what it does not have; the workload's own metrics stand beside the others, and last."""
    extra = entry.get("extra") or ()
    own = dict(extra.items() if isinstance(extra, Mapping) else extra)  # Arrow gives a map as a list of pairs
    return {name: value for name, value in entry.items() if name != "extra" and value is not None} | own


def with_unit(value: Any, unit: str) -> str:
    """A value as text with its unit; a fraction in percent."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", f" {unit}" if unit else "")
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
    own: Iterable[str] = row.get(name) or ()
    lines = tuple(Line(column, text(row.get(column)) or "null") for column in own)
    return Section(name, lines) if lines else None
