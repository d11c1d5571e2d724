"""Convert every value of a group's axes once, so that a trial is only put together from them.

A group has one block for its matrix and one for each include entry. A block is a product of axes;
an axis is a list of cells, and a cell holds what one choice on that axis adds to a trial (several
parameters for the axes walked together in ``zip``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import msgspec

from jobs.custom import made
from jobs.spec import plain
from runner.grid.problems import Origin, Problem
from runner.grid.values import BadValue, Parameters
from runner.grid.written import Axis, Group, Value

_MANY = 20
"""Problems told about one axis: a wrong list of 10,000 values is one mistake, not 10,000."""


@dataclass
class Cell:
    """One choice on an axis."""

    typed: dict[str, Any]
    """The parameters it gives, as the workload's struct holds them."""
    params: dict[str, Any] = field(default_factory=dict)
    """Those of them that stand in a spec, in its plain form."""
    target: str | None = None
    """The target it gives, as written in the grid; None if it gives none."""
    excluded: int = 0
    """One bit for each exclude entry that this cell does not speak against."""


@dataclass
class Block:
    """One product of axes."""

    struct: type[msgspec.Struct]
    typed: dict[str, Any]
    """The parameters that all its trials share, with one value of each axis, so that the struct can
    be built."""
    axes: list[list[Cell]]
    """The axes, first one outermost."""
    once: dict[str, Origin]
    """The parameters that were given one value, and where."""
    origins: dict[str, Origin]
    """Every parameter given, and where."""
    seeds: list[tuple[int, int]]
    """Each seed with the bits of the exclude entries that do not speak against it."""
    params: dict[str, Any] = field(default_factory=dict)
    """What stands in every spec of the block, in its plain form."""
    always: int = 0
    """One bit for each exclude entry that does not speak against the shared parameters."""

    @property
    def points(self) -> int:
        """Return the number of trials before anything is dropped or merged."""
        return prod(len(axis) for axis in self.axes) * len(self.seeds)


def count_points(group: Group) -> int:
    """Return how many trials a group has before anything is dropped or merged, without building
    them."""
    matrix = prod(axis.count for axis in group.matrix.values()) * min(
        (axis.count for axis in group.zipped.values()), default=1
    )
    targets = len(_targets_of(group))
    includes = sum(1 if "target" in entry.values else targets for entry in group.include)
    return ((0 if group.only_includes else matrix) + includes) * group.repeats


def build_blocks(group: Group, parameters: Parameters, problems: list[Problem]) -> list[Block]:
    """Return the blocks of a group; what cannot be converted goes to ``problems`` and into
    ``group.broken``."""
    reader = _Converter(group, parameters, problems)
    reader.refuse_unknown_axes()
    fixed = reader.values({key: value for key, value in group.fixed.items() if key != "target"})
    seeds = [(seed, 0) for seed in range(group.repeats)]
    blocks = []
    if not group.only_includes:
        axes = [
            [reader.cell({key: value}) for value in axis.values]
            for key, axis in group.matrix.items()
        ]
        if "target" in group.fixed:
            axes.insert(0, [reader.cell({"target": group.fixed["target"]})])
        if group.zipped:
            rows = list(zip(*(axis.values for axis in group.zipped.values()), strict=False))
            for (
                key,
                axis,
            ) in group.zipped.items():  # beyond the shortest list there are only mistakes
                for value in axis.values[len(rows) :]:
                    reader.cell({key: value})
            axes.append([reader.cell(dict(zip(group.zipped, row, strict=True))) for row in rows])
        once = {key: value.origin for key, value in group.fixed.items()}
        once |= {key: axis.origin for key, axis in group.matrix.items() if axis.count == 1}
        blocks.append(reader.block(fixed, axes, once, dict(group.origins()), seeds, group.origin))
    for entry in group.include:
        targets = [entry.values["target"]] if "target" in entry.values else _targets_of(group)
        own = {key: value for key, value in entry.values.items() if key != "target"}
        typed = {**fixed, **reader.values(own)}
        origins = {
            **{key: value.origin for key, value in group.fixed.items()},
            **{key: value.origin for key, value in entry.values.items()},
        }
        axes = [[reader.cell({"target": target}) for target in targets]]
        blocks.append(reader.block(typed, axes, origins, origins, list(seeds), entry.origin))
    return blocks


def _targets_of(group: Group) -> list[Value]:
    """Return every target that the group runs on, which are those of an include entry without a
    target."""
    if "target" in group.fixed:
        return [group.fixed["target"]]
    axis: Axis = group.matrix.get("target") or group.zipped["target"]
    return list({str(value.value): value for value in axis.values}.values())


class _Converter:
    def __init__(self, group: Group, parameters: Parameters, problems: list[Problem]) -> None:
        self._group, self._parameters, self._problems = group, parameters, problems
        self._told: dict[str, int] = {}
        self._unknown: set[str] = set()

    def refuse_unknown_axes(self) -> None:
        """Report one problem for an axis that the workload does not know, not one for each of its
        values."""
        for key, axis in (self._group.matrix | self._group.zipped).items():
            try:
                if key != "target":
                    self._parameters.refuse_unknown(key)
            except BadValue as error:
                self._wrong(key, axis.origin, str(error))
                self._unknown.add(key)

    def values(self, values: Mapping[str, Value]) -> dict[str, Any]:
        typed = {}
        for key, value in values.items():
            if key in self._unknown:
                continue
            try:
                typed[key] = self._parameters.typed(key, value.value)
            except BadValue as error:
                self._wrong(key, value.origin, str(error))
        return typed

    def cell(self, values: Mapping[str, Value]) -> Cell:
        target = values.get("target")
        return Cell(
            self.values(
                values
                if target is None
                else {key: value for key, value in values.items() if key != "target"}
            ),
            target=None if target is None else str(target.value),
        )

    def block(
        self,
        fixed: dict[str, Any],
        axes: list[list[Cell]],
        once: dict[str, Origin],
        origins: dict[str, Origin],
        seeds: list[tuple[int, int]],
        origin: Origin,
    ) -> Block:
        first = {key: value for axis in axes if axis for key, value in axis[0].typed.items()}
        block = Block(
            self._parameters.struct([*fixed, *first]),
            {**fixed, **first},
            axes,
            once,
            origins,
            seeds,
        )
        missing = [
            key for key in self._parameters.missing(block.typed) if key not in self._group.broken
        ]
        for key in missing:
            of = self._parameters.workload
            needs = (
                f"the command has {{{key}}}"
                if of.is_command
                else f"workload '{of.name}' needs '{key}', and it has no default"
            )
            self._wrong(
                key,
                self._group.workload_origin if of.is_command else origin,
                f"{needs}: give it in matrix, zip or fixed",
            )
        if not self._group.broken:
            self._write_specs(block)
        return block

    def _write_specs(self, block: Block) -> None:
        """Store what each cell, and what all trials of the block, put into a spec."""
        canonical, typed, default = (
            self._parameters.workload.canonical,
            block.typed,
            self._parameters.default,
        )
        for axis in block.axes:
            for cell in axis:
                cell.params = {key: plain(value) for key, value in cell.typed.items()}
                if any(
                    value == default(key) for key, value in cell.typed.items()
                ):  # a spec may leave it out
                    params = canonical(made(block.struct, {**typed, **cell.typed}))
                    cell.params = {key: params[key] for key in cell.typed if key in params}
        of_axes = {key for axis in block.axes for key in (axis[0].typed if axis else ())}
        block.params = {
            key: value
            for key, value in canonical(made(block.struct, typed)).items()
            if key not in of_axes
        }

    def _wrong(self, key: str, origin: Origin, message: str) -> None:
        self._group.broken.add(key)
        self._told[key] = self._told.get(key, 0) + 1
        if self._told[key] <= _MANY:
            self._problems.append(origin.problem(message))


def repeated_values(axes: Iterable[tuple[str, Axis]], parameters: Parameters) -> list[str]:
    """Return a note for every axis that has the same value twice, however it is spelled."""
    notes = []
    for key, axis in axes:
        if key == "target":
            continue
        values = [parameters.typed(key, value.value) for value in axis.values]
        different = len({msgspec.json.encode(value) for value in values})
        if different < len(values):
            notes.append(
                f"{axis.origin.key} gives {len(values)} values, {different} of them different"
            )
    return notes
