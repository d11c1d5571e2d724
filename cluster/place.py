"""Where this process runs, in the scheduler's words."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """One task's place; None where no scheduler says."""

    node: str
    partition: str | None = None
    job_id: str | None = None
    task: int | None = None

    @property
    def worker(self) -> str:
        """A name for this worker that no other running one has, and that a requeued array task keeps."""
        if self.job_id is not None:
            return f"{self.job_id}_{self.task if self.task is not None else 0}"
        return f"{self.node}-{os.getpid()}"


def here() -> Place:
    """Read SLURM's own variables inside an array task, the host's name elsewhere.

    SLURM's variables also reach what a job starts by other means, such as a Ray inside an allocation; only an array task counts.
    """
    variables = os.environ
    if "SLURM_ARRAY_JOB_ID" in variables and "SLURM_ARRAY_TASK_ID" in variables:
        return Place(
            node=variables.get("SLURMD_NODENAME") or socket.gethostname(),
            partition=variables.get("SLURM_JOB_PARTITION"),
            job_id=variables["SLURM_ARRAY_JOB_ID"],
            task=int(variables["SLURM_ARRAY_TASK_ID"]),
        )
    return Place(node=socket.gethostname())
