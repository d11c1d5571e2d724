"""Whether this task was asked to stop, and what follows: set by the scheduler's warning, polled by
whoever can write a checkpoint.

A backend whose tasks can be started again tells here how to find out; whoever runs the task asks in
words that all schedulers share.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from threading import Event

from cluster.place import Place
from cluster.processes import Birth
from cluster.state import State


class AfterStop(StrEnum):
    """What becomes of a task that was asked to stop."""

    GOES_ON = "goes_on"  # it is started again, here or elsewhere
    OUT_OF_TIME = "out_of_time"  # its time is over, and it is not started again
    CANCELLED = "cancelled"  # somebody ended it


WARNING = signal.SIGUSR2
"""What schedulers send ahead of the end.

A task that listens has it blocked, so that it stays pending for whoever looks.
"""

_stop = Event()
_ask_after_stop: Callable[[], AfterStop] | None = None
_ask_earlier_end: Callable[[], State] | None = None
_find_neighbors: Callable[[], Iterable[Neighbor]] | None = None


@dataclass(frozen=True)
class Neighbor:
    """Another process of this scheduler's tasks on the same node."""

    place: Place
    process: Birth
    top: Birth
    """The uppermost process of its task that is still there: its supervisor, or itself if that is
    gone."""

    @property
    def worker(self) -> str:
        """Return the name it has as a worker, if it is one."""
        return self.place.worker_name(self.process.pid)

    @property
    def unwatched(self) -> bool:
        """Return whether nothing of its task stands above it."""
        return self.top == self.process

    def end(self) -> None:
        """End it with all that belongs to its task here, from the top."""
        self.top.end()
        self.process.end()


def ask_scheduler(
    after_stop: Callable[[], AfterStop],
    earlier_end: Callable[[], State],
    others: Callable[[], Iterable[Neighbor]],
) -> None:
    """Tell how to find out what follows, how the task's earlier life ended, and who else is there;
    forked processes inherit it."""
    global _ask_after_stop, _ask_earlier_end, _find_neighbors
    _ask_after_stop, _ask_earlier_end, _find_neighbors = after_stop, earlier_end, others


def after_stop() -> AfterStop:
    """Return what follows now that the task was asked to stop; asks the scheduler, so ask once."""
    return AfterStop.GOES_ON if _ask_after_stop is None else _ask_after_stop()


def earlier_end() -> State:
    """Return how the life of this task before the present one ended; UNKNOWN where nobody can tell.
    Asks the scheduler."""
    return State.UNKNOWN if _ask_earlier_end is None else _ask_earlier_end()


def neighbors() -> Iterable[Neighbor]:
    """Return other processes of the scheduler's tasks on this node, whoever queued them; none where
    no scheduler is."""
    return () if _find_neighbors is None else _find_neighbors()


def request_stop() -> None:
    """Ask the task running in this process to stop at its next step; safe in a signal handler."""
    _stop.set()


def forget_stop() -> None:
    """Take the request back, in a process that goes on with something else."""
    _stop.clear()


def warned() -> bool:
    """Return whether the warning has reached this process, which has it blocked."""
    return WARNING in signal.sigpending()


def stop_requested() -> bool:
    """Return whether the task should write a checkpoint and raise Requeue."""
    return _stop.is_set() or warned()
