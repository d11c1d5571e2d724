"""A driver in a process of its own, and what is left of it and of Ray when it ends: well, by
Ctrl-C, or killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.patience import PATIENCE_S

pytestmark = pytest.mark.ray

REPOSITORY = Path(__file__).resolve().parents[3]


@contextmanager
def driver(
    what: str, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The driver program, running; gone after the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.ray.driver", what, str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def facts(folder: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the driver tells, once it does."""
    file = folder / "facts.json"
    until = time.monotonic() + PATIENCE_S
    while not file.exists():
        if process.poll() is not None and not file.exists():
            raise AssertionError(
                f"the driver ended by {process.returncode}: {process.communicate()[1]}"
            )
        assert time.monotonic() < until, "the driver tells nothing"
        time.sleep(0.1)
    told: dict[str, Any] = json.loads(file.read_text())
    return told


def left_of(pids: list[int]) -> list[str]:
    """Those of the processes that do not end."""
    processes = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(pid))
    _, left = psutil.wait_procs(processes, timeout=PATIENCE_S)
    return [
        " ".join(process.cmdline()) for process in left if process.status() != psutil.STATUS_ZOMBIE
    ]


def test_closing_leaves_no_process_no_folder_and_no_word(tmp_path: Path) -> None:
    with driver("close", tmp_path) as process:
        told = facts(tmp_path, process)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, err) == (0, "", "")
        assert len(told["processes"]) > 5
        assert left_of(told["processes"]) == []
        assert not Path(told["folder"]).exists()


@pytest.mark.parametrize(
    ("how", "to_the_group"),
    [
        (signal.SIGINT, True),  # Ctrl-C reaches the whole foreground group
        (signal.SIGTERM, False),
        (signal.SIGKILL, False),  # its guard is to notice
    ],
)
def test_a_driver_that_is_ended_takes_all_with_it(
    tmp_path: Path, how: signal.Signals, to_the_group: bool
) -> None:
    with driver("sleep", tmp_path) as process:
        told = facts(tmp_path, process)
        (os.killpg if to_the_group else os.kill)(process.pid, how)
        process.wait(timeout=PATIENCE_S)
        assert process.returncode != 0
        assert left_of(told["processes"]) == []
        until = time.monotonic() + PATIENCE_S
        while Path(told["folder"]).exists():  # the guard removes it last
            assert time.monotonic() < until, "the folder stays"
            time.sleep(0.1)


def test_the_callers_own_handler_and_environment_are_left_alone_and_a_long_tmpdir_does_no_harm(
    tmp_path: Path,
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with driver("keep_handler", tmp_path, {"TMPDIR": str(deep)}) as process:
        assert facts(tmp_path, process) == {"kept": True, "token": False}


def test_a_worker_that_rays_monitor_kills_is_out_of_memory(tmp_path: Path) -> None:
    with driver("run_out_of_memory", tmp_path) as process:
        assert "OOM kill reason" in facts(tmp_path, process)["detail"]


@pytest.mark.parametrize(
    "variables",
    [
        {"RAY_AUTH_MODE": "disabled"},
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 2},
    ],
)
def test_a_cluster_that_runs_already_is_used_and_left_running(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with running_cluster(tmp_path, variables) as (head, address):
        with driver("run_some", tmp_path, {**variables, "RAY_ADDRESS": address}) as process:
            assert facts(tmp_path, process) == {
                "states": ["killed", "completed", "completed"],
                "own": False,
            }
            process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0
        assert head.is_running()


@pytest.mark.parametrize(
    ("address", "fix"), [("ray://127.0.0.1:1", "HOST:6379"), ("127.0.0.1:1", "unset RAY_ADDRESS")]
)
def test_an_address_where_no_ray_is_says_what_to_do(tmp_path: Path, address: str, fix: str) -> None:
    with driver("run_some", tmp_path, {"RAY_ADDRESS": address}) as process:
        assert "BackendUnavailable" in (err := process.communicate(timeout=PATIENCE_S)[1])
        assert fix in err


def test_a_ray_that_dies_is_started_anew_a_few_times(tmp_path: Path) -> None:
    with driver("lose_ray", tmp_path) as process:
        told = facts(tmp_path, process)
        assert told["states"] == [
            "node_failed",
            "completed",
            "node_failed",
            "completed",
            "node_failed",
            "pending",
        ]
        assert [detail.split("(")[-1] for detail in told["details"]] == [
            "gcs_server) has ended",
            "raylet) has ended",
        ]
        assert "(raylet) has ended" in told["reason"]
        assert told["left"] == []


def test_a_cluster_that_goes_away_ends_the_wait(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path, {}) as (head, address),
        driver("lose_ray_of_others", tmp_path, {"RAY_ADDRESS": address}) as process,
    ):
        for daemon in psutil.Process(head.pid).children():
            if daemon.name() == "gcs_server":
                _when(tmp_path / "began-0", process)
                daemon.kill()
        assert "no Ray answers at" in facts(tmp_path, process)["told"]
        assert process.wait(timeout=PATIENCE_S) == 0


def _when(file: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not file.exists():
        assert process.poll() is None, "the driver ended"
        assert time.monotonic() < until, f"nothing wrote {file}"
        time.sleep(0.1)


def test_the_folder_is_nobody_elses(tmp_path: Path) -> None:
    with driver("sleep", tmp_path) as process:
        folder = Path(facts(tmp_path, process)["folder"])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not [
            path
            for path in folder.iterdir()
            if path.name != "ray" and not path.name.startswith("crash-")
        ]


@contextmanager
def running_cluster(
    folder: Path, variables: Mapping[str, str]
) -> Iterator[tuple[psutil.Process, str]]:
    """``ray start --head`` on a free port, gone after the block."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    ray = Path(sys.executable).with_name("ray")
    options = [
        "--head",
        f"--port={port}",
        "--num-cpus=2",
        "--include-dashboard=false",
        "--disable-usage-stats",
        "--block",
    ]
    with (folder / "head.log").open("w") as log:
        head = psutil.Popen(
            [ray, "start", *options],
            env={**os.environ, **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + PATIENCE_S
            while "Ray runtime started" not in (text := (folder / "head.log").read_text()):
                assert head.poll() is None, text
                assert time.monotonic() < until, text
                time.sleep(0.2)
            yield head, f"127.0.0.1:{port}"
        finally:
            family = [head, *head.children(recursive=True)] if head.is_running() else []
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=PATIENCE_S)
