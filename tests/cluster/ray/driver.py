"""A program that drives a Ray backend and is killed by the tests: ``python -m
tests.cluster.ray.driver WHAT FOLDER``."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

import cluster.ray.backend
from cluster import machine
from cluster.backend import ArrayHandle, TaskEvent
from cluster.errors import BackendLost
from cluster.machine import GIB
from cluster.ray.backend import RayBackend
from cluster.resources import Resources
from cluster.state import State
from tests.cluster import tasks
from tests.cluster.suite import TINY, settle, wait_for
from tests.patience import PATIENCE_S


def tell(folder: Path, /, **facts: object) -> None:
    """Leave a file for the test, whole or not at all."""
    (folder / "aside").write_text(json.dumps(facts))
    (folder / "aside").rename(folder / "facts.json")


def start_sleeping(backend: RayBackend, folder: Path) -> ArrayHandle:
    """Have a worker run, with a child of its own, and tell every process there is."""
    handle = backend.submit(partial(tasks.start_a_child, str(folder)), n_tasks=2, resources=TINY)
    wait_for(backend, handle, State.RUNNING, PATIENCE_S)
    while not (folder / "child").exists():
        backend.wait(0.1)
    processes = [process.pid for process in psutil.Process().children(recursive=True)]
    tell(folder, processes=processes, folder=str(backend._session.folder))
    return handle


def close(folder: Path) -> None:
    """End in good order, in the middle of the work."""
    with RayBackend() as backend:
        start_sleeping(backend, folder)


def sleep(folder: Path) -> None:
    """Wait to be killed."""
    with RayBackend() as backend:
        handle = start_sleeping(backend, folder)
        settle(backend, handle, tasks.LONG_S)


def keep_handler(folder: Path) -> None:
    """See whether Ray puts its own SIGTERM handler over ours."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with RayBackend() as backend:
        settle(backend, backend.submit(tasks.nothing, n_tasks=1, resources=TINY), PATIENCE_S)
        tell(
            folder,
            kept=signal.getsignal(signal.SIGTERM) == signal.SIG_IGN,
            token="RAY_AUTH_TOKEN" in os.environ,
        )


def run_some(folder: Path) -> None:
    """Run a few tasks, one of which dies, on whatever Ray there is."""
    with RayBackend() as backend:
        states = settle(
            backend,
            backend.submit(partial(tasks.end_the_process, "kill", 0), n_tasks=3, resources=TINY),
            PATIENCE_S,
        )
        tell(folder, states=states, own=backend._session.folder is not None)


def run_out_of_memory(folder: Path) -> None:
    """Allocate past what Ray's own memory monitor, set low, lets pass."""
    memory = psutil.virtual_memory()
    threshold = 1 - (memory.available - GIB) / memory.total
    os.environ.update(
        {"RAY_memory_usage_threshold": f"{threshold:.4f}", "RAY_memory_monitor_refresh_ms": "100"}
    )
    with RayBackend() as backend:
        call = partial(tasks.hold_memory, 0, 4096)
        handle = backend.submit(call, n_tasks=1, resources=TINY)
        event = wait_for(backend, handle, State.OUT_OF_MEMORY, PATIENCE_S)
        tell(folder, detail=event.detail)


def lose_ray(folder: Path) -> None:
    """Kill Ray's own processes under one task after another, once more than it is started anew."""
    cluster.ray.backend._RESTARTS = 2
    events: list[TaskEvent] = []
    reason = ""
    with RayBackend() as backend:
        every_cpu = Resources(cpus=machine.cpus())  # so that there is one at a time, in order
        handle = backend.submit(
            partial(tasks.linger_if_even, str(folder)), n_tasks=6, resources=every_cpu
        )
        try:
            for index, victim in ((0, "gcs_server"), (2, "raylet"), (4, "raylet")):
                while not (folder / f"began-{index}").exists():
                    events += backend.wait(0.1)
                kill_child(victim)
            settle(backend, handle, PATIENCE_S)
        except BackendLost as loss:
            reason = loss.reason
        states = backend.states(handle)
    left = [process.name() for process in psutil.Process().children()]
    tell(
        folder,
        states=states,
        details=[event.detail for event in events if event.state is State.NODE_FAILED],
        reason=reason,
        left=left,
    )


def lose_ray_of_others(folder: Path) -> None:
    """Wait on a cluster that goes away."""
    with RayBackend() as backend:
        handle = backend.submit(
            partial(tasks.linger_if_even, str(folder)), n_tasks=5, resources=TINY
        )
        try:
            settle(backend, handle, PATIENCE_S)
        except BackendLost as loss:
            tell(folder, told=str(loss))


def kill_child(name: str) -> None:
    """Kill the child of this process that has the name."""
    (child,) = [process for process in psutil.Process().children() if process.name() == name]
    child.kill()


ACTIONS: dict[str, Callable[[Path], None]] = {
    action.__name__: action
    for action in (
        close,
        sleep,
        keep_handler,
        run_some,
        run_out_of_memory,
        lose_ray,
        lose_ray_of_others,
    )
}

if __name__ == "__main__":
    ACTIONS[sys.argv[1]](Path(sys.argv[2]))
