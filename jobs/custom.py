"""The user's own function as a workload: its parameters are read from its source, without importing
it.

``def main(lr: float, depth: int = 3, *, context, seed)`` becomes a struct with ``lr`` (required)
and ``depth``; a parameter named ``context`` is given the trial's Context, one named ``seed`` the
trial's seed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Literal, Union

import msgspec

from artifacts.columns import RESERVED
from jobs import importing
from jobs.errors import BadWorkload, nearest
from jobs.spec import plain

RESERVED_PARAMETERS: Mapping[str, str] = {
    **dict.fromkeys(
        sorted(RESERVED),
        "is a column of every record, so no parameter can have this name: call it something else",
    ),
    "seed": "comes from repeats, not from the parameters",
    "context": "is what the workload is given by the runner, not a parameter",
}
GIVEN = ("context", "seed")

_READS_ARGUMENTS = re.compile(
    r"^\s*(?:import|from)\s+(?:argparse|click|typer|fire|absl|docopt)\b|\bsys\.argv\b", re.MULTILINE
)


@dataclass(frozen=True)
class Signature:
    """What the source of a user's function says about calling it; ``takes`` is None where it does
    not say."""

    params: type[msgspec.Struct]
    accepts_any: bool
    takes: frozenset[str] | None


def read(name: str, import_path: tuple[str, ...] = ()) -> Signature:
    """Read the function's signature; nothing of the user's is executed.

    Args:
        name: ``package.module:function``.
        import_path: Folders of the user's modules, see ``jobs.importing``.

    Raises:
        BadWorkload: Not found, not Python, or cannot be called with parameters by name.
    """
    module, _, function = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), function)):
        raise BadWorkload(name, "is not of the form package.module:function")
    return _signature(name, _definition(name, module, function, import_path, depth=0))


@cache
def widened(params: type[msgspec.Struct], extra: frozenset[str]) -> type[msgspec.Struct]:
    """Return the struct with more fields, of any type: the parameters that ``**kwargs`` takes."""
    return _struct([(key, Any) for key in sorted(extra)], params)


def struct_of(names: Iterable[str]) -> type[msgspec.Struct]:
    """Return a struct of required parameters of any type."""
    return _struct([(name, Any) for name in names])


def command_hint(name: str, import_path: tuple[str, ...], parameter: str = "lr") -> str:
    """Return how to run a script that reads its arguments itself; empty where the module of
    ``module:function`` does not."""
    file = importing.file_of(name.partition(":")[0], import_path)
    if file is None or file.suffix != ".py":
        return ""
    try:
        source = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    if not _READS_ARGUMENTS.search(source):
        return ""
    script = file.name
    return (
        f"; {script} reads its arguments itself: have it run with command: "
        f'"python {script} --{parameter} {{{parameter}}}" instead of workload: '
        "(docs/custom-workloads.md)"
    )


def fields_of(params: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return the fields by the names of their parameters, which may be no names of attributes."""
    return {info.encode_name: info for info in msgspec.structs.fields(params)}


def made(params: type[msgspec.Struct], values: Mapping[str, Any]) -> msgspec.Struct:
    """Return a struct of parameters from their values as typed, by their names."""
    fields = fields_of(params)
    return params(**{fields[name].name: value for name, value in values.items()})


def unusable(name: str) -> str | None:
    """Return why no parameter can have this name; None if one can."""
    if not name.strip():
        return "is not a name"
    if any(
        character in '"\\' or character < " " or "\ud800" <= character <= "\udfff"
        for character in name
    ):
        return (
            "cannot have quotes, backslashes, control characters or bytes that are not UTF-8 "
            "in "
            "its name: call it something else"
        )
    return None


def _struct(fields: list[Any], base: type[msgspec.Struct] | None = None) -> type[msgspec.Struct]:
    """A struct for the parameters; one that cannot name an attribute (``optimizer.lr``,
    ``__init__``) stands under another there."""
    taken = {name for name, *_ in fields} | set(base.__struct_fields__ if base else ())
    others = (other for n in count() if (other := f"parameter_{n}") not in taken)
    attributes = [
        name if name.isidentifier() and not name.startswith("__") else next(others)
        for name, *_ in fields
    ]
    return msgspec.defstruct(
        "Params",
        [(attribute, *rest) for attribute, (_, *rest) in zip(attributes, fields, strict=True)],
        bases=(base,) if base else (),
        rename={
            attribute: name
            for attribute, (name, *_) in zip(attributes, fields, strict=True)
            if attribute != name
        },
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )


def _definition(
    name: str, module: str, function: str, import_path: tuple[str, ...], depth: int
) -> ast.FunctionDef | None:
    """The ``def`` of the function; None where the name is bound in a way that source alone does not
    explain."""
    if problem := importing.why_out_of_reach(module, import_path):
        raise BadWorkload(name, problem)
    spec = importing.find(module, import_path)
    if spec is None:
        where = ", ".join(import_path) or "the installed packages"
        raise BadWorkload(
            name,
            f"there is no module {module} in {where}: install it, or start in its folder",
        )
    if spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        tree = ast.parse(Path(spec.origin).read_bytes(), spec.origin)
        nodes = list(ast.walk(tree))
    except SyntaxError as error:
        raise BadWorkload(name, f"{spec.origin}:{error.lineno}: {error.msg}") from None
    except OSError as error:
        raise BadWorkload(name, f"{spec.origin} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError, MemoryError):
        # source that this Python takes, if at all, only as a whole: the function itself can tell
        return None
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if function in functions:
        return functions[function]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and depth < 5:
            for alias in node.names:
                if (alias.asname or alias.name) == function:
                    source = _absolute(
                        node, module, is_package=spec.submodule_search_locations is not None
                    )
                    return _definition(name, source, alias.name, import_path, depth + 1)
    if function in _bound(nodes):
        return None
    known = tuple(functions)
    has = f"it has {', '.join(known)}" if known else "it has none"
    hint = command_hint(name, import_path)
    raise BadWorkload(
        name, f"{spec.origin} has no function '{function}'{nearest(function, known)}: {has}{hint}"
    )


def _absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parents = module.split(".")
    keep = len(parents) - node.level + (1 if is_package else 0)
    return ".".join([*parents[:keep], *([node.module] if node.module else [])])


def _bound(nodes: list[ast.AST]) -> set[str]:
    """Names that the module binds by other means than a plain ``def``: assignments, classes,
    imports, conditional ones."""
    bound = set()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Try | ast.If | ast.With):
            bound |= {inner.name for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef)}
    return bound


def _signature(name: str, definition: ast.FunctionDef | None) -> Signature:
    if definition is None:
        return Signature(_struct([]), accepts_any=True, takes=None)
    arguments = definition.args
    if arguments.posonlyargs:
        raise BadWorkload(
            name,
            f"'{arguments.posonlyargs[0].arg}' is positional-only, but parameters are given by "
            "name: drop the '/'",
        )
    positional = arguments.args
    padding: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = list(zip(positional, padding + list(arguments.defaults), strict=True))
    pairs += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    fields: list[Any] = []
    for argument, default in pairs:
        if argument.arg in GIVEN:
            continue
        if argument.arg in RESERVED_PARAMETERS:
            raise BadWorkload(
                name, f"its parameter '{argument.arg}' {RESERVED_PARAMETERS[argument.arg]}"
            )
        if argument.arg in {known for known, *_ in fields}:
            raise BadWorkload(name, f"two of its parameters are called '{argument.arg}'")
        fields.append(_field(argument, default))
    names = {argument.arg for argument, _ in pairs}
    return Signature(
        _struct(fields),
        accepts_any=arguments.kwarg is not None,
        takes=frozenset(names).intersection(GIVEN),
    )


def _field(argument: ast.arg, default: ast.expr | None) -> tuple[str, Any] | tuple[str, Any, Any]:
    kind = _type_of(argument.annotation)
    if default is None:
        return argument.arg, kind
    try:
        value = ast.literal_eval(default)
        plain(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # NotPlain among them
        # Computed when the module is imported, or no value that a grid can have: left to the
        # function itself, so the parameter may be absent.
        return argument.arg, Union[kind, msgspec.UnsetType], msgspec.UNSET  # noqa: UP007 - `kind` may be Any
    if kind is Any and isinstance(value, tuple):
        kind = tuple  # grids have lists only
    if value is None or not _fits(value, kind):
        kind = _usable(Union[kind, type(value)])  # noqa: UP007 - `def f(x: int = None)` is common
    if isinstance(value, list | dict):
        return argument.arg, kind, msgspec.field(default_factory=lambda: ast.literal_eval(default))
    return argument.arg, kind, value


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, OverflowError):
        return False
    return True


def _usable(kind: Any) -> Any:
    """The type, or Any if msgspec cannot tell its kinds apart in JSON."""
    try:
        msgspec.json.Decoder(kind)
    except (
        Exception
    ):  # it says so with TypeError, OverflowError (a Literal beyond 64 bits) and others
        return Any
    return kind


_SIMPLE: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "list": list,
    "dict": dict,
    "tuple": tuple,
    "None": None,
    "Any": Any,
    "List": list,
    "Dict": dict,
    "Tuple": tuple,
    "Sequence": list,
    "Mapping": dict,
}


def _type_of(annotation: ast.expr | None) -> Any:
    """The type that an annotation means; Any for what is not understood, so that nothing valid is
    refused."""
    if annotation is None:
        return Any
    try:
        return _usable(_understood(annotation))
    except Exception:  # an annotation may be any expression
        return Any


def _understood(node: ast.expr) -> Any:
    """KeyError for what is not understood."""
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return _understood(ast.parse(text, mode="eval").body)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _SIMPLE[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_understood(left), _understood(right)]  # noqa: UP007 - None | None has no |
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            elements = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return _generic(name, elements)
    raise KeyError(ast.dump(node))


def _generic(name: str, elements: list[ast.expr]) -> Any:
    if name == "Literal":
        return Literal[tuple(ast.literal_eval(element) for element in elements)]
    if name == "Annotated":
        return _understood(elements[0])
    if name == "Optional":
        return Union[_understood(elements[0]), None]  # noqa: UP007
    if name == "Union":
        return Union[tuple(_understood(element) for element in elements)]  # noqa: UP007
    outer = _SIMPLE[name]
    if outer is tuple and isinstance(elements[-1], ast.Constant) and elements[-1].value is ...:
        return tuple[_understood(elements[0]), ...]  # type: ignore[misc]
    inner = tuple(_understood(element) for element in elements)
    return outer[inner if len(inner) > 1 else inner[0]]
