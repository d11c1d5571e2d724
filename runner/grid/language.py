"""Read the structure of a grid: which keys there are, what they may hold, and where each value was
written.

Nothing here knows a workload; parameters are checked against it in ``values``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jobs.command import PROMPT
from runner.grid.generators import NAMES, BadGenerator, generate, is_generator
from runner.grid.problems import Origin, Problem, nearest, show
from runner.grid.source import GridSource
from runner.grid.written import DEFAULT_TARGET, DEFAULT_WORKLOAD, Axis, Entry, Grid, Group, Value

TOP_KEYS = ("name", "description", "groups")
GROUP_KEYS = (
    "workload",
    "command",
    "target",
    "matrix",
    "zip",
    "fixed",
    "include",
    "exclude",
    "repeats",
    "resources",
    "isolate",
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A sweep's name becomes a folder of the store."""

Path = tuple[str | int, ...]


class Reader:
    """Reads a grid's structure, and collects every problem instead of stopping at the first.

    Args:
        source: The document.
        most: An axis with more values than this is counted but not built.
    """

    def __init__(self, source: GridSource, most: int) -> None:
        self.problems: list[Problem] = []
        self._source, self._most = source, most
        self._below: Path = ()

    def read(self) -> Grid:
        data = self._source.data
        if not isinstance(data, dict):
            self._wrong(
                (),
                "a grid is a mapping with `name` and `groups` (`runner init` writes one to start "
                "from)",
            )
            return Grid("", "", ())
        allowed = TOP_KEYS if "groups" in data else (*TOP_KEYS, *GROUP_KEYS)
        for key in data:
            if key not in allowed:
                inside = key in GROUP_KEYS
                self._wrong(
                    (key,),
                    "stands beside `groups`: move it into a group"
                    if inside
                    else f"no such key: {nearest(key, allowed)}",
                )
        description = data.get("description", "")
        if not isinstance(description, str):
            self._wrong(("description",), f"expected text, got {show(description)}")
        return Grid(self._name(data), str(description), tuple(self._groups(data)))

    def _name(self, data: dict[str, Any]) -> str:
        name = data.get("name")
        if "name" not in data:
            self._wrong(("name",), "is missing: it names the sweep and its folder in the store")
        elif not isinstance(name, str) or not NAME.fullmatch(name):
            self._wrong(
                ("name",),
                f"{show(name)} cannot name a folder of the store: use letters, digits, '.', '_' "
                "and '-', a letter or digit first",
            )
        return str(name)

    def _groups(self, data: dict[str, Any]) -> list[Group]:
        if "groups" not in data:
            groups = [self._group({key: data[key] for key in GROUP_KEYS if key in data}, ())]
        elif not isinstance(data["groups"], list) or not data["groups"]:
            self._wrong(("groups",), f"expected a list of groups, got {show(data['groups'])}")
            groups = []
        else:
            groups = [
                self._group(item, ("groups", index)) for index, item in enumerate(data["groups"])
            ]
        self._label(groups)
        return groups

    def _label(self, groups: list[Group]) -> None:
        taken: set[str] = set()
        for group in groups:
            if group.named and group.label in taken:
                self.problems.append(
                    group.origin.child("name").problem(
                        f"another group is already called '{group.label}'"
                    )
                )
            taken |= {group.label} if group.named else set()
        for group in groups:
            if not group.named:
                same = 1
                word = "command" if group.workload.startswith(PROMPT) else group.workload
                while (label := word if same == 1 else f"{word}-{same}") in taken:
                    same += 1
                group.label = label
                taken.add(label)

    def _group(self, data: Any, below: Path) -> Group:
        self._below = below
        runs = "command" if isinstance(data, dict) and "command" in data else "workload"
        group = Group(self._at(below), self._at((*below, runs)))
        before = len(self.problems)
        if not isinstance(data, dict):
            self._wrong(below, f"a group is a mapping, got {show(data)}")
            group.broken.add("workload")
            data = {}
        for key in data:
            if key not in GROUP_KEYS and key != "name":
                self._wrong(
                    (*below, key),
                    f"no such key of a group: {nearest(key, ('name', *GROUP_KEYS))} (parameters "
                    "stand in matrix, zip or fixed)",
                )
        if "name" in data:
            group.label, group.named = self._text(data, "name", ""), True
        group.workload = self._text(data, "workload", DEFAULT_WORKLOAD)
        if "command" in data:
            if "workload" in data:
                self._wrong((*below, "command"), "a group has a workload or a command, not both")
            group.workload = PROMPT + self._text(data, "command", "true")
        if "target" in data:
            group.matrix["target"] = self._targets(data["target"], (*below, "target"))
        group.matrix |= self._axes(data, "matrix")
        group.zipped = self._zip(data)
        group.fixed = self._values(data.get("fixed", {}), (*below, "fixed"))
        self._given_twice(group, data)
        group.include = self._entries(data, "include")
        group.exclude = self._entries(data, "exclude")
        group.only_includes = (
            bool(group.include) and not group.zipped and group.matrix.keys() <= {"target"}
        )
        group.repeats = self._repeats(data)
        group.resources = self._values(data.get("resources", {}), (*below, "resources"))
        group.isolate = self._flag(data, "isolate")
        if not any("target" in part for part in (group.matrix, group.zipped, group.fixed)):
            group.matrix = {
                "target": Axis(
                    (Value(DEFAULT_TARGET, group.origin.child("target")),),
                    1,
                    group.origin.child("target"),
                ),
                **group.matrix,
            }
        group.broken |= set(_parameters_in(self.problems[before:]))
        if "zip" in group.broken:
            group.broken |= group.zipped.keys()
        return group

    def _text(self, data: dict[str, Any], key: str, default: str) -> str:
        value = data.get(key, default)
        if not isinstance(value, str) or (key == "name" and not NAME.fullmatch(value)):
            self._wrong((*self._below, key), f"expected a name, got {show(value)}")
            return default
        return value

    def _repeats(self, data: dict[str, Any]) -> int:
        repeats = data.get("repeats", 1)
        if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
            self._wrong(
                (*self._below, "repeats"),
                f"expected a whole number of at least 1, got {show(repeats)}: n repeats have the "
                "seeds 0 to n-1",
            )
            return 1
        return repeats

    def _flag(self, data: dict[str, Any], key: str) -> bool:
        value = data.get(key, False)
        if not isinstance(value, bool):
            self._wrong((*self._below, key), f"expected true or false, got {show(value)}")
            return False
        return value

    def _targets(self, data: Any, path: Path) -> Axis:
        return self._axis([data] if isinstance(data, str) else data, path)

    def _axes(self, data: dict[str, Any], word: str) -> dict[str, Axis]:
        path = (*self._below, word)
        axes = self._mapping(data.get(word, {}), path)
        return {
            key: (self._targets if key == "target" else self._axis)(axis, (*path, key))
            for key, axis in axes.items()
        }

    def _axis(self, data: Any, path: Path) -> Axis:
        origin = self._at(path)
        if is_generator(data):
            try:
                count, generated = generate(data, self._most)
            except BadGenerator as error:
                self._wrong(path, str(error))
                return Axis((), 0, origin)
            values: Sequence[Value] = [Value(value, origin) for value in generated]
        elif isinstance(data, list):
            count, values = (
                len(data),
                [Value(value, self._at((*path, index))) for index, value in enumerate(data)],
            )
        else:
            if isinstance(data, dict):
                self._wrong(
                    path,
                    f"an axis is a list or one of {', '.join(NAMES)}: "
                    f"{nearest(next(iter(data), ''), NAMES)}",
                )
            else:
                self._wrong(path, f"an axis is a list: write [{show(data)}], or move it to fixed")
            return Axis((), 0, origin)
        if count == 0:
            self._wrong(path, "the axis has no values, so the group would have no trials")
        return Axis(tuple(values), count, origin)

    def _zip(self, data: dict[str, Any]) -> dict[str, Axis]:
        axes = self._axes(data, "zip")
        lengths = {key: axis.count for key, axis in axes.items() if axis.count}
        if len(set(lengths.values())) > 1:
            named = ", ".join(f"{key} has {count}" for key, count in lengths.items())
            self._wrong(
                (*self._below, "zip"),
                f"lists that are walked together must be of one length: {named}",
            )
        return axes

    def _values(self, data: Any, path: Path) -> dict[str, Value]:
        values = {
            key: Value(value, self._at((*path, key)))
            for key, value in self._mapping(data, path).items()
        }
        axes = {
            key: next(iter(value.value))
            for key, value in values.items()
            if is_generator(value.value)
        }
        for key, generator in axes.items():
            self._wrong((*path, key), f"{generator} makes an axis: move it to matrix or zip")
        return {key: value for key, value in values.items() if key not in axes}

    def _entries(self, data: dict[str, Any], word: str) -> list[Entry]:
        path = (*self._below, word)
        entries = data.get(word, [])
        if not isinstance(entries, list):
            self._wrong(path, f"expected a list of mappings, got {show(entries)}")
            return []
        read = [
            Entry(self._values(entry, (*path, index)), self._at((*path, index)))
            for index, entry in enumerate(entries)
        ]
        for index, entry in enumerate(entries):
            if entry == {}:
                self._wrong(
                    (*path, index),
                    "gives no key" + (", so it would drop everything" if word == "exclude" else ""),
                )
        return [entry for entry in read if entry.values]

    def _mapping(self, data: Any, path: Path) -> dict[str, Any]:
        if not isinstance(data, dict):
            self._wrong(path, f"expected a mapping, got {show(data)}")
            return {}
        return data

    def _given_twice(self, group: Group, data: dict[str, Any]) -> None:
        first: dict[str, Path] = {"target": (*self._below, "target")} if "target" in data else {}
        for word in ("matrix", "zip", "fixed"):
            given = data.get(word)
            for key in given if isinstance(given, dict) else ():
                if key in first:
                    there = self._at(first[key])
                    self._wrong(
                        (*self._below, word, key),
                        f"{key} is given twice: it already stands on line {there.line} "
                        f"({there.key})",
                    )
                first.setdefault(key, (*self._below, word, key))

    def _at(self, path: Path) -> Origin:
        key = "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}"
            for step in path[len(self._below) :]
        )
        return Origin(self._source.file, self._source.line_of(path), key.removeprefix("."))

    def _wrong(self, path: Path, message: str) -> None:
        self.problems.append(self._at(path).problem(message))


def _parameters_in(problems: Sequence[Problem]) -> Iterator[str]:
    """Return the parameters that structural problems are about; no other key of the group makes
    them wrong."""
    for problem in problems:
        word, _, key = problem.key.partition(".")
        if word.partition("[")[0] in (
            "workload",
            "command",
            "target",
            "matrix",
            "zip",
            "fixed",
            "include",
        ):
            yield (key or word).partition("[")[0]
