"""A pool of warm Ray workers for each array: on this machine, or on the cluster that RAY_ADDRESS
names."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

# Ray reads this when it is imported. Its listener prints each death of a worker on our stdout,
# whatever log_to_driver says; we report deaths ourselves.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")

from ray.exceptions import RayError

from cluster.backend import NO_ENVIRONMENT, ArrayHandle, TaskEvent
from cluster.calls import pickled
from cluster.environment import thread_environment
from cluster.errors import BackendClosed, BackendLost, Infeasible, UnknownArray
from cluster.ray.pool import Pool, PoolWorker
from cluster.ray.session import RaySession
from cluster.ray.shares import pool_sizes
from cluster.ray.watch import Watch
from cluster.ray.worker import Ready, TaskStarted
from cluster.ray.worker_death import explain_death
from cluster.resources import Resources
from cluster.room import Need, lacking
from cluster.state import State
from cluster.tasks import TaskArray

_DEATHS_BEFORE_WORK = 3
_RESTARTS = 3
"""How often a Ray of our own that has died is started anew."""
_UP_WITHIN_S = 300.0
"""A worker of our own Ray is up after seconds; on a cluster that others use too, it may have to
wait for room."""


class RayBackend:
    """Workers hold one task each, so that one which dies costs its current task only.

    A worker that finds its array's queue empty is released. Arrays share what there is: see
    ``cluster.ray.shares``. When the Ray that was started here dies, another is started, and the
    tasks that were under way have failed with their node. Whatever Ray is asked comes back, with
    BackendLost if there is no answer.
    """

    name = "ray"

    def __init__(self) -> None:
        self._session = RaySession()
        self._arrays: dict[str, TaskArray] = {}
        self._pools: list[Pool] = []  # of arrays with unfinished tasks
        self._answers: queue.SimpleQueue[tuple[PoolWorker, Future[Any]]] = (
            queue.SimpleQueue()
        )  # filled by Ray's thread
        self._outbox: list[TaskEvent] = []
        self._watch = Watch()
        self._unbalanced = False  # shares are to be worked out anew
        self._closed = False
        self._restarts = 0
        self._grace_s: float | None = None  # of tasks that were asked to stop; None: none was
        self._ends_at: float | None = None  # on the monotonic clock

    def submit(
        self,
        call: Callable[[int], None],
        n_tasks: int,
        resources: Resources,
        *,
        name: str = "array",
        warm: Callable[[], None] | None = None,
        environment: Mapping[str, str] = NO_ENVIRONMENT,
    ) -> ArrayHandle:
        """Queue the calls; workers start in ``wait``, when all arrays are known.

        The first submit starts Ray, in some seconds.
        """
        if self._closed:
            raise BackendClosed(self.name)
        traveling = (pickled(call), pickled(warm) if warm is not None else None)
        self._session.start()
        self._session.check(at_once=True)
        need = Need.of(resources)
        reason = lacking(self._session.rooms(), need)
        if reason:
            raise Infeasible(
                name,
                reason,
                "ask for less in its resources, or map it to a target that fits with --on",
            )
        tasks = TaskArray(ArrayHandle(f"ray-{len(self._arrays)}", name, n_tasks))
        self._arrays[tasks.handle.id] = tasks
        self._pools.append(
            Pool(
                tasks=tasks,
                need=need,
                time_min=resources.time_min,
                options=self._actor_options(need),
                arguments=(
                    *traveling,
                    {**thread_environment(resources.cpus), **environment},
                    self._session.search_path(),
                ),
                folder=self._session.folder,
                node_id=self._session.node_id,
                report=lambda worker, future: self._answers.put((worker, future)),
            )
        )
        self._unbalanced = True
        return tasks.handle

    def wait(self, timeout_s: float) -> list[TaskEvent]:
        """Hand out tasks and take answers until something changed."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                if self._pools:
                    self._session.check()
                self._manage()
                left = until - time.monotonic()
                if self._outbox or not self._pools or left <= 0:
                    events, self._outbox = self._outbox, []
                    return events
                self._take_answers(min(left, self._watch.next_due(self._pools) - time.monotonic()))
            except BackendLost as loss:
                self._start_anew(loss)

    def states(self, handle: ArrayHandle) -> list[State]:
        """Return the state of every task, by index."""
        return list(self._array(handle).states)

    def cancel(self, handle: ArrayHandle, indices: Sequence[int] | None = None) -> None:
        """End tasks, those that run by killing their workers."""
        tasks = self._array(handle)
        self._outbox += tasks.drop_waiting(State.CANCELLED, "", indices)
        chosen = None if indices is None else set(indices)
        for pool in [pool for pool in self._pools if pool.tasks is tasks]:
            for worker in list(pool.workers):
                if worker.index is not None and (chosen is None or worker.index in chosen):
                    self._stop(worker, State.CANCELLED, "")
        self._unbalanced = True

    def stop(self, grace_s: float) -> None:
        """Begin no other task, and ask those under way to stop; the next ``wait`` does it."""
        if self._grace_s is None:
            self._grace_s = grace_s

    def close(self) -> None:
        """Kill every worker; end the Ray that was started here, or leave the cluster that was
        not."""
        self._closed = True
        workers = [worker for pool in self._pools for worker in pool.workers]
        self._pools = []
        try:
            self._session.check(at_once=True)
            for worker in workers:
                worker.pool.end(worker)
        except BackendLost:
            for worker in workers:
                worker.pool.abandon(worker)
        finally:
            self._session.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _array(self, handle: ArrayHandle) -> TaskArray:
        try:
            return self._arrays[handle.id]
        except KeyError:
            raise UnknownArray(handle.id, self.name) from None

    def _actor_options(self, need: Need) -> dict[str, Any]:
        return {
            "num_cpus": need.cpus,
            "num_gpus": need.gpus,
            "memory": need.memory_bytes or None,
            "resources": self._session.model_resource(need.gpu) or None,
            "max_restarts": 0,  # a new worker is our decision
            "max_task_retries": 0,  # and so is another attempt
        }

    def _manage(self) -> None:
        """Start, stop and end workers as the tasks want it now."""
        if self._grace_s is not None:
            self._wind_down(self._grace_s)
        if self._unbalanced or not any(
            pool.workers for pool in self._pools
        ):  # none: the cluster may have grown
            self._balance()
        for worker, state, detail in list(
            self._watch.over_limit(self._pools, self._session.node_id)
        ):
            self._stop(worker, state, detail)
        if self._session.folder is not None:
            self._watch.hold_to_start(self._pools, _UP_WITHIN_S)

    def _wind_down(self, grace_s: float) -> None:
        """Ask the tasks under way to stop, once; kill those that take longer than they may."""
        now = time.monotonic()
        if self._ends_at is None:
            self._ends_at = now + grace_s
            for pool in self._pools:
                self._outbox += pool.tasks.drop_waiting(
                    State.CANCELLED, "it was not begun when all were asked to stop"
                )
                for worker in list(pool.workers):
                    if worker.index is None:
                        pool.end(worker)
                    else:
                        pool.warn(worker)
            self._unbalanced = True
        if now >= self._ends_at:
            for worker in [
                worker
                for pool in self._pools
                for worker in pool.workers
                if worker.index is not None
            ]:
                self._stop(
                    worker,
                    State.CANCELLED,
                    f"killed: it was asked to stop, and had not after {grace_s:g} s",
                )

    def _start_anew(self, loss: BackendLost) -> None:
        """Ray is gone: tell the tasks that were under way, and go on with another Ray where it is
        ours to start.

        Raises:
            BackendLost: It is not, or was too often.
            BackendUnavailable: No other one starts.
        """
        for worker in [worker for pool in self._pools for worker in pool.workers]:
            if worker.index is not None:
                self._end_task(
                    worker, State.NODE_FAILED, f"Ray was lost while it ran: {loss.reason}"
                )
            worker.pool.abandon(worker)
        self._unbalanced = True
        if not any(pool.tasks.unfinished for pool in self._pools):
            self._pools = []
            return
        if self._session.folder is None or self._restarts == _RESTARTS:
            raise loss
        self._restarts += 1
        self._session.stop()
        self._session.start()
        for pool in self._pools:
            pool.folder, pool.node_id = self._session.folder, self._session.node_id

    def _balance(self) -> None:
        """Work out each array's share; start workers up to it, drop those that have not begun
        beyond it."""
        self._unbalanced = False
        self._pools = [pool for pool in self._pools if not self._finished(pool)]
        if not self._pools:
            return
        sizes = pool_sizes(
            self._session.rooms(), [(pool.need, pool.wanted) for pool in self._pools]
        )
        for pool, size in zip(self._pools, sizes, strict=True):
            pool.share = size
            starting = [worker for worker in pool.workers if not worker.ready]
            for worker in starting[: max(0, len(pool.workers) - pool.share)]:
                pool.end(worker)
            while len(pool.workers) < pool.share:
                pool.spawn()

    def _finished(self, pool: Pool) -> bool:
        if pool.tasks.unfinished:
            return False
        for worker in list(pool.workers):
            pool.end(worker)
        return True

    def _take_answers(self, timeout_s: float) -> None:
        """Deal with what workers answered: wait for the first, then take all that are there."""
        try:
            self._answered(*self._answers.get(timeout=max(timeout_s, 0)))
            while True:
                self._answered(*self._answers.get_nowait())
        except queue.Empty:
            return

    def _answered(self, worker: PoolWorker, future: Future[Any]) -> None:
        if worker not in worker.pool.workers:
            return  # it was killed in the meantime, and its task told
        try:
            answer = future.result()
        except RayError as death:
            self._died(worker, str(death))
            return
        if isinstance(answer, TaskStarted):
            worker.started = answer
            return
        if isinstance(answer, Ready):
            worker.ready = True
            worker.pool.deaths_before_work = 0
            if answer.problem:
                self._give_up(worker.pool, State.FAILED, answer.problem)
                return
        else:
            self._end_task(worker, answer.state, answer.detail, answer.code)
            if answer.spent:
                worker.pool.end(worker)
                self._unbalanced = True
                return
        self._employ(worker)

    def _employ(self, worker: PoolWorker) -> None:
        """Give a worker its next task, or release it if there is none or another array's turn has
        come."""
        pool = worker.pool
        index = pool.tasks.take() if len(pool.workers) <= pool.share else None
        if index is None:
            self._unbalanced = True
            pool.end(worker)
            return
        if pool.tasks.pending == 0:
            self._unbalanced = True  # what is still starting will find nothing to do
        if pool.time_min is not None:
            worker.deadline = time.monotonic() + pool.time_min * 60
        self._outbox.append(pool.tasks.began(index, worker.node, worker.pid))
        pool.give(worker, index)

    def _end_task(self, worker: PoolWorker, state: State, detail: str, code: int = 0) -> None:
        assert worker.index is not None, "a task ended that was not given"
        self._outbox.append(
            worker.pool.tasks.ended(worker.index, state, detail, worker.node, worker.pid, code)
        )
        worker.index, worker.deadline = None, float("inf")
        if worker.pool.tasks.unfinished == 0:
            self._unbalanced = True

    def _died(self, worker: PoolWorker, ray_says: str) -> None:
        """A worker went away by itself: tell its task, and see why it did."""
        self._session.check(at_once=True)  # if Ray did, all its workers do
        pool = worker.pool
        node_alive = worker.started is None or self._session.alive(worker.started.node_id)
        oom = worker.is_on(self._session.node_id) and self._watch.kernel_killed_lately()
        state, detail = explain_death(
            worker.crash_file, ray_says, node_alive=node_alive, oom_killed=oom
        )
        if worker.index is not None:
            self._end_task(worker, state, detail)
        else:
            pool.deaths_before_work += 1
        pool.end(worker)
        self._unbalanced = True
        if pool.deaths_before_work >= _DEATHS_BEFORE_WORK:
            self._give_up(
                pool,
                state,
                f"{_DEATHS_BEFORE_WORK} workers in a row died before they could run anything. The "
                f"last one: {detail}",
            )

    def _give_up(self, pool: Pool, state: State, detail: str) -> None:
        """No worker can run these tasks: end those that wait, and the workers without one."""
        self._outbox += pool.tasks.drop_waiting(state, detail)
        for worker in [worker for worker in pool.workers if worker.index is None]:
            pool.end(worker)
        self._unbalanced = True

    def _stop(self, worker: PoolWorker, state: State, detail: str) -> None:
        """Kill a worker for what its task did."""
        self._end_task(worker, state, detail)
        worker.pool.end(worker)
        self._unbalanced = True
