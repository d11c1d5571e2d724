"""Arrays on their way into the queue, and found there again."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import pytest

from cluster.errors import Infeasible, SubmitLimitReached, SubmitRefused, SubmitUnacknowledged
from cluster.profile import SlurmSettings
from cluster.resources import Resources
from cluster.slurm.handle import SlurmHandle
from cluster.state import State

from . import tasks
from .configuration import MAX_ARRAY_SIZE
from .site import Site
from .waiting import TINY, all_final, backend_at, reports_when

HELD = SlurmSettings(additional={"hold": True})


@pytest.fixture
def marks(slurm_site: Site, tmp_path: Path) -> Path:
    """A folder that the nodes can write."""
    return tmp_path


def environments(marks: Path) -> dict[int, dict[str, str]]:
    """What each task was given, by index."""
    return {int(file.stem): json.loads(file.read_text()) for file in marks.glob("*.json")}


@pytest.mark.parametrize(("target", "node"), [("gpu-a30", "a30-1"), ("gpu-t4", "t4-1")])
def test_gpus_are_granted_by_partition(
    slurm_site: Site, marks: Path, target: str, node: str
) -> None:
    backend = backend_at(slurm_site)
    resources = Resources(
        cpus=2, gpus=1, gpu=target.removeprefix("gpu-"), partition=target, mem_gb=0.5
    )
    handle = backend.submit(partial(tasks.write_environment, str(marks)), 3, resources, name="gpus")
    reports = reports_when(backend, handle, all_final)
    assert [(report.state, report.node) for report in reports] == [
        (State.COMPLETED, slurm_site.node(node))
    ] * 3
    given = environments(marks)
    assert sorted(given) == [0, 1, 2]
    assert {one["CUDA_VISIBLE_DEVICES"] for one in given.values()} <= {"0", "1"}
    assert {
        (one["SLURM_JOB_PARTITION"], one["SLURM_CPUS_PER_TASK"], one["OMP_NUM_THREADS"])
        for one in given.values()
    } == {(target, "2", "2")}


def test_two_gpus_for_one_task(slurm_site: Site, marks: Path) -> None:
    backend = backend_at(slurm_site)
    resources = Resources(gpus=2, partition="gpu-a30", gpus_per_node="a30:2")
    handle = backend.submit(partial(tasks.write_environment, str(marks)), 1, resources, name="both")
    assert reports_when(backend, handle, all_final)[0].state is State.COMPLETED
    assert environments(marks)[0]["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_an_enclosing_job_leaves_no_trace(
    slurm_site: Site, marks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SLURM_JOB_ID": "77",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_MEM_PER_CPU": "9000",
        "SBATCH_PARTITION": "urgent",
        "SBATCH_JOB_NAME": "other",
        "SQUEUE_FORMAT": "%i",
        "SACCT_FORMAT": "jobid",
        "CUDA_VISIBLE_DEVICES": "5",
    }.items():
        monkeypatch.setenv(name, value)
    backend = backend_at(slurm_site)
    handle = backend.submit(partial(tasks.write_environment, str(marks)), 1, TINY, name="inner")
    assert reports_when(backend, handle, all_final)[0].state is State.COMPLETED
    given = environments(marks)[0]
    assert (
        given["SLURM_JOB_PARTITION"],
        given["SLURM_CPUS_PER_TASK"],
        given["SLURM_JOB_NAME"],
    ) == ("cpu", "1", "inner")
    assert "CUDA_VISIBLE_DEVICES" not in given
    assert "SBATCH_PARTITION" not in given


def test_what_is_longer_than_an_array_is_cut(slurm_site: Site, marks: Path) -> None:
    backend = backend_at(slurm_site, HELD)
    n_tasks = MAX_ARRAY_SIZE + 2
    handle = backend.submit(
        partial(tasks.write_environment, str(marks)), n_tasks, TINY, name="long"
    )
    assert [(chunk.first, chunk.n) for chunk in handle.chunks] == [
        (0, MAX_ARRAY_SIZE),
        (MAX_ARRAY_SIZE, 2),
    ]
    assert backend.calls["sbatch"] == 2
    backend.cancel(handle, range(1, MAX_ARRAY_SIZE - 1))
    assert backend.calls["scancel"] == 1
    for chunk in handle.chunks:
        slurm_site.run("scontrol", "release", chunk.job)
    reports = reports_when(backend, handle, all_final)
    ran = [report.index for report in reports if report.state is State.COMPLETED]
    assert ran == [0, MAX_ARRAY_SIZE - 1, MAX_ARRAY_SIZE, MAX_ARRAY_SIZE + 1]
    assert sorted(environments(marks)) == ran
    assert {report.state for report in reports if report.index not in ran} == {State.CANCELLED}


def test_the_throttle_holds(slurm_site: Site) -> None:
    backend = backend_at(slurm_site, SlurmSettings(array_parallelism=2))
    handle = backend.submit(tasks.linger, 5, TINY, name="throttled")
    reports = reports_when(
        backend,
        handle,
        lambda reports: sum(report.state is State.RUNNING for report in reports) == 2,
    )
    assert [report.state for report in reports].count(State.PENDING) == 3
    assert "JobArrayTaskLimit" in {report.detail for report in reports}


def test_the_script_shown_is_the_script_queued(slurm_site: Site) -> None:
    backend = backend_at(slurm_site, HELD)
    backend.folder = slurm_site.work / "shown"
    resources = Resources(cpus=2, mem_gb=1.5, gpus=1, gpu="t4", partition="gpu-t4", time_min=90)
    shown = backend.script(3, resources, name="shown", environment={"GREETING": "it's me"})
    assert not backend.calls
    assert not backend.folder.exists()
    handle = backend.submit(
        tasks.nothing, 3, resources, name="shown", environment={"GREETING": "it's me"}
    )
    (pickle,) = backend.folder.glob("*.pkl")
    queued = (backend.folder / f"{handle.chunks[0].job}_submission.sh").read_text()
    assert shown.replace("CALL.pkl", pickle.name) == queued


def test_a_handle_is_good_in_another_process(slurm_site: Site) -> None:
    submitted = backend_at(slurm_site).submit(tasks.linger, 2, TINY, name="travels")
    handle = SlurmHandle.from_dict(json.loads(json.dumps(submitted.to_dict())))
    assert handle == submitted
    other = backend_at(slurm_site)
    assert {report.state for report in other.reports([handle])[handle.id]} <= {
        State.PENDING,
        State.RUNNING,
    }
    other.attach(handle)
    other.cancel(handle)
    events: list[State] = []
    while len(events) < 2:
        events += [event.state for event in other.wait(10) if event.state.final]
    assert events == [State.CANCELLED] * 2


def test_an_array_is_found_by_its_name(slurm_site: Site) -> None:
    backend = backend_at(slurm_site, HELD)
    since = time.time() - 1
    first = backend.submit(tasks.nothing, MAX_ARRAY_SIZE + 1, TINY, name="sweep:3f:0")
    second = backend.submit(tasks.nothing, 2, TINY, name="sweep:3f:1")
    backend.submit(tasks.nothing, 2, TINY, name="sweep:3f:11")
    other = backend_at(slurm_site)
    found = other.find({"sweep:3f:0": MAX_ARRAY_SIZE + 1, "sweep:3f:1": 2, "sweep:3f:2": 5}, since)
    assert {name: handle.chunks for name, handle in found.items()} == {
        "sweep:3f:0": first.chunks,
        "sweep:3f:1": second.chunks,
    }
    assert other.calls["squeue"] == 1
    assert other.find({"sweep:3f:1": 2}, time.time() + 3600) == {}


def test_no_answer_is_not_taken_for_a_refusal(slurm_site: Site) -> None:
    backend = backend_at(slurm_site)
    backend.site()
    slurm_site.stop_controller()
    with pytest.raises(SubmitUnacknowledged, match="'unanswered'"):
        backend.submit(tasks.nothing, 1, TINY, name="unanswered")
    slurm_site.start_controller()
    assert backend.find({"unanswered": 1}, time.time() - 600) == {}


def test_refusals_say_what_slurm_says(slurm_site: Site) -> None:
    backend = backend_at(slurm_site, SlurmSettings(account="nobody"))
    with pytest.raises(SubmitRefused, match="Invalid account"):
        backend.submit(tasks.nothing, 1, TINY, name="refused")
    with pytest.raises(Infeasible, match="Invalid feature"):
        backend_at(slurm_site).submit(
            tasks.nothing, 1, TINY.merged({"constraint": "nvlink"}), name="refused"
        )
    assert slurm_site.run("squeue", "--noheader") == ""


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (Resources(partition="gpu-h100"), "there is no partition 'gpu-h100'"),
        (Resources(partition="gpu-a30", gpus=1, gpu="t4"), "0 of 1 GPUs of model t4"),
        (Resources(partition="gpu-a30", gpus=3), "2 of 3 GPUs"),
        (Resources(mem_gb=100), "8 of 100 GB"),
        (Resources(time_min=3000), "above the MaxTime"),
        (Resources(gpus=0.5, partition="gpu-a30"), "no 0.5 of a GPU"),
    ],
)
def test_what_would_wait_for_ever_is_refused(
    slurm_site: Site, resources: Resources, reason: str
) -> None:
    backend = backend_at(slurm_site)
    with pytest.raises(Infeasible, match=reason):
        backend.submit(tasks.nothing, 1, resources, name="never")
    assert backend.calls["sbatch"] == 0


def test_the_submit_limit_is_known_and_kept(slurm_site: Site) -> None:
    slurm_site.limit_submitted_jobs(5)
    backend = backend_at(slurm_site, HELD)
    backend.submit(tasks.nothing, 3, TINY, name="some")
    limits = backend.limits()
    assert (limits.max_array_size, limits.max_submit, limits.queued, limits.room) == (
        MAX_ARRAY_SIZE,
        5,
        3,
        2,
    )
    with pytest.raises(SubmitLimitReached, match="no room for the 3 tasks of 'more'"):
        backend.submit(tasks.nothing, 3, TINY, name="more")
    assert backend.limits().queued == 3
    assert backend_at(slurm_site, SlurmSettings(max_submit=4)).limits().room == 1


def test_what_was_queued_of_an_array_that_failed_is_taken_back(slurm_site: Site) -> None:
    slurm_site.limit_submitted_jobs(MAX_ARRAY_SIZE)
    backend = backend_at(slurm_site, HELD)
    with pytest.raises(SubmitLimitReached):
        backend.submit(tasks.nothing, MAX_ARRAY_SIZE + 1, TINY, name="half")
    assert backend.limits().queued == 0
