"""Group the attempts that did not complete by their cause, with an example of each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from artifacts.columns import OUTCOMES
from artifacts.errors import ArtifactsError
from artifacts.publish import translate_read_errors
from artifacts.store import Store
from runner.report.record import first_line
from runner.report.summary import COMPLETED
from runner.sweep.logs import is_its_own, section_lines

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS: Final = re.compile(r"\d+(\.\d+)?")
_LAST_LINES: Final = 20
_LONGEST_LINE: Final = 400
_READ_BYTES: Final = 64 * 1024
"""Of the end of a log: a trial may print gigabytes."""
_COLUMNS: Final = (
    "sweep", "trial", "attempt", "outcome", "error_type", "error_message", "traceback", "log",
    "node",
)  # fmt: skip


@dataclass(frozen=True)
class Cause:
    """The attempts that ended in one way with one message; numbers in it may differ."""

    outcome: str
    error_type: str
    message: str
    """Its first line, of the example."""
    attempts: int
    trials: int
    nodes: int
    example: Example

    @property
    def meaning(self) -> str:
        """Return what the outcome's word means."""
        return OUTCOMES.get(self.outcome, "")


@dataclass(frozen=True)
class Example:
    """One of the attempts."""

    sweep: str
    trial: str
    attempt: int
    message: str
    traceback: str
    log: str
    """Path of its log below the store; empty where it has none."""
    log_end: str
    """The last lines of it."""


def causes(store: Store, attempts: pa.Table, most: int) -> tuple[list[Cause], int]:
    """Return the most frequent causes of attempts that did not complete, and how many others there
    are.

    Args:
        store: Where the logs are.
        attempts: One row per attempt.
        most: How many causes are wanted.
    """
    columns = {name: attempts.column(name).to_pylist() for name in _COLUMNS}
    found: dict[tuple[str, str, str], list[int]] = {}
    for row, outcome in enumerate(columns["outcome"]):
        if outcome != COMPLETED:
            message = first_line(columns["error_message"][row])
            alike = _NUMBERS.sub("0", message)
            found.setdefault((outcome, columns["error_type"][row] or "", alike), []).append(row)
    ranked = sorted(found.items(), key=lambda entry: -len(entry[1]))
    listed = [
        _cause(store, columns, outcome, error, rows) for (outcome, error, _), rows in ranked[:most]
    ]
    return listed, len(ranked) - len(listed)


def _cause(
    store: Store, columns: dict[str, list[Any]], outcome: str, error: str, rows: list[int]
) -> Cause:
    row = rows[0]
    log = path_below(columns["log"][row])
    trial, attempt = columns["trial"][row], columns["attempt"][row]
    return Cause(
        outcome=outcome,
        error_type=error,
        message=first_line(columns["error_message"][row]),
        attempts=len(rows),
        trials=len({columns["trial"][row] for row in rows}),
        nodes=len({columns["node"][row] for row in rows}),
        example=Example(
            sweep=columns["sweep"][row],
            trial=trial,
            attempt=attempt,
            message=columns["error_message"][row] or "",
            traceback=columns["traceback"][row] or "",
            log=log,
            log_end="\n".join(_last_lines(store.root / log, trial, attempt)) if log else "",
        ),
    )


def path_below(log: str | None) -> str:
    """Return a path that leads to a file below the store, and nothing for any other."""
    if not log or log.startswith("/") or ".." in log.split("/"):
        return ""
    return log


def _last_lines(log: Path, trial: str, attempt: int) -> list[str]:
    """Return the last lines of an attempt's log, each cut to a readable length; none if the log is
    gone."""
    try:
        lines = _end(log) if is_its_own(log, trial, attempt) else section_lines(log, trial, attempt)
        kept = [line.rstrip("\n")[:_LONGEST_LINE] for line in lines]
    except ArtifactsError:
        return []
    return kept[-_LAST_LINES:]


def _end(log: Path) -> Iterator[str]:
    try:
        with translate_read_errors(log), log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _READ_BYTES))
            lines = file.read(_READ_BYTES).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return
    yield from lines
