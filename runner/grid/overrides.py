"""Apply ``--set key=value[,value...]``: change the grid for this submit, before it is expanded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from runner.grid.generators import BadGenerator, generate, is_generator
from runner.grid.problems import Origin, Problem, nearest, show
from runner.grid.source import parse_yaml
from runner.grid.values import Parameters
from runner.grid.written import Axis, Entry, Group, Value

FILE = "--set"


class _Mistake(Exception):
    """The ``--set`` has no meaning; the message says why."""


def apply_overrides(
    sets: Sequence[str], groups: Sequence[Group], known: Mapping[int, Parameters], most: int
) -> list[Problem]:
    """Change the groups as ``--set`` says.

    Args:
        sets: ``key=value``, ``key=value,value``, ``group.key=...`` each.
        groups: The grid's groups; changed in place.
        known: The parameters of each group's workload, by the group's place; a group with an
            unknown workload has none.
        most: An axis with more values than this is counted but not built.
    """
    problems, seen = [], set()
    for text in sets:
        left, equals, right = text.partition("=")
        origin = Origin(FILE, 0, left.strip())
        try:
            if not equals or not origin.key:
                raise _Mistake("write key=value, key=value,value or group.key=value")
            if origin.key in seen:
                raise _Mistake("is set twice: give all its values at once, key=value,value")
            seen.add(origin.key)
            key, chosen = _resolve(origin.key, groups, known)
            axis = _parse(right, origin, most)
            for group in chosen:
                _change(group, key, axis)
        except _Mistake as mistake:
            problems.append(origin.problem(str(mistake)))
    return problems


def _resolve(
    name: str, groups: Sequence[Group], known: Mapping[int, Parameters]
) -> tuple[str, list[Group]]:
    """Return the key and the groups in which it is set."""
    labels = {label for group in groups for label in (group.label, group.workload)}
    label = max((label for label in labels if name.startswith(f"{label}.")), key=len, default=None)
    key = name if label is None else name[len(label) + 1 :]
    named = [index for index, group in enumerate(groups) if label is None or group.label == label]
    named = named or [index for index, group in enumerate(groups) if group.workload == label]
    if key in ("target", "repeats", "isolate") or key.startswith("resources."):
        return key, [groups[index] for index in named]
    chosen = [groups[index] for index in named if index in known and known[index].knows(key)]
    if not chosen and all(index in known for index in named):
        head, dot, _ = name.partition(".")
        if dot and label is None:
            raise _Mistake(f"no group is called '{head}': {nearest(head, labels)}")
        words = {word for index in named for word in known[index].workload.names()} | {
            "target",
            "repeats",
            "isolate",
            "resources.time_min",
        }
        raise _Mistake(f"no group has a parameter '{key}': {nearest(key, words)}")
    return key, chosen


def _parse(text: str, origin: Origin, most: int) -> Axis:
    source = parse_yaml(f"[{text}]", FILE)
    if source.problems or not isinstance(source.data, list):
        raise _Mistake(
            f"{show(text)} cannot be read: write a value as in YAML, and quote text that holds , : "
            f"[ ] {{ or }}"
        )
    values = source.data
    if not values:
        raise _Mistake("gives no value: write null for none")
    if len(values) == 1 and is_generator(values[0]):
        try:
            count, values = generate(values[0], most)
        except BadGenerator as error:
            raise _Mistake(str(error)) from None
        if not count:
            raise _Mistake("the axis has no values")
        return Axis(tuple(Value(value, origin) for value in values), count, origin)
    return Axis(tuple(Value(value, origin) for value in values), len(values), origin)


def _change(group: Group, key: str, axis: Axis) -> None:
    if key == "repeats":
        group.repeats = _repeats(_single(axis))
        return
    if key == "isolate":
        group.isolate = _flag(_single(axis))
        return
    if key.startswith("resources."):
        group.resources[key.removeprefix("resources.")] = Value(_single(axis), axis.origin)
        return
    group.overridden.add(key)
    group.broken.discard(key)
    several = axis.count > 1 or key == "target"
    for values in (group.zipped, group.fixed, *(() if several else (group.matrix,))):
        values.pop(key, None)
    if several:
        group.matrix[key] = axis
    else:
        group.fixed[key] = axis.values[0]
    group.include = [changed for entry in group.include for changed in _changed(entry, key, axis)]


def _changed(entry: Entry, key: str, axis: Axis) -> list[Entry]:
    """Return the include entry once for each value; a single value comes from ``fixed``, its
    targets from the group."""
    others = {name: value for name, value in entry.values.items() if name != key}
    if key == "target" or axis.count == 1:
        return [replace(entry, values=others)]
    return [replace(entry, values={**others, key: value}) for value in axis.values]


def _single(axis: Axis) -> Any:
    if axis.count != 1:
        raise _Mistake("takes one value")
    return axis.values[0].value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Mistake(f"expected true or false, got {show(value)}")
    return value


def _repeats(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _Mistake(f"expected a whole number of at least 1, got {show(value)}")
    return value
