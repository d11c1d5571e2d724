"""Estimate what one side does to a metric beside another side, in each cell and over all
cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from runner.report import statistics
from runner.report.codes import Bools, Floats, Ints
from runner.report.measures import Measure
from runner.report.pairing import Matched, Pairs, Sides, rank
from runner.report.statistics import Estimates, Method, Verdict


@dataclass(frozen=True)
class Effect:
    """What side a does to a metric, beside side b."""

    a: str
    b: str
    measure: Measure
    cell: Mapping[str, Any] | None
    """What tells the cell from the others; None for all cells together."""
    cells: int
    """How many cells it is of."""
    n: int
    """Repeats behind it: pairs, or the repeats of the smaller of two independent sides."""
    mean_a: float
    mean_b: float
    """Means of the sides; geometric ones where the effect is a ratio."""
    effect: float
    """The ratio a / b, or the difference a - b."""
    low: float
    high: float
    """Its 95 % interval; NaN with a single repeat."""
    p: float
    p_equivalent: float
    """Of the tests of difference and of equivalence, not adjusted; NaN where there is none."""
    p_adjusted: float
    """Of the test of difference, adjusted by Holm for the family."""
    verdict: Verdict | None
    """None with a single repeat."""
    method: Method
    optimistic: bool
    """Whether the repeats are so skewed that the interval is too narrow."""
    more: int | None
    """How many more repeats would decide it; None where it is decided, or where none would."""
    sd: float
    """Of one paired difference, of the logarithms where the effect is a ratio."""
    identical: bool = False
    """Whether both sides of every pair have the very same value."""

    def as_row(self) -> dict[str, Any]:
        """Return a flat mapping, for scripts."""
        measure = self.measure
        return {
            "a": self.a,
            "b": self.b,
            "metric": measure.name,
            "cell": None if self.cell is None else dict(self.cell),
            "cells": self.cells,
            "n": self.n,
            "mean_a": self.mean_a,
            "mean_b": self.mean_b,
            "scale": "ratio" if measure.ratio else "difference",
            "effect": self.effect,
            "low": self.low,
            "high": self.high,
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "margin": measure.margin,
            "verdict": self.verdict,
            "more_repeats": self.more,
            "method": self.method,
            "optimistic": self.optimistic,
            "identical": self.identical,
        }


def paired_effects(
    sides: Sides, pairs: Pairs, measure: Measure, values: Floats, *, pooled: bool
) -> list[Effect]:
    """Return the effect on one metric of all cells together, if there are several, and of each."""
    a, b = values[pairs.a], values[pairs.b]
    same: Bools = a == b
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure.ratio:
            a, b = np.log(a), np.log(b)
        kept = np.isfinite(a) & np.isfinite(b)
    a, b, same, cell, unit = a[kept], b[kept], same[kept], pairs.cell[kept], pairs.unit[kept]
    if not len(a):
        return []
    step = 0.0 if measure.ratio else statistics.step_of(np.unique(np.append(a, b)).tolist())
    starts = np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))
    sizes = np.diff(np.append(starts, len(cell)))
    found: list[Effect] = []
    if len(starts) > 1:
        whole = [_means_of_repeats(side, cell, unit) for side in (a, b)]
        # A mean of k rounded values is off by less than one of them, by the square root of k.
        fine = step / len(starts) ** 0.5
        (of_all,) = _estimated(sides, measure, [None], len(starts), whole[0], whole[1], fine)
        found.append(replace(of_all, identical=bool(same.all())))
    if pooled and found:
        return found
    of_cells: list[Effect] = []
    for n in np.unique(sizes).tolist():
        which = np.flatnonzero(sizes == n)
        rows = starts[which][:, None] + np.arange(n)
        labels = [pairs.cells[code] for code in cell[starts[which]]]
        made = _estimated(sides, measure, labels, 1, a[rows], b[rows], step)
        identical = np.all(same[rows], axis=1)
        of_cells += [
            _marked(effect, bool(all_same))
            for effect, all_same in zip(made, identical, strict=True)
        ]
    return found + sorted(of_cells, key=_order)


def independent_effects(
    sides: Sides, matched: Matched, measure: Measure, values: Floats, *, pooled: bool
) -> list[Effect]:
    """Return what ``paired_effects`` does for sides whose repeats are independent (Welch)."""
    (a, cell_a, unit_a), (b, cell_b, unit_b) = (
        _finite(measure, values, *side)
        for side in (
            (matched.a, matched.cell_a, matched.unit_a),
            (matched.b, matched.cell_b, matched.unit_b),
        )
    )
    common = np.intersect1d(cell_a, cell_b)
    if not len(common):
        return []
    step = 0.0 if measure.ratio else statistics.step_of(np.unique(np.append(a, b)).tolist())
    found: list[Effect] = []
    if len(common) > 1:
        kept_a, kept_b = np.isin(cell_a, common), np.isin(cell_b, common)
        whole = [
            _means_of_repeats(a[kept_a], cell_a[kept_a], unit_a[kept_a]),
            _means_of_repeats(b[kept_b], cell_b[kept_b], unit_b[kept_b]),
        ]
        fine = step / len(common) ** 0.5  # as for pairs
        found += _welch(sides, measure, [None], len(common), whole[0], whole[1], fine)
    if pooled and found:
        return found
    of_cells: list[Effect] = []
    for cell in common.tolist():
        of_a, of_b = a[cell_a == cell][None, :], b[cell_b == cell][None, :]
        of_cells += _welch(sides, measure, [matched.cells[cell]], 1, of_a, of_b, step)
    return found + sorted(of_cells, key=_order)


def _marked(effect: Effect, identical: bool) -> Effect:
    return replace(effect, identical=True) if identical else effect


def _order(effect: Effect) -> list[tuple[int, float, str]]:
    return [rank(value) for value in (effect.cell or {}).values()]


def _welch(
    sides: Sides,
    measure: Measure,
    labels: Sequence[Mapping[str, Any] | None],
    cells: int,
    a: Floats,
    b: Floats,
    step: float,
) -> list[Effect]:
    found = statistics.independent(a, b, margin=measure.margin_in_scale, resolution=step)
    return _as_effects(sides, measure, labels, cells, found, a.mean(axis=1), b.mean(axis=1))


def _finite(
    measure: Measure, values: Floats, rows: Ints, cell: Ints, unit: Ints
) -> tuple[Floats, Ints, Ints]:
    """Return the values of rows in the scale in which they are compared, where they have one, and
    the cells and repeats of these."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(values[rows]) if measure.ratio else values[rows]
    kept = np.isfinite(found)
    return found[kept], cell[kept], unit[kept]


def _estimated(
    sides: Sides,
    measure: Measure,
    labels: Sequence[Mapping[str, Any] | None],
    cells: int,
    a: Floats,
    b: Floats,
    step: float,
) -> list[Effect]:
    """Return one effect per row of ``a`` and ``b``, both of shape (n_effects, n_pairs)."""
    found = statistics.paired(a - b, margin=measure.margin_in_scale, resolution=step)
    return _as_effects(sides, measure, labels, cells, found, a.mean(axis=1), b.mean(axis=1))


def _as_effects(
    sides: Sides,
    measure: Measure,
    labels: Sequence[Mapping[str, Any] | None],
    cells: int,
    found: Estimates,
    mean_a: Floats,
    mean_b: Floats,
) -> list[Effect]:
    shown = [mean_a, mean_b, found.effect, found.low, found.high]
    if measure.ratio:
        with np.errstate(over="ignore"):
            shown = [np.exp(value) for value in shown]
    columns = zip(labels, *shown, found.p, found.p_equivalent, found.skewed, found.sd, strict=True)
    return [
        Effect(
            sides.a, sides.b, measure, label, cells, found.n, float(of_a), float(of_b),
            float(effect), float(low), float(high), float(p), float(p_equivalent),
            p_adjusted=float("nan"), verdict=None, method=found.method, optimistic=bool(skewed),
            more=None, sd=float(sd),
        )
        for label, of_a, of_b, effect, low, high, p, p_equivalent, skewed, sd in columns
    ]  # fmt: skip


def _means_of_repeats(values: Floats, cell: Ints, unit: Ints) -> Floats:
    """Return the average over the cells of each repeat, shape (1, n_repeats).

    Where at least two repeats have every cell, only they count; otherwise cells that some repeats
    lack would look like differences between repeats.
    """
    counts = np.bincount(unit)
    chosen = counts == len(np.unique(cell))
    if np.count_nonzero(chosen) < 2:
        chosen = counts > 0
    means: Floats = np.bincount(unit, weights=values)[chosen] / counts[chosen]
    return means[None, :]


def more_repeats(
    effects: Sequence[Effect], verdicts: Sequence[Verdict | None], tests: int
) -> list[int | None]:
    more: list[int | None] = [None] * len(effects)
    by_margin: dict[float | None, list[int]] = {}
    for i, (effect, found) in enumerate(zip(effects, verdicts, strict=True)):
        if found is Verdict.undecided:
            by_margin.setdefault(effect.measure.margin_in_scale, []).append(i)
    for margin, which in by_margin.items():
        size = np.array(
            [
                np.log(effects[i].effect) if effects[i].measure.ratio else effects[i].effect
                for i in which
            ]
        )
        sd = np.array([effects[i].sd for i in which])
        needed = statistics.repeats_to_decide(size, sd, tests=tests, margin=margin)
        for i, n in zip(which, needed.tolist(), strict=True):
            more[i] = max(1, n - effects[i].n) if n else None
    return more
