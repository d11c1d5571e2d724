"""What was seen from outside the store: the lines that trials wrote, and what each look at the store
found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artifacts.errors import UnreadableRecord
from artifacts.index import load_table
from artifacts.store import Store
from artifacts.tables import rows_of

Key = tuple[str, int]
"""A trial and the number of an attempt."""


@dataclass(frozen=True)
class Seen:
    """One line of a trial."""

    what: str
    """``began``, ``computed``, ``failed`` or ``acknowledged``."""
    key: Key
    at: float
    """Seconds on the clock that all processes of a machine share."""
    values: Mapping[str, Any]


def read_history(path: Path) -> list[Seen]:
    """Return the lines of a history, in order of time; the torn last line of a killed process is
    left out."""
    seen = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        seen.append(
            Seen(values["what"], (values["trial"], values["attempt"]), values["at"], values)
        )
    return sorted(seen, key=lambda line: line.at)


@dataclass(frozen=True)
class Look:
    """The records that a reader found at one moment."""

    rows: Mapping[Key, tuple[Mapping[str, Any], ...]]
    """Every row of each attempt: the worker's own, and one derived beside it."""
    unreadable: tuple[str, ...] = ()
    """Files that could not be read."""


def look(store: Path, sweep: str) -> Look:
    """Read every record of a sweep: what readers of the store are given, and what lies in its files
    beside that."""
    opened = Store(store)
    index = opened.index(sweep)
    found: dict[Key, list[dict[str, Any]]] = {}
    for trial in index.trials:
        for row in opened.read(sweep, trial):
            found.setdefault((trial, row["attempt"]), []).append(_filled(row))
    folder = opened.records_folder(sweep)
    for path in folder.glob("*.parquet") if folder.is_dir() else ():
        try:
            table = load_table(path)
        except (FileNotFoundError, UnreadableRecord):  # compacted away; or named by the index
            continue
        for row in map(_filled, rows_of(table)):
            rows = found.setdefault((row["trial"], row["attempt"]), [])
            if row not in rows:
                rows.append(row)
    return Look(
        {key: tuple(rows) for key, rows in found.items()},
        tuple(str(damaged.path) for damaged in index.unreadable),
    )


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that have a value: a file of many has those of other rows too."""
    return {name: value for name, value in row.items() if value is not None}


@dataclass
class Sabotaged:
    """What was done to a sweep, and all that was seen of it."""

    history: Path
    looks: list[Look] = field(default_factory=list)
    """In order; the last after the submit that ended the sweep."""
    outputs: list[tuple[str, int, str]] = field(default_factory=list)
    """Command, exit code and all that it printed."""
    damaged: dict[str, set[Key]] = field(default_factory=dict)
    """Files of the store that were damaged, and the attempts whose records they held."""
    left: list[str] = field(default_factory=list)
    """Processes and files that were still there when the last command had ended."""
    strikes: list[str] = field(default_factory=list)
    """What was done, in words, to be able to do it again."""
