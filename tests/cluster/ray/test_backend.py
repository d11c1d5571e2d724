"""The suite on a real Ray, and what is only true of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from cluster.errors import Infeasible
from cluster.ray.backend import RayBackend
from cluster.resources import Resources
from cluster.state import State
from tests.cluster import tasks
from tests.cluster.suite import (
    COMPLETED,
    TINY,
    BackendSuite,
    events_until_settled,
    settle,
    settle_rest,
    wait_for,
)
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def shared() -> Iterator[RayBackend]:
    """One Ray for all tests: starting it takes seconds."""
    with RayBackend() as backend:
        yield backend


class TestRay(BackendSuite):
    @pytest.fixture
    def backend(self, shared: RayBackend) -> RayBackend:
        return shared

    @pytest.fixture
    def closable(self, backend: RayBackend) -> RayBackend:
        backend.submit(
            tasks.nothing, n_tasks=1, resources=TINY
        )  # so that the other one finds a Ray that is not its own to end
        return RayBackend()

    def test_a_task_that_holds_more_than_its_memory_is_killed(self, backend: RayBackend) -> None:
        call = partial(tasks.hold_memory, 0, 600)
        handle = backend.submit(call, n_tasks=2, resources=Resources(mem_gb=0.5))
        events = events_until_settled(backend, [handle], self.within_s)
        assert backend.states(handle) == [State.OUT_OF_MEMORY, COMPLETED]
        assert "its mem_gb is 0.5" in next(
            event.detail for event in events if event.state is State.OUT_OF_MEMORY
        )

    def test_what_a_cancelled_task_started_ends_with_it(
        self, backend: RayBackend, tmp_path: Path
    ) -> None:
        handle = backend.submit(
            partial(tasks.start_a_child, str(tmp_path)), n_tasks=1, resources=TINY
        )
        child = _pid_in(tmp_path / "child", backend)
        backend.cancel(handle)
        settle_rest(backend, handle, self.within_s)
        psutil.wait_procs([child], timeout=PATIENCE_S)
        assert not child.is_running()

    def test_what_a_killed_worker_started_ends_with_it(
        self, backend: RayBackend, tmp_path: Path
    ) -> None:
        handle = backend.submit(
            partial(tasks.start_a_child, str(tmp_path)), n_tasks=1, resources=TINY
        )
        worker = wait_for(backend, handle, State.RUNNING, self.within_s)
        child = _pid_in(tmp_path / "child", backend)
        psutil.Process(worker.pid).kill()
        assert settle(backend, handle, self.within_s) == [State.KILLED]
        psutil.wait_procs([child], timeout=PATIENCE_S)
        assert not child.is_running()

    def test_workers_that_die_before_they_work_are_not_replaced_for_ever(
        self, backend: RayBackend
    ) -> None:
        handle = backend.submit(tasks.nothing, n_tasks=5, resources=TINY, warm=tasks.die_warming_up)
        events = events_until_settled(backend, [handle], self.within_s)
        assert backend.states(handle) == [State.KILLED] * 5
        assert all("3 workers in a row died" in event.detail for event in events)

    def test_the_crash_report_names_the_place(self, backend: RayBackend) -> None:
        handle = backend.submit(
            partial(tasks.end_the_process, "segfault", 0), n_tasks=1, resources=TINY
        )
        detail = wait_for(backend, handle, State.CRASHED, self.within_s).detail
        assert "Segmentation fault" in detail
        assert "end_the_process" in detail

    def test_a_task_without_a_gpu_sees_none(self, backend: RayBackend, tmp_path: Path) -> None:
        file = tmp_path / "environment.json"
        settle(
            backend,
            backend.submit(partial(tasks.tell_environment, str(file)), n_tasks=1, resources=TINY),
            self.within_s,
        )
        assert json.loads(file.read_text())["CUDA_VISIBLE_DEVICES"] == ""

    def test_a_model_of_gpu_that_is_not_here_is_refused(self, backend: RayBackend) -> None:
        with pytest.raises(Infeasible, match="GPU"):
            backend.submit(tasks.nothing, n_tasks=1, resources=Resources(gpus=1, gpu="voodoo2"))

    def test_more_memory_than_the_machine_has_is_refused(self, backend: RayBackend) -> None:
        with pytest.raises(Infeasible, match="memory"):
            backend.submit(tasks.nothing, n_tasks=1, resources=Resources(mem_gb=1e6))

    def test_a_later_array_gets_its_share_of_a_busy_machine(self, backend: RayBackend) -> None:
        if len(os.sched_getaffinity(0)) < 2:
            pytest.skip("needs two CPUs")
        long = backend.submit(tasks.linger, n_tasks=20_000, resources=TINY)
        wait_for(backend, long, State.RUNNING, self.within_s)
        late = backend.submit(tasks.nothing, n_tasks=3, resources=TINY)
        assert settle_rest(backend, late, self.within_s) == [COMPLETED] * 3
        assert State.PENDING in backend.states(long)
        backend.cancel(long)
        settle_rest(backend, long, self.within_s)


def _pid_in(file: Path, backend: RayBackend) -> psutil.Process:
    """The process whose number a task writes there."""
    until = time.monotonic() + PATIENCE_S
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until, f"nothing wrote {file}"
        backend.wait(0.1)
    return psutil.Process(int(file.read_text()))
