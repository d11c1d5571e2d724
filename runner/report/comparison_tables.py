"""Make text of comparisons: one table per metric, and the notes a reader needs to judge them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from runner.report.comparison import Comparison
from runner.report.effects import Effect
from runner.report.exclusion import DISTURBED, REASONS
from runner.report.measures import Measure
from runner.report.statistics import Method, Verdict
from runner.report.tables import Heading, Table, plural, text

MOST_CELLS: Final = 40
"""Cells that a printed table shows."""
_MOST_MISSING: Final = 5


def measures_compared(comparisons: Sequence[Comparison]) -> tuple[Measure, ...]:
    """Return the metrics that have any effect, in their order."""
    return tuple(dict.fromkeys(effect.measure for found in comparisons for effect in found.effects))


def headline(comparison: Comparison) -> str:
    """Return what is compared with what."""
    sides = {effect.a: effect.b for effect in comparison.effects}
    if not comparison.axis:
        return comparison.what
    shown = ", ".join(list(sides)[:5]) + (" and others" if len(sides) > 5 else "")
    return f"{comparison.axis}: {shown} against {next(iter(sides.values()), '')}"


def title(measure: Measure) -> str:
    """Return what stands above a metric's table: how it is compared and which direction is
    better."""
    how = (
        "ratio"
        if measure.ratio
        else "difference in percentage points"
        if measure.fraction
        else "difference"
    )
    better = "more is better" if measure.more_is_better else "less is better"
    margin = f", equivalent within {margin_text(measure)}" if measure.margin is not None else ""
    return f"{measure.name}: {how}, {better}{margin}"


def margin_text(measure: Measure) -> str:
    """Return a margin as a person writes it: ``0.5 points``, ``3 %``."""
    margin = measure.margin or 0.0
    if measure.ratio:
        return f"{100 * margin:.3g} %"
    return f"{100 * margin:.3g} points" if measure.fraction else f"{margin:.3g}"


def effects_table(
    effects: Sequence[Effect], verdict: Callable[[Effect], str] | None = None
) -> Table:
    """Return one row per effect of one metric: what is compared, n, the effect, its interval, the
    p-value and the verdict.

    Of more than 40 cells only the first are shown.

    Args:
        effects: Of one metric.
        verdict: What stands for the verdict; None for ``verdict_text``.
    """
    verdict = verdict or verdict_text
    several = len({effect.a for effect in effects}) > 1
    shown, left_out = _first_cells(effects)
    names = list(dict.fromkeys(name for effect in shown for name in effect.cell or ()))
    pooled = any(effect.cell is None for effect in shown)
    columns: list[tuple[Heading, list[str]]] = []
    if several:
        reference = effects[0].b
        columns.append((Heading(f"against {reference}"), [effect.a for effect in shown]))
    if not names and pooled:
        columns.append((Heading("cells"), [_cells(effect) for effect in shown]))
    for place, name in enumerate(names):
        cells = [
            (_cells(effect) if not place else "")
            if effect.cell is None
            else _level(effect.cell, name)
            for effect in shown
        ]
        columns.append((Heading(name), cells))
    keys = max(1, len(columns))
    if not columns:
        columns.append((Heading("compared"), [f"{effect.a} / {effect.b}" for effect in shown]))
    columns += [
        (Heading("n", right=True), [str(effect.n) for effect in shown]),
        (Heading("effect", right=True), [estimate_text(effect) for effect in shown]),
        (Heading("95 % interval", right=True), [interval_text(effect) for effect in shown]),
        (Heading("p", right=True), [p_text(effect.p_adjusted) for effect in shown]),
        (Heading("verdict"), [verdict(effect) for effect in shown]),
    ]
    if any(effect.more for effect in shown):
        columns.append((Heading("more", right=True), [str(effect.more or "") for effect in shown]))
    notes = [f"{left_out} more cells (--json has all)"] if left_out else []
    return Table(
        tuple(heading for heading, _ in columns),
        tuple(zip(*(cells for _, cells in columns), strict=True)),
        tuple(notes),
        keys=keys,
    )


def estimate_text(effect: Effect) -> str:
    """Return an effect as text: a ratio as ``×0.52``, a difference with its sign."""
    return number_text(effect.effect, effect.measure, effect)


def interval_text(effect: Effect) -> str:
    """Return an interval as text; blank with a single repeat, marked ``~`` where it is too
    narrow."""
    if math.isnan(effect.low):
        return ""
    low, high = (number_text(value, effect.measure, effect) for value in (effect.low, effect.high))
    return f"{low} to {high}" + ("~" if effect.optimistic else "")


def number_text(value: float, measure: Measure, effect: Effect) -> str:
    """Return a ratio or a difference with as many digits as its interval can bear."""
    if measure.ratio:
        return (
            f"×{value:.3g}" if value < 100 else f"×{value:.0f}" if value < 1e6 else f"×{value:.1e}"
        )
    factor = 100 if measure.fraction else 1
    size = factor * max(map(abs, (effect.effect, *_finite(effect.low, effect.high))), default=0.0)
    decimals = 2 if measure.fraction else max(0, 3 - math.ceil(math.log10(size))) if size else 0
    shown = f"{factor * value:+.{min(decimals, 6)}f}"
    return shown.lstrip("+-") if not float(shown) else shown


def p_text(p: float) -> str:
    """Return a p-value as text."""
    return "" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def verdict_text(effect: Effect) -> str:
    """Return the verdict, or that a single repeat has none."""
    return str(effect.verdict) if effect.verdict else "none (n=1)"


def notes(comparisons: Sequence[Comparison]) -> list[str]:
    """Return what a reader must know to believe the verdicts."""
    effects = [effect for found in comparisons for effect in found.effects]
    said = []
    family = max((found.family for found in comparisons), default=0)
    if family:
        methods = dict.fromkeys(effect.method for effect in effects)
        how = " and ".join(method for method in methods if method is not Method.none)
        said.append(
            f"{plural(family, 'test')}: p and verdicts hold for all of them together (Holm, 5 %); "
            f"each interval is a 95 % interval of its own ({how})"
        )
    if any(effect.more for effect in effects):
        said.append(
            "more: the further repeats that would decide it with a chance of 80 %, if effect and "
            "spread are what they seem"
        )
    elif any(effect.verdict is Verdict.undecided and not effect.more for effect in effects):
        said.append("no number of repeats up to 1000 would decide what is undecided")
    if any(effect.verdict for effect in effects) and not any(
        effect.measure.margin for effect in effects
    ):
        said.append("--margin accuracy=0.5%,time=3% would tell equivalent from undecided")
    if any(effect.optimistic for effect in effects):
        said.append("~ the repeats are skewed: the interval is optimistic")
    for found in comparisons:
        said += _notes_of(found)
    return list(dict.fromkeys(said))


def _notes_of(comparison: Comparison) -> Iterable[str]:
    if comparison.hardware:
        yield "compared on " + "; ".join(
            f"{side}: "
            + ", ".join(f"{device} ({plural(n, 'trial')})" for device, n in found.items())
            for side, found in comparison.hardware.items()
        )
    if comparison.excluded:
        yield "left out: " + "; ".join(
            excluded_text(reason, n) for reason, n in comparison.excluded.items()
        )
    if comparison.missing:
        listed = [
            f"{missing.trial} of {missing.has}"
            + ("" if missing.seed is None else f" (seed {missing.seed})")
            + f": {missing.reason}"
            for missing in comparison.missing[:_MOST_MISSING]
        ]
        more = len(comparison.missing) - len(listed)
        rest = f"; and {more} more" if more else ""
        yield (
            f"{plural(len(comparison.missing), 'trial')} without a partner: "
            f"{'; '.join(listed)}{rest}"
        )
    for name, (of_a, of_b) in comparison.also_differ.items():
        yield f"the sides differ in {name} too: {_few(of_a)} beside {_few(of_b)}"
    if comparison.one_split and any(
        effect.measure.kind in ("accuracy", "loss") for effect in comparison.effects
    ):
        yield (
            "all repeats share one split of the data: what is said of accuracy is said of this "
            "split"
        )


def excluded_text(reason: str, n: int) -> str:
    """Return how many trials are left out for a reason, and the option that includes them."""
    if reason == DISTURBED:
        return f"the times of {plural(n, 'trial')} disturbed by other work (--include-disturbed)"
    if reason in REASONS:
        return f"{plural(n, 'trial')} {REASONS[reason]} (--include-{reason})"
    return f"{plural(n, 'trial')} {reason}"


def _first_cells(effects: Sequence[Effect]) -> tuple[list[Effect], int]:
    cells = [effect for effect in effects if effect.cell is not None]
    if len(cells) <= MOST_CELLS:
        return list(effects), 0
    kept = {id(effect) for effect in cells[:MOST_CELLS]}
    shown = [effect for effect in effects if effect.cell is None or id(effect) in kept]
    return shown, len(cells) - MOST_CELLS


def _cells(effect: Effect) -> str:
    return f"all {effect.cells} cells" if effect.cell is None else ""


def _level(cell: Mapping[str, object], name: str) -> str:
    return text(cell[name]) if cell.get(name) is not None else "-"


def _finite(*values: float) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _few(values: Sequence[str]) -> str:
    shown = ", ".join(value[:40] for value in values[:3])
    return shown + (f" and {len(values) - 3} more" if len(values) > 3 else "")
