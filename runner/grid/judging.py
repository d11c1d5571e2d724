"""What a workload makes of the points of a block: which parameters cannot act, and what cannot be.

Its rules look at some of the parameters, and most points differ in others, such as a learning rate.
So each distinct case is judged once: while a rule runs, the parameters that it reads are noted, and
two points that agree in all that were ever read are judged alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from types import new_class
from typing import Any, NamedTuple

import msgspec

from jobs.hardware import Hardware
from jobs.registry import Workload
from runner.grid.blocks import Block


class Judgment(NamedTuple):
    """What holds for every point that agrees in what the rules read."""

    changes: dict[str, Any]
    """The parameters that cannot act, with the value that says so."""
    notes: list[str]
    faults: list[str]


class Judge:
    """Judges the points of one block.

    Args:
        block: Whose points they are.
        workload: Of which the rules are; it reads parameters as attributes only.
    """

    def __init__(self, block: Block, workload: Workload) -> None:
        self._workload, self._struct = workload, block.struct
        self._varying = {name for axis in block.axes for cell in axis for name in cell.typed}
        self._read = set[str]()
        self._tracing = _tracing(block.struct, self._read)
        self._key: Callable[[Mapping[str, Any]], Any] = _nothing
        self._cases: dict[tuple[str, Any], Judgment] = {}

    def judge(self, typed: Mapping[str, Any], target: str, there: Hardware) -> Judgment:
        """Return what the rules say of a point.

        Args:
            typed: Its parameters, as the workload's struct holds them.
            target: Where it runs.
            there: What it has there.
        """
        try:
            known = self._cases.get((target, self._key(typed)))
        except TypeError:  # a list: it is judged by itself
            return self._judged(typed, there)
        if known is not None:
            return known
        before = len(self._read)
        found = self._judged(typed, there)
        if len(self._read) > before:
            names = sorted(self._read & self._varying)
            self._key = itemgetter(*names) if names else _nothing
            self._cases.clear()
        self._cases[target, self._key(typed)] = found
        return found

    def _judged(self, typed: Mapping[str, Any], there: Hardware) -> Judgment:
        asked = self._tracing(**typed)
        acting, notes = self._workload.collapse(asked, there)
        faults = self._workload.check(acting, there)
        return Judgment(_changes(self._struct, asked, acting), notes, faults)


def _tracing(struct: type[msgspec.Struct], read: set[str]) -> Callable[..., msgspec.Struct]:
    """Return the struct with every attribute that is read of it added to ``read``."""

    def reading(self: msgspec.Struct, name: str) -> Any:
        read.add(name)
        return object.__getattribute__(self, name)

    reads = {"__getattribute__": reading}
    return new_class(struct.__name__, (struct,), exec_body=lambda body: body.update(reads))


def _changes(
    struct: type[msgspec.Struct], asked: msgspec.Struct, acting: msgspec.Struct
) -> dict[str, Any]:
    if acting is asked:
        return {}
    value = object.__getattribute__
    return {
        name: value(acting, name)
        for name in struct.__struct_fields__
        if value(acting, name) is not value(asked, name)
    }


def _nothing(_typed: Mapping[str, Any]) -> None:
    return None
