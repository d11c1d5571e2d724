"""Read a table of records as cells: the trials that differ in nothing but the seed, each cell with
a name that a plot or a page can print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from artifacts.tables import values_of
from artifacts.values import spelled
from runner.report.printable import shown
from runner.report.summary import COMPLETED, Metric, metrics_of, sorted_by, varying_columns
from runner.report.tables import BLANK, plural, text

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST_LABEL: Final = 72
_SPEAK_FOR_THEMSELVES: Final = frozenset(
    {"sweep", "workload", "target", "model", "dataset", "optimizer", "kernel"}
)
"""Columns whose values need no name before them."""


@dataclass(frozen=True)
class Cell:
    """The completed trials that agree in every column that varies, except the seed."""

    label: str
    """No two cells of a table have the same."""
    keys: Mapping[str, Any]
    """The columns that vary, and their values."""
    rows: tuple[int, ...]
    """Row numbers in the table."""


def named(name: str, value: Any) -> str:
    """Return a value with the name of its column, or alone where it speaks for itself."""
    if value is None:
        return BLANK
    return text(value) if name in _SPEAK_FOR_THEMSELVES else f"{name} {text(value)}"


class Trials:
    """The trials of a page, one row each; every column is read once."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._values: dict[str, list[Any]] = {}
        self._comparables: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def values(self, name: str) -> list[Any]:
        """Return every row's value; nulls if the table has no such column."""
        if name not in self._values:
            known = name in self.table.column_names
            self._values[name] = values_of(self.table, name) if known else [None] * len(self)
        return self._values[name]

    def numbers(self, name: str, rows: Iterable[int]) -> list[float]:
        """Return the finite numbers that a column has in these rows."""
        values = self.values(name)
        return [float(values[row]) for row in rows if is_finite(values[row])]

    def has_numbers(self, name: str) -> bool:
        """Return whether any completed trial has a finite number in a column."""
        return bool(self.numbers(name, self.completed))

    @cached_property
    def completed(self) -> list[int]:
        """Return the rows of the trials that completed."""
        return [row for row, outcome in enumerate(self.values("outcome")) if outcome == COMPLETED]

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Return the names of the columns that distinguish the trials, except the seed."""
        return varying_columns(self.table)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the metrics that the completed trials have: results first, then times."""
        return metrics_of(self.table)

    @property
    def result(self) -> Metric | None:
        """Return the accuracy, or the first result of a user's own workload."""
        return next((metric for metric in self.metrics if not metric.timing), None)

    @cached_property
    def keys(self) -> list[tuple[Any, ...]]:
        """Return what distinguishes each row's cell from the others; equal for rows of one cell."""
        columns = [self._comparable(name) for name in self.varying]
        return list(zip(*columns, strict=True)) if columns else [()] * len(self)

    @cached_property
    def cells(self) -> list[Cell]:
        """Return the cells that have a completed trial, sorted by their keys."""
        found: dict[tuple[Any, ...], list[int]] = {}
        for row in self.completed:
            found.setdefault(self.keys[row], []).append(row)
        groups = list(found.values())
        for name in reversed(self.varying):
            values = self.values(name)
            groups = sorted_by(groups, partial(_first, values), largest_first=False)
        labels = self._labels([rows[0] for rows in groups])
        return [
            Cell(label, {name: self.values(name)[rows[0]] for name in self.varying}, tuple(rows))
            for label, rows in zip(labels, groups, strict=True)
        ]

    @cached_property
    def cell_of_row(self) -> list[int]:
        """Return for each row the number of its cell, and -1 for a trial that did not complete."""
        numbers = [-1] * len(self)
        for number, cell in enumerate(self.cells):
            for row in cell.rows:
                numbers[row] = number
        return numbers

    def standing(self, cells: Iterable[Cell]) -> str:
        """Return how many repeats stand behind a plot of some cells, and on what hardware."""
        shown = list(cells)
        counts = [len(cell.rows) for cell in shown]
        if not counts:
            return ""
        low, high = min(counts), max(counts)
        repeats = f"n = {low}" if low == high else f"n = {low} to {high}"
        return f"{repeats}; {self.hardware([row for cell in shown for row in cell.rows])}"

    def hardware(self, rows: Iterable[int]) -> str:
        """Return on what hardware some trials ran, with the number of trials for each."""
        gpus, cpus = self.values("gpu_name"), self.values("cpu_model")
        counts = Counter(gpus[row] or cpus[row] or "hardware not recorded" for row in rows)
        listed = [f"{name} ({plural(count, 'trial')})" for name, count in counts.most_common(3)]
        more = len(counts) - len(listed)
        return ", ".join(listed) + (f" and {more} more" if more else "")

    def _comparable(self, name: str) -> list[Any]:
        """Return a column's values, equal only if they are the same in a grid."""
        if name not in self._comparables:
            values = self.values(name)
            kinds = {type(value) for value in values} - {type(None)}
            plain = len(kinds) < 2 and kinds <= {str, int, bool, float}
            plain = plain and all(value == value for value in values)  # NaN equals nothing
            self._comparables[name] = (
                values if plain else [None if value is None else spelled(value) for value in values]
            )
        return self._comparables[name]

    def _labels(self, rows: Sequence[int]) -> list[str]:
        """Return a name for each of these rows: its group's, where there are several, and what
        varies inside the group."""
        groups = self.values("group")
        several = len(set(groups)) > 1
        members: dict[Any, list[int]] = {}
        for row in rows:
            members.setdefault(groups[row] if several else None, []).append(row)
        inside = {
            group: [
                name
                for name in sorted(self.varying, key=lambda name: name not in _SPEAK_FOR_THEMSELVES)
                if len({self._comparable(name)[row] for row in found}) > 1
            ]
            for group, found in members.items()
        }
        names: dict[int, str] = {}
        for group, found in members.items():
            for row in found:
                parts = [named(name, self.values(name)[row]) for name in inside[group]]
                label = ", ".join(filter(None, parts))
                names[row] = ": ".join(filter(None, (group or BLANK, label))) or "all trials"
        return distinct_labels([names[row] for row in rows])


def is_finite(value: Any) -> bool:
    """Return whether a value is a number that a plot can show."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and value - value == 0  # false for NaN and the infinities
    )


def _first(values: Sequence[Any], rows: Sequence[int]) -> Any:
    return values[rows[0]]


def distinct_labels(labels: Sequence[str]) -> list[str]:
    """Return the labels in one line of a printable length; those that then are alike get a number.

    Every text of a plot comes this way: Vega's own language has strings that a line break of
    Unicode ends.
    """
    labels = [" ".join(shown(label).split()) for label in labels]
    short = [
        label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"
        for label in labels
    ]
    counts = Counter(short)
    seen: Counter[str] = Counter()
    found = []
    for label in short:
        seen[label] += 1
        found.append(f"#{seen[label]} {label}" if counts[label] > 1 else label)
    return found
