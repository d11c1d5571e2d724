"""A workload that keeps a history outside the store: what began, what it computed, and which record
its worker was told is written."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifacts.store import Store

if TYPE_CHECKING:
    from artifacts.record import Record


class Fault(Exception):
    """What a trial of these fails of, if it is to fail."""


def works(
    number: int, notes: str, hold_ms: int = 0, fails: bool = False, *, seed: int, context: Any
) -> dict[str, int]:
    """Return a value that only this trial has."""
    _note(notes, "began", context.trial, context.attempt)
    _watch(notes)
    time.sleep(hold_ms / 1000)
    if fails:
        _note(notes, "failed", context.trial, context.attempt)
        raise Fault(f"trial {number} of seed {seed}")
    value = (number * 7919 + seed * 104729) % 99991
    _note(notes, "computed", context.trial, context.attempt, value=value)
    return {"value": value}


def _note(notes: str, what: str, trial: str, attempt: int, **values: object) -> None:
    line = {"what": what, "trial": trial, "attempt": attempt, "at": time.monotonic(), **values}
    # One small write to the end of a local file: lines of several processes do not mix.
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, (json.dumps(line) + "\n").encode())
    finally:
        os.close(descriptor)


_publish = Store.publish


def _watch(notes: str) -> None:
    """Note each record of this process that is written, once the worker has been told so."""

    def publish(store: Store, record: Record) -> Path:
        path = _publish(store, record)
        values = {
            "outcome": str(record.values["outcome"]),
            "derived": bool(record.values.get("derived")),
            "value": record.results.get("value"),
        }
        _note(notes, "acknowledged", record.trial, record.attempt, **values)
        return path

    Store.publish = publish  # type: ignore[method-assign, assignment]
