"""Find out which points of a group ``exclude`` drops.

Every cell of every axis gets one bit per exclude entry, set unless the cell speaks against the
entry. A point is dropped if one bit is set in all of its cells, so that a trial costs one AND per
axis, however many entries there are.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runner.grid.blocks import Block, Cell
from runner.grid.problems import Problem, show
from runner.grid.values import BadValue, Parameters
from runner.grid.written import Entry, Group


def mark_excluded(group: Group, block: Block | None, parameters: Parameters) -> list[Problem]:
    """Set the bits in the block of the matrix.

    Returns:
        The entries that name something unknown, or that match no point at all; those about a key
        that is itself wrong, or that ``--set`` changed, are let pass.
    """
    problems = []
    for index, entry in enumerate(group.exclude):
        wanted, wrong = _converted(entry, parameters)
        problems += wrong
        if wrong:
            continue
        culprit = (
            "there is no matrix"
            if block is None
            else _told(entry, _mark(block, 1 << index, wanted, parameters))
        )
        if culprit:
            group.matching_nothing.append(entry)
        if culprit and not (entry.values.keys() & (group.broken | group.overridden)):
            problems.append(entry.origin.problem(f"matches nothing: {culprit}"))
    return problems


def _converted(entry: Entry, parameters: Parameters) -> tuple[dict[str, Any], list[Problem]]:
    wanted, wrong = {}, []
    for key, value in entry.values.items():
        try:
            wanted[key] = (
                value.value if key in ("target", "seed") else parameters.typed(key, value.value)
            )
        except BadValue as error:
            wrong.append(value.origin.problem(str(error)))
    return wanted, wrong


def _told(entry: Entry, culprits: list[str]) -> str:
    named = ", ".join(f"{key}: {show(entry.values[key].value)}" for key in culprits)
    return f"no trial of the group has {named}" if named else ""


def _mark(block: Block, bit: int, wanted: dict[str, Any], parameters: Parameters) -> list[str]:
    """Set the entry's bit wherever it may match. Return the keys that no point matches; none if a
    point can match."""
    rest: dict[str, Any] = dict(wanted)
    culprits: list[str] = []
    seed = rest.pop("seed", None)
    block.seeds[:] = [
        (s, bits | bit if "seed" not in wanted or _same(s, seed) else bits)
        for s, bits in block.seeds
    ]
    if not any(bits & bit for _, bits in block.seeds):
        culprits.append("seed")
    for axis in block.axes:
        keys = _keys(axis)
        here = {key: rest.pop(key) for key in wanted if key in keys}
        matching = [
            cell
            for cell in axis
            if all(_same(_value(cell, key), value) for key, value in here.items())
        ]
        for cell in matching:
            cell.excluded |= bit
        if not matching:
            culprits += here
    against = [
        key
        for key, value in rest.items()
        if not _same(block.typed.get(key, parameters.default(key)), value)
    ]
    if not against:
        block.always |= bit
    return culprits + against


def _keys(axis: list[Cell]) -> set[str]:
    """Return what the axis gives; all its cells give the same."""
    if not axis:
        return set()
    return axis[0].typed.keys() | (set() if axis[0].target is None else {"target"})


def _value(cell: Cell, key: str) -> Any:
    return cell.target if key == "target" else cell.typed.get(key, msgspec.UNSET)


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, and not merely as True equals 1."""
    if one is msgspec.UNSET or other is msgspec.UNSET:
        return one is other
    return msgspec.json.encode(one) == msgspec.json.encode(other)
