"""What a table of records says on average: groups of trials, their means, and what was averaged over.

Only completed trials are averaged; the others are counted. Everything here is numbers; ``tables`` makes text of it.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from jobs.errors import nearest
from runner.errors import RunnerError

if TYPE_CHECKING:
    import pyarrow as pa

COMPLETED = "completed"
TIMES = ("train_s", "total_s")
ACROSS_WORKLOADS = ("sweep", "workload")
IDENTITY = (*ACROSS_WORKLOADS, "target")
# Where two trials differ in one of these, their numbers are not of one kind, though nobody asked for the difference.
HARDWARE = ("gpu_name", "cpu_model", "engine", "driver_version", "torch_version", "sklearn_version")


class UnknownColumn(RunnerError):
    """The records have no such column."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f"the records have no column '{self.name}'{nearest(self.name, self.known)}: group by one of {', '.join(self.known)}"


@dataclass(frozen=True)
class Metric:
    """A column that is averaged."""

    name: str
    fraction: bool = False
    """Whether it is a fraction in [0, 1], shown in percent."""
    timing: bool = False
    """Whether other work on the device disturbs it."""


@dataclass(frozen=True)
class Mean:
    """Mean over n values; sd is that of a sample (n - 1), and None for a single value."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Group:
    """The trials that share the values of the key columns."""

    keys: tuple[Any, ...]
    """In the order of ``Summary.by``."""
    n: int
    """Completed trials."""
    not_completed: int
    disturbed: int
    """Completed trials whose measurement other work disturbed."""
    means: Mapping[str, Mean]
    """By metric; a metric that no completed trial has is absent."""


@dataclass(frozen=True)
class Summary:
    """Every group, sorted by its keys, and what a reader must know to believe the numbers."""

    by: tuple[str, ...]
    metrics: tuple[Metric, ...]
    groups: tuple[Group, ...]
    averaged: tuple[tuple[str, int, int], ...]
    """Columns that take several values inside a group, with the fewest and the most values a varying group has."""
    not_completed: Mapping[str, int]
    """How many trials by outcome."""
    devices: Mapping[str, int]
    """How many completed trials by the device that computed them."""

    def as_rows(self) -> list[dict[str, Any]]:
        """One flat mapping per group, for scripts."""
        rows = []
        for group in self.groups:
            row: dict[str, Any] = dict(zip(self.by, group.keys, strict=True))
            row |= {"n": group.n, "not_completed": group.not_completed, "disturbed": group.disturbed}
            for metric in self.metrics:
                mean = group.means.get(metric.name)
                row[metric.name] = None if mean is None else {"mean": mean.mean, "sd": mean.sd, "n": mean.n}
            rows.append(row)
        return rows


def summarise(table: pa.Table, by: Sequence[str] | None = None) -> Summary:
    """Group a table of records and average each group.

    Args:
        table: One row per trial, as ``artifacts.collect`` gives it.
        by: The key columns; None for every parameter that varies, and sweep, workload and target where they vary.

    Raises:
        UnknownColumn: A key column is not in the table.
    """
    columns = _Columns(table)
    if by is None:
        by = columns.varying()
    for name in by:
        if name not in columns.names:
            raise UnknownColumn(name, tuple(columns.names))
    rows_of: dict[tuple[Hashable, ...], list[int]] = {}
    keys = [columns.hashable(name) for name in by]
    for row in range(columns.n_rows):
        rows_of.setdefault(tuple(key[row] for key in keys), []).append(row)
    metrics = columns.metrics()
    groups = [columns.group(by, rows, metrics) for rows in rows_of.values()]
    outcomes = Counter(outcome for outcome in columns.values("outcome") if outcome != COMPLETED)
    return Summary(
        by=tuple(by),
        metrics=metrics,
        groups=tuple(sorted(groups, key=lambda group: [_order(key) for key in group.keys])),
        averaged=columns.averaged(by, rows_of.values()),
        not_completed=dict(outcomes.most_common()),
        devices=columns.devices(),
    )


def varying_columns(table: pa.Table) -> tuple[str, ...]:
    """Names of the columns that tell the trials of a table apart, but for the seed."""
    return _Columns(table).varying()


def metrics_of(table: pa.Table) -> tuple[Metric, ...]:
    """The metrics that a table's completed trials have."""
    return _Columns(table).metrics()


class _Columns:
    """A table read column by column, each once: a hundred thousand rows of dictionaries would take seconds."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._values: dict[str, list[Any]] = {}
        self._hashable: dict[str, list[Hashable]] = {}
        self._named: dict[str, list[str]] = {}
        self._varying: dict[str, bool] = {}
        self.names: list[str] = list(table.column_names)
        self.n_rows: int = table.num_rows
        self.completed = [row for row, outcome in enumerate(self.values("outcome")) if outcome == COMPLETED]

    def values(self, name: str) -> list[Any]:
        """Every row's value; nulls where the table has no such column."""
        if name not in self._values:
            self._values[name] = self._table.column(name).to_pylist() if name in self.names else [None] * self.n_rows
        return self._values[name]

    def hashable(self, name: str) -> list[Hashable]:
        """As ``values``, with lists and mappings as JSON text."""
        if name not in self._hashable:
            values = self.values(name)
            nested = name in self.names and self._table.schema.field(name).type.num_fields > 0
            self._hashable[name] = [msgspec.json.encode(value).decode() for value in values] if nested else values
        return self._hashable[name]

    def varying(self) -> tuple[str, ...]:
        """A parameter that only the other workload has tells nothing apart, so variation is looked for within each workload."""
        return tuple(name for name in (*IDENTITY, *self._named_in("parameters")) if name != "seed" and self._varies(name))

    def metrics(self) -> tuple[Metric, ...]:
        """Per workload its accuracy (test, else validation) or its first numeric result; then the times that anyone has."""
        found: dict[str, Metric] = {}
        workloads = self.values("workload")
        for workload in dict.fromkeys(workloads):
            rows = [row for row in self.completed if workloads[row] == workload]
            metric = next((metric for metric in self._candidates() if self._numbers(metric.name, rows)), None)
            if metric is not None:
                found.setdefault(metric.name, metric)
        times = (Metric(name, timing=True) for name in TIMES if self._numbers(name, self.completed))
        return (*found.values(), *times)

    def group(self, by: Sequence[str], rows: Sequence[int], metrics: Sequence[Metric]) -> Group:
        outcomes, disturbed = self.values("outcome"), self.values("disturbed")
        completed = [row for row in rows if outcomes[row] == COMPLETED]
        means = {metric.name: mean_of(numbers) for metric in metrics if (numbers := self._numbers(metric.name, completed))}
        return Group(
            keys=tuple(self.values(name)[rows[0]] for name in by),
            n=len(completed),
            not_completed=len(rows) - len(completed),
            disturbed=sum(disturbed[row] is True for row in completed),
            means=means,
        )

    def averaged(self, by: Sequence[str], groups: Iterable[Sequence[int]]) -> tuple[tuple[str, int, int], ...]:
        completed = set(self.completed)
        inside = [kept for rows in groups if len(kept := [row for row in rows if row in completed]) > 1]
        found = []
        for name in dict.fromkeys((*IDENTITY, *self._named_in("parameters"), *HARDWARE, "seed")):
            if name in by or not self._varies(name):
                continue
            counts = [count for rows in inside if (count := self._n_values(name, rows)) > 1]
            if counts:
                found.append((name, min(counts), max(counts)))
        return tuple(found)

    def devices(self) -> dict[str, int]:
        gpus, cpus = self.values("gpu_name"), self.values("cpu_model")
        found = Counter(gpus[row] or cpus[row] for row in self.completed)
        return {device: count for device, count in found.most_common() if device is not None}

    def _varies(self, name: str) -> bool:
        if name not in self._varying:
            # The first question is quick, and settles most columns.
            self._varying[name] = len(set(self.hashable(name))) > 1 and self._n_values(name, range(self.n_rows)) > 1
        return self._varying[name]

    def _n_values(self, name: str, rows: Iterable[int]) -> int:
        """The most values that a column takes within one workload; null counts as one, being the default."""
        values = self.hashable(name)
        if name in ACROSS_WORKLOADS:
            return len({values[row] for row in rows})
        workloads = self.values("workload")
        pairs = {(workloads[row], values[row]) for row in rows}
        return max(Counter(workload for workload, _ in pairs).values(), default=0)

    def _candidates(self) -> Iterable[Metric]:
        yield Metric("test_accuracy", fraction=True)
        yield Metric("val_accuracy", fraction=True)
        yield from (Metric(name) for name in self._named_in("results"))

    def _named_in(self, list_column: str) -> list[str]:
        """The parameters, or the results, in the order of the table's columns."""
        if list_column not in self._named:
            chunks = self._table.column(list_column).chunks if list_column in self.names else ()
            named = {name for chunk in chunks for name in chunk.flatten().unique().to_pylist()}
            self._named[list_column] = [name for name in self.names if name in named]
        return self._named[list_column]

    def _numbers(self, name: str, rows: Iterable[int]) -> list[float]:
        values = self.values(name)
        return [value for row in rows if isinstance(value := values[row], int | float) and not isinstance(value, bool)]


def mean_of(numbers: Sequence[float]) -> Mean:
    """Mean and sample standard deviation of at least one number."""
    mean = statistics.fmean(numbers)
    if len(numbers) == 1:
        return Mean(mean, None, 1)
    if not math.isfinite(mean):
        return Mean(mean, math.nan, len(numbers))
    return Mean(mean, statistics.stdev(numbers, xbar=mean), len(numbers))


def _order(key: Any) -> tuple[int, float, str]:
    """Nulls first, then numbers (also those that a mixed column holds as text), then text."""
    if key is None:
        return (0, 0.0, "")
    try:
        return (1, float(key), "")
    except (TypeError, ValueError):
        return (2, 0.0, str(key))
