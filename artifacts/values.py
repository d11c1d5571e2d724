"""Fits a Python value to its column: plain types only, missing stays missing, and what does not fit
is told, not bent."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Final

from artifacts.columns import HISTORY
from artifacts.errors import BadColumn

_INT64: Final = range(-(2**63), 2**63)
_EXACT: Final[dict[type, Callable[[Any], Any]]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
}
_HISTORY_TYPES: Final = {name: kind for name, kind, _, _ in HISTORY}


def fit(name: str, kind: str, value: Any) -> Any:
    """Return the value as its column holds it, or None.

    Args:
        name: The column, for the message.
        kind: Its type, one of the words of columns.COLUMNS.
        value: What was measured. Times of day are aware datetimes or seconds since 1970; mappings
            for a text column become JSON; NumPy's and torch's scalars count as numbers.

    Raises:
        BadColumn: The value is of another type.
    """
    try:
        value = plain(value)
        fitted = None if value is None else _FITS[kind](value)
    except BadColumn:
        raise
    except (
        Exception
    ) as error:  # arrays and mappings of the user's own classes may raise anything when read
        raise BadColumn(
            name, f"it holds {kind}, and this cannot be read as one ({describe_error(error)})"
        ) from error
    if fitted is None and value is not None:
        raise BadColumn(name, f"it holds {kind}, and {shown(value)} is {type(value).__name__}")
    return fitted


def infer(name: str, value: Any) -> tuple[str, Any]:
    """Return the type and value of a column that the schema does not know: a parameter or a result.

    Raises:
        BadColumn: It is neither number, text, date, list nor mapping.
    """
    try:
        return _infer(name, plain(value))
    except BadColumn:
        raise
    except (
        Exception
    ) as error:  # as in fit; also a mapping that holds itself, or an integer of too many digits
        raise BadColumn(name, f"it cannot be read ({describe_error(error)})") from error


def _infer(name: str, value: Any) -> tuple[str, Any]:
    match value:
        case None:
            return "null", None
        case bool():
            return "bool", value
        case int():
            return ("int", value) if value in _INT64 else ("string", str(value))
        case float():
            return "double", value
        case str():
            return "string", clean(value)
        case date():
            return "string", value.isoformat()
        case Mapping():
            return "string", as_json(value)
        case list() | tuple() | set() | frozenset():
            return _infer_list(name, [plain(item) for item in value])
    raise BadColumn(
        name,
        f"{type(value).__name__} has no place in a table: give numbers, text, lists or mappings of "
        "them",
    )


def plain(value: Any) -> Any:
    """Return Python's own value in place of an enumeration's, a path, or a NumPy or torch scalar or
    array, or of a subclass of one of its own types."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    for (
        kind,
        exact,
    ) in _EXACT.items():  # of a subclass: Arrow, msgpack and ranges want the very type
        if isinstance(value, kind):
            return exact(value)
    return value


def clean(text: str) -> str:
    """Return text that UTF-8 can hold: a file name with stray bytes must not cost a failed trial
    its record."""
    text = str.__str__(text)  # of a subclass too
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def shown(value: Any) -> str:
    """Return the value for a message: short, and whatever its own ``repr`` does."""
    try:
        return clean(reprlib.repr(value))
    except Exception:
        return f"a {type(value).__name__}"


def describe_error(error: BaseException) -> str:
    """Return an exception for a message: its type, and the first line of what it says."""
    lines = clean(str(error)).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def as_json(value: Any) -> str:
    """Compact JSON; what JSON does not know becomes its text."""
    return clean(
        json.dumps(
            value,
            ensure_ascii=False,
            separators=(",", ":"),
            default=lambda item: _json_default(plain(item)),
        )
    )


def spelled(value: Any) -> str:
    """Return the value as text beside values of other kinds, so that no two look alike: JSON, and
    bare text where that is no JSON.

    1 and 1.0 are ``1``, and the text "1" is ``"1"``; the text "auto" is ``auto``.
    """
    if isinstance(value, str) and read_back(value) is value:
        return value
    return json.dumps(_leveled(value), ensure_ascii=False)


def read_back(text: str) -> Any:
    """Return the inverse of ``spelled``."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _leveled(value: Any) -> Any:
    if isinstance(value, list):
        return [_leveled(item) for item in value]
    return (
        int(value)
        if isinstance(value, float) and value.is_integer() and int(value) in _INT64
        else value
    )


def _json_default(item: Any) -> Any:
    return item if isinstance(item, (bool, int, float, str, list, dict)) else str(item)


def _infer_list(name: str, items: list[Any]) -> tuple[str, Any]:
    kinds = {infer(name, item)[0] for item in items}
    if kinds <= {"int", "double"}:
        return (
            ("list<int>", items)
            if kinds == {"int"}
            else ("list<double>", [float(item) for item in items])
        )
    if kinds == {"bool"}:
        return "list<bool>", items
    if kinds == {"string"} and all(isinstance(item, str) for item in items):
        return "list<string>", [clean(item) for item in items]
    return "string", as_json(items)


def _bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _int(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and value in _INT64
        else None
    )


def _double(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _string(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return as_json(value)
    if isinstance(value, int) and not isinstance(value, bool):  # a job's id, or a version
        return str(value)
    return clean(value) if isinstance(value, str) else None


def _strings(value: Any) -> list[str] | None:
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return [clean(item) for item in value]
    return None


def _timestamp(value: Any) -> datetime | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    # A naive datetime is refused: nobody could say later which clock it was read from.
    return (
        value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else None
    )


def _history(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(entry, Mapping) for entry in value
    ):
        return None
    return [_epoch(entry) for entry in value]


def _epoch(entry: Mapping[str, Any]) -> dict[str, Any]:
    known = {
        name: fit(f"history.{name}", kind, entry[name])
        for name, kind in _HISTORY_TYPES.items()
        if name in entry and name != "extra"
    }
    own = {
        **(entry.get("extra") or {}),
        **{name: value for name, value in entry.items() if name not in _HISTORY_TYPES},
    }
    extra: dict[str, float | None] = {}
    for name, value in own.items():
        if clean(name) in extra:
            raise BadColumn(f"history.{name}", "another one is spelled like it in UTF-8")
        extra[clean(name)] = fit(f"history.{name}", "double", value)
    return {**known, "extra": extra} if extra else known


_FITS: Final = {
    "bool": _bool,
    "int": _int,
    "double": _double,
    "string": _string,
    "list<string>": _strings,
    "timestamp": _timestamp,
    "history": _history,
}
