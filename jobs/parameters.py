"""What a workload's parameters are, for people; ``python -m jobs.parameters`` prints
docs/parameters.md.

Everything is read from the struct of the parameters: types, ranges and defaults from its fields,
meanings from the docstring below each field.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import inspect as types

from jobs import custom
from jobs.registry import BUILT_IN, Workload, workload

ALWAYS: Final = "always"
_ACTS: Final = "Acts "
_BOUNDS: Final = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))


@dataclass(frozen=True)
class Parameter:
    """One parameter of a workload, in words."""

    name: str
    type: str
    """Such as ``int or null``; the choices, where there are some."""
    range: str
    """Such as ``>= 0, < 1``; empty where every value of the type will do."""
    default: str
    """As a grid spells it; ``required`` where the grid must give it."""
    meaning: str
    acts: str
    """When it acts: ``always``, or a condition."""
    section: str
    """What it is about; empty where its workload has no sections."""


def describe(of: Workload) -> tuple[Parameter, ...]:
    """Return the parameters of a workload in the order of its struct.

    A user's own function has neither ranges nor meanings: those are in its source.
    """
    words = _docstrings(of.params)
    section, found = "", []
    sections: Mapping[str, str] = (
        getattr(sys.modules[of.params.__module__], "SECTIONS", {}) if not of.is_custom else {}
    )
    for name, field in custom.fields_of(of.params).items():
        section = sections.get(name, section)
        meaning, _, acts = words.get(name, "").partition("\n\n")
        found.append(
            Parameter(
                name=name,
                type=_type(field.type),
                range=_range(types.type_info(field.type)),
                default=_default(field),
                meaning=" ".join(meaning.split()),
                acts=" ".join(acts.split()).removeprefix(_ACTS).removesuffix(".") or ALWAYS,
                section=section,
            )
        )
    return tuple(found)


def markdown() -> str:
    """Return the text of docs/parameters.md."""
    lines = [_HEAD]
    for name in BUILT_IN:
        lines += [f"## {name}", ""]
        for section, parameters in groupby(
            describe(workload(name)), key=lambda parameter: parameter.section
        ):
            lines += [f"### {section}", ""] * bool(section)
            lines += [
                "| parameter | type | range | default | meaning | acts |",
                "| --- | --- | --- | --- | --- | --- |",
            ]
            lines += [*map(_row, parameters), ""]
    return "\n".join(lines).rstrip("\n")


def _row(parameter: Parameter) -> str:
    cells = (
        parameter.type,
        parameter.range,
        f"`{parameter.default}`",
        parameter.meaning,
        parameter.acts,
    )
    escaped = (cell.replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|") for cell in cells)
    return f"| `{parameter.name}` | {' | '.join(escaped)} |"


def _docstrings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the docstring below each field; none for a struct that has no source."""
    try:
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(struct))).body
    except (OSError, TypeError):
        return {}
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                found[name] = inspect.cleandoc(text)
    return found


def _type(kind: Any) -> str:
    """Return a type in words, its choices in the order in which they are written."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type(inside[0])
    if origin in (Union, UnionType):
        if Any in inside:
            return _type(Any)
        members = [member for member in inside if member is not msgspec.UnsetType]
        return " or ".join(
            _type(member) for member in sorted(members, key=lambda member: member is NoneType)
        )
    if origin is Literal:
        return ", ".join(map(_spelled, inside))
    if origin in (list, tuple) and inside:
        return "list of " + " and ".join(
            dict.fromkeys(_type(member) for member in inside if member is not ...)
        )
    return _NAMES.get(origin or kind, getattr(origin or kind, "__name__", str(kind)))


def _range(kind: types.Type) -> str:
    members: Iterable[types.Type] = kind.types if isinstance(kind, types.UnionType) else (kind,)
    bounds = [
        (sign, value)
        for member in members
        for name, sign in _BOUNDS
        if (value := getattr(member, name, None)) is not None
    ]
    return ", ".join(f"{sign} {_bound(value)}" for sign, value in bounds)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return "computed by the function" if value is msgspec.UNSET else _spelled(value)


def _spelled(value: Any) -> str:
    """Return a value as a grid would spell it."""
    return (
        value
        if isinstance(value, str) and value
        else msgspec.json.encode(value, enc_hook=str).decode()
    )


def _bound(value: float) -> str:
    return "2**32" if value == 2**32 else f"{value:g}"


_NAMES: Final[dict[Any, str]] = {
    str: "text",
    NoneType: "null",
    Any: "any",
    dict: "mapping",
    tuple: "list",
}

_HEAD: Final = """\
# Parameters

<!-- Written by `python -m jobs.parameters`; edit the structs of the parameters instead. -->

A [grid](grid-language.md) can set these parameters of the built-in workloads in `matrix`, `zip`,
`fixed`, `exclude` and `include`; `runner params train` and `runner params svm` print the same list.
The parameters of your own function are its arguments: `runner params package.module:function` lists
them.

A parameter **acts** if it changes what is computed. If it does not act, the grid's value becomes
the default, so that no two trials compute the same thing, and `runner plan` says so in a note.
`null` is a value like any other; the column *meaning* says what it stands for. `runner show TRIAL`
prints the value that was used.

A trial also has a `seed`, from the grid's `repeats`, and a `target`; neither is a parameter.
"""


if __name__ == "__main__":
    print(markdown())
