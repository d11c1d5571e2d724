"""Choose configurations: the best of each group, and those that no other beats in accuracy and
cost at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from runner.errors import RunnerError
from runner.report import statistics
from runner.report.codes import Bools, Codes, Floats, Ints, combined, compact
from runner.report.exclusion import DISTURBED, Status
from runner.report.measures import Measure, measures_of
from runner.report.pairing import key_columns, rank
from runner.report.summary import UnknownColumn
from runner.report.tables import text

if TYPE_CHECKING:
    import pyarrow as pa

COSTS: Final[Mapping[str, tuple[str, ...]]] = {
    "time": ("train_s", "total_s"),
    "energy": ("gpu_energy_j", "cpu_energy_j"),
    "memory": ("gpu_mem_allocated_gb", "host_rss_gb"),
}
VALIDATION: Final = "val_accuracy"


class NotMeasured(RunnerError):
    """No completed trial has a number that is needed to choose."""

    exit_code: ClassVar[int] = 1

    what: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"no completed trial has a {self.what} ({', '.join(self.columns)}): name another one"


@dataclass(frozen=True)
class Best:
    """The configuration of a group that is best in the repeats at hand."""

    group: Mapping[str, Any]
    measure: Measure
    winner: Mapping[str, Any]
    """What tells it from the other configurations of the group."""
    candidates: int
    """Configurations that it was chosen from."""
    incomplete: int
    """Configurations that lack repeats the others have, and were no candidates."""
    n: int
    """Repeats that all candidates have."""
    mean: float
    also: Mapping[str, float]
    """Its means of other metrics."""
    second: Mapping[str, Any] | None
    lead: float | None
    """How much better it is than the second, in repeats that chose it; optimistic."""
    margin: float | None
    """How much better the choice of the other repeats is than their second, in the repeat that did
    not choose; the mean over all repeats. None with fewer than two repeats or candidates."""
    low: float | None
    high: float | None
    """The 95 % interval of the margin; approximate, as any two repeats share most choosers."""
    wins: float | None
    """How often it is the best in a bootstrap over the repeats; None with a single repeat."""


@dataclass(frozen=True)
class Point:
    """A configuration's accuracy and cost."""

    group: Mapping[str, Any]
    cell: Mapping[str, Any]
    n: int
    value: float
    cost: float
    on_front: bool
    """Whether no other configuration of the group is at least as good in both and better in one."""
    share: float | None
    """How often it is on the front in a bootstrap over the repeats; None with a single repeat."""


def best(
    table: pa.Table,
    measure: Measure | None = None,
    *,
    by: Sequence[str] | None = None,
    include: Collection[str] = (),
) -> list[Best]:
    """Return the best configuration of each group.

    Args:
        table: Records, one row per trial.
        measure: What to choose by; None for the validation accuracy.
        by: Columns that make the groups; None for the grid's groups and the datasets.
        include: Reasons for which nothing is left out; see ``exclusion``.

    Raises:
        UnknownColumn: The table has no such column.
        NotMeasured: No completed trial has the metric.
    """
    measure = measure or measures_of(table, [VALIDATION])[0]
    others = [other for other in measures_of(table) if other.name != measure.name]
    sign = 1 if measure.more_is_better else -1
    found = []
    for group in _groups(table, [measure, *others], 1, by, include):
        values, rows = group.values[0], group.cells
        means = sign * values.mean(axis=1)
        order = np.argsort(-means, kind="stable")
        n = values.shape[1]
        held_out: tuple[float | None, float | None, float | None] = (None, None, None)
        if n > 1 and len(values) > 1:
            held_out = _held_out(sign * values)
        wins = statistics.share_of_wins(values, more_is_better=measure.more_is_better)
        with np.errstate(invalid="ignore"):
            also = {
                other.name: float(np.mean(of[order[0]]))
                for other, of in zip(others, group.values[1:], strict=True)
            }
        found.append(
            Best(
                group.label, measure, rows[order[0]], len(values), group.incomplete, n,
                float(sign * means[order[0]]), also,
                rows[order[1]] if len(values) > 1 else None,
                float(means[order[0]] - means[order[1]]) if len(values) > 1 else None,
                *held_out,
                float(wins[order[0]]) if n > 1 else None,
            )
        )  # fmt: skip
    if not found:
        raise NotMeasured("value to choose by", (measure.name,))
    return found


def pareto(
    table: pa.Table,
    measure: Measure | None,
    cost: str,
    *,
    by: Sequence[str] | None = None,
    include: Collection[str] = (),
) -> tuple[Measure, Measure, list[Point]]:
    """Return the metric, the cost, and what each configuration has of both, those on the front
    marked, by cost.

    Args:
        table: Records, one row per trial.
        measure: What should be good; None for the accuracy or first result.
        cost: ``time``, ``energy``, ``memory``, or a column.
        by: As for ``best``.
        include: As for ``best``.

    Raises:
        UnknownColumn: The table has no such column.
        NotMeasured: No completed trial has such a cost.
    """
    if measure is None:
        results = [found for found in measures_of(table) if not found.timing]
        if not results:
            raise NotMeasured("accuracy or result", ("test_accuracy", VALIDATION))
        measure = results[0]
    columns = COSTS.get(cost, (cost,))
    for name in columns:
        if name not in table.column_names:
            raise UnknownColumn(name, tuple(table.column_names))
        if table[name].null_count < table.num_rows:
            break
    else:
        raise NotMeasured("cost", columns)
    (of_cost,) = measures_of(table, [name])
    found = []
    for group in _groups(table, [measure, of_cost], 2, by, include):
        value, price = group.values
        sign = 1 if measure.more_is_better else -1
        price_sign = -1 if of_cost.more_is_better else 1
        mean, mean_price = value.mean(axis=1, keepdims=True), price.mean(axis=1, keepdims=True)
        front = _on_front(sign * mean, price_sign * mean_price)[:, 0]
        n = value.shape[1]
        shares = (
            _on_front(
                sign * statistics.resampled_means(value),
                price_sign * statistics.resampled_means(price),
            ).mean(axis=1)
            if n > 1
            else None
        )
        points = [
            Point(
                group.label, cell, n, float(mean[i, 0]), float(mean_price[i, 0]), bool(front[i]),
                None if shares is None else float(shares[i]),
            )
            for i, cell in enumerate(group.cells)
        ]  # fmt: skip
        found += sorted(points, key=lambda point: point.cost)
    if not found:
        raise NotMeasured("accuracy and cost", (measure.name, of_cost.name))
    return measure, of_cost, found


def named(cell: Mapping[str, Any]) -> str:
    """Return a configuration as text: ``lr=0.01 optimizer=adam``."""
    said = " ".join(f"{name}={text(value)}" for name, value in cell.items() if value is not None)
    return said or "the only one"


@dataclass(frozen=True)
class _Group:
    label: Mapping[str, Any]
    cells: list[Mapping[str, Any]]
    values: list[Floats]
    """Of each metric, shape (n_cells, n_repeats)."""
    incomplete: int


def _groups(
    table: pa.Table,
    measures: Sequence[Measure],
    needed: int,
    by: Sequence[str] | None,
    include: Collection[str],
) -> Iterator[_Group]:
    """Give the configurations of each group that have all the repeats that most of them have.

    The first ``needed`` metrics must be there in each repeat; the others are NaN where they are
    not.
    """
    codes = Codes(table)
    for name in by or ():
        if name not in codes.names:
            raise UnknownColumn(name, codes.known())
    status = Status(codes, np.zeros(codes.n_rows, dtype=np.int64), include)
    values = [codes.numbers(measure.name) for measure in measures]
    if DISTURBED not in include and True in (levels := codes.levels("disturbed")):
        disturbed = codes.of("disturbed") == levels.index(True)
        values = [
            np.where(disturbed, np.nan, of) if measure.timing else of
            for measure, of in zip(measures, values, strict=True)
        ]
    usable = status.usable & np.all([np.isfinite(of) for of in values[:needed]], axis=0)
    names = ["group", "dataset"] if by is None else list(by)
    group = codes.joint(names)
    for code in np.unique(group[usable]).tolist():
        rows = _once_each(codes, usable & (group == code))
        yield _group(codes, rows, names, values)


def _group(codes: Codes, rows: Ints, by: Sequence[str], values: Sequence[Floats]) -> _Group:
    label = {name: codes.value(name, int(rows[0])) for name in by}
    names = [
        name
        for name in key_columns(codes)
        if name not in by and len(np.unique(codes.of(name)[rows])) > 1
    ]
    cell, seed = codes.joint(names)[rows], compact(codes.of("seed")[rows])
    cell = compact(cell)
    have = np.zeros((int(cell.max()) + 1, int(seed.max()) + 1), dtype=bool)
    have[cell, seed] = True
    most = have.sum(axis=1).max()
    complete = np.flatnonzero(have.sum(axis=1) == most)
    common = np.flatnonzero(have[complete].all(axis=0))
    if not len(common):  # no repeat that all of them have
        common = np.flatnonzero(have[complete[0]])
        complete = complete[have[complete][:, common].all(axis=1)]
    place = np.full(have.shape, -1, dtype=np.int64)
    place[cell, seed] = rows
    chosen = place[np.ix_(complete, common)]
    cells = [{name: codes.value(name, int(row)) for name in names} for row in chosen[:, 0]]
    order = sorted(range(len(cells)), key=lambda i: [rank(value) for value in cells[i].values()])
    return _Group(
        {name: value for name, value in label.items() if value is not None},
        [cells[i] for i in order],
        [of[chosen[order]] for of in values],
        len(have) - len(complete),
    )


def _once_each(codes: Codes, mask: Bools) -> Ints:
    rows = np.flatnonzero(mask)
    key = combined(codes.of("trial"), codes.of("seed"))[rows]
    return np.sort(rows[np.unique(key, return_index=True)[1]])


def _held_out(values: Floats) -> tuple[float, float, float]:
    """Return the margin of the choice in the repeats that did not choose, with its interval.

    For each repeat, the others choose the best and the second; the margin is what the first is
    better by in this repeat.

    Args:
        values: Shape (n_configurations, n_repeats), more is better; at least two of each.
    """
    others = values.sum(axis=1, keepdims=True) - values
    order = np.argsort(-others, axis=0, kind="stable")
    at = np.arange(values.shape[1])
    margins = values[order[0], at] - values[order[1], at]
    step = statistics.step_of(np.unique(np.abs(values)).tolist())
    found = statistics.paired(margins[None, :], resolution=step)
    return float(found.effect[0]), float(found.low[0]), float(found.high[0])


def _on_front(value: Floats, cost: Floats) -> Bools:
    """Return which configurations no other beats, shape (n_configurations, n_resamples).

    Args:
        value: More is better, same shape.
        cost: Less is better, same shape.
    """
    order = np.lexsort((-value, cost), axis=0)
    sorted_values = np.take_along_axis(value, order, axis=0)
    before = np.maximum.accumulate(sorted_values, axis=0)
    ahead = np.vstack([np.full((1, value.shape[1]), -np.inf), before[:-1]])
    front = np.zeros(value.shape, dtype=bool)
    np.put_along_axis(front, order, sorted_values > ahead, axis=0)
    return front
