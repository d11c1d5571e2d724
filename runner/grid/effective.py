"""Write a grid as it is after ``--set`` and ``--on``, so that a reader sees what was submitted."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jobs.command import PROMPT
from runner.grid.scalars import core_scalar
from runner.grid.written import Entry, Grid, Group, Value

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./:-]*(?<!:)")


def effective_text(grid: Grid, renamed: Mapping[str, str]) -> str:
    """Return the text of a grid that has the same trials without ``--set`` and ``--on``.

    Args:
        grid: As it was written, and changed by ``--set``.
        renamed: Targets of the grid that run on another one.
    """
    lines = [f"name: {_scalar(grid.name)}"]
    if grid.description:
        lines.append(f"description: {_scalar(grid.description)}")
    lines.append("groups:")
    for group in grid.groups:
        for number, line in enumerate(_group(group, renamed)):
            lines.append(f"{'    ' if number else '  - '}{line}")
    return "\n".join([*lines, ""])


def _group(group: Group, renamed: Mapping[str, str]) -> Iterator[str]:
    if group.named:
        yield f"name: {_scalar(group.label)}"
    if group.workload.startswith(PROMPT):
        yield f"command: {_scalar(group.workload.removeprefix(PROMPT))}"
    else:
        yield f"workload: {_scalar(group.workload)}"
    matrix = {key: _values(key, axis.values, renamed) for key, axis in group.matrix.items()}
    if group.only_includes:  # else axes that --set gave to the entries would make trials of theirs
        matrix = {key: values for key, values in matrix.items() if key == "target"}
    if next(iter(matrix), None) == "target":
        yield f"target: {_shown(matrix.pop('target'))}"
    yield from _mapping("matrix", matrix)
    zipped = {key: _values(key, axis.values, renamed) for key, axis in group.zipped.items()}
    yield from _mapping("zip", zipped)
    fixed = {key: _values(key, [value], renamed)[0] for key, value in group.fixed.items()}
    yield from _mapping("fixed", fixed)
    yield from _entries("include", group.include, renamed)
    yield from _entries(
        "exclude",
        [entry for entry in group.exclude if entry not in group.matching_nothing],
        renamed,
    )
    if group.repeats > 1:
        yield f"repeats: {group.repeats}"
    if group.resources:
        resources = {key: value.value for key, value in group.resources.items()}
        yield f"resources: {_shown(resources)}"
    if group.isolate:
        yield "isolate: true"


def _values(key: str, values: Iterable[Value], renamed: Mapping[str, str]) -> list[Any]:
    if key != "target":
        return [value.value for value in values]
    return list(dict.fromkeys(renamed.get(str(value.value), value.value) for value in values))


def _mapping(word: str, values: Mapping[str, Any]) -> Iterator[str]:
    if values:
        yield f"{word}:"
        yield from (f"  {_scalar(key)}: {_shown(value)}" for key, value in values.items())


def _entries(word: str, entries: Iterable[Entry], renamed: Mapping[str, str]) -> Iterator[str]:
    shown = [
        _shown({key: _values(key, [value], renamed)[0] for key, value in entry.values.items()})
        for entry in entries
    ]
    if shown:
        yield f"{word}:"
        yield from (f"  - {entry}" for entry in shown)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_scalar(key)}: {_shown(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        bare = _PLAIN.fullmatch(value) and core_scalar(value) is value
        return value if bare else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' * (value < 0)}.inf"
    return json.dumps(value)
