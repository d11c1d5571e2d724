"""The Backend protocol: a callable is run n times on given resources, somewhere else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Literal, Protocol, Self

from cluster.errors import Infeasible, UnknownBackend
from cluster.profile import Profile
from cluster.ray.shares import Need, Room, lacking
from cluster.resources import Resources
from cluster.state import State

LocalName = Literal["ray", "inline"]
BackendName = Literal["slurm", LocalName]
BACKENDS: tuple[BackendName, ...] = ("slurm", "ray", "inline")

NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class ArrayHandle:
    """One submitted array."""

    id: str  # unique in its backend
    name: str  # as submitted, for people
    n_tasks: int


@dataclass(frozen=True)
class TaskEvent:
    """Something happened to one task."""

    handle_id: str
    index: int
    state: State
    detail: str = ""  # for a failure: the traceback, or what is known about the death
    node: str = ""
    pid: int | None = None


class Backend(Protocol):
    """Runs a callable once per array task, somewhere else. To be used from one thread."""

    name: str
    attached: bool
    """True: the work only advances while this process calls ``wait``, and ends with it.

    False: the scheduler has it.
    """

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
        """What happened since the last call: RUNNING when a task starts, then exactly one final
        event.

        Blocks until something did, the timeout is over, or nothing is outstanding. Attached
        backends do their work in here.
        """

    def states(self, handle: ArrayHandle) -> list[State]:
        """The state of every task, by index."""

    def cancel(self, handle: ArrayHandle, indices: Sequence[int] | None = None) -> None:
        """End these tasks (None: all) that have not ended; each gets a CANCELLED event."""

    def close(self) -> None:
        """Let go. Attached backends kill and reap every process they started, also after Ctrl-C;
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


def open_local(name: LocalName) -> LocalBackend:
    """The backend of that name, which needs no profile."""
    if name == "ray":
        from cluster.ray.backend import RayBackend

        return RayBackend()
    from cluster.inline import InlineBackend

    return InlineBackend()


def open_backend(name: str, profile: Profile) -> Backend:
    """The backend of that name; ``auto`` is the profile's own, and slurm where sbatch is found,
    else ray, if it has none.

    Raises:
        UnknownBackend: There is none of that name.
    """
    match resolve(name, profile):
        case "slurm":
            from cluster.slurm.backend import SlurmBackend

            return SlurmBackend(profile)
        case local:
            return open_local(local)


def resolve(name: str, profile: Profile) -> BackendName:
    """Which backend a name means here, without starting it."""
    if name == "auto":
        name = profile.backend
    if name == "auto":
        name = "slurm" if shutil.which("sbatch") else "ray"
    for known in BACKENDS:
        if name == known:
            return known
    raise UnknownBackend(name, ("auto", *BACKENDS))


def check_room(name: str, array: str, resources: Resources) -> None:
    """See that this machine could ever run one task, where it is this machine that a local backend
    would run it on.

    Args:
        name: Of the backend, as ``resolve`` gives it.
        array: What the error calls the tasks.

    Raises:
        Infeasible: It could not.
    """
    if name == "slurm" or (name == "ray" and os.environ.get("RAY_ADDRESS", "local") != "local"):
        return
    if reason := lacking([Room.here()], Need.of(resources)):
        raise Infeasible(
            array,
            reason,
            "ask for less in its resources, or map it to a target that fits with --on",
        )


def thread_environment(cpus: int) -> dict[str, str]:
    """The variables that tell numeric libraries how many threads to start: as many as CPUs were
    granted."""
    return dict.fromkeys(THREAD_VARIABLES, str(cpus))
