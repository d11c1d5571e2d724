"""Stamps the JSON files of a sweep with their format version, and checks the stamp."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from artifacts.formats import FORMAT, refuse_newer


class _Stamp(msgspec.Struct, frozen=True):
    format: int = 1


def stamped(value: object) -> bytes:
    """Return a struct or a mapping as a JSON object that begins with its format version."""
    return msgspec.json.encode({"format": FORMAT, **msgspec.to_builtins(value)})


def check_stamp(path: Path, data: bytes) -> None:
    """Raise NewerFormat if a newer runner wrote this; damage is left to whoever decodes it."""
    with suppress(msgspec.DecodeError, ValueError, RecursionError):
        refuse_newer(path, msgspec.json.decode(data, type=_Stamp).format)
