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
        """Return nothing more will happen to the task by itself."""
        return self not in (State.PENDING, State.RUNNING, State.UNKNOWN)
