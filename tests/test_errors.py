"""Every error of the four packages travels between processes, and can be compared and printed."""

from __future__ import annotations

import dataclasses
import pickle
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

import pytest

from artifacts.errors import PlainError
from cluster.errors import ClusterError
from cluster.state import State

ROOT = Path(__file__).parents[1]
PACKAGES = ("artifacts", "cluster", "jobs", "runner")


def below(cls: type[Exception]) -> Iterator[type[Exception]]:
    for child in cls.__subclasses__():
        yield child
        yield from below(child)


def every_error() -> list[type[Exception]]:
    for file in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        if re.search(r"^class \w+\(\w*(Error|NotQueued)\b.*\):", file.read_text(), re.MULTILINE):
            import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    found = {*below(PlainError), *below(ClusterError)}
    return sorted(
        (one for one in found if one.__module__.split(".")[0] in PACKAGES),
        key=lambda one: (one.__module__, one.__name__),
    )


def example(kind: Any) -> Any:
    """A value of that type."""
    if get_origin(kind) is tuple:
        first, *others = get_args(kind)
        return (example(first),) if others == [...] else tuple(map(example, get_args(kind)))
    if get_origin(kind) is UnionType:
        return example(get_args(kind)[0])
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        given = (example(hints[field.name]) for field in dataclasses.fields(kind))
        return cast(Any, kind)(*given)
    if issubclass(kind, State):
        return State.FAILED
    return {Path: Path("/there"), bool: True}.get(kind) or kind(7)


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_it_unpickles_as_it_was(error: Any) -> None:
    hints = get_type_hints(error)
    fields = {field.name: example(hints[field.name]) for field in dataclasses.fields(error)}
    one = error(**fields)
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    assert again != Exception(*one.args)
    assert (str(again), again.args) == (str(one), tuple(fields.values()))
    assert hash(again) == hash(one)
    if fields:
        first = next(iter(fields))
        assert error(**{**fields, first: object()}) != one


def test_they_are_many() -> None:
    assert len(every_error()) > 60
