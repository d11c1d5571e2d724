"""What can go wrong on this floor, one tree; every error unpickles and its message says how
to fix it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, dataclass_transform

from cluster.state import State

ProfileProblem = tuple[tuple[str | int, ...], str]
"""Where in the profile (the keys that lead there) and what is wrong there."""


@dataclass_transform()
@dataclass(eq=False, repr=False)
class ClusterError(Exception):
    """Root of everything this floor raises.

    A new error is its annotated fields and a ``__str__`` that names the place, what is wrong and
    how to fix it. It is built from its fields, compares by them, and unpickles.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(eq=False, repr=False)(cls)

    def __post_init__(self) -> None:
        self.args = tuple(getattr(self, field.name) for field in fields(self))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.args == self.args

    def __hash__(self) -> int:
        return hash(type(self))


class UnknownBackend(ClusterError):
    """No backend has this name."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"there is no backend '{self.name}': use one of {', '.join(self.known)}"


class BackendUnavailable(ClusterError):
    """The backend exists, and cannot work on this machine."""

    backend: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"the {self.backend} backend cannot start: {self.reason}; {self.fix}"


class BackendLost(ClusterError):
    """What ran the tasks is gone, and no other is started; tasks that had not ended are not run."""

    backend: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"the {self.backend} backend was lost: {self.reason}; {self.fix}"


class BackendClosed(ClusterError):
    """Something was asked of a backend after its close()."""

    backend: str

    def __str__(self) -> str:
        return (
            f"this {self.backend} backend is closed: open a new one with "
            f"open_backend('{self.backend}', profile)"
        )


class UnknownArray(ClusterError):
    """The handle belongs to no array of this backend."""

    handle_id: str
    backend: str

    def __str__(self) -> str:
        return (
            f"this {self.backend} backend has no array '{self.handle_id}': pass a handle "
            "only to the backend that returned it"
        )


class NotQueued(ClusterError):
    """Nothing of the array is in the queue. After any other error of a submit this is not known."""


class Infeasible(NotQueued):
    """No node could ever run one task of this size; nothing was queued."""

    name: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"'{self.name}' can never run here: {self.reason}; {self.fix}"


class CallDoesNotPickle(NotQueued):
    """The callable cannot travel to a worker; nothing was queued."""

    call: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.call} cannot be sent to a worker: {self.reason}; pass a function at the top "
            "level of an importable module, or functools.partial of one with plain arguments"
        )


class SubmitRefused(NotQueued):
    """sbatch refused the array for good; nothing was queued."""

    name: str
    message: str

    def __str__(self) -> str:
        return (
            f"SLURM refused '{self.name}': {self.message}; correct the profile (runner doctor "
            "checks it against the cluster)"
        )


class SubmitLimitReached(NotQueued):
    """The user may not queue so many tasks now; nothing of this array was queued."""

    name: str
    n_tasks: int
    message: str

    def __str__(self) -> str:
        return (
            f"SLURM's submit limit leaves no room for the {self.n_tasks} tasks of '{self.name}' "
            f"({self.message}): submit again when some tasks have ended, or set max_submit in the "
            "profile"
        )


class SubmitUnacknowledged(ClusterError):
    """sbatch ended without an answer: the array may be queued or not."""

    name: str
    message: str

    def __str__(self) -> str:
        return (
            f"it is not known whether SLURM queued '{self.name}' ({self.message}): submit again; "
            "this first looks for the array by its name"
        )


class FolderMisread(NotQueued):
    """SLURM would take the folder of the logs for another one; nothing was queued."""

    folder: str
    odd: str

    def __str__(self) -> str:
        return (
            f"SLURM cannot write logs to {self.folder!r}, because {self.odd!r} in a path means "
            "something else to it: rename the folder"
        )


class UnknownTarget(ClusterError):
    """The profile defines no such target; nothing was queued."""

    name: str
    known: tuple[str, ...]
    profile: str

    def __str__(self) -> str:
        known = ", ".join(self.known)
        return (
            f"{self.profile} has no target '{self.name}' (it has {known}): add it there, or run "
            f"its trials on another with --on {self.name}=TARGET"
        )


class InvalidResources(ClusterError):
    """What a group or a target asks for is not a description of resources; all problems at once."""

    problems: tuple[ProfileProblem, ...]

    def __str__(self) -> str:
        return "\n".join(f"{dotted(where)}: {what}" for where, what in self.problems)


class ProfileError(ClusterError):
    """The cluster profile has mistakes; all of them are listed."""

    profile: str
    problems: tuple[ProfileProblem, ...]

    def __str__(self) -> str:
        return "\n".join(
            f"{self.profile}: {dotted(where)}: {what}" for where, what in self.problems
        )


class TaskError(ClusterError):
    """Root of what a task raises for a reason that whoever submitted it must know: its ``code``
    arrives with the task's end, whatever ran it."""

    code: ClassVar[int]
    """1 to 125: on a scheduler it is the exit code of the task."""


class Requeue(ClusterError):
    """Raised by a task that was asked to stop and wants to go on later: its scheduler queues it
    again, if it still may."""

    def __str__(self) -> str:
        return "the task was asked to stop and asks to be queued again"


class ProcessSpent(ClusterError):
    """Raised by a task that has ended, in a process that cannot compute any more: its next task
    needs another one."""

    def __str__(self) -> str:
        return "the task has ended, and its process must run no other task"


class ProcessLost(ClusterError):
    """Raised in the place of a task whose process has ended, or can do nothing any more, before the
    task came to its end."""

    state: State
    reason: str

    def __str__(self) -> str:
        return self.reason


def dotted(where: tuple[str | int, ...]) -> str:
    """Return the keys that lead to a place, as people write them: ``targets.a30.cpus``."""
    return ".".join(str(key) for key in where) or "the whole file"
