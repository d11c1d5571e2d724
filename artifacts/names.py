"""Further names of sweeps: ``STORE/names/<name>`` says which sweep it means.

A sweep keeps its folders and its records keep the name that they were written with, so renaming
edits nothing. Every name that a sweep ever had goes on meaning it; the latest is the one that is
shown.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artifacts.errors import BadName, NameTaken, RecordExists
from artifacts.formats import FORMAT, refuse_newer
from artifacts.publish import (
    entries,
    make_folder,
    publish,
    replace,
    sync_folder,
    translate_write_errors,
)
from artifacts.record import check_sweep

_FOLDER: Final = "names"


@dataclass(frozen=True)
class Alias:
    """A further name of a sweep."""

    name: str
    sweep: str
    """Its first name, which its folders have."""
    since: float
    """Seconds since the epoch."""


def aliases(root: Path) -> list[Alias]:
    """Return the further names of a store's sweeps, the oldest first; a damaged file means none."""
    found = []
    for entry in entries(root / _FOLDER):
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError, BadName):
            words = dict(json.loads(path.read_bytes()))
            refuse_newer(path, words.get("format"))
            check_sweep(str(words["sweep"]))
            found.append(Alias(entry.name, str(words["sweep"]), float(words["since"])))
    return sorted(found, key=lambda alias: alias.since)


def add_alias(root: Path, alias: Alias) -> None:
    """Give a sweep a further name, or make one that it has its latest.

    Raises:
        NameTaken: Another sweep has it.
        StoreFull, StoreNotWritable: It cannot be written.
    """
    path = root / _FOLDER / alias.name
    make_folder(path.parent)
    line = {"format": FORMAT, "sweep": alias.sweep, "since": alias.since}
    data = memoryview(json.dumps(line).encode() + b"\n")
    try:
        publish(path, data)
    except RecordExists:
        known = {one.name: one.sweep for one in aliases(root)}
        if known.get(alias.name, alias.sweep) != alias.sweep:
            raise NameTaken(alias.name, known[alias.name], root) from None
        replace(path, data)


def remove_aliases(root: Path, sweep: str) -> None:
    """Take a sweep's further names away: it is removed."""
    for alias in aliases(root):
        if alias.sweep == sweep:
            path = root / _FOLDER / alias.name
            with translate_write_errors(path):
                path.unlink(missing_ok=True)
                sync_folder(path.parent)
