"""Read YAML with the line of every value.

The scalars are those of YAML 1.2's core schema: ``1e-3`` is a number, ``on`` and ``yes`` are text,
and a date stays text. Nothing is ever constructed but dicts, lists, text, numbers, booleans and
null. The document is built from the parser's events, without recursion, so that no file can exhaust
the stack.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from runner.grid.problems import Problem
from runner.grid.scalars import CORE, TAGGED, core_scalar, tagged_scalar

MAX_DEPTH = 100
MAX_VALUES = 1_000_000
"""Values of one document, each alias counted with all it stands for: far above any grid, far below
what fills the memory."""

MAPPING = "grid"
"""How problems name a grid that is given as a mapping and has no file."""

_PARSER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(eq=False)
class _Node:
    """A value and where its parts were written."""

    line: int
    data: Any = None
    parts: dict[str | int, tuple[int, _Node]] = field(default_factory=dict)
    weight: int = 1
    depth: int = 1


@dataclass(frozen=True)
class GridSource:
    """A YAML document."""

    file: str
    """Its name, as problems print it."""
    data: Any
    """Its value; None where it could not be parsed."""
    problems: tuple[Problem, ...]
    """What is wrong with it as YAML."""
    unreadable: frozenset[int]
    """Lines of values that could not be read and are null in ``data``: nothing else can be said
    about them."""
    _root: _Node
    text: str = ""
    """The document itself."""
    from_mapping: bool = False
    """Whether its lines are none that anybody wrote: problems name keys alone."""

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """Return the line of the value at ``path``, which is that of its key; if it is absent, that
        of its nearest parent."""
        line, node = self._root.line, self._root
        for step in path:
            if step not in node.parts:
                break
            line, node = node.parts[step]
        return line

    def placed(self, problem: Problem) -> Problem:
        """Return the problem as its reader can find it: without lines that nobody wrote."""
        if not self.from_mapping or problem.file != self.file:
            return problem
        group = self._step_at(self._root.parts.get("groups"), problem.line)
        key = problem.key if group is None else f"groups[{group}].{problem.key}".rstrip(".")
        return replace(problem, line=0, key=key)

    @staticmethod
    def _step_at(part: tuple[int, _Node] | None, line: int) -> str | int | None:
        """Return the key or index in a value whose own value is written around a line."""
        steps = {} if part is None or line < part[0] else part[1].parts
        before = [step for step, (start, _) in steps.items() if start <= line]
        return before[-1] if before else None


def load_yaml(path: Path) -> GridSource:
    """Read a YAML file; the problems of the result say what is wrong with it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return _unreadable(str(path), 0, f"cannot be read: {error.strerror}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(
            str(path), raw.count(b"\n", 0, error.start) + 1, "is not UTF-8 text: save it as UTF-8"
        )
    return parse_yaml(text, str(path))


def parse_yaml(text: str, file: str) -> GridSource:
    """Read YAML from a text; problems name it ``file``."""
    builder = _Builder(file)
    try:
        builder.feed(yaml.parse(text, Loader=_PARSER))
    except yaml.MarkedYAMLError as error:
        mark = error.context_mark or error.problem_mark
        where = (
            f" (line {error.problem_mark.line + 1})"
            if error.problem_mark and mark is not error.problem_mark
            else ""
        )
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        return _unreadable(
            file, mark.line + 1 if mark else 0, f"is not YAML: {reason}{where}", builder.problems
        )
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _unreadable(
            file,
            line,
            f"is not YAML: the character {chr(error.character)!r} is not allowed",
            builder.problems,
        )
    except _TooMuch as stop:
        return _unreadable(file, stop.line, stop.reason, builder.problems)
    return GridSource(
        file,
        builder.root.data,
        tuple(builder.problems),
        frozenset(builder.unreadable),
        builder.root,
        text,
    )


def mapping_source(values: Mapping[str, Any]) -> GridSource:
    """Return the document that a mapping would be as YAML; what YAML cannot hold is a problem."""
    problems: list[Problem] = []
    text = json.dumps(_plain(values, "", problems), ensure_ascii=False, indent=1)
    source = replace(parse_yaml(f"{text}\n", MAPPING), from_mapping=True)
    return replace(source, data=None, problems=tuple(problems)) if problems else source


def _plain(value: Any, key: str, problems: list[Problem]) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            for name in value:
                if not isinstance(name, str):
                    problems.append(Problem(MAPPING, 0, key, f"the key {name!r} is not text"))
            return {
                str(name): _plain(item, f"{key}.{name}".lstrip("."), problems)
                for name, item in value.items()
            }
        case list() | tuple() | range():
            return [_plain(item, f"{key}[{n}]", problems) for n, item in enumerate(value)]
    problems.append(
        Problem(
            MAPPING,
            0,
            key,
            f"a grid holds numbers, text, True, False, None, lists and mappings, and this is of "
            f"type {type(value).__name__}: convert it first, as with .tolist() or str()",
        )
    )
    return None


def _unreadable(
    file: str, line: int, reason: str, before: list[Problem] | None = None
) -> GridSource:
    return GridSource(
        file,
        None,
        (*(before or ()), Problem(file, line, "", reason)),
        frozenset([line]),
        _Node(line),
    )


class _TooMuch(Exception):
    """The document would not fit into memory or stack."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line, self.reason = line, reason


@dataclass
class _Open:
    """A mapping or sequence whose end has not been read yet."""

    node: _Node
    is_mapping: bool
    anchor: str | None
    key: str | None = None
    key_line: int = 0
    expects_key: bool = True
    skip_value: bool = False


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.unreadable: set[int] = set()
        self.root = _Node(1)
        self._open: list[_Open] = []
        self._anchors: dict[str, _Node | None] = {}
        self._documents = 0

    def feed(self, events: Iterator[Any]) -> None:
        for event in events:
            line = event.start_mark.line + 1
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event, line)
                case yaml.AliasEvent():
                    self._alias(str(event.anchor), line)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._start(event, line)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._end()
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents == 2:
                        self._problem(line, "a second document begins here: one file holds one")

    def _scalar(self, event: Any, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and top.is_mapping and top.expects_key:
            if event.tag not in (None, "!", f"{CORE}str"):
                self._refuse_tag(event.tag, line)
            self._take_key(top, event.value, line, merge=event.value == "<<" and event.implicit[0])
            return
        self._place(_Node(line, self._value_of(event, line)), line, event.anchor)

    def _take_key(self, top: _Open, key: str, line: int, *, merge: bool = False) -> None:
        top.expects_key, top.key, top.key_line, top.skip_value = False, key, line, False
        if merge:
            self._problem(line, "merging with << is not part of YAML 1.2: write the keys out")
            top.skip_value = True
        elif key in top.node.parts:
            self._problem(line, f"'{key}' is already given on line {top.node.parts[key][0]}")
            top.skip_value = True

    def _alias(self, anchor: str, line: int) -> None:
        top = self._open[-1] if self._open else None
        if anchor not in self._anchors:
            self.unreadable.add(line)
            self._problem(line, f"*{anchor} refers to nothing: there is no &{anchor} before it")
            node: _Node | None = _Node(line)
        else:
            node = self._anchors[anchor]
        if node is None:
            raise _TooMuch(line, f"*{anchor} contains itself")
        if top is not None and top.is_mapping and top.expects_key:
            self._problem(line, "a key must be written as text")
            self._take_key(top, f"*{anchor}", line)
            return
        self._place(node, line, None)

    def _start(self, event: Any, line: int) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", f"{CORE}map" if is_mapping else f"{CORE}seq"):
            self._refuse_tag(event.tag, line)
        if len(self._open) >= MAX_DEPTH:
            raise _TooMuch(line, f"is nested more than {MAX_DEPTH} deep")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Open(_Node(line, {} if is_mapping else []), is_mapping, event.anchor))

    def _end(self) -> None:
        closed = self._open.pop()
        top = self._open[-1] if self._open else None
        if top is not None and top.is_mapping and top.expects_key:
            self._problem(closed.node.line, "a key must be written as text")
            self._take_key(top, f"(line {closed.node.line})", closed.node.line)
            return
        self._place(closed.node, closed.node.line, closed.anchor)

    def _place(self, node: _Node, line: int, anchor: str | None) -> None:
        """Put a finished value into its parent."""
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            if self._documents == 1:
                self.root = node
            return
        top = self._open[-1]
        parent = top.node
        parent.weight += node.weight
        parent.depth = max(parent.depth, node.depth + 1)
        if parent.weight > MAX_VALUES:
            raise _TooMuch(line, f"holds more than {MAX_VALUES:,} values, aliases written out")
        if parent.depth > MAX_DEPTH:
            raise _TooMuch(line, f"is nested more than {MAX_DEPTH} deep")
        if not top.is_mapping:
            parent.parts[len(parent.data)] = (line, node)
            parent.data.append(node.data)
            return
        top.expects_key = True
        if not top.skip_value and top.key is not None:
            parent.parts[top.key] = (top.key_line, node)
            parent.data[top.key] = node.data

    def _value_of(self, event: Any, line: int) -> Any:
        """Return the value of a scalar that is not a key."""
        tag, text = event.tag, event.value
        if tag is None and event.implicit[0]:
            return core_scalar(text)
        if tag in (None, "!", f"{CORE}str"):
            return text
        if tag.removeprefix(CORE) not in TAGGED:
            self._refuse_tag(tag, line)
            return None
        try:
            return tagged_scalar(tag.removeprefix(CORE), text)
        except ValueError as error:
            self.unreadable.add(line)
            self._problem(line, str(error))
            return None

    def _refuse_tag(self, tag: str, line: int) -> None:
        self.unreadable.add(line)
        self._problem(
            line,
            f"the tag {tag.replace(CORE, '!!')} is not allowed: only plain values are read from "
            "YAML",
        )

    def _problem(self, line: int, message: str) -> None:
        steps = [
            f".{top.key}" if top.is_mapping else f"[{len(top.node.data)}]"
            for top in self._open
            if not top.is_mapping or top.key
        ]
        self.problems.append(Problem(self.file, line, "".join(steps).removeprefix("."), message))
