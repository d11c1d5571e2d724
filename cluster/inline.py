"""This process itself, one task after another: for debugging, with breakpoints and whole
tracebacks."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

from cluster import signals, startup
from cluster.backend import NO_ENVIRONMENT, ArrayHandle, TaskEvent
from cluster.calls import CallEnded, attempt, described, pickled
from cluster.environment import thread_environment
from cluster.errors import BackendClosed, Infeasible, UnknownArray
from cluster.resources import Resources
from cluster.room import Need, Room, lacking
from cluster.state import State
from cluster.tasks import TaskArray


class InlineBackend:
    """Runs one task in each ``wait``, which therefore lasts as long as the task does.

    A task that ends its process ends this one, and after one that spent it there is no other to go
    on in. ``time_min`` interrupts Python code through SIGALRM, so only where ``wait`` is called
    from the main thread, and so does ``stop``. ``mem_gb`` is checked against the machine, and not
    enforced.
    """

    name = "inline"

    def __init__(self) -> None:
        self._arrays: dict[str, _InlineArray] = {}
        self._outbox: list[TaskEvent] = []
        self._next: tuple[_InlineArray, int] | None = None  # told as RUNNING, run by the next wait
        self._closed = False
        self._alarm = _Alarm()
        self._stopping = False

    def submit(
        self,
        call: Callable[[int], None],
        n_tasks: int,
        resources: Resources,
        *,
        name: str = "array",
        warm: Callable[[], None] | None = None,
        environment: Mapping[str, str] = NO_ENVIRONMENT,
    ) -> ArrayHandle:
        """Queue the calls; the first one starts in ``wait``."""
        if self._closed:
            raise BackendClosed(self.name)
        reason = lacking([Room.here()], Need.of(resources))
        if reason:
            raise Infeasible(
                name,
                reason,
                "ask for less in its resources, or map it to a target that fits with --on",
            )
        pickled(
            call
        )  # held to what other backends need, so that debugging here says what they would say
        handle = ArrayHandle(f"inline-{len(self._arrays)}", name, n_tasks)
        variables = {**thread_environment(resources.cpus), **environment}
        self._arrays[handle.id] = _InlineArray(
            TaskArray(handle), call, warm, resources.time_min, variables
        )
        return handle

    def wait(self, timeout_s: float) -> list[TaskEvent]:
        """Run one task to its end, whatever the timeout; announce the next."""
        if not self._outbox and self._next is not None and not self._stopping:
            self._run(*self._next)
        if self._stopping:
            for array in self._arrays.values():
                self.cancel(array.tasks.handle)
        elif self._next is None:
            self._announce()
        events, self._outbox = self._outbox, []
        return events

    def states(self, handle: ArrayHandle) -> list[State]:
        """Return the state of every task, by index."""
        return list(self._array(handle).tasks.states)

    def cancel(self, handle: ArrayHandle, indices: Sequence[int] | None = None) -> None:
        """End tasks that have not begun; between two calls of ``wait`` none is under way."""
        array = self._array(handle)
        if self._next is not None:
            owner, index = self._next
            if owner is array and (indices is None or index in indices):
                self._next = None
                self._outbox.append(array.tasks.ended(index, State.CANCELLED))
        self._outbox += array.tasks.drop_waiting(State.CANCELLED, "", indices)

    def stop(self, grace_s: float) -> None:
        """Begin no other task, and ask the one under way to stop; this is called from a handler of
        a signal, or not at all."""
        if not self._stopping:
            self._stopping = True
            signals.request_stop()
            self._alarm.ring_within(
                grace_s,
                State.CANCELLED,
                f"stopped: it was asked to stop, and had not after {grace_s:g} s",
            )

    def close(self) -> None:
        """Take no more work; nothing was started that would have to go."""
        self._closed = True
        if self._stopping:
            signals.forget_stop()  # which was meant for the tasks, and this process goes on

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _array(self, handle: ArrayHandle) -> _InlineArray:
        try:
            return self._arrays[handle.id]
        except KeyError:
            raise UnknownArray(handle.id, self.name) from None

    def _announce(self) -> None:
        for array in self._arrays.values():
            index = array.tasks.take()
            if index is not None:
                self._next = (array, index)
                self._outbox.append(array.tasks.began(index, socket.gethostname(), os.getpid()))
                return

    def _run(self, array: _InlineArray, index: int) -> None:
        self._next = None
        ending = CallEnded(State.CANCELLED, "interrupted by Ctrl-C")
        try:
            with _variables(array.variables):
                ending = array.run(index, self._alarm)
        finally:
            self._outbox.append(
                array.tasks.ended(
                    index,
                    ending.state,
                    ending.detail,
                    socket.gethostname(),
                    os.getpid(),
                    ending.code,
                )
            )


class _InlineArray:
    """One array and how its tasks are called."""

    def __init__(
        self,
        tasks: TaskArray,
        call: Callable[[int], None],
        warm: Callable[[], None] | None,
        time_min: float | None,
        variables: Mapping[str, str],
    ) -> None:
        self.tasks, self.variables = tasks, variables
        self._call, self._warm, self._time_min = call, warm, time_min
        self._problem = ""  # what warm raised

    def run(self, index: int, alarm: _Alarm) -> CallEnded:
        """Call one task, after warm if it is the first."""
        if self._warm is not None:
            warm, self._warm = self._warm, None
            startup.count_from(time.time())
            try:
                warm()
            except Exception as problem:
                self._problem = described(problem)
        if self._problem:
            return CallEnded(State.FAILED, self._problem)
        try:
            with alarm.set(self._time_min):
                return attempt(self._call, index)
        except TimeIsUp:
            return alarm.ending


class TimeIsUp(BaseException):
    """Not an Exception, so that a task which survives its exceptions does not survive its limit."""


class _Alarm:
    """Raises TimeIsUp in a task when its time is over, if it runs in the main thread."""

    def __init__(self) -> None:
        self.ending = CallEnded(State.TIMED_OUT)
        """Of a task in which it rang."""
        self._is_set = False

    @contextmanager
    def set(self, time_min: float | None) -> Iterator[None]:
        """Have it ring in the block when the time is over (None: only if ``ring_within`` says
        so)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, _ring)
        self._is_set = True
        if time_min is not None:
            self.ring_within(
                time_min * 60, State.TIMED_OUT, f"stopped after its {time_min:g} minutes"
            )
        try:
            yield
        finally:
            try:
                self._is_set = False
                signal.setitimer(signal.ITIMER_REAL, 0)
            finally:  # the alarm may ring in this very line
                signal.signal(signal.SIGALRM, before)

    def ring_within(self, seconds: float, state: State, detail: str) -> None:
        """Have it ring in a task under way, unless it does so sooner in any case."""
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        if self._is_set and (not left or seconds < left):
            self.ending = CallEnded(state, detail)
            signal.setitimer(signal.ITIMER_REAL, seconds)


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise TimeIsUp


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
