"""What a Ray actor runs: one array's calls, one at a time, in a process that stays warm."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

import ray

from cluster import startup
from cluster.calls import CallEnded, attempt, described
from cluster.signals import WARNING, request_stop
from cluster.state import State


@dataclass(frozen=True)
class TaskStarted:
    """A worker is up."""

    node: str
    """The host's name."""
    node_id: str
    """Ray's id of it."""
    pid: int


@dataclass(frozen=True)
class Ready:
    """A worker can run tasks, or why it never will."""

    problem: str = ""
    """What importing the call or warming up raised."""


class TaskWorker:
    """Becomes an actor. Its constructor does nothing that can fail: Ray would report that as a
    death."""

    def __init__(
        self,
        call: bytes,
        warm: bytes | None,
        environment: Mapping[str, str],
        search_path: Sequence[str],
        crash_file: str | None,
    ) -> None:
        self._pickled_call, self._pickled_warm = call, warm
        self._environment, self._search_path, self._crash_file = (
            environment,
            search_path,
            crash_file,
        )
        self._crash: TextIO | None = None  # kept open: faulthandler writes to its descriptor
        self._call: Callable[[int], None] | None = None

    def start(self) -> TaskStarted:
        """Say which process this is, before anything that takes time."""
        signal.signal(WARNING, lambda _number, _frame: request_stop())
        return TaskStarted(
            socket.gethostname(), ray.get_runtime_context().get_node_id(), os.getpid()
        )

    def prepare(self, asked_at: float) -> Ready:
        """Import the call and warm up, in a worker that was asked for at this time."""
        startup.count_from(
            max(asked_at, startup.process_began())
        )  # the process may have been there before
        if self._crash_file is not None:
            self._crash = open(self._crash_file, "w")  # noqa: PTH123, SIM115
            faulthandler.enable(self._crash, all_threads=False)
        # Here and not as Ray's runtime_env, which has no use for the workers that Ray starts in
        # advance: a second or more for each. In time: libraries read their thread counts when they
        # are first imported, and Ray's worker imports none of them.
        os.environ.update(self._environment)
        sys.path += [entry for entry in self._search_path if entry not in sys.path]
        try:
            self._call = pickle.loads(self._pickled_call)
            if self._pickled_warm is not None:
                pickle.loads(self._pickled_warm)()
        except (
            BaseException
        ) as error:  # SystemExit too: Ray would take it for a wish to end the actor
            return Ready(described(error))
        return Ready()

    def run(self, index: int) -> CallEnded:
        """Run one task; how it ended."""
        assert self._call is not None, "run() before prepare()"
        try:
            return attempt(self._call, index)
        except (
            BaseException
        ) as error:  # KeyboardInterrupt, raised by the task: nobody types Ctrl-C here
            return CallEnded(State.FAILED, described(error))


def warn(pid: int) -> None:
    """Ask the worker with this number, on this machine, to stop at its next step; nothing happens
    if it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, WARNING)
