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

from artifacts.values import spelled
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
    diverged: int = 0
    """Completed trials with a loss or an accuracy that is NaN or infinite; they are in the means as they are."""


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
    no_numbers: tuple[tuple[str, int, Any], ...] = ()
    """Metrics for which completed trials gave something else than a number: how many, and what one of them gave."""

    def title(self, metric: Metric) -> str:
        """The metric's name, told from a parameter that other trials have under the same one."""
        return f"{metric.name} (result)" if metric.name in self.by else metric.name

    def as_rows(self) -> list[dict[str, Any]]:
        """One flat mapping per group, for scripts."""
        rows = []
        for group in self.groups:
            row: dict[str, Any] = dict(zip(self.by, group.keys, strict=True))
            row |= {"n": group.n, "not_completed": group.not_completed, "disturbed": group.disturbed, "diverged": group.diverged}
            for metric in self.metrics:
                mean = group.means.get(metric.name)
                row[self.title(metric)] = None if mean is None else {"mean": mean.mean, "sd": mean.sd, "n": mean.n}
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
        no_numbers=columns.no_numbers(metrics),
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
        self._masked: dict[tuple[str, str], list[Any]] = {}
        self.names: list[str] = list(table.column_names)
        self.n_rows: int = table.num_rows
        self.completed = [row for row, outcome in enumerate(self.values("outcome")) if outcome == COMPLETED]

    def values(self, name: str) -> list[Any]:
        """Every row's value; nulls where the table has no such column."""
        from artifacts.tables import values_of

        if name not in self._values:
            self._values[name] = values_of(self._table, name) if name in self.names else [None] * self.n_rows
        return self._values[name]

    def key(self, name: str) -> list[Any]:
        """As ``values``; of a parameter only where it is one, not where another workload returned a result of its name."""
        return self._only_where(name, "parameters") if name in self._named_in("parameters") else self.values(name)

    def hashable(self, name: str) -> list[Hashable]:
        """As ``key``, spelled so that equal keys are equal and no others: lists and mappings, and a column of several kinds."""
        if name not in self._hashable:
            keys = self.key(name)
            kinds = {type(key) for key in keys if key is not None}
            if kinds == {float}:
                keys = ["NaN" if key != key else key for key in keys]  # NaN equals nothing, not even itself
            elif len(kinds) > 1 or kinds & {list, dict}:
                keys = [None if key is None else spelled(key) for key in keys]
            self._hashable[name] = keys
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
        diverged = self.values("diverged")
        means = {metric.name: mean_of(numbers) for metric in metrics if (numbers := self._numbers(metric.name, completed))}
        return Group(
            keys=tuple(self.key(name)[rows[0]] for name in by),
            n=len(completed),
            not_completed=len(rows) - len(completed),
            disturbed=sum(disturbed[row] is True for row in completed),
            means=means,
            diverged=sum(diverged[row] is True for row in completed),
        )

    def no_numbers(self, metrics: Sequence[Metric]) -> tuple[tuple[str, int, Any], ...]:
        """Of each metric how many completed trials gave something that is no number, and one such value."""
        found = []
        for metric in metrics:
            values = self._measured(metric.name)
            others = [values[row] for row in self.completed if values[row] is not None and not _is_number(values[row])]
            if others:
                found.append((metric.name, len(others), others[0]))
        return tuple(found)

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
        values = self._measured(name)
        return [value for row in rows if _is_number(value := values[row])]

    def _measured(self, name: str) -> list[Any]:
        """A metric's values: those of a result only where it is one, not where another workload has a parameter of its name."""
        return self._only_where(name, "results") if name in self._named_in("results") else self.values(name)

    def _only_where(self, name: str, list_column: str) -> list[Any]:
        """The column's values in the rows that list it among their parameters, or their results; null in the others."""
        if name not in self._named_in("parameters") or name not in self._named_in("results"):
            return self.values(name)
        if (name, list_column) not in self._masked:
            listed = self._table.column(list_column).to_pylist()
            self._masked[name, list_column] = [
                value if name in (names or ()) else None for value, names in zip(self.values(name), listed, strict=True)
            ]
        return self._masked[name, list_column]


def mean_of(numbers: Sequence[float]) -> Mean:
    """Mean and sample standard deviation of at least one number; NaN and infinity where a number is, or where it is out of range."""
    n = len(numbers)
    if not all(map(math.isfinite, numbers)):
        mean = sum(number for number in numbers if not math.isfinite(number))  # infinity and minus infinity make NaN
        return Mean(mean, None if n == 1 else math.nan, n)
    # Neither a sum nor a square may leave the range of a double; a power of two changes no digit.
    exponent = math.frexp(max(map(abs, numbers)))[1]
    scaled = [math.ldexp(number, -exponent) for number in numbers]
    mean = math.ldexp(statistics.fmean(scaled), exponent)
    if n == 1:
        return Mean(mean, None, 1)
    try:
        return Mean(mean, math.ldexp(statistics.stdev(scaled), exponent), n)
    except OverflowError:
        return Mean(mean, math.inf, n)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(key: Any) -> tuple[int, float, str]:
    """Nulls first, then numbers, NaN last of them, then everything else as text."""
    if key is None:
        return (0, 0.0, "")
    if _is_number(key):
        return (1, math.inf, "NaN") if key != key else (1, float(key), "")
    return (2, 0.0, str(key))
