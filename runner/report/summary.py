"""Average a table of records: groups of trials, their means, and what was averaged over.

Only completed trials are averaged; the others are counted. Everything here is numbers; ``tables``
makes text of it.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from artifacts.columns import COLUMNS
from artifacts.values import spelled
from jobs.errors import nearest
from runner.errors import RunnerError

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

COMPLETED = "completed"
TIMES = ("train_s", "total_s")
ACROSS_WORKLOADS = ("sweep", "workload")
IDENTITY = (*ACROSS_WORKLOADS, "target")
# Where two trials differ in one of these, their numbers are not of one kind, though nobody asked
# for the difference.
HARDWARE = ("gpu_name", "cpu_model", "engine", "driver_version", "cuda_version", "cudnn_version")
# The same of the code and the packages: whatever the record says of its environment.
ENVIRONMENT = tuple(
    column.name
    for column in COLUMNS
    if column.section == "environment"
    and column.name not in ("data_submitted", "packages_differ")  # which a digest tells already
)
_DIGESTS: Final = ("code", "data_digest", "packages_digest")

_COUNTS: Final = ("n", "not_completed", "disturbed", "diverged")
_SCHEMA: Final = {column.name: column for column in COLUMNS}


class UnknownColumn(RunnerError):
    """The records have no such column."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"the records have no column '{self.name}'{nearest(self.name, self.known)}: they "
            f"have {', '.join(self.known)}"
        )


class NoNumbers(RunnerError):
    """A column that should be averaged has no numbers."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"'{self.name}' has no numbers, so it cannot be averaged: name one of "
            f"{', '.join(self.known)}"
        )


@dataclass(frozen=True)
class Metric:
    """A column that is averaged."""

    name: str
    fraction: bool = False
    """Whether it is a fraction in [0, 1], shown in percent."""
    timing: bool = False
    """Whether other work on the device disturbs it."""
    more_is_better: bool = False
    """Whether the best value is the largest."""


@dataclass(frozen=True)
class Mean:
    """Mean over n values; sd is the sample standard deviation (n - 1), and None for a single
    value."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class SummaryGroup:
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
    """Completed trials with a loss or an accuracy that is NaN or infinite; they are in the means as
    they are."""


@dataclass(frozen=True)
class Summary:
    """Every group, sorted by its keys, and what a reader must know to believe the numbers."""

    by: tuple[str, ...]
    metrics: tuple[Metric, ...]
    groups: tuple[SummaryGroup, ...]
    averaged: tuple[tuple[str, int, int], ...]
    """Columns that take several values inside a group, with the fewest and the most values a
    varying group has."""
    not_completed: Mapping[str, int]
    """How many trials by outcome."""
    devices: Mapping[str, int]
    """How many completed trials by the device that computed them."""
    shared: tuple[int, tuple[str, ...]] = (0, ())
    """How many trials stand in several sweeps, and in which; each counts once in a group."""
    left_out: int = 0
    """Groups that were not among the first."""
    no_numbers: tuple[tuple[str, int, Any], ...] = ()
    """Metrics for which completed trials gave something else than a number: how many, and what one
    of them gave."""

    def title(self, metric: Metric) -> str:
        """Return the metric's name, marked if other trials have a parameter of the same name."""
        return f"{metric.name} (result)" if metric.name in self.by else metric.name

    def as_rows(self) -> list[dict[str, Any]]:
        """Return one flat mapping per group, for scripts."""
        rows = []
        for group in self.groups:
            names = (f"{name} (key)" if name in _COUNTS else name for name in self.by)
            row: dict[str, Any] = dict(zip(names, group.keys, strict=True))
            row |= {
                "n": group.n,
                "not_completed": group.not_completed,
                "disturbed": group.disturbed,
                "diverged": group.diverged,
            }
            for metric in self.metrics:
                mean = group.means.get(metric.name)
                row[self.title(metric)] = (
                    None if mean is None else {"mean": mean.mean, "sd": mean.sd, "n": mean.n}
                )
            rows.append(row)
        return rows


def summarize(
    table: pa.Table, by: Sequence[str] | None = None, metrics: Sequence[str] | None = None
) -> Summary:
    """Group a table of records and average each group.

    A trial that several sweeps have recorded counts once in a group.

    Args:
        table: One row per trial, as ``artifacts.collect`` gives it.
        by: The key columns; None for every parameter that varies, and sweep, workload and target
            where they vary. Where one of several workloads has no such column, the workload becomes
            a key too, so that its trials can be told.
        metrics: The columns to average; None for the accuracy, or else the first result, of each
            workload, and the times.

    Raises:
        UnknownColumn: A key column or a metric is not in the table.
        NoNumbers: A metric is not a column of numbers.
    """
    columns = _Columns(table)
    for name in (*(by or ()), *(metrics or ())):
        if name not in columns.names:
            raise UnknownColumn(name, known_columns(table))
    by = columns.varying() if by is None else columns.told_apart(by)
    rows_of: dict[tuple[Hashable, ...], list[int]] = {}
    keys = [columns.hashable(name) for name in by]
    for row in range(columns.n_rows):
        rows_of.setdefault(tuple(key[row] for key in keys), []).append(row)
    distinct = [columns.distinct(rows) for rows in rows_of.values()]
    averaged = (
        columns.metrics() if metrics is None else tuple(columns.metric(name) for name in metrics)
    )
    groups = [columns.group(by, rows, averaged) for rows in distinct]
    once = columns.distinct(range(columns.n_rows))
    outcomes = Counter(
        outcome for row in once if (outcome := columns.values("outcome")[row]) != COMPLETED
    )
    return Summary(
        by=tuple(by),
        metrics=averaged,
        groups=tuple(sorted(groups, key=lambda group: [_order(key) for key in group.keys])),
        averaged=columns.averaged(by, distinct),
        not_completed=dict(outcomes.most_common()),
        devices=columns.devices(once),
        shared=columns.shared(),
        no_numbers=columns.no_numbers(averaged),
    )


def arranged(summary: Summary, sort: str | None, top: int | None) -> Summary:
    """Return the summary with its groups in another order, and only the first of them.

    Args:
        sort: A key, ``n`` or a metric, the best group first: the largest accuracy or rate, the
            smallest of anything else; a minus sign in front turns it round. None sorts by the first
            metric if only the top is asked for.
        top: How many groups are kept; None keeps all.

    Raises:
        UnknownColumn: The summary has no such column.
    """
    if sort is None and top is None:
        return summary
    name, backwards = _named_order(
        sort if sort is not None else next((metric.name for metric in summary.metrics), "n")
    )
    known = (*summary.by, "n", *(metric.name for metric in summary.metrics))
    if name not in known:
        raise UnknownColumn(name, known)
    metric = next((metric for metric in summary.metrics if metric.name == name), None)

    def value(group: SummaryGroup) -> Any:
        if metric is None:
            return group.n if name not in summary.by else group.keys[summary.by.index(name)]
        mean = group.means.get(name)
        return None if mean is None else mean.mean

    largest_first = backwards != (metric is not None and metric.more_is_better)
    groups = sorted_by(summary.groups, value, largest_first=largest_first)
    kept = groups[:top]
    return replace(summary, groups=tuple(kept), left_out=len(groups) - len(kept))


def arranged_rows(table: pa.Table, sort: str | None, top: int | None) -> list[int]:
    """Return the numbers of a table's rows in the order asked for, as ``arranged`` has it, and only
    the first of them.

    Raises:
        UnknownColumn: The table has no such column.
    """
    columns = _Columns(table)
    if sort is None and top is None:
        return list(range(columns.n_rows))
    name, backwards = _named_order(
        sort if sort is not None else next((metric.name for metric in columns.metrics()), "trial")
    )
    if name not in columns.names:
        raise UnknownColumn(name, known_columns(table))
    values = columns.values(name)
    return sorted_by(
        range(columns.n_rows), values.__getitem__, largest_first=backwards != more_is_better(name)
    )[:top]


def sorted_by(items: Iterable[T], value: Callable[[T], Any], *, largest_first: bool) -> list[T]:
    """Return the items by their value; those without one, and those whose value is NaN, stand last
    in either order."""
    listed = list(items)
    last = [item for item in listed if (found := value(item)) is None or found != found]
    known = [item for item in listed if (found := value(item)) is not None and found == found]
    return [*sorted(known, key=lambda item: _order(value(item)), reverse=largest_first), *last]


def more_is_better(name: str) -> bool:
    """Return whether the best value of a column is the largest: accuracies and rates."""
    column = _SCHEMA.get(name)
    return column is not None and (column.unit == "fraction" or column.unit in ("1/s", "TFLOP/s"))


def known_columns(table: pa.Table) -> tuple[str, ...]:
    """Return the names of the columns that any row of a table has a value in; all if there is no
    row."""
    return tuple(
        name
        for name in table.column_names
        if table.column(name).null_count < max(1, table.num_rows)
    )


def _named_order(sort: str) -> tuple[str, bool]:
    return sort.removeprefix("-"), sort.startswith("-")


def varying_columns(table: pa.Table) -> tuple[str, ...]:
    """Return the names of the columns that distinguish the trials of a table, except the seed."""
    return _Columns(table).varying()


def metrics_of(table: pa.Table) -> tuple[Metric, ...]:
    """Return the metrics that a table's completed trials have."""
    return _Columns(table).metrics()


class _Columns:
    """Reads a table column by column, each once: a hundred thousand rows of dictionaries would take
    seconds."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._values: dict[str, list[Any]] = {}
        self._hashable: dict[str, list[Hashable]] = {}
        self._named: dict[str, list[str]] = {}
        self._varying: dict[str, bool] = {}
        self._measures: dict[str, list[float | None]] = {}
        self._masked: dict[tuple[str, str], list[Any]] = {}
        self.names: list[str] = list(table.column_names)
        self.n_rows: int = table.num_rows
        self.completed = [
            row for row, outcome in enumerate(self.values("outcome")) if outcome == COMPLETED
        ]

    def values(self, name: str) -> list[Any]:
        """Return every row's value; nulls if the table has no such column."""
        from artifacts.tables import values_of

        if name not in self._values:
            self._values[name] = (
                values_of(self._table, name) if name in self.names else [None] * self.n_rows
            )
        return self._values[name]

    def key(self, name: str) -> list[Any]:
        """Return what ``values`` returns, but a parameter only in rows where it is one, not where
        another workload returned a result of its name."""
        return (
            self._only_where(name, "parameters")
            if name in self._named_in("parameters")
            else self.values(name)
        )

    def hashable(self, name: str) -> list[Hashable]:
        """Return what ``key`` returns, spelled so that keys are equal only if their values are:
        lists and mappings, and a column of several kinds."""
        if name not in self._hashable:
            keys = self.key(name)
            kinds = {type(key) for key in keys if key is not None}
            if kinds == {float}:
                keys = [
                    "NaN" if key != key else key for key in keys
                ]  # NaN equals nothing, not even itself
            elif len(kinds) > 1 or kinds & {list, dict}:
                keys = [None if key is None else spelled(key) for key in keys]
            self._hashable[name] = keys
        return self._hashable[name]

    def varying(self) -> tuple[str, ...]:
        """Return the columns that vary within a workload: a parameter that only another workload
        has distinguishes nothing."""
        return tuple(
            name
            for name in (*IDENTITY, *self._named_in("parameters"))
            if name != "seed" and self._varies(name)
        )

    def metrics(self) -> tuple[Metric, ...]:
        """Return for each workload its accuracy (test, else validation) or its first numeric
        result; then the times that any trial has."""
        found: dict[str, Metric] = {}
        workloads = self.values("workload")
        for workload in dict.fromkeys(workloads):
            rows = [row for row in self.completed if workloads[row] == workload]
            metric = next(
                (metric for metric in self._candidates() if self._numbers(metric.name, rows)), None
            )
            if metric is not None:
                found.setdefault(metric.name, metric)
        times = (Metric(name, timing=True) for name in TIMES if self._numbers(name, self.completed))
        return (*found.values(), *times)

    def metric(self, name: str) -> Metric:
        """Return the column of that name as a metric; NoNumbers if it holds something else."""
        values = [value for value in self.values(name) if value is not None]
        if values and not any(map(_is_number, values)):
            raise NoNumbers(
                name,
                tuple(known for known in self.names if any(map(_is_number, self.values(known)))),
            )
        column = _SCHEMA.get(name)
        return Metric(
            name,
            fraction=column is not None and column.unit == "fraction",
            timing=column is not None and column.section in ("time", "throughput", "energy"),
            more_is_better=more_is_better(name),
        )

    def told_apart(self, by: Sequence[str]) -> tuple[str, ...]:
        """Return the keys, with the workload before them if there are several and one has no value
        for one of the keys."""
        workloads = self.values("workload")
        lacking = any(
            {workloads[row] for row, value in enumerate(self.key(name)) if value is not None}
            != set(workloads)
            for name in by
        )
        return (
            ("workload", *by)
            if lacking and len(set(workloads)) > 1 and "workload" not in by
            else tuple(by)
        )

    def distinct(self, rows: Sequence[int]) -> list[int]:
        """Return one row of each trial among the rows: its completed one, or else its first."""
        trials = self.values("trial")
        if len({trials[row] for row in rows}) == len(rows):
            return list(rows)
        chosen: dict[str, int] = {}
        completed = set(self.completed)
        for row in rows:
            if trials[row] not in chosen or (
                row in completed and chosen[trials[row]] not in completed
            ):
                chosen[trials[row]] = row
        return list(chosen.values())

    def shared(self) -> tuple[int, tuple[str, ...]]:
        """Return how many trials are in several sweeps, and in which."""
        sweeps: dict[str, set[str]] = {}
        for trial, sweep in zip(self.values("trial"), self.values("sweep"), strict=True):
            sweeps.setdefault(trial, set()).add(sweep)
        several = [found for found in sweeps.values() if len(found) > 1]
        return len(several), tuple(sorted(set().union(*several)))

    def group(
        self, by: Sequence[str], rows: Sequence[int], metrics: Sequence[Metric]
    ) -> SummaryGroup:
        outcomes, disturbed = self.values("outcome"), self.values("disturbed")
        completed = [row for row in rows if outcomes[row] == COMPLETED]
        diverged = self.values("diverged")
        means = {
            metric.name: mean_of(numbers)
            for metric in metrics
            if (numbers := self._numbers(metric.name, completed))
        }
        return SummaryGroup(
            keys=tuple(self.key(name)[rows[0]] for name in by),
            n=len(completed),
            not_completed=len(rows) - len(completed),
            disturbed=sum(disturbed[row] is True for row in completed),
            means=means,
            diverged=sum(diverged[row] is True for row in completed),
        )

    def no_numbers(self, metrics: Sequence[Metric]) -> tuple[tuple[str, int, Any], ...]:
        """Return for each metric how many completed trials gave something that is not a number, and
        one such value."""
        found = []
        for metric in metrics:
            if self._only_numbers(metric.name):
                continue
            values = self._measured(metric.name)
            others = [
                values[row]
                for row in self.completed
                if values[row] is not None and not _is_number(values[row])
            ]
            if others:
                found.append((metric.name, len(others), others[0]))
        return tuple(found)

    def averaged(
        self, by: Sequence[str], groups: Iterable[Sequence[int]]
    ) -> tuple[tuple[str, int, int], ...]:
        completed = set(self.completed)
        inside = [
            kept for rows in groups if len(kept := [row for row in rows if row in completed]) > 1
        ]
        found = []
        for name in dict.fromkeys(
            (*IDENTITY, *self._named_in("parameters"), *HARDWARE, *ENVIRONMENT, "seed")
        ):
            if name in by or not self._varies(name):
                continue
            counts = [count for rows in inside if (count := self._n_values(name, rows)) > 1]
            if counts:
                found.append((name, min(counts), max(counts)))
        return tuple(found)

    def devices(self, rows: Iterable[int]) -> dict[str, int]:
        """Return how many completed trials among the rows each device computed."""
        gpus, cpus, completed = (
            self.values("gpu_name"),
            self.values("cpu_model"),
            set(self.completed),
        )
        found = Counter(gpus[row] or cpus[row] for row in rows if row in completed)
        return {device: count for device, count in found.most_common() if device is not None}

    def _varies(self, name: str) -> bool:
        if name not in self._varying:
            # The first questions are quick, and settle most columns.
            self._varying[name] = (
                self._several(name)
                and len(set(self.hashable(name))) > 1
                and self._n_values(name, range(self.n_rows)) > 1
            )
        return self._varying[name]

    def _several(self, name: str) -> bool:
        """Return whether the rows may differ in a column, without making Python's values of it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if name not in self.names:
            return False
        column = self._table.column(name)
        if pa.types.is_nested(column.type) or column.type == pa.null():
            return bool(column.null_count < self.n_rows)
        if name in self._named_in("results"):  # as a key it is null where it is a result
            return True
        return bool(pc.count_distinct(column, mode="all").as_py() > 1)

    def _n_values(self, name: str, rows: Iterable[int]) -> int:
        """Return the most values that a column takes within one workload; null counts as one, being
        the default."""
        values = self.hashable(name)
        if name in ACROSS_WORKLOADS:
            return len({values[row] for row in rows})
        workloads = self.values("workload")
        if name in _DIGESTS:  # of earlier records nothing is known
            rows = [row for row in rows if values[row] is not None]
        if name == "data_digest":  # each dataset has its own
            datasets = self.hashable("dataset")
            per_dataset = {((workloads[row], datasets[row]), values[row]) for row in rows}
            return max(Counter(kind for kind, _ in per_dataset).values(), default=0)
        pairs = {(workloads[row], values[row]) for row in rows}
        return max(Counter(workload for workload, _ in pairs).values(), default=0)

    def _candidates(self) -> Iterable[Metric]:
        yield Metric("test_accuracy", fraction=True, more_is_better=True)
        yield Metric("val_accuracy", fraction=True, more_is_better=True)
        yield from (Metric(name) for name in self._named_in("results"))

    def _named_in(self, list_column: str) -> list[str]:
        """Return the parameters, or the results, in the order of the table's columns."""
        if list_column not in self._named:
            chunks = self._table.column(list_column).chunks if list_column in self.names else ()
            named = {name for chunk in chunks for name in chunk.flatten().unique().to_pylist()}
            self._named[list_column] = [name for name in self.names if name in named]
        return self._named[list_column]

    def _numbers(self, name: str, rows: Iterable[int]) -> list[float]:
        if name not in self._measures:
            measured = self._measured(name)
            self._measures[name] = (
                measured
                if self._only_numbers(name)
                else [value if _is_number(value) else None for value in measured]
            )
        values = self._measures[name]
        return [value for row in rows if (value := values[row]) is not None]

    def _only_numbers(self, name: str) -> bool:
        """Return whether every value of a column is a number, by its type."""
        import pyarrow as pa

        kind = self._table.schema.field(name).type if name in self.names else pa.null()
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))

    def _measured(self, name: str) -> list[Any]:
        """Return a metric's values: those of a result only in rows where it is one, not where
        another workload has a parameter of its name."""
        return (
            self._only_where(name, "results")
            if name in self._named_in("results")
            else self.values(name)
        )

    def _only_where(self, name: str, list_column: str) -> list[Any]:
        """Return the column's values in the rows that list it among their parameters, or their
        results; null in the others."""
        if name not in self._named_in("parameters") or name not in self._named_in("results"):
            return self.values(name)
        if (name, list_column) not in self._masked:
            listed = self._table.column(list_column).to_pylist()
            self._masked[name, list_column] = [
                value if name in (names or ()) else None
                for value, names in zip(self.values(name), listed, strict=True)
            ]
        return self._masked[name, list_column]


def mean_of(numbers: Sequence[float]) -> Mean:
    """Return mean and sample standard deviation of at least one number; NaN and infinity if a
    number is, or if the result is out of range."""
    n = len(numbers)
    if not all(map(math.isfinite, numbers)):
        mean = sum(
            number for number in numbers if not math.isfinite(number)
        )  # infinity and minus infinity make NaN
        return Mean(mean, None if n == 1 else math.nan, n)
    # Neither a sum nor a square may leave the range of a double; a power of two changes no digit.
    exponent = math.frexp(max(map(abs, numbers)))[1]
    scaled = [math.ldexp(number, -exponent) for number in numbers]
    mean = math.ldexp(statistics.fmean(scaled), exponent)
    if n == 1:
        return Mean(mean, None, 1)
    # From the first number, so that equal ones have no spread at all; statistics.stdev, exact in
    # every digit, takes ten times as long.
    shifted = [number - scaled[0] for number in scaled]
    center = math.fsum(shifted) / n
    variance = math.fsum((number - center) ** 2 for number in shifted) / (n - 1)
    try:
        return Mean(mean, math.ldexp(math.sqrt(variance), exponent), n)
    except OverflowError:
        return Mean(mean, math.inf, n)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(key: Any) -> tuple[int, float, str]:
    """Return a sort key: nulls first, then numbers with NaN last, then everything else as text."""
    if key is None:
        return (0, 0.0, "")
    if _is_number(key):
        return (1, math.inf, "NaN") if key != key else (1, float(key), "")
    return (2, 0.0, str(key))
