"""Where this process runs, in the scheduler's words."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a process runs; None where no scheduler says."""

    node: str
    partition: str | None = None
    array_job_id: str | None = None
    array_task_id: int | None = None
    life: int = 0
    """How often the scheduler has started this task again."""

    @property
    def worker(self) -> str:
        """Return a name for this process that no other running one has; those of one array task
        begin alike."""
        return self.worker_name(os.getpid())

    def worker_name(self, pid: int) -> str:
        """Return the same of another process in this place."""
        return f"{self.of_task}{self.node}-{pid}"

    @property
    def of_task(self) -> str:
        """Return how the names of all processes of this array task begin; empty without a
        scheduler."""
        return (
            "" if self.array_job_id is None else f"{self.array_job_id}_{self.array_task_id or 0}-"
        )


_here: Place | None = None


def enter(place: Place) -> None:
    """Tell where this process runs; what is forked from it inherits that, and nothing that it
    executes does."""
    global _here
    _here = place


def here() -> Place:
    """Return what a scheduler's task was told; elsewhere the host's name.

    The environment is not asked: a scheduler's variables also reach what a task starts by other
    means, such as a Ray of its own, whose workers are none of its tasks.
    """
    return _here or Place(node=socket.gethostname())
