"""Whether this task was asked to stop, and what follows: set by the scheduler's warning, polled by whoever can write a checkpoint.

A backend whose tasks can be started again tells here how to find out; whoever runs the task asks in words that all schedulers share.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from enum import StrEnum
from threading import Event

from cluster.state import State


class Sequel(StrEnum):
    """What becomes of a task that was asked to stop."""

    GOES_ON = "goes_on"  # it is started again, here or elsewhere
    OUT_OF_TIME = "out_of_time"  # its time is over, and it is not started again
    CANCELLED = "cancelled"  # somebody ended it


WARNING = signal.SIGUSR2
"""What schedulers send ahead of the end. A task that listens has it blocked, so that it stays pending for whoever looks."""

_stop = Event()
_ask_sequel: Callable[[], Sequel] | None = None
_ask_earlier_end: Callable[[], State] | None = None


def ask_scheduler(sequel: Callable[[], Sequel], earlier_end: Callable[[], State]) -> None:
    """Tell how to find out what follows, and how the task's earlier life ended; forked processes inherit it."""
    global _ask_sequel, _ask_earlier_end
    _ask_sequel, _ask_earlier_end = sequel, earlier_end


def sequel() -> Sequel:
    """What follows now that the task was asked to stop; asks the scheduler, so ask once."""
    return Sequel.GOES_ON if _ask_sequel is None else _ask_sequel()


def earlier_end() -> State:
    """How the life of this task before the present one ended; UNKNOWN where nobody can tell. Asks the scheduler."""
    return State.UNKNOWN if _ask_earlier_end is None else _ask_earlier_end()


def request_stop() -> None:
    """Ask the task running in this process to stop at its next step; safe in a signal handler."""
    _stop.set()


def warned() -> bool:
    """Whether the warning has reached this process, which has it blocked."""
    return WARNING in signal.sigpending()


def stop_requested() -> bool:
    """Whether the task should write a checkpoint and raise Requeue."""
    return _stop.is_set() or warned()
