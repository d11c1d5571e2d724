"""The warm workers of one array on Ray: started, given one task each, ended."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from cluster.processes import kill_tree
from cluster.ray_worker import Started, TaskWorker
from cluster.shares import Need
from cluster.tasks import TaskArray

Report = Callable[["Worker", "Future[Any]"], None]

_numbers = itertools.count()


@dataclass(eq=False)
class Worker:
    """One actor, seen from the driver."""

    actor: Any
    pool: Pool
    crash_file: Path | None
    started: Started | None = None  # None: not up yet
    index: int | None = None  # of the task it runs
    deadline: float = float("inf")  # of that task, on the monotonic clock

    @property
    def node(self) -> str:
        """Its host's name, once it is up."""
        return self.started.node if self.started else ""

    @property
    def pid(self) -> int | None:
        """Its process, once it is up."""
        return self.started.pid if self.started else None

    def is_on(self, node_id: str) -> bool:
        """It is up, on this node."""
        return self.started is not None and self.started.node_id == node_id


@dataclass(eq=False)
class Pool:
    """One array's workers. ``report`` is called from Ray's own thread for everything that a worker answers."""

    tasks: TaskArray
    need: Need
    time_min: float | None
    options: dict[str, Any]
    arguments: tuple[bytes, bytes | None, dict[str, str], list[str]]  # of TaskWorker, but for the last
    folder: Path | None
    node_id: str  # this machine's
    report: Report
    workers: set[Worker] = field(default_factory=set)
    share: int = 0
    deaths_before_work: int = 0  # in a row

    @property
    def wanted(self) -> int:
        """Workers it has something to do for."""
        return self.tasks.pending + self.busy

    @property
    def busy(self) -> int:
        """Workers that run a task."""
        return sum(worker.index is not None for worker in self.workers)

    def spawn(self) -> None:
        """Ask Ray for one more worker."""
        crash_file = self.folder / f"crash-{next(_numbers)}" if self.folder is not None else None
        actor = ray.remote(**self.options)(TaskWorker).remote(*self.arguments, str(crash_file) if crash_file else None)
        worker = Worker(actor, self, crash_file)
        self.workers.add(worker)
        self._ask(worker, actor.start.remote())

    def give(self, worker: Worker, index: int) -> None:
        """Have a worker run a task."""
        worker.index = index
        self._ask(worker, worker.actor.run.remote(index))

    def end(self, worker: Worker) -> None:
        """Kill a worker, with all that it started if it is on this machine."""
        self.workers.discard(worker)
        if worker.pid is not None and worker.is_on(self.node_id):
            kill_tree(worker.pid)
        ray.kill(worker.actor)
        if worker.crash_file is not None:
            worker.crash_file.unlink(missing_ok=True)

    def _ask(self, worker: Worker, answer: Any) -> None:
        future: Future[Any] = answer.future()
        future.add_done_callback(lambda done: self.report(worker, done))
