"""Make text of what was chosen: the best configurations, and the front of accuracy and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.report.choice import VALIDATION, Best, Point, named
from runner.report.measures import Measure
from runner.report.tables import Heading, Table, listing, percent, plural, text


def best_table(found: Sequence[Best]) -> Table:
    """Return one row per group: its best configuration, how good it is, and how sure the choice
    is."""
    measure = found[0].measure
    groups, headings = _group_columns([best.group for best in found])
    rows = [
        (
            *groups[i],
            named(best.winner),
            str(best.candidates),
            str(best.n),
            _value(best.mean, measure),
            _margin(best),
            "" if best.wins is None else f"{100 * best.wins:.0f} %",
        )
        for i, best in enumerate(found)
    ]
    heads = (
        *headings,
        Heading("best"),
        Heading("of", right=True),
        Heading("n", right=True),
        Heading(measure.name, right=True),
        Heading("ahead by", right=True),
        Heading("wins", right=True),
    )
    return Table(heads, tuple(rows), tuple(_best_notes(found)), keys=len(headings) + 1)


def front_table(found: Sequence[Point], measure: Measure, cost: Measure) -> Table:
    """Return one row per configuration on the front, the cheapest first."""
    shown = [point for point in found if point.on_front]
    groups, headings = _group_columns([point.group for point in shown])
    rows = [
        (
            *groups[i],
            named(point.cell),
            str(point.n),
            _value(point.value, measure),
            text(float(f"{point.cost:.4g}")),
            "" if point.share is None else f"{100 * point.share:.0f} %",
        )
        for i, point in enumerate(shown)
    ]
    heads = (
        *headings,
        Heading("configuration"),
        Heading("n", right=True),
        Heading(measure.name, right=True),
        Heading(cost.name, right=True),
        Heading("front", right=True),
    )
    notes = (
        f"{len(shown)} of {plural(len(found), 'configuration')}: no other of the group is as good "
        f"in both {measure.name} and {cost.name}",
        "front: how often it is on it in a bootstrap over the repeats",
    )
    return Table(heads, tuple(rows), notes, keys=len(headings) + 1)


def _best_notes(found: Sequence[Best]) -> list[str]:
    measure = found[0].measure
    notes = [
        "ahead by: how much better the choice of the other repeats is than their second, in the "
        "repeat that did not choose; mean and 95 % interval",
        "wins: how often it is the best in a bootstrap over the repeats",
    ]
    if any(best.margin is None and best.lead is not None for best in found):
        notes.append("~ from the repeats that made the choice: optimistic")
    if measure.name != VALIDATION:
        notes.append(f"chosen by {measure.name}: quote another metric for the winner")
    if incomplete := sum(best.incomplete for best in found):
        notes.append(f"{plural(incomplete, 'configuration')} without all repeats: no candidates")
    return notes


def _margin(best: Best) -> str:
    scale = 100 if best.measure.fraction else 1
    if best.margin is None or best.low is None or best.high is None:
        return "" if best.lead is None else f"~{scale * best.lead:.3g}"
    digits = ".2f" if best.measure.fraction else ".3g"
    margin, low, high = (
        f"{scale * value:+{digits}}" for value in (best.margin, best.low, best.high)
    )
    return f"{margin} ({low} to {high})"


def _value(value: float, measure: Measure) -> str:
    return f"{percent(value)} %" if measure.fraction else text(float(f"{value:.4g}"))


def _group_columns(
    groups: Sequence[Mapping[str, Any]],
) -> tuple[list[tuple[str, ...]], list[Heading]]:
    """Return the cells and the headings of what tells groups apart; none where there is one."""
    names = list(dict.fromkeys(name for group in groups for name in group))
    names = [name for name in names if len({text(group.get(name)) for group in groups}) > 1]
    table = listing(names, groups)
    if not names:
        return [() for _ in groups], []
    return list(table.rows), list(table.headings)
