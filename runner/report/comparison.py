"""Compare two sides of a table of records: how much, how sure, and the verdict.

Trials that agree in everything else are paired by seed. Times and rates are compared by ratios,
accuracies and losses by differences. docs/comparing.md has the rules and their sources.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from runner.report import statistics
from runner.report.codes import Bools, Codes, Ints
from runner.report.effects import Effect, independent_effects, more_repeats, paired_effects
from runner.report.exclusion import DISTURBED, Status
from runner.report.measures import Measure
from runner.report.pairing import (
    NothingToCompare,
    Sides,
    axis_sides,
    devices,
    match,
    named_sides,
    pair,
)
from runner.report.statistics import ALPHA, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

# Where the two sides differ in one of these too, the reader must know.
CIRCUMSTANCES: Final = (
    "driver_version", "cuda_version", "cudnn_version", "code", "data_digest", "torch_version",
    "sklearn_version", "sklearnex_version", "numpy_version", "python_version", "runner_code",
    "packages_digest", "variables_differ", "threads",
)  # fmt: skip


@dataclass(frozen=True)
class Missing:
    """A trial without a partner."""

    has: str
    """The side that it is of."""
    lacks: str
    """The side that lacks a trial like it."""
    trial: str
    seed: int | None
    reason: str
    """What became of the partner."""


@dataclass(frozen=True)
class Comparison:
    """Everything that was compared, and what could not be."""

    what: str
    """The axis, or the two sides."""
    axis: str | None
    """The axis, if one is compared."""
    effects: tuple[Effect, ...]
    """For each side and metric all cells together first, if there are several, then each cell."""
    family: int
    """Among how many tests Holm's procedure shares the error rate."""
    excluded: Mapping[str, int]
    """How many trials of the sides are left out, by reason."""
    missing: tuple[Missing, ...]
    hardware: Mapping[str, Mapping[str, int]]
    """By side, how many of the compared trials each device computed."""
    also_differ: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    """Circumstances of which the sides have different values: those of all sides a, and of b."""
    one_split: bool
    """Whether all repeats of a cell share one split of the data."""

    def as_plain(self) -> dict[str, Any]:
        """Return everything as plain data, for scripts."""
        return {
            "what": self.what,
            "axis": self.axis,
            "family": self.family,
            "effects": [effect.as_row() for effect in self.effects],
            "excluded": dict(self.excluded),
            "missing": [asdict(missing) for missing in self.missing],
            "hardware": self.hardware,
            "also_differ": self.also_differ,
            "one_split": self.one_split,
        }


def compare_axis(
    table: pa.Table,
    axis: str,
    measures: Sequence[Measure],
    *,
    reference: Any = None,
    usual: Any = None,
    include: Collection[str] = (),
    pooled: bool = False,
) -> Comparison:
    """Compare every value of an axis with a reference value.

    Args:
        table: Records, one row per trial.
        axis: Column of the axis.
        measures: What to compare.
        reference: The value that the others are compared with; None for the usual one.
        usual: The reference if any trial has it; see ``axis_sides``.
        include: Reasons of ``REASONS``, or ``disturbed``, for which nothing is left out.
        pooled: Only all cells together, which is a smaller family of tests.

    Raises:
        UnknownColumn, NotAnAxis, UnknownLevel, NothingToCompare: As ``axis_sides`` has it.
    """
    codes = Codes(table)
    sides = axis_sides(codes, axis, _completed(codes), reference, usual)
    found = _compare(codes, axis, sides, measures, include, pooled=pooled, axis=axis)
    return judged([found])[0]


def compare_sides(
    table: pa.Table,
    a: str,
    b: str,
    measures: Sequence[Measure],
    *,
    include: Collection[str] = (),
    pooled: bool = False,
) -> Comparison:
    """Compare the trials of two conditions, such as ``model=resnet50,amp=off``.

    Args:
        table: As for ``compare_axis``, and so are the others.
        a: The side that is judged.
        b: The side that it is compared with.
        measures: What to compare.
        include: Reasons for which nothing is left out.
        pooled: Only all cells together.

    Raises:
        BadCondition, UnknownColumn, BadSides: As ``named_sides`` has it.
    """
    codes = Codes(table)
    sides = named_sides(codes, a, b, _completed(codes))
    what = f"{a} against {b}"
    return judged([_compare(codes, what, [sides], measures, include, pooled=pooled)])[0]


def compare_tables(
    table: pa.Table,
    earlier: pa.Table,
    measures: Sequence[Measure],
    *,
    names: tuple[str, str] = ("now", "before"),
    include: Collection[str] = (),
    pooled: bool = False,
    independent: bool = False,
) -> Comparison:
    """Compare the trials of one table with the same trials of another.

    Args:
        table: The records that are judged.
        earlier: The records that they are compared with.
        measures: What to compare.
        names: Of the two sides.
        include: Reasons for which nothing is left out.
        pooled: Only all cells together.
        independent: Compare the repeats of each cell as independent samples (Welch) and not as
            pairs of the same seed.
    """
    from artifacts.tables import unite

    both = unite([table.drop_columns(["history"]), earlier.drop_columns(["history"])])
    codes = Codes(both)
    in_a = np.arange(both.num_rows) < table.num_rows
    sides = Sides(*names, in_a, ~in_a, ())
    what = f"{names[0]} against {names[1]}"
    return judged(
        [_compare(codes, what, [sides], measures, include, pooled=pooled, independent=independent)]
    )[0]


def compare_axes(
    table: pa.Table,
    axes: Iterable[str],
    measures: Sequence[Measure],
    *,
    include: Collection[str] = (),
) -> list[Comparison]:
    """Compare every value of several axes with their reference values, all cells together, as one
    family of tests.

    An axis without two values is left out.
    """
    codes = Codes(table)
    rows = _completed(codes)
    found = []
    for axis in axes:
        try:
            sides = axis_sides(codes, axis, rows)
        except NothingToCompare:
            continue
        found.append(_compare(codes, axis, sides, measures, include, pooled=True, axis=axis))
    return judged(found)


def judged(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with verdicts, their p-values adjusted as one family (Holm)."""
    effects = [effect for comparison in comparisons for effect in comparison.effects]
    p = statistics.holm(np.array([effect.p for effect in effects]))
    p_equivalent = statistics.holm(np.array([effect.p_equivalent for effect in effects]))
    verdicts = [
        statistics.verdict(
            np.log(effect.effect) if effect.measure.ratio else effect.effect,
            float(p[i]),
            float(p_equivalent[i]),
            more_is_better=effect.measure.more_is_better,
        )
        for i, effect in enumerate(effects)
    ]
    family = int(np.count_nonzero(~np.isnan(p)))
    open_tests = max(1, family - int(np.count_nonzero(p <= ALPHA)))
    more = more_repeats(effects, verdicts, open_tests)
    done = iter(
        replace(effect, p_adjusted=float(p[i]), verdict=verdicts[i], more=more[i])
        for i, effect in enumerate(effects)
    )
    return [
        replace(
            comparison,
            effects=tuple(next(done) for _ in comparison.effects),
            family=family,
        )
        for comparison in comparisons
    ]


class Overall(StrEnum):
    """What a comparison with an earlier store says as a whole."""

    found = "regressions found"
    none = "no regressions found"
    undecided = "undecided"


def overall(comparison: Comparison) -> Overall:
    """Return whether anything is worse, nothing is, or that is not known."""
    verdicts = {effect.verdict for effect in comparison.effects}
    if Verdict.worse in verdicts:
        return Overall.found
    if verdicts and verdicts <= {Verdict.better, Verdict.equivalent}:
        return Overall.none
    return Overall.undecided


def _completed(codes: Codes) -> Bools:
    levels = codes.levels("outcome")
    wanted = levels.index("completed") if "completed" in levels else -2
    return np.asarray(codes.of("outcome") == wanted)


def _compare(
    codes: Codes,
    what: str,
    sides: Sequence[Sides],
    measures: Sequence[Measure],
    include: Collection[str],
    *,
    pooled: bool,
    independent: bool = False,
    axis: str | None = None,
) -> Comparison:
    side = np.full(codes.n_rows, -1, dtype=np.int64)
    for number, two in enumerate(sides):
        side[two.in_a] = number + 1
        side[two.in_b] = 0
    status = Status(codes, side, include)
    excluded = status.counts(side >= 0)
    values = {measure: codes.numbers(measure.name) for measure in measures}
    timings = [measure for measure in measures if measure.timing]
    if timings and DISTURBED not in include:
        disturbed = _is_true(codes, "disturbed")
        for measure in timings:
            values[measure] = np.where(disturbed, np.nan, values[measure])
        if n_disturbed := int(np.count_nonzero(disturbed & status.usable)):
            excluded[DISTURBED] = n_disturbed
    effects: list[Effect] = []
    missing: list[Missing] = []
    compared: list[tuple[Sides, Ints, Ints]] = []
    for two in sides:
        if independent:
            matched = match(codes, two, status.usable)
            compared.append((two, matched.a, matched.b))
            for measure in measures:
                effects += independent_effects(
                    two, matched, measure, values[measure], pooled=pooled
                )
            continue
        pairs = pair(codes, two, status.usable, status.words, status.of)
        compared.append((two, np.unique(pairs.a), np.unique(pairs.b)))
        for measure in measures:
            effects += paired_effects(two, pairs, measure, values[measure], pooled=pooled)
        missing += (
            Missing(
                two.a if of_a else two.b,
                two.b if of_a else two.a,
                codes.value("trial", row),
                codes.value("seed", row),
                reason,
            )
            for row, of_a, reason in pairs.alone
        )
    in_pairs = np.zeros(codes.n_rows, dtype=bool)
    for _, rows_a, rows_b in compared:
        in_pairs[rows_a] = in_pairs[rows_b] = True
    for measure in measures:
        raw = codes.numbers(measure.name)
        usable = np.isfinite(raw) & ((raw > 0) | (not measure.ratio))
        if n_unusable := int(np.count_nonzero(in_pairs & codes.has(measure.name) & ~usable)):
            kind = "positive" if measure.ratio else "finite"
            excluded[f"without a {kind} {measure.name}"] = n_unusable
    return Comparison(
        what,
        axis,
        tuple(effects),
        0,
        excluded,
        tuple(missing),
        _hardware(codes, compared),
        _differences(codes, compared),
        _share_split(codes, compared),
    )


def _is_true(codes: Codes, name: str) -> Bools:
    levels = codes.levels(name)
    return np.asarray(codes.of(name) == levels.index(True) if True in levels else False) & np.ones(
        codes.n_rows, dtype=bool
    )


def _hardware(
    codes: Codes, compared: Sequence[tuple[Sides, Ints, Ints]]
) -> dict[str, dict[str, int]]:
    rows: dict[str, set[int]] = {}
    for sides, rows_a, rows_b in compared:
        rows.setdefault(sides.b, set()).update(rows_b.tolist())
        rows.setdefault(sides.a, set()).update(rows_a.tolist())
    return {name: devices(codes, sorted(found)) for name, found in rows.items() if found}


def _differences(
    codes: Codes, compared: Sequence[tuple[Sides, Ints, Ints]]
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    axes = {name for sides, _, _ in compared for name in sides.columns}
    found = {}
    for name in CIRCUMSTANCES:
        if name in axes:
            continue
        levels, of = codes.levels(name), codes.of(name)
        for _, rows_a, rows_b in compared:
            in_a, in_b = (set(of[rows].tolist()) - {-1} for rows in (rows_a, rows_b))
            if in_a and in_b and in_a != in_b:
                found[name] = (
                    tuple(sorted(str(levels[code]) for code in in_a)),
                    tuple(sorted(str(levels[code]) for code in in_b)),
                )
    return found


def _share_split(codes: Codes, compared: Sequence[tuple[Sides, Ints, Ints]]) -> bool:
    if "split_seed" not in codes.names:
        return False
    rows = [part for _, rows_a, rows_b in compared for part in (rows_a, rows_b)]
    found = codes.of("split_seed")[np.concatenate(rows)] if rows else np.array([], dtype=np.int64)
    return len(set(found.tolist())) == 1
