"""A child process that ends with its parent, and with it all that it started.

Between the two stands a guard, a fork of the parent that only waits: for the child's end, to end
what the child left behind, or for the parent's, to end the child and the rest. The kernel tells
each of them of the death of the one above it (PR_SET_PDEATHSIG), and hands them whatever a process
below them orphans (PR_SET_CHILD_SUBREAPER), so that nothing gets out of the tree. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from cluster.processes import Birth, end_descendants, kill_tree

_PARENT_DIED = signal.SIGHUP
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_CHILD_SUBREAPER = 1, 4, 36  # linux/prctl.h
_LOST = 70  # EX_SOFTWARE: the child's own code is not known


class Child:
    """A call in a process of its own.

    Args:
        call: Returns the child's exit code; an exception that it lets through ends the child with
            code 70.

    The caller must have one thread only: it is forked.
    """

    def __init__(self, call: Callable[[], int]) -> None:
        parent = os.getpid()
        _prctl(_SET_CHILD_SUBREAPER, 1)
        self._pipe, pipe = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._guard = os.fork()
        if self._guard == 0:
            try:
                os.close(self._pipe)
                _stand_guard(call, parent, pipe)
            finally:
                os._exit(_LOST)
        os.close(pipe)
        born = os.read(self._pipe, 64).decode().split()
        self.birth: Birth | None = Birth(int(born[0]), int(born[1])) if born else None
        """Which process it is; None if it was killed before it was one."""
        self.code: int | None = None
        """Its exit code once it has ended, minus the signal that ended it as with
        multiprocessing."""

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code, None if it has not ended within that time."""
        if self.code is None and select.select([self._pipe], [], [], timeout_s)[0]:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self._guard, 0)[1])
            os.close(self._pipe)
            end_descendants()  # what it left, if the guard was killed too
        return self.code

    def kill(self) -> None:
        """End it and all it started, at once."""
        if self.code is None:
            kill_tree(self._guard)


def _stand_guard(call: Callable[[], int], parent: int, pipe: int) -> NoReturn:
    _prctl(_SET_PDEATHSIG, _PARENT_DIED)
    _prctl(_SET_CHILD_SUBREAPER, 1)
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(pipe)
        _become(call, guard)
    # A guard that heeded what a task is told, such as TERM ahead of a preemption, would be no help
    # to a child that saves its work.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, _PARENT_DIED})
    birth = Birth.of(child)
    assert birth is not None, "a child is there until it is waited for"
    os.write(pipe, f"{birth.pid} {birth.ticks}".encode())
    while os.getppid() == parent:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            end_descendants()
            _end_like(os.waitstatus_to_exitcode(status))
        signal.sigwait({signal.SIGCHLD, _PARENT_DIED})
    end_descendants()
    os._exit(_LOST)


def _become(call: Callable[[], int], guard: int) -> NoReturn:
    code = _LOST
    try:
        _prctl(_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guard:
            code = call()
    finally:
        os._exit(code)  # not through the parent's exit handlers, which are not the child's


def _end_like(code: int) -> NoReturn:
    if code < 0:
        _prctl(_SET_DUMPABLE, 0)  # one core is enough
        with suppress(OSError, ValueError):  # SIGKILL is nobody's to handle
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    os._exit(code)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
