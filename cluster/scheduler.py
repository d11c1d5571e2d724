"""A backend whose queue outlives the process that filled it: opened to ask after, or to feed, what
another one began."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.profile import Profile
from cluster.resources import Resources
from cluster.slurm.errors import NOT_QUEUED, SubmitLimitReached

if TYPE_CHECKING:  # submitit is imported only by whoever opens it
    from cluster.slurm.backend import SlurmBackend as Scheduler
    from cluster.slurm.handle import SlurmHandle as SchedulerHandle
    from cluster.slurm.parse import TaskReport

__all__ = [
    "NOT_QUEUED",
    "Scheduler",
    "SchedulerHandle",
    "SubmitLimitReached",
    "TaskReport",
    "failed_setup_of",
    "handle_from",
    "open_scheduler",
    "warning_s",
]


def open_scheduler(profile: Profile, folder: Path, cluster: str | None = None) -> Scheduler:
    """SLURM, as this site wants it used.

    Args:
        profile: The site's settings.
        folder: For batch scripts, logs and pickled callables; the nodes must share it.
        cluster: By name; None for the one that the profile or the user's environment names.
    """
    from cluster.slurm.backend import SlurmBackend

    return SlurmBackend(profile, folder, cluster=cluster)


def warning_s(resources: Resources, profile: Profile) -> float | None:
    """How long before the end of its walltime a task is asked to stop, in seconds; None without a
    walltime."""
    from cluster.slurm.script import signal_delay_s

    return None if resources.time_min is None else signal_delay_s(resources, profile.slurm)


def failed_setup_of(handle: SchedulerHandle, index: int) -> str:
    """The line of the profile's setup with which a task ended, as its output has it; empty if none
    did, or if there is no output."""
    from cluster.slurm.script import failed_setup

    for log in handle.logs(index):
        with suppress(OSError):
            if line := failed_setup(log.read_text(errors="replace")):
                return line
    return ""


def handle_from(data: Mapping[str, Any]) -> SchedulerHandle:
    """The handle that its ``to_dict`` wrote down, also in another process."""
    from cluster.slurm.handle import SlurmHandle

    return SlurmHandle.from_dict(data)
