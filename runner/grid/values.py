"""Check a workload's parameters for a grid: every value is converted once, in its axis, and not
again per trial."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from jobs import custom
from jobs.registry import Workload
from jobs.spec import NotPlain, plain
from runner.grid.problems import nearest, show

_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    type(None): "null",
    None: "null",
}
_SPOKEN_BOOLEANS = {"yes", "no", "on", "off", "y", "n"}


class BadValue(ValueError):
    """The workload does not take this value, or does not know the parameter; the message says what
    it takes."""


class Parameters:
    """The parameters that one workload takes."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self._fields = custom.fields_of(workload.params)
        self._required = {name for name, info in self._fields.items() if info.required}

    def knows(self, key: str) -> bool:
        """Return whether the workload takes a parameter of that name."""
        return key in self._fields or (
            self.workload.accepts_any
            and key not in self.workload.reserved
            and not custom.unusable(key)
        )

    def typed(self, key: str, value: Any) -> Any:
        """Return the value as the workload's struct holds it.

        Raises:
            BadValue: No such parameter, or no such value of it.
        """
        self.refuse_unknown(key)
        kind = self._fields[key].type if key in self._fields else Any
        try:
            value = plain(value)
            return msgspec.convert(value, kind)
        except NotPlain as error:
            raise BadValue(str(error)) from None
        except msgspec.ValidationError:
            raise BadValue(_refusal(kind, value)) from None

    def refuse_unknown(self, key: str) -> None:
        """Raise BadValue unless the workload takes a parameter of that name."""
        if self.knows(key):
            return
        if key == "seed":
            raise BadValue(
                "the seed is not a parameter: `repeats: n` gives every trial the seeds 0 to n-1"
            )
        if key in self.workload.reserved:
            raise BadValue(self.workload.reserved[key])
        if self.workload.accepts_any and (reason := custom.unusable(key)):
            raise BadValue(reason)
        known = nearest(key, (*self._fields, "target"))
        if self.workload.is_command:
            raise BadValue(
                f"the command does not use it: write {{{key}}} where its value belongs, or drop it "
                f"({known})"
            )
        hint = (
            custom.command_hint(self.workload.name, self.workload.import_path, key)
            if self.workload.is_custom
            else ""
        )
        raise BadValue(f"workload '{self.workload.name}' has no such parameter: {known}{hint}")

    def default(self, key: str) -> Any:
        """Return the value of a parameter that is not given; UNSET if only the workload itself
        knows it."""
        info = self._fields.get(key)
        if info is None or info.required:
            return msgspec.UNSET
        return info.default if info.default_factory is msgspec.NODEFAULT else info.default_factory()

    def missing(self, given: Iterable[str]) -> list[str]:
        """Return the parameters without a default that are not given."""
        return sorted(self._required - set(given))

    def struct(self, given: Iterable[str]) -> type[msgspec.Struct]:
        """Return the struct that holds the given parameters: the workload's own, or a wider one if
        it accepts any."""
        extra = frozenset(given).difference(self._fields)
        return custom.widened(self.workload.params, extra) if extra else self.workload.params


def _refusal(kind: Any, value: Any) -> str:
    """Return what the type takes instead of the value, with the nearest word if it takes words."""
    sentence = f"expected {_describe(kind)}, got {show(value)}"
    words = _choices(kind)
    if isinstance(value, str) and words:
        return f"{sentence}: {nearest(value, words)}"
    if isinstance(value, str) and value.lower() in _SPOKEN_BOOLEANS and "true" in sentence:
        return f"{sentence}: YAML 1.2 has only true and false"
    if isinstance(value, list) and "list" not in sentence.partition(", got")[0]:
        return f"{sentence}: several values are an axis of matrix"
    return sentence


@cache
def _describe(kind: Any) -> str:
    """Return a type in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bounds = [text for meta in kind.__metadata__ for text in _bounds(meta)]
        return " ".join([_describe(arguments[0]), " and ".join(bounds)]).strip()
    if origin is Literal:
        return " or ".join(show(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(
            _describe(argument) for argument in arguments if argument is not msgspec.UnsetType
        )
    if origin in (list, tuple):
        inner = {argument for argument in arguments if argument is not ...}
        return f"a list (each {_describe(inner.pop())})" if len(inner) == 1 else "a list"
    if origin is dict:
        return "a mapping"
    return _WORDS.get(kind, str(kind))


def _bounds(meta: Any) -> list[str]:
    words = {
        "ge": "of at least",
        "gt": "above",
        "le": "of at most",
        "lt": "below",
        "multiple_of": "divisible by",
        "min_length": "no shorter than",
        "max_length": "no longer than",
    }
    return [
        f"{word} {limit}"
        for name, word in words.items()
        if (limit := getattr(meta, name, None)) is not None
    ]


def _choices(kind: Any) -> list[str]:
    """Return the words that a type takes, if it takes words."""
    if get_origin(kind) is Literal:
        return [choice for choice in get_args(kind) if isinstance(choice, str)]
    if get_origin(kind) in (Union, types.UnionType, Annotated):
        return [choice for argument in get_args(kind) for choice in _choices(argument)]
    return []
