"""Tasks that are told to stop: they go on later, or end, as SLURM meant it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from cluster.backend import TaskReport
from cluster.resources import Resources
from cluster.slurm.requeue import TaskEnd
from cluster.state import State

from . import tasks
from .site import Site
from .waiting import TINY, all_final, backend_at, lines_when, reports_when

WHOLE_NODE = Resources(cpus=8, partition="preemptible")
URGENT = Resources(cpus=8, partition="urgent")


def test_a_preempted_task_saves_its_work_and_goes_on(slurm_site: Site, tmp_path: Path) -> None:
    backend = backend_at(slurm_site)
    handle = backend.submit(
        partial(tasks.work_until_told, str(tmp_path)), 1, WHOLE_NODE, name="modest"
    )
    lines_when(tmp_path / "0.diary", 1)
    backend.submit(tasks.nothing, 1, URGENT, name="urgent")
    assert lines_when(tmp_path / "0.diary", 3) == ["began", TaskEnd.ASKS_AGAIN, "resumed"]
    (report,) = reports_when(backend, handle, all_final)
    assert (report.state, report.restarts) == (State.COMPLETED, 1)


def test_a_preempted_task_that_does_not_listen_is_queued_again_by_slurm(
    slurm_site: Site, tmp_path: Path
) -> None:
    backend = backend_at(slurm_site)
    handle = backend.submit(
        partial(tasks.end_the_second_time, str(tmp_path)),
        1,
        Resources(cpus=8, partition="hasty"),
        name="deaf",
    )
    lines_when(tmp_path / "0.diary", 1)
    backend.submit(tasks.nothing, 1, URGENT, name="urgent")
    assert lines_when(tmp_path / "0.diary", 2) == ["began", "resumed"]
    (report,) = reports_when(
        backend, handle, lambda reports: all_final(reports) and bool(reports[0].earlier)
    )
    assert (report.state, [one.state for one in report.earlier]) == (
        State.COMPLETED,
        [State.PREEMPTED],
    )


def _started_again(index: int, reports: list[TaskReport]) -> bool:
    return reports[index].restarts == 1


def test_each_task_of_an_array_asks_for_itself(slurm_site: Site, tmp_path: Path) -> None:
    """The job id of an array's last task is the array's own, so that an answer about it may begin
    with a sibling."""
    backend = backend_at(slurm_site)
    handle = backend.submit(partial(tasks.work_until_told, str(tmp_path)), 3, TINY, name="siblings")
    job = handle.chunks[0].job
    for index in range(3):
        lines_when(tmp_path / f"{index}.diary", 1)
    for index in range(3):
        slurm_site.run("scancel", "--signal=USR2", f"{job}_{index}")
        assert lines_when(tmp_path / f"{index}.diary", 2)[:2] == ["began", TaskEnd.ASKS_AGAIN]
        again = partial(_started_again, index)
        reports_when(backend, handle, again)  # it is first in squeue's answer now
    assert [lines_when(tmp_path / f"{index}.diary", 3)[2] for index in range(3)] == ["resumed"] * 3
    assert [report.restarts for report in reports_when(backend, handle, all_final)] == [1, 1, 1]


def test_a_cancelled_task_is_not_queued_again(slurm_site: Site, tmp_path: Path) -> None:
    backend = backend_at(slurm_site)
    handle = backend.submit(partial(tasks.work_until_told, str(tmp_path)), 1, TINY, name="unwanted")
    lines_when(tmp_path / "0.diary", 1)
    backend.cancel(handle)
    assert lines_when(tmp_path / "0.diary", 2) == ["began", TaskEnd.ENDS]
    (report,) = reports_when(backend, handle, all_final)
    assert (report.state, report.restarts) == (State.CANCELLED, 0)


def test_a_warning_spares_the_helpers_of_a_task(slurm_site: Site, tmp_path: Path) -> None:
    backend = backend_at(slurm_site)
    handle = backend.submit(partial(tasks.have_children, str(tmp_path)), 1, TINY, name="parent")
    lines_when(tmp_path / "0.diary", 1)
    slurm_site.run("scancel", "--signal=USR2", handle.chunks[0].job)
    assert lines_when(tmp_path / "0.diary", 5)[1:] == ["alive: True", "ended by signal 15"] * 2
    (report,) = reports_when(backend, handle, all_final)
    assert report.state is State.COMPLETED


@pytest.mark.parametrize("warning", ["TERM", "USR2"])
def test_a_forked_worker_hears_the_warning_too(
    slurm_site: Site, tmp_path: Path, warning: str
) -> None:
    backend = backend_at(slurm_site)
    handle = backend.submit(
        partial(tasks.work_in_a_child, str(tmp_path)), 1, TINY, name="supervised"
    )
    lines_when(tmp_path / "0.diary", 1)
    slurm_site.run("scancel", f"--signal={warning}", handle.chunks[0].job)
    assert lines_when(tmp_path / "0.diary", 4) == [
        "began",
        TaskEnd.ASKS_AGAIN,
        "the child wants to go on",
        "resumed",
    ]
    (report,) = reports_when(backend, handle, all_final)
    assert (report.state, report.restarts) == (State.COMPLETED, 1)
