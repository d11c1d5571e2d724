"""Hold a grid as it was written: its groups, axes and values, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from runner.grid.problems import Origin

DEFAULT_WORKLOAD = "train"
DEFAULT_TARGET = "cpu"


@dataclass(frozen=True)
class Value:
    """One value and where it was written."""

    value: Any
    origin: Origin


@dataclass(frozen=True)
class Axis:
    """The values that one parameter takes."""

    values: tuple[Value, ...]
    count: int
    """How many there are; more than ``values`` holds if a generator would make more than any grid
    may have."""
    origin: Origin


@dataclass(frozen=True)
class Entry:
    """One element of ``include`` or ``exclude``."""

    values: dict[str, Value]
    origin: Origin


@dataclass
class Group:
    """One group as written, with ``target`` among its axes; ``--set`` changes it before it is
    expanded."""

    origin: Origin
    workload_origin: Origin
    label: str = ""
    named: bool = False
    workload: str = DEFAULT_WORKLOAD
    matrix: dict[str, Axis] = field(default_factory=dict)
    zipped: dict[str, Axis] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)
    include: list[Entry] = field(default_factory=list)
    exclude: list[Entry] = field(default_factory=list)
    repeats: int = 1
    resources: dict[str, Value] = field(default_factory=dict)
    isolate: bool = False
    only_includes: bool = False
    """The group has include entries and no axes to add them to."""
    broken: set[str] = field(default_factory=set)
    """Keys in which something is wrong, so that no second problem is made of the first."""
    overridden: set[str] = field(default_factory=set)
    """Keys that ``--set`` gave."""
    matching_nothing: list[Entry] = field(default_factory=list)
    """Entries of ``exclude`` that drop no point since ``--set`` changed the group."""

    def origins(self) -> Iterator[tuple[str, Origin]]:
        """Return every parameter that the group gives outside include and exclude, and where."""
        for values in (self.matrix, self.zipped, self.fixed):
            for key, value in values.items():
                yield key, value.origin


@dataclass(frozen=True)
class Grid:
    """A grid as written."""

    name: str
    description: str
    groups: tuple[Group, ...]
