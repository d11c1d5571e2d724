"""Say what each axis of some sweeps does to accuracy and time: by how much, and how sure.

Every axis is compared by itself, all cells together. Where settings change together, so that an
axis has no pairs of its own, each cell is compared with the first one too. All of it is one family
of tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from artifacts.values import spelled
from runner.report.cells import Trials
from runner.report.comparison import Comparison, compare_axes, compare_axis, judged
from runner.report.comparison_tables import estimate_text, interval_text, notes, title
from runner.report.effects import Effect
from runner.report.exclusion import DISTURBED
from runner.report.measures import DEFAULT_MARGINS, Measure, measures_of
from runner.report.statistics import Verdict
from runner.report.tables import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

_CELL: Final = "settings"
_MOST_CELLS: Final = 24
_MOST_LEVELS: Final = 16
_MOST_ROWS: Final = 60
_SIGNS: Final[Mapping[Verdict | None, str]] = {
    Verdict.better: "▲ better",
    Verdict.worse: "▼ worse",
    Verdict.equivalent: "= equivalent",
    Verdict.undecided: "? undecided",
    None: "one repeat: no verdict",
}
"""Verdicts as they are shown, never by a color alone."""


@dataclass(frozen=True)
class Cell:
    """What one value does to one metric."""

    effect: str
    interval: str
    n: str
    verdict: str
    kind: str
    """The verdict's word, or ``none``."""


@dataclass(frozen=True)
class Row:
    """One value of an axis beside the value that it is compared with."""

    axis: str
    value: str
    against: str
    cells: tuple[Cell | None, ...]
    """One per metric; None where nothing could be compared."""


@dataclass(frozen=True)
class Answers:
    """What the axes do."""

    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    no_times: str
    """Why times are not compared where they are not; empty if nothing was disturbed."""
    left_out: int
    """Rows that are not shown."""
    decided: tuple[str, ...]
    """What is sure, a sentence each."""
    not_alone: tuple[str, ...]
    """Axes of which no two trials differ in nothing else."""
    too_many: tuple[str, ...]
    """Axes with more values than a page has room for."""
    notes: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


def answers_of(trials: Trials, order: Sequence[str] = ()) -> Answers | None:
    """Return what the axes of some trials do; None if nothing varies or nothing has completed.

    Args:
        trials: One row per trial.
        order: The trials in the order of the grid, whose first cell the others are compared with.
    """
    levels = {
        name: len({spelled(cell.keys[name]) for cell in trials.cells})
        for name in trials.varying
        if name != "sweep"
    }
    if len(trials.cells) < 2 or not levels:
        return None
    axes = [name for name, count in levels.items() if count <= _MOST_LEVELS]
    measures = measures_of(trials.table, None, DEFAULT_MARGINS)
    if not measures:
        return None
    found = compare_axes(trials.table, axes, measures)
    not_alone = [each.axis or "" for each in found if not each.effects]
    if not_alone and len(trials.cells) <= _MOST_CELLS:
        found = judged([*found, *_together(trials, measures, order)])
    compared = [each for each in found if each.effects]
    rows = [row for each in compared for row in _rows(each, measures)]
    return Answers(
        metrics=tuple(title(measure) for measure in measures),
        rows=tuple(rows[:_MOST_ROWS]),
        no_times=_disturbed(found),
        left_out=max(0, len(rows) - _MOST_ROWS),
        decided=tuple(_decided(compared)),
        not_alone=tuple(not_alone),
        too_many=tuple(f"{name} ({levels[name]} values)" for name in levels if name not in axes),
        notes=tuple(_notes(compared)),
        comparisons=tuple(compared),
    )


def _together(
    trials: Trials, measures: Sequence[Measure], order: Sequence[str]
) -> list[Comparison]:
    """Compare every cell with the first one: the cell is the only thing in which trials differ."""
    rows = [row for cell in trials.cells for row in cell.rows]
    labels = [cell.label for cell in trials.cells for _ in cell.rows]
    table = trials.table.take(rows)
    same: dict[str, list[object]] = {
        "parameters": [[_CELL]] * len(rows),
        "workload": ["trial"] * len(rows),
        "target": ["any"] * len(rows),
    }
    for name, values in same.items():
        field = table.schema.field(name)
        table = table.set_column(
            table.schema.get_field_index(name), field, pa.array(values, field.type)
        )
    if _CELL in table.column_names:
        table = table.drop_columns([_CELL])
    table = table.append_column(_CELL, pa.array(labels, pa.string()))
    places = {trial: place for place, trial in enumerate(order)}
    ids = trials.values("trial")
    first = min(
        trials.cells,
        key=lambda cell: min(places.get(ids[row], len(places)) for row in cell.rows),
    )
    return [compare_axis(table, _CELL, measures, usual=first.label, pooled=True)]


def _rows(comparison: Comparison, measures: Sequence[Measure]) -> Iterable[Row]:
    found: dict[tuple[str, str], dict[Measure, Effect]] = {}
    for effect in comparison.effects:
        if effect.cell is None or effect.cells == 1:
            found.setdefault((effect.a, effect.b), {})[effect.measure] = effect
    for (a, b), effects in found.items():
        cells = tuple(_cell(effects.get(measure)) for measure in measures)
        yield Row(comparison.axis or comparison.what, a, b, cells)


def _cell(effect: Effect | None) -> Cell | None:
    if effect is None:
        return None
    unit = " points" if effect.measure.fraction else ""
    cells = f" in {plural(effect.cells, 'cell')}" if effect.cells > 1 else ""
    return Cell(
        effect=estimate_text(effect) + unit,
        interval=interval_text(effect),
        n=f"n = {effect.n}{cells}",
        verdict=_SIGNS[effect.verdict],
        kind=str(effect.verdict or "none"),
    )


def _decided(comparisons: Iterable[Comparison]) -> Iterable[str]:
    """Yield a sentence for each difference, or equivalence, that the repeats decide."""
    for comparison in comparisons:
        for effect in comparison.effects:
            if effect.verdict in (Verdict.better, Verdict.worse, Verdict.equivalent):
                unit = " points" if effect.measure.fraction else ""
                axis = comparison.axis or comparison.what
                yield (
                    f"{axis} {effect.a} against {effect.b}: {effect.measure.name} "
                    f"{estimate_text(effect)}{unit} ({interval_text(effect)}, n = {effect.n}), "
                    f"{effect.verdict}"
                )


def _disturbed(found: Sequence[Comparison]) -> str:
    disturbed = max((each.excluded.get(DISTURBED, 0) for each in found), default=0)
    if not disturbed:
        return ""
    return (
        f"The times of {plural(disturbed, 'trial')} that other work on the device disturbed are "
        "not compared."
    )


def _notes(compared: Sequence[Comparison]) -> list[str]:
    """Return what a reader must know; trials without a partner are counted and not listed, for an
    axis that others change with has many."""
    said = [
        note
        for note in notes([replace(each, missing=(), hardware={}) for each in compared])
        if not note.startswith("left out: the times")
    ]
    alone = max((len(each.missing) for each in compared), default=0)
    if alone:
        said.append(f"up to {plural(alone, 'trial')} of an axis have no partner that completed")
    return said
