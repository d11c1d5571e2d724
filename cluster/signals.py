"""Whether this task was asked to stop: set by the scheduler's warning signal, polled by whoever can write a checkpoint."""

from __future__ import annotations

from threading import Event

_stop = Event()


def request_stop() -> None:
    """Ask the task running in this process to stop at its next step; safe in a signal handler."""
    _stop.set()


def stop_requested() -> bool:
    """Whether the task should write a checkpoint and raise Requeue."""
    return _stop.is_set()
