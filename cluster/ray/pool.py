"""The warm workers of one array on Ray: started, given one task each, ended."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.processes import kill_tree
from cluster.ray.session import answered
from cluster.ray.worker import TaskStarted, TaskWorker, warn
from cluster.room import Need
from cluster.tasks import TaskArray

Report = Callable[["PoolWorker", "Future[Any]"], None]

_numbers = itertools.count()


@dataclass(eq=False)
class PoolWorker:
    """One actor, seen from the driver."""

    actor: Any
    pool: Pool
    crash_file: Path | None
    asked_at: float
    """When Ray was asked for it, on the monotonic clock."""
    started: TaskStarted | None = None
    """What it said when it was up; None until then."""
    ready: bool = False
    """Whether it can run tasks."""
    index: int | None = None
    """Index of the task it runs."""
    deadline: float = float("inf")
    """When that task is ended, on the monotonic clock."""

    @property
    def node(self) -> str:
        """Return its host's name, once it is up."""
        return self.started.node if self.started else ""

    @property
    def pid(self) -> int | None:
        """Return its process, once it is up."""
        return self.started.pid if self.started else None

    def is_on(self, node_id: str) -> bool:
        """Return whether it is up, on this node."""
        return self.started is not None and self.started.node_id == node_id


@dataclass(eq=False)
class Pool:
    """One array's workers. ``report`` is called from Ray's own thread for everything that a worker
    answers."""

    tasks: TaskArray
    need: Need
    time_min: float | None
    options: dict[str, Any]
    arguments: tuple[bytes, bytes | None, dict[str, str], list[str]]
    """Those of TaskWorker, but for the last."""
    folder: Path | None
    node_id: str
    """Ray's id of this machine."""
    report: Report
    workers: set[PoolWorker] = field(default_factory=set)
    share: int = 0
    deaths_before_work: int = 0
    """How many workers have died in a row before they could run a task."""

    @property
    def wanted(self) -> int:
        """Return the workers it has something to do for."""
        return self.tasks.pending + self.busy

    @property
    def busy(self) -> int:
        """Return the workers that run a task."""
        return sum(worker.index is not None for worker in self.workers)

    def spawn(self) -> None:
        """Ask Ray for one more worker."""
        crash_file = self.folder / f"crash-{next(_numbers)}" if self.folder is not None else None
        asked_at = time.time()
        remote = ray.remote(**self.options)(TaskWorker).remote
        actor = answered(lambda: remote(*self.arguments, str(crash_file) if crash_file else None))
        worker = PoolWorker(actor, self, crash_file, time.monotonic())
        self.workers.add(worker)
        self._ask(worker, actor.start.remote())
        self._ask(worker, actor.prepare.remote(asked_at))

    def give(self, worker: PoolWorker, index: int) -> None:
        """Have a worker run a task."""
        worker.index = index
        self._ask(worker, worker.actor.run.remote(index))

    def warn(self, worker: PoolWorker) -> None:
        """Ask the task that a worker runs to stop at its next step."""
        assert worker.started is not None, "only a worker that is up runs a task"
        if worker.is_on(self.node_id):
            warn(worker.started.pid)
        else:
            there = NodeAffinitySchedulingStrategy(worker.started.node_id, soft=False)
            ray.remote(num_cpus=0, scheduling_strategy=there)(warn).remote(worker.started.pid)

    def end(self, worker: PoolWorker) -> None:
        """Kill a worker, with all that it started if it is on this machine."""
        self.abandon(worker)
        answered(lambda: ray.kill(worker.actor))

    def abandon(self, worker: PoolWorker) -> None:
        """Drop a worker, and kill its processes, without asking Ray, which may be gone."""
        self.workers.discard(worker)
        if worker.pid is not None and worker.is_on(self.node_id):
            kill_tree(worker.pid)
        if worker.crash_file is not None:
            worker.crash_file.unlink(missing_ok=True)

    def _ask(self, worker: PoolWorker, answer: Any) -> None:
        future: Future[Any] = answer.future()
        future.add_done_callback(lambda done: self.report(worker, done))
