"""Find the trials of two sides that agree in everything but what is compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from runner.errors import RunnerError
from runner.grid.scalars import core_scalar
from runner.report.codes import Bools, Codes, Ints, combined, compact
from runner.report.summary import UnknownColumn
from runner.report.tables import text
from runner.report.where import parse

NO_AXES: Final = ("trial", "attempt", "seed", "parameters", "results", "history")
OFF: Final = ("off", "none", "false")


class NothingToCompare(RunnerError):
    """The trials do not differ in what should be compared."""

    axis: str
    value: str
    varying: tuple[str, ...]

    def __str__(self) -> str:
        has = (
            f"is {self.value} in every completed trial" if self.value else "has no completed trial"
        )
        instead = f": {', '.join(self.varying)} would do" if self.varying else ""
        return f"'{self.axis}' {has}, so there is nothing to compare{instead}"


class NotAnAxis(RunnerError):
    """A column tells repeats or records apart, and not what could be compared."""

    exit_code: ClassVar[int] = 2

    axis: str
    varying: tuple[str, ...]

    def __str__(self) -> str:
        instead = f": {', '.join(self.varying)} would do" if self.varying else ""
        return f"'{self.axis}' is no axis, as trials are paired by seed{instead}"


class UnknownLevel(RunnerError):
    """No completed trial has the value that the others should be compared with."""

    exit_code: ClassVar[int] = 2

    axis: str
    value: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"no completed trial has {self.axis} = {self.value}: give one of "
            f"{', '.join(self.known)} to --reference"
        )


class BadSides(RunnerError):
    """Two sides cannot be compared."""

    exit_code: ClassVar[int] = 2

    a: str
    b: str
    reason: str

    def __str__(self) -> str:
        return (
            f"--a '{self.a}' and --b '{self.b}': {self.reason}: write what tells them apart, such "
            "as --a model=resnet18 --b model=resnet50,amp=off"
        )


@dataclass(frozen=True)
class Sides:
    """Two sets of rows, and the columns that tell them apart."""

    a: str
    """Name of the side that is judged."""
    b: str
    """Name of the side that it is compared with."""
    in_a: Bools
    in_b: Bools
    columns: tuple[str, ...]
    only_a: tuple[str, ...] = ()
    """Columns that only side a fixes: those of side b take several values in it."""
    only_b: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairs:
    """Rows of side a and their partners of side b; every array has shape (n_pairs,)."""

    a: Ints
    b: Ints
    cell: Ints
    """Which cell each pair is of, counted from 0."""
    unit: Ints
    """Which repeat."""
    cells: tuple[Mapping[str, Any], ...]
    """What tells each cell from the others, by column."""
    alone: tuple[tuple[int, bool, str], ...]
    """Rows without a partner, whether they are of side a, and what became of the partner."""


@dataclass(frozen=True)
class Matched:
    """Rows of two independent sides, by cell."""

    a: Ints
    cell_a: Ints
    unit_a: Ints
    """Repeat of each row of side a; shape (n_rows_a,), as of the two above."""
    b: Ints
    cell_b: Ints
    unit_b: Ints
    cells: Mapping[int, Mapping[str, Any]]
    """What tells each cell of both sides from the others, by its code."""


def axis_sides(
    codes: Codes, axis: str, rows: Bools, reference: Any = None, usual: Any = None
) -> list[Sides]:
    """Return one pair of sides for each value of an axis but the reference.

    Null is a value of a parameter where the workload has it.

    Args:
        codes: The table.
        axis: Its column.
        rows: Completed rows.
        reference: The value that the others are compared with; None for the usual one.
        usual: The reference if any row has it; otherwise it is the smallest number, or what is off,
            or the first by the alphabet.

    Raises:
        UnknownColumn: The table has no such column.
        NotAnAxis: The column tells repeats or records apart.
        UnknownLevel: No completed row has the reference.
        NothingToCompare: All completed rows have the same value.
    """
    if axis not in codes.names:
        raise UnknownColumn(axis, codes.known())
    if axis in NO_AXES:
        raise NotAnAxis(axis, varying(codes, rows))
    levels = [*codes.levels(axis), None]
    of = _with_null(codes, axis)
    present = sorted(
        set(of[rows & (of >= 0)].tolist()),
        key=lambda code: (levels[code] is not None, rank(levels[code])),
    )
    if len(present) < 2:
        value = _shown(levels[present[0]]) if present else ""
        raise NothingToCompare(axis, value, varying(codes, rows))
    wanted = usual if reference is None else reference
    first = [] if wanted is None else [code for code in present if _is(levels[code], wanted)]
    if reference is not None and not first:
        known = tuple(_shown(levels[code]) for code in present)
        raise UnknownLevel(axis, text(reference), known)
    present = [*first, *(code for code in present if code not in first)]
    return [
        Sides(
            _shown(levels[code]), _shown(levels[present[0]]), of == code, of == present[0], (axis,)
        )
        for code in present[1:]
    ]


def named_sides(codes: Codes, a: str, b: str, rows: Bools) -> Sides:
    """Return the sides that two conditions name, such as ``model=resnet50,amp=off``.

    Raises:
        BadCondition: One of them cannot be read.
        UnknownColumn: The table has no such column.
        BadSides: A side has no completed row, or both have the same one.
    """
    masks, columns = [], []
    for written in (a, b):
        mask = np.ones(codes.n_rows, dtype=bool)
        conditions = parse(written)
        for condition in conditions:
            if condition.column not in codes.names:
                raise UnknownColumn(condition.column, codes.known())
            levels = [*codes.levels(condition.column), None]
            mask &= np.array([condition.holds(level) for level in levels])[
                codes.of(condition.column)
            ]
        if not (mask & rows).any():
            raise BadSides(a, b, f"no completed trial has {written}")
        masks.append(mask)
        columns.append(dict.fromkeys(condition.column for condition in conditions))
    if (masks[0] & masks[1] & rows).any():
        raise BadSides(a, b, "some trials are on both sides")
    of_a, of_b = columns
    return Sides(
        a,
        b,
        masks[0],
        masks[1],
        tuple(dict.fromkeys((*of_a, *of_b))),
        only_a=tuple(name for name in of_a if name not in of_b),
        only_b=tuple(name for name in of_b if name not in of_a),
    )


def varying(codes: Codes, rows: Bools) -> tuple[str, ...]:
    """Return the columns that could be compared: those in which trials of a workload differ."""
    names = ["workload", "target", *codes.named_in("parameters")]
    return tuple(
        name for name in names if len(set(_with_null(codes, name)[rows].tolist()) - {-1}) > 1
    )


def _with_null(codes: Codes, name: str) -> Ints:
    """Return the codes of a column, where null is the last of a parameter that the row has."""
    of = codes.of(name)
    if not (of < 0).any():
        return of
    return np.where(codes.lists(name) & (of < 0), len(codes.levels(name)), of)


def pair(codes: Codes, sides: Sides, usable: Bools, why: Sequence[str], status: Ints) -> Pairs:
    """Pair the rows of two sides by seed within cells that agree in everything else.

    A parameter that acts on one side only, such as the momentum of sgd beside adam, pairs with
    every value of it. Where each trial has a split of its own, the split is part of the repeat.

    Args:
        codes: The table.
        sides: The two sides.
        usable: Rows that may be compared, shape (n_rows,).
        why: Reasons, the first of which is none.
        status: Reason of each row as an index, shape (n_rows,).
    """
    rows_a, rows_b = (_once(codes, mask & usable) for mask in (sides.in_a, sides.in_b))
    shared, extra_a, extra_b = _keys(codes, sides, rows_a, rows_b)
    shared, repeat = _repeat(codes, shared, [*extra_a, *extra_b], np.append(rows_a, rows_b))
    common = codes.joint(shared)
    key = combined(common, repeat)
    rows_b = rows_b[np.argsort(key[rows_b], kind="stable")]
    start = np.searchsorted(key[rows_b], key[rows_a], "left")
    stop = np.searchsorted(key[rows_b], key[rows_a], "right")
    n_partners = stop - start
    a = np.repeat(rows_a, n_partners)
    within = np.arange(len(a)) - np.repeat(np.cumsum(n_partners) - n_partners, n_partners)
    b = rows_b[np.repeat(start, n_partners) + within]
    of_a, of_b = codes.joint(extra_a), codes.joint(extra_b)
    cell_of = compact(combined(combined(common[a], of_a[a]), of_b[b]))
    order = np.lexsort((repeat[a], cell_of))
    a, b, cell_of = a[order], b[order], cell_of[order]
    first = np.flatnonzero(np.append(True, cell_of[1:] != cell_of[:-1])[: len(cell_of)])
    alone = [(row, True) for row in rows_a[n_partners == 0].tolist()]
    alone += [(row, False) for row in np.setdiff1d(rows_b, b).tolist()]
    other = {
        True: _statuses(key, sides.in_b & ~usable, status),
        False: _statuses(key, sides.in_a & ~usable, status),
    }
    return Pairs(
        a,
        b,
        cell_of,
        compact(repeat[a]) if len(a) else repeat[a],
        _labels(codes, [*shared, *extra_a], extra_b, a, b, first),
        tuple(
            (row, of_side_a, why[other[of_side_a].get(int(key[row]), 0)] or "no such trial")
            for row, of_side_a in alone
        ),
    )


def match(codes: Codes, sides: Sides, usable: Bools) -> Matched:
    """Return the rows of two sides by the cell in which they agree in everything but the seed."""
    rows_a, rows_b = (_once(codes, mask & usable) for mask in (sides.in_a, sides.in_b))
    names = key_columns(codes)
    cell, seed = codes.joint(names), compact(codes.of("seed"))
    common, first, _ = np.intersect1d(cell[rows_a], cell[rows_b], return_indices=True)
    first = rows_a[first]
    labels = _labels(codes, names, [], first, first, np.arange(len(first)))
    rows_a, rows_b = (rows[np.isin(cell[rows], common)] for rows in (rows_a, rows_b))
    return Matched(
        rows_a, cell[rows_a], seed[rows_a], rows_b, cell[rows_b], seed[rows_b],
        dict(zip(common.tolist(), labels, strict=True)),
    )  # fmt: skip


def key_columns(codes: Codes) -> list[str]:
    """Return the columns in which the trials of a cell agree."""
    return ["workload", "target", *codes.named_in("parameters")]


def _keys(
    codes: Codes, sides: Sides, rows_a: Ints, rows_b: Ints
) -> tuple[list[str], list[str], list[str]]:
    """Return the columns in which partners agree, and those that only side a, or side b, has."""
    shared, extra_a, extra_b = [], list(sides.only_b), list(sides.only_a)
    for name in key_columns(codes):
        if name in sides.columns:
            continue
        code = codes.of(name)
        in_a, in_b = (code[rows_a] >= 0).any(), (code[rows_b] >= 0).any()
        if in_a and in_b:
            shared.append(name)
        elif in_a:
            extra_a.append(name)
        elif in_b:
            extra_b.append(name)
    return shared, extra_a, extra_b


def _repeat(
    codes: Codes, shared: list[str], extra: list[str], rows: Ints
) -> tuple[list[str], Ints]:
    """Return the columns in which partners agree and the code of each row's repeat: its seed, and
    its split if no two trials of a cell share one."""
    seed = codes.of("seed")
    if "split_seed" not in shared or len(set(codes.of("split_seed")[rows].tolist())) < 2:
        return shared, seed
    others = [name for name in shared if name != "split_seed"]
    cells = combined(codes.joint([*others, *extra]), codes.of("split_seed"))[rows]
    both = combined(cells, seed[rows])
    if len(np.unique(both)) > len(np.unique(cells)):  # several seeds share a split
        return shared, seed
    return others, combined(compact(seed), codes.of("split_seed"))


def _once(codes: Codes, mask: Bools) -> Ints:
    """Return the rows, one of each trial: several sweeps may have recorded it."""
    rows = np.flatnonzero(mask)
    return np.sort(rows[np.unique(codes.of("trial")[rows], return_index=True)[1]])


def _statuses(key: Ints, mask: Bools, status: Ints) -> dict[int, int]:
    rows = np.flatnonzero(mask)
    return dict(zip(key[rows].tolist(), status[rows].tolist(), strict=True))


def _labels(
    codes: Codes, of_a: Sequence[str], of_b: Sequence[str], a: Ints, b: Ints, first: Ints
) -> tuple[Mapping[str, Any], ...]:
    """Return what tells the cells apart, by the first pair of each."""
    columns: dict[str, list[Any]] = {}
    for names, rows in ((of_a, a[first]), (of_b, b[first])):
        workloads = codes.of("workload")[rows]
        for name in names:
            of = codes.of(name)[rows]
            within = workloads if name != "workload" else np.zeros_like(workloads)
            if len(np.unique(combined(within, of))) > len(np.unique(within)):
                levels = [*codes.levels(name), None]
                columns[name] = [levels[code] for code in of]
    return tuple(
        {name: values[cell] for name, values in columns.items()} for cell in range(len(first))
    )


def rank(level: Any) -> tuple[int, float, str]:
    """Return a key that sorts values: numbers, what is off, text, and none last."""
    if level is None:
        return (3, 0.0, "")
    if isinstance(level, int | float):
        return (0, float(level), "")
    return (1, 0.0, "") if str(level) in OFF else (2, 0.0, str(level))


def _shown(level: Any) -> str:
    return "null" if level is None else text(level)


def _is(level: Any, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return _shown(level) == wanted or level == core_scalar(wanted)
    return bool(level == wanted)


def devices(codes: Codes, rows: Iterable[int]) -> dict[str, int]:
    """Return how many of the rows each device computed, the most frequent first."""
    chosen = np.fromiter(rows, dtype=np.int64)
    gpu, cpu = codes.of("gpu_name")[chosen], codes.of("cpu_model")[chosen]
    names = [*codes.levels("gpu_name"), *codes.levels("cpu_model"), "an unknown device"]
    n_gpus = len(codes.levels("gpu_name"))
    code = np.where(gpu >= 0, gpu, np.where(cpu >= 0, cpu + n_gpus, len(names) - 1))
    found = np.bincount(code, minlength=len(names))
    return {names[i]: int(found[i]) for i in np.argsort(-found) if found[i]}
