"""Make printed tables: strings in columns, without a word about where they are shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from artifacts.values import spelled
from runner.report.summary import Mean, Metric, Summary, SummaryGroup

BLANK = ""
_MOST_DECIMALS = 6


@dataclass(frozen=True)
class Heading:
    """The heading of one column."""

    text: str
    right: bool = False
    """Whether the cells are flushed right."""


@dataclass(frozen=True)
class Table:
    """Rows of ready text, and the lines that belong below them."""

    headings: tuple[Heading, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    keys: int = 1
    """How many of the first columns tell the rows apart."""


def summary_table(summary: Summary) -> Table:
    """Return one row per group: its keys, the number of completed trials, and mean ± sd of every
    metric."""
    keys = [
        _flush(_key_cells([group.keys[i] for group in summary.groups]))
        for i in range(len(summary.by))
    ]
    columns: list[tuple[Heading, list[str]]] = [
        (Heading(name, right=right), cells)
        for name, (right, cells) in zip(summary.by, keys, strict=True)
    ]
    columns.append((Heading("n", right=True), [str(group.n) for group in summary.groups]))
    if any(group.not_completed for group in summary.groups):
        columns.append(
            (
                Heading("not completed", right=True),
                [_count(group.not_completed) for group in summary.groups],
            )
        )
    if any(group.diverged for group in summary.groups):
        columns.append(
            (Heading("diverged", right=True), [_count(group.diverged) for group in summary.groups])
        )
    columns.extend(
        (Heading(_title(summary, metric)), _means(metric, summary.groups))
        for metric in summary.metrics
    )
    rows = tuple(zip(*(cells for _, cells in columns), strict=True))
    return Table(
        tuple(heading for heading, _ in columns), rows, tuple(_notes(summary)), keys=len(summary.by)
    )


def listing(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return one row per mapping and one column per name; a missing or null value is blank."""
    columns = [
        _cells(values)
        for values in zip(*([row.get(name) for name in names] for row in rows), strict=True)
    ]
    flushed = [_flush(cells) for cells in columns] if columns else [(False, []) for _ in names]
    headings = tuple(
        Heading(name, right=right) for name, (right, _) in zip(names, flushed, strict=True)
    )
    return Table(headings, tuple(zip(*(cells for _, cells in flushed), strict=True)))


def text(value: Any) -> str:
    """Return a value as a person would write it in a grid: 16 and not 16.0, blank for null, JSON
    for lists."""
    if value is None:
        return BLANK
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | dict | tuple):
        return msgspec.json.encode(value).decode()
    return str(value)


def percent(fraction: float) -> str:
    """Return a fraction in percent, without the sign: 0.98123 is 98.12."""
    return _number(100 * fraction, 2)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 trial``, ``2 trials``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _title(summary: Summary, metric: Metric) -> str:
    return f"{metric.name} %" if metric.fraction else summary.title(metric)


def _key_cells(keys: Sequence[Any]) -> list[str]:
    """Return keys as text, no two different ones alike: text that could be a number is quoted
    beside numbers."""
    cells = _cells(keys)
    numbers = [key for key in keys if isinstance(key, int | float)]
    if len(set(map(text, numbers))) < len(set(numbers)):  # six digits do not tell them apart
        return [
            repr(key) if isinstance(key, float) else cell
            for key, cell in zip(keys, cells, strict=True)
        ]
    return cells


def _cells(values: Sequence[Any]) -> list[str]:
    kinds = {type(value) for value in values if value is not None}
    beside_others = len(kinds) > 1
    return [
        spelled(value) if beside_others and isinstance(value, str) else text(value)
        for value in values
    ]


def _means(metric: Metric, groups: Sequence[SummaryGroup]) -> list[str]:
    """Return the cells of one metric, padded so that the ± are below one another."""
    parts = [_mean(metric, group, group.means.get(metric.name)) for group in groups]
    head = max((len(left) for left, _ in parts), default=0)
    tail = max((len(right) for _, right in parts), default=0)
    return [f"{left:>{head}}{right:<{tail}}" for left, right in parts]


def _mean(metric: Metric, group: SummaryGroup, mean: Mean | None) -> tuple[str, str]:
    if mean is None:
        return BLANK, BLANK
    if metric.fraction:
        left, spread = percent(mean.mean), BLANK if mean.sd is None else percent(mean.sd)
    else:
        decimals = _decimals(mean.mean)
        left, spread = (
            _number(mean.mean, decimals),
            BLANK if mean.sd is None else _number(mean.sd, decimals),
        )
    right = f" ± {spread}" if spread else BLANK
    if mean.n != group.n:
        right += f" (n={mean.n})"
    if metric.timing and group.disturbed:
        right += " *"
    return left, right


def _decimals(value: float) -> int:
    """Return the number of decimals that shows three digits of a value; its sd gets as many."""
    if not math.isfinite(value) or value == 0:
        return 0
    return max(0, 2 - math.floor(math.log10(abs(value))))


def _number(value: float, decimals: int) -> str:
    """Return a number with so many decimals, or in scientific notation if it would be long or look
    like zero."""
    shown = f"{value:.{decimals}f}"
    if abs(value) >= 1e7 or decimals > _MOST_DECIMALS or (value and not float(shown)):
        return f"{value:.3g}"
    return shown


def _count(count: int) -> str:
    return str(count) if count else BLANK


def _flush(cells: list[str]) -> tuple[bool, list[str]]:
    """Return whether a column holds numbers, to be aligned right, and its cells."""
    return all(_is_number(cell) for cell in cells if cell), cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _notes(summary: Summary) -> Iterable[str]:
    if summary.left_out:
        yield f"the first {len(summary.groups)} of {len(summary.groups) + summary.left_out} rows"
    trials, sweeps = summary.shared
    if trials:
        yield (
            f"{plural(trials, 'trial')} of several sweeps ({', '.join(sweeps)}): the same trial "
            "counts once in a row"
        )
    inside = [name for name, _, _ in summary.averaged]
    if inside and inside != ["seed"]:
        parts = [f"{name} ({_range(low, high)} values)" for name, low, high in summary.averaged]
        yield f"each cell averages over {', '.join(parts)}"
    if summary.not_completed:
        outcomes = ", ".join(
            f"{count} {outcome}" for outcome, count in summary.not_completed.items()
        )
        yield (
            f"{plural(sum(summary.not_completed.values()), 'trial')} not completed and in no "
            f"average: {outcomes}"
        )
    diverged = sum(group.diverged for group in summary.groups)
    if diverged:
        yield (
            f"{plural(diverged, 'completed trial')} diverged: a loss or an accuracy is NaN or "
            "infinite"
        )
    for name, count, value in summary.no_numbers:
        yield (
            f"{name} is not a number in {plural(count, 'completed trial')} ({spelled(value)}, for "
            "example): in none of its means"
        )
    disturbed = sum(group.disturbed for group in summary.groups)
    if disturbed:
        yield (
            f"* {plural(disturbed, 'measurement')} disturbed by other work on the same device: "
            "not to be compared"
        )
    if summary.devices:
        yield "measured on " + "; ".join(
            f"{device} ({plural(count, 'trial')})" for device, count in summary.devices.items()
        )


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"
