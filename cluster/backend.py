"""What runs a callable n times on given resources, somewhere else: the protocols, and what they
speak of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self

from cluster.resources import Resources
from cluster.state import State

NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class ArrayHandle:
    """One submitted array."""

    id: str
    """Unique in its backend."""
    name: str
    """As submitted, for people."""
    n_tasks: int


@dataclass(frozen=True)
class TaskEvent:
    """Something happened to one task."""

    handle_id: str
    index: int
    state: State
    detail: str = ""
    """For a failure: the traceback, or what is known about the death."""
    node: str = ""
    pid: int | None = None
    code: int = 0
    """For a failure whose task raised a TaskError, its code."""


@dataclass(frozen=True)
class EarlierRun:
    """How a task ran before it was queued again; times in seconds since 1970."""

    state: State
    node: str
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True)
class TaskReport:
    """One array task as its scheduler sees it; times in seconds since 1970."""

    index: int
    state: State
    word: str = ""
    """The scheduler's own word for the state; empty where it said nothing."""
    detail: str = ""
    """Why, for people."""
    node: str = ""
    job_id: str = ""
    """``123_4``, which the scheduler's own commands take."""
    restarts: int = 0
    """How often it was queued again."""
    started_at: float | None = None
    ended_at: float | None = None
    earlier: tuple[EarlierRun, ...] = ()
    """Its runs before this one, oldest first; known to the accounting only."""
    code: int = 0
    """With which it exited; that of a TaskError if it raised one."""
    silent: bool = False
    """UNKNOWN because the scheduler could not be asked just now; another time it may answer."""


@dataclass(frozen=True)
class Limits:
    """How much can be queued."""

    max_array_size: int
    """Tasks of one array."""
    max_submit: int | None
    """Tasks that the user may have in the queue, by the profile or the site, the smaller; None: no
    limit."""
    queued: int
    """Tasks that the user has in the queue now, whoever put them there."""

    @property
    def room(self) -> int | None:
        """Return how many tasks can be queued now; None: no limit."""
        return None if self.max_submit is None else max(0, self.max_submit - self.queued)


class Backend(Protocol):
    """Runs a callable once per array task, somewhere else. To be used from one thread."""

    name: str

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
        """Queue ``call(0)`` … ``call(n_tasks - 1)``; return before they start.

        Args:
            call: A function of an importable module, or functools.partial of one with plain
                arguments.
            n_tasks: How many, at least 1.
            resources: What each of them gets.
            name: For people, in logs and queues.
            warm: Called once in each new worker process before its first task; if it raises, every
                task fails with its text.
            environment: Variables of the worker processes, on top of this process's own and the
                thread counts.

        Raises:
            Infeasible: No node could ever run one of them; nothing was queued.
            CallDoesNotPickle: The callable cannot travel; nothing was queued.
            BackendUnavailable: The scheduler cannot be started or reached.
        """

    def wait(self, timeout_s: float) -> list[TaskEvent]:
        """Return what happened since the last call: RUNNING when a task starts, then exactly one
        final event.

        Blocks until something did, the timeout is over, or nothing is outstanding. Local
        backends do their work in here.
        """

    def states(self, handle: ArrayHandle) -> list[State]:
        """Return the state of every task, by index."""

    def cancel(self, handle: ArrayHandle, indices: Sequence[int] | None = None) -> None:
        """End these tasks (None: all) that have not ended; each gets a CANCELLED event."""

    def close(self) -> None:
        """Let go. Local backends kill and reap every process they started, also after Ctrl-C;
        may be called twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class LocalBackend(Backend, Protocol):
    """A backend whose tasks end with this process, and whose caller is therefore asked to stop
    instead of the tasks."""

    def stop(self, grace_s: float) -> None:
        """Begin no other task, and ask those under way to stop as a scheduler would: see
        ``cluster.signals``.

        Returns at once, and may be called in a handler of a signal; the next calls of ``wait`` tell
        how the tasks ended. What has not after ``grace_s`` seconds is killed and CANCELLED, as is
        what had not begun.
        """


@dataclass(frozen=True)
class SchedulerHandle(ArrayHandle, ABC):
    """An array that a scheduler has: plain data, as good in another process."""

    folder: str = ""
    """Where its batch scripts and logs are."""

    @property
    @abstractmethod
    def cancel_command(self) -> str:
        """Return what a person types to cancel all of it."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return it in plain types, for JSON; ``cluster.open.read_handle`` makes a handle of them
        again."""

    @abstractmethod
    def logs(self, index: int) -> tuple[Path, Path]:
        """Return where a task's output and its errors are; KeyError for a task that was never
        queued."""

    @abstractmethod
    def failed_setup(self, index: int) -> str:
        """Return the line of the profile's setup with which a task ended, as its output has it;
        empty if none did."""


class Scheduler(Backend, Protocol):
    """A backend whose queue outlives the process that filled it: opened to feed it, or to ask after
    what another process queued."""

    cluster: str
    """Which of the site's clusters; empty for the one of this machine."""

    def submit(
        self,
        call: Callable[[int], None],
        n_tasks: int,
        resources: Resources,
        *,
        name: str = "array",
        warm: Callable[[], None] | None = None,
        environment: Mapping[str, str] = NO_ENVIRONMENT,
    ) -> SchedulerHandle:
        """See Backend.submit. ``find`` knows the array again by ``name``: make it unique to this
        submission.

        Raises:
            NotQueued: The scheduler does not want it, or has no room for it now; nothing of it is
                in the queue.
            SubmitUnacknowledged: No answer came; ``find`` tells whether it is queued.
        """

    def limits(self) -> Limits:
        """Return how much can be queued now."""

    def check_room(self, name: str, resources: Resources) -> None:
        """Raise Infeasible unless a node of the site could ever run one task; ``name`` is what the
        error calls the tasks."""

    def warning_s(self, resources: Resources) -> float | None:
        """Return how long before the end of its walltime a task is asked to stop, in seconds; None
        without a walltime."""

    def script(self, n_tasks: int, resources: Resources, *, name: str = "array") -> str:
        """Return the batch script that ``submit`` would queue."""

    def find(self, arrays: Mapping[str, int], since: float) -> Mapping[str, SchedulerHandle]:
        """Return the handles of arrays that a submit queued and did not live to note down, by name.

        Args:
            arrays: The number of tasks by the name given to ``submit``.
            since: When they may have been submitted at the earliest, seconds since 1970.

        Raises:
            ClusterError: The scheduler gave no answer, so that absence would mean nothing.
        """

    def reports(self, handles: Iterable[SchedulerHandle]) -> dict[str, list[TaskReport]]:
        """Return what the scheduler says of every task, by handle and index, asking once for all of
        them."""
