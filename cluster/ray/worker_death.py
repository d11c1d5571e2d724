"""Why a worker process went away, from what it left behind."""

from __future__ import annotations

from pathlib import Path

from cluster.state import State

_KERNEL = (
    "its process was killed while the kernel's out-of-memory killer was at work: have fewer "
    "tasks run at a time (more cpus each, or mem_gb)"
)
_SILENT = (
    "its process went away without a word: someone killed it (SIGKILL), or the task itself "
    "ended it (os._exit)"
)
_MONITOR = "OOM kill reason"  # the words of Ray's own watch over a node's memory


def explain_death(
    crash_file: Path | None, ray_says: str, *, node_alive: bool, oom_killed: bool
) -> tuple[State, str]:
    """Return the state of the task that was running, and what can be said about it.

    Args:
        crash_file: Where faulthandler writes on a fatal signal; None if the worker is on another
            machine.
        ray_says: What Ray says.
        node_alive: Its node still answers.
        oom_killed: The kernel's out-of-memory killer was at work there at that time.
    """
    crash = (
        crash_file.read_text(errors="replace").strip()
        if crash_file is not None and crash_file.exists()
        else ""
    )
    if crash:
        return State.CRASHED, crash
    if not node_alive:
        return State.NODE_FAILED, f"its node was lost: {ray_says}"
    if _MONITOR in ray_says:
        return State.OUT_OF_MEMORY, " ".join(ray_says.splitlines()[:2])  # a page of advice follows
    if oom_killed:
        return State.OUT_OF_MEMORY, _KERNEL
    return State.KILLED, _SILENT
