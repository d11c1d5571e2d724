"""The tasks of one array as a local backend keeps them: what waits, what runs, how each
ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from cluster.backend import ArrayHandle, TaskEvent
from cluster.state import State


class TaskArray:
    """States and the queue of one array; every change of state is an event, exactly one final one
    per task."""

    def __init__(self, handle: ArrayHandle) -> None:
        self.handle = handle
        self.states = [State.PENDING] * handle.n_tasks
        self.pending = handle.n_tasks
        self.unfinished = handle.n_tasks
        self._queue = deque(range(handle.n_tasks))

    def take(self) -> int | None:
        """Return the next task that waits, None if none does; its start is to be told with
        ``began``."""
        while self._queue:
            index = self._queue.popleft()
            if self.states[index] is State.PENDING:  # else it was cancelled while it waited
                self.pending -= 1
                return index
        return None

    def began(self, index: int, node: str, pid: int | None) -> TaskEvent:
        """Return a task that was taken runs now."""
        self.states[index] = State.RUNNING
        return TaskEvent(self.handle.id, index, State.RUNNING, "", node, pid)

    def ended(
        self,
        index: int,
        state: State,
        detail: str = "",
        node: str = "",
        pid: int | None = None,
        code: int = 0,
    ) -> TaskEvent:
        """Return a task that was taken has ended."""
        self.states[index] = state
        self.unfinished -= 1
        return TaskEvent(self.handle.id, index, state, detail, node, pid, code)

    def drop_waiting(
        self, state: State, detail: str, indices: Iterable[int] | None = None
    ) -> list[TaskEvent]:
        """End those of the tasks (None: all) that still wait."""
        chosen = range(self.handle.n_tasks) if indices is None else indices
        events = []
        for index in chosen:
            if self.states[index] is State.PENDING:
                self.pending -= 1
                events.append(self.ended(index, state, detail))
        return events
