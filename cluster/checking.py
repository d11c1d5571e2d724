"""Plain data against a msgspec struct, naming every mistake rather than the first."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec

from cluster.errors import ProfileProblem


def check_fields(
    struct: type[msgspec.Struct], data: Any
) -> tuple[dict[str, Any], list[ProfileProblem]]:
    """Return the fields that are right, and what is wrong with the others.

    Args:
        struct: Whose fields and types are meant.
        data: What a person wrote; ought to be a mapping.
    """
    if not isinstance(data, Mapping):
        return {}, [((), f"expected a mapping of settings, got {shown(data)}")]
    types = {field.name: field.type for field in msgspec.structs.fields(struct)}
    values: dict[str, Any] = {}
    problems: list[ProfileProblem] = []
    for key, value in data.items():
        if key not in types:
            problems.append(((key,), f"unknown key{nearest(key, types)}"))
            continue
        try:
            values[key] = msgspec.convert(value, types[key])
        except msgspec.ValidationError as problem:
            problems.append(((key,), _wrong(types[key], value, str(problem))))
    return values, problems


def nearest(word: object, known: Iterable[str]) -> str:
    """Return `` (did you mean 'cpus'?)`` where one is close, else the words that are known."""
    known = list(known)
    close = difflib.get_close_matches(str(word), known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else f" (known: {', '.join(known)})"


def shown(value: object) -> str:
    """Return a value as a person would recognize it, shortened."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _wrong(wanted: Any, value: object, message: str) -> str:
    """msgspec's sentence without its code quotes and its JSON path; for a choice, the choices."""
    if get_origin(wanted) is Literal:
        return f"{shown(value)} is not a choice here{nearest(value, map(str, get_args(wanted)))}"
    return (
        f"{message.partition(' - at `')[0].replace('`', '').replace('Expected', 'expected')} "
        f"(it is {shown(value)})"
    )
