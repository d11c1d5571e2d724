"""What becomes of tasks, told by a real SLURM."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from cluster.profile import SlurmSettings
from cluster.resources import Resources
from cluster.state import State
from tests.cluster import tasks as shared

from . import tasks
from .site import Site
from .waiting import TINY, all_final, backend_at, lines_when, reports_when


def test_a_task_that_takes_too_much_memory(slurm_site: Site) -> None:
    backend = backend_at(slurm_site)
    handle = backend.submit(
        partial(tasks.take_memory, 400), 1, Resources(mem_gb=0.1), name="greedy"
    )
    (report,) = reports_when(backend, handle, all_final)
    assert (report.state, report.word) == (State.OUT_OF_MEMORY, "FAILED")
    assert "memory" in report.detail


def test_one_squeue_call_for_many_arrays(slurm_site: Site) -> None:
    backend = backend_at(slurm_site)
    handles = [backend.submit(tasks.linger, 2, TINY, name=f"array-{number}") for number in range(4)]
    before = backend.calls.copy()
    reports = backend.reports(handles)
    assert backend.calls - before == {"squeue": 1}
    assert {report.state for ones in reports.values() for report in ones} <= {
        State.PENDING,
        State.RUNNING,
    }


def test_scancel_by_hand(slurm_site: Site) -> None:
    backend = backend_at(slurm_site)
    handle = backend.submit(partial(shared.sleep_on, 1), 3, TINY, name="cancelled")
    job = handle.chunks[0].job
    reports_when(backend, handle, lambda reports: reports[1].state is State.RUNNING)
    slurm_site.run("scancel", f"{job}_1")
    states = [report.state for report in reports_when(backend, handle, all_final)]
    assert states == [State.COMPLETED, State.CANCELLED, State.COMPLETED]


def test_scancel_of_waiting_tasks_by_hand(slurm_site: Site, tmp_path: Path) -> None:
    """SLURM forgets a task that is cancelled while it waits; only its array's other lines tell."""
    backend = backend_at(slurm_site)
    handle = backend.submit(
        partial(shared.wait_on, 0, str(tmp_path / "gate")),
        12,
        Resources(cpus=8, partition="gpu-a30"),
        name="cancelled",
    )
    slurm_site.run("scancel", f"{handle.chunks[0].job}_[2-11]")
    (tmp_path / "gate").touch()
    reports = reports_when(backend, handle, all_final)
    assert [report.state for report in reports] == [State.COMPLETED] * 2 + [State.CANCELLED] * 10


def test_a_lost_node(slurm_site: Site, tmp_path: Path) -> None:
    backend = backend_at(slurm_site)
    node = slurm_site.node("cpu-2")
    folders = [tmp_path / "stubborn", tmp_path / "resigned"]
    handles = []
    for folder, additional in zip(
        folders, ({}, {"requeue": False, "no-requeue": True}), strict=True
    ):
        folder.mkdir()
        resources = TINY.merged({"nodelist": node, "additional": additional})
        handles.append(
            backend.submit(
                partial(tasks.end_the_second_time, str(folder)), 1, resources, name=folder.name
            )
        )
        lines_when(folder / "0.diary", 1)
    stubborn, resigned = handles
    slurm_site.kill_node("cpu-2")
    (report,) = reports_when(backend, stubborn, lambda reports: bool(reports[0].earlier))
    assert (report.state, report.restarts) == (State.PENDING, 1)
    assert [(ending.state, ending.node) for ending in report.earlier] == [(State.NODE_FAILED, node)]
    (report,) = reports_when(backend, resigned, all_final)
    assert (report.state, report.word) == (State.NODE_FAILED, "NODE_FAIL")
    slurm_site.start_node("cpu-2")
    (report,) = reports_when(backend, stubborn, all_final)
    assert (report.state, len(report.earlier)) == (State.COMPLETED, 1)
    assert lines_when(folders[0] / "0.diary", 2) == ["began", "resumed"]


def test_scontrol_requeue_by_hand(slurm_site: Site, tmp_path: Path) -> None:
    backend = backend_at(slurm_site)
    handle = backend.submit(
        partial(tasks.end_the_second_time, str(tmp_path)), 1, TINY, name="requeued"
    )
    lines_when(tmp_path / "0.diary", 1)
    slurm_site.run("scontrol", "requeue", f"{handle.chunks[0].job}_0")
    (report,) = reports_when(
        backend, handle, lambda reports: all_final(reports) and bool(reports[0].earlier)
    )
    assert (report.state, report.restarts) == (State.COMPLETED, 1)
    assert [ending.state for ending in report.earlier] == [State.PREEMPTED]
    assert lines_when(tmp_path / "0.diary", 2) == ["began", "resumed"]


def test_the_controller_restarts_while_tasks_wait(slurm_site: Site) -> None:
    backend = backend_at(slurm_site, SlurmSettings(additional={"hold": True}))
    handle = backend.submit(tasks.nothing, 2, TINY, name="patient")
    slurm_site.stop_controller()
    down = backend.reports([handle])[handle.id]
    assert {report.state for report in down} <= {
        State.UNKNOWN,
        State.PENDING,
    }  # sacct may have heard of them
    slurm_site.start_controller()
    assert {report.state for report in backend.reports([handle])[handle.id]} == {State.PENDING}
    slurm_site.run("scontrol", "release", handle.chunks[0].job)
    assert [report.state for report in reports_when(backend, handle, all_final)] == [
        State.COMPLETED
    ] * 2


def test_what_squeue_has_forgotten_the_accounts_know(slurm_site: Site) -> None:
    backend = backend_at(slurm_site)
    since = time.time() - 1
    handle = backend.submit(partial(shared.fail_on, 1), 3, TINY, name="long ago")
    reports_when(backend, handle, all_final)
    accounts = (
        "sacct",
        "--noheader",
        "--allocations",
        "--format=End",
        f"--jobs={handle.chunks[0].job}",
    )
    slurm_site.until(
        lambda: len(ends := slurm_site.run(*accounts).split()) == 3 and "Unknown" not in ends,
        "slurmdbd has it all",
    )
    slurm_site.stop_controller()
    slurm_site.start_controller(forgetful=True)
    before = backend.calls.copy()
    assert backend.states(handle) == [State.COMPLETED, State.FAILED, State.COMPLETED]
    assert backend.find({"long ago": 3}, since)["long ago"].chunks == handle.chunks
    assert backend.calls - before == {"squeue": 2, "sacct": 2}


def test_the_accounting_is_down(slurm_site: Site) -> None:
    backend = backend_at(slurm_site)
    slurm_site.stop_accounting()
    handle = backend.submit(partial(shared.fail_on, 0), 2, TINY, name="unaccounted")
    assert [report.state for report in reports_when(backend, handle, all_final)] == [
        State.FAILED,
        State.COMPLETED,
    ]


def test_what_slurm_has_never_heard_of_is_unknown(slurm_site: Site) -> None:
    backend = backend_at(slurm_site)
    handle = backend.submit(tasks.nothing, 1, TINY, name="mine")
    another = handle.from_dict(
        {
            **handle.to_dict(),
            "id": "x",
            "chunks": [{"job": "999999", "name": "mine", "first": 0, "n": 2}],
            "n_tasks": 2,
        }
    )
    recycled = handle.from_dict(
        {
            **handle.to_dict(),
            "id": "y",
            "chunks": [{**handle.to_dict()["chunks"][0], "name": "theirs"}],
        }
    )
    reports = backend.reports([another, recycled])
    assert [report.state for ones in reports.values() for report in ones] == [State.UNKNOWN] * 3
