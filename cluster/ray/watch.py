"""What the driver watches while Ray's workers work: their time, and on this machine their
memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from cluster.errors import BackendLost
from cluster.machine import GIB
from cluster.processes import OomKills, held_bytes
from cluster.ray.pool import Pool, PoolWorker
from cluster.state import State

_LOOK_S = 1.0  # between two looks at memory; deadlines are kept exactly

OverLimit = tuple[PoolWorker, State, str]


class Watch:
    """Finds the workers whose task is over its limits."""

    def __init__(self) -> None:
        self._oom = OomKills()
        self._next_look = 0.0

    def next_due(self, pools: Iterable[Pool]) -> float:
        """Return when to ask again, on the monotonic clock."""
        deadlines = (
            worker.deadline
            for pool in pools
            if pool.time_min is not None
            for worker in pool.workers
        )
        return min(self._next_look, min(deadlines, default=self._next_look))

    def over_limit(self, pools: Iterable[Pool], node_id: str) -> Iterator[OverLimit]:
        """Yield the tasks to be stopped, and why.

        Args:
            pools: Whose workers to look at.
            node_id: This machine's; the memory of processes elsewhere is not seen from here.
        """
        now = time.monotonic()
        look = now >= self._next_look
        if look:
            self._next_look = now + _LOOK_S
            self._oom.tick()
        for pool in pools:
            for worker in [worker for worker in pool.workers if worker.index is not None]:
                if worker.deadline <= now:
                    yield worker, State.TIMED_OUT, f"killed after its {pool.time_min:g} minutes"
                elif look and pool.need.memory_bytes and worker.pid and worker.is_on(node_id):
                    held, limit = (
                        held_bytes(worker.pid, pool.need.memory_bytes),
                        pool.need.memory_bytes,
                    )
                    if held > limit:
                        yield (
                            worker,
                            State.OUT_OF_MEMORY,
                            f"killed: it held {held / GIB:.1f} GB, and its mem_gb is "
                            f"{limit / GIB:g}",
                        )

    def hold_to_start(self, pools: Iterable[Pool], within_s: float) -> None:
        """Raise BackendLost if a worker was asked for that long ago and is not up."""
        now = time.monotonic()
        for pool in pools:
            for worker in pool.workers:
                if worker.started is None and now - worker.asked_at > within_s:
                    raise BackendLost(
                        "ray",
                        f"a worker had not started after {within_s:g} s",
                        "submit again: what is recorded is kept",
                    )

    def kernel_killed_lately(self) -> bool:
        """Return the kernel's out-of-memory killer was at work on this machine since the look
        before the last."""
        return self._oom.lately()
