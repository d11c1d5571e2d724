"""Whether this task was asked to stop: set by the scheduler's warning signal, polled by whoever can write a checkpoint."""

from __future__ import annotations

import signal
from threading import Event

WARNING = signal.SIGUSR2
"""What schedulers send ahead of the end. A task that listens has it blocked, so that it stays pending for whoever looks."""

_stop = Event()


def request_stop() -> None:
    """Ask the task running in this process to stop at its next step; safe in a signal handler."""
    _stop.set()


def warned() -> bool:
    """Whether the warning has reached this process, which has it blocked."""
    return WARNING in signal.sigpending()


def stop_requested() -> bool:
    """Whether the task should write a checkpoint and raise Requeue."""
    return _stop.is_set() or warned()
