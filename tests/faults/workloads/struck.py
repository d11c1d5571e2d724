"""A workload that keeps a history outside the store: what began, what it computed, and which record
its worker was told is written."""

import json
import os
import time

from artifacts.store import Store


class Fault(Exception):
    """What a trial of these fails of, if it is to fail."""


def works(number: int, notes: str, hold_ms: int = 0, fails: bool = False, *, seed, context):
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


def _note(history: str, what: str, trial: str, attempt: int, **values: object) -> None:
    line = {
        "what": what, "trial": trial, "attempt": attempt, "at": time.monotonic(),
        "pid": os.getpid(), **values,
    }  # fmt: skip
    # One small write to the end of a local file: lines of several processes do not mix.
    descriptor = os.open(history, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, (json.dumps(line) + "\n").encode())
    finally:
        os.close(descriptor)


def _watch(history: str) -> None:
    """Note each record of this process that is written, once the worker has been told so."""
    publish = Store.publish
    if getattr(publish, "history", None) == history:
        return

    def noting(store: Store, record):
        path = publish(store, record)
        _note(
            history, "acknowledged", record.trial, record.attempt,
            outcome=str(record.values["outcome"]), derived=bool(record.values.get("derived")),
            value=record.results.get("value"),
        )  # fmt: skip
        return path

    noting.history = history
    Store.publish = noting
