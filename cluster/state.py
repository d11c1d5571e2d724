"""How a scheduler sees one task, in one set of words for all of them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The state of one array task.

    What is not known is UNKNOWN; it is never folded into another.
    """

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"  # the callable raised
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"  # host memory; the kernel or a monitor killed it
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    NODE_FAILED = "node_failed"
    CRASHED = "crashed"  # a fatal signal of its own: segmentation fault, abort
    KILLED = "killed"  # its process went away, and nobody said why
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Nothing more will happen to the task by itself."""
        return self not in (State.PENDING, State.RUNNING, State.UNKNOWN)


SLURM_WORDS: dict[str, State] = {
    "BOOT_FAIL": State.NODE_FAILED,
    "CANCELLED": State.CANCELLED,
    "COMPLETED": State.COMPLETED,
    "COMPLETING": State.RUNNING,
    "CONFIGURING": State.PENDING,
    "DEADLINE": State.TIMED_OUT,
    "FAILED": State.FAILED,
    "LAUNCH_FAILED": State.NODE_FAILED,
    "NODE_FAIL": State.NODE_FAILED,
    "OUT_OF_MEMORY": State.OUT_OF_MEMORY,
    "PENDING": State.PENDING,
    "POWER_UP_NODE": State.PENDING,
    "PREEMPTED": State.PREEMPTED,
    "RECONFIG_FAIL": State.NODE_FAILED,
    "REQUEUED": State.PENDING,
    "REQUEUE_FED": State.PENDING,
    "REQUEUE_HOLD": State.PENDING,
    "RESIZING": State.RUNNING,
    "RESV_DEL_HOLD": State.PENDING,
    "RUNNING": State.RUNNING,
    "SIGNALING": State.RUNNING,
    "SPECIAL_EXIT": State.PENDING,
    "STAGE_OUT": State.RUNNING,
    "STOPPED": State.RUNNING,
    "SUSPENDED": State.RUNNING,
    "TIMEOUT": State.TIMED_OUT,
}


def from_slurm(word: str) -> State:
    """SLURM's word for a state, as squeue, scontrol or sacct print it (``CANCELLED by 1000``,
    ``TIMEOUT+``)."""
    first = word.split()[0].rstrip("+") if word.strip() else ""
    return SLURM_WORDS.get(first, State.UNKNOWN)
