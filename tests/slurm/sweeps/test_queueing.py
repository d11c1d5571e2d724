"""Sweeps on their way into the queue: submits that are killed or typed twice, limits, a controller
that is away, a full store."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import runner
from runner.sweep.positions import read_positions
from runner.sweep.status import sweep_status
from runner.sweep.sweep import Sweep
from tests.patience import PATIENCE_S
from tests.runner.counting import count_readings
from tests.slurm.configuration import MAX_ARRAY_SIZE
from tests.slurm.site import Site

from .desk import SlurmDesk, at_site

TARGETS = """
  cpu: {partition: cpu, SMALL}
  a30: {partition: gpu-a30, SMALL}
  t4: {partition: gpu-t4, SMALL}
"""

COUNTED = (
    "workload: toys:counted\ntarget: [cpu, a30, t4]\nmatrix: {width: {range: [0, "
    "4]}}\nfixed: {tally: TALLY}\n"
)

GATED = (
    "workload: trials:gated\ntarget: [cpu, a30, t4]\nmatrix: {width: {range: [0, 4]}}\nfixed: "
    "{gate: GATE, tally: TALLY}\n"
)

HALF_DONE = """
groups:
  - {workload: toys:quick, target: cpu, matrix: {width: [1, 2]}}
  - {workload: trials:gated, target: t4, matrix: {width: [WIDTHS]}, fixed: {gate: GATE, tally: TALLY}}
"""

CANCELLED = """
groups:
  - {workload: trials:gated, target: [cpu, t4], matrix: {width: [1]}, fixed: {gate: GATE, tally: TALLY}}
  - {workload: trials:gated, target: cpu, matrix: {width: [2]}, fixed: {gate: GATE, tally: TALLY}}
  - {workload: trials:stepwise, target: t4, matrix: {role: [endless]}, fixed: {tally: TALLY}}
"""

DIES_IN_ITS_SECOND_SBATCH = """#!/bin/sh
answer=$({sbatch} "$@") || exit 1
[ -e {folder}/once ] && [ ! -e {folder}/twice ] && touch {folder}/twice && kill -9 $PPID
touch {folder}/once
echo "$answer"
"""


@pytest.fixture
def desk(running_site: Site, tmp_path: Path) -> Iterator[SlurmDesk]:
    """A desk at the site with accounting."""
    with at_site(running_site, tmp_path) as desk:
        desk.profile(TARGETS)
        yield desk


def test_a_submit_killed_between_two_arrays_is_finished_by_the_same_command(
    desk: SlurmDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = desk.grid(GATED)
    shims = desk.folder / "bin"
    shims.mkdir()
    (shims / "sbatch").write_text(
        DIES_IN_ITS_SECOND_SBATCH.format(sbatch=shutil.which("sbatch"), folder=shims)
    )
    (shims / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{shims}:{os.environ['PATH']}")
    assert desk.run("submit", grid, "--pack", "4", code=-9) == ""
    assert len(list(desk.store_folder.rglob("*.ticket"))) == 1
    assert (
        "4 trials queued in 1 task of 1 array, 8 trials already in the scheduler's queue"
        in desk.run("submit", grid, "--pack", "4")
    )
    desk.gate.touch()
    desk.until_idle()
    assert sorted(desk.ran().values()) == [1] * 12
    assert desk.standing() == {"completed": 12}
    assert "nothing to run" in desk.run("submit", grid)


def test_a_submit_reads_the_store_once_and_opens_the_scheduler_once(
    desk: SlurmDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.run("submit", desk.grid(HALF_DONE.replace("WIDTHS", "1")), "--pack", "1")
    desk.until(lambda: len(desk.begun()) == 3, "all have begun")
    desk.until(lambda: desk.outcomes() == {"completed": 2}, "the quick ones are recorded")
    monkeypatch.chdir(desk.folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.folder / "state"))
    readings = count_readings(monkeypatch)
    done = runner.submit(
        desk.grid(HALF_DONE.replace("WIDTHS", "1, 2")), store=desk.store_folder, pack=1
    )
    assert (done.queued_before, done.to_run) == (1, 1)
    assert sorted(readings.entries.values()) == [1] * 5
    assert sorted(readings.records.values()) == [1, 1]
    assert len(readings.schedulers) == 1
    assert readings.calls["sbatch"] == 1
    assert max(readings.calls.values()) <= 2, readings.calls

    readings = count_readings(monkeypatch)
    status = sweep_status(Sweep(desk.store, "toy"))
    assert status.counts["completed"] == 2
    assert set(readings.entries.values()) == {1}
    assert len(readings.schedulers) == 1
    assert readings.calls.keys() <= {"squeue", "sacct"}
    assert set(readings.calls.values()) == {1}, readings.calls

    folder = desk.store.sweep_folder("toy")
    desk.until(lambda: len(read_positions(folder)) == 2, "both that run say where they are")
    assert {seen.position.phase for seen in read_positions(folder).values()} == {"train"}
    desk.gate.touch()
    desk.until_idle()
    assert read_positions(folder) == {}


def test_two_shells_at_once_queue_each_trial_once(desk: SlurmDesk) -> None:
    grid = desk.grid(COUNTED)
    both = [desk.start("submit", grid, "--pack", "4") for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE_S) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    desk.run("status", "--wait")
    assert sorted(desk.ran().values()) == [1] * 12
    assert desk.standing() == {"completed": 12}


def test_a_plan_larger_than_an_array_and_than_the_submit_limit(desk: SlurmDesk) -> None:
    desk.profile("  cpu: {partition: cpu, cpus: 1, mem_gb: 0.5, time_min: 20}", "{max_submit: 30}")
    n_trials = MAX_ARRAY_SIZE + 9
    grid = desk.grid(
        f"workload: toys:counted\nmatrix: {{width: {{range: [0, {n_trials}]}}}}\nfixed: {{tally: "
        f"TALLY}}\n"
    )
    plan = desk.json("plan", grid, "--pack", "1")
    assert [array["tasks"] for array in plan["arrays"]] == [MAX_ARRAY_SIZE, 9]
    (script,) = plan["scripts"]
    assert f"--array=0-{MAX_ARRAY_SIZE - 1}" in script
    said = desk.run("submit", grid, "--pack", "1")
    assert f"30 tasks queued, {n_trials - 30} wait for room under the submit limit" in said
    desk.until_idle()
    assert sorted(desk.ran().values()) == [1] * n_trials
    assert desk.standing() == {"completed": n_trials}


def test_a_controller_that_is_away_for_a_while(desk: SlurmDesk) -> None:
    grid = desk.grid(
        "workload: trials:gated\ntarget: a30\nmatrix: {width: [1, 2]}\nfixed: {gate: GATE, tally: "
        "TALLY}\n"
    )
    desk.profile(TARGETS, "{array_parallelism: 1}")
    desk.run("submit", grid, "--pack", "1")
    desk.until(
        lambda: desk.ran(),
        "the first trial has begun, and the accounts know of it; only the controller knows of the "
        "other",
    )
    desk.site.stop_controller()
    assert "the scheduler does not answer" in desk.run("status")
    assert "nothing was queued" in desk.run("submit", grid, code=1)
    desk.site.start_controller()
    desk.gate.touch()
    desk.until_idle()
    assert sorted(desk.ran().values()) == [1, 1]
    assert desk.standing() == {"completed": 2}


def test_a_suspended_task_is_not_waiting(desk: SlurmDesk) -> None:
    grid = desk.grid(
        "workload: trials:gated\ntarget: a30\nmatrix: {width: [1, 2]}\nfixed: {gate: GATE, tally: "
        "TALLY}\n"
    )
    desk.run("submit", grid, "--pack", "2")
    desk.until(lambda: desk.ran(), "the first trial of the pack has begun")
    (job,) = desk.site.run("squeue", "--noheader", "--Format=JobID").split()
    desk.site.run("scontrol", "suspend", job)
    assert desk.standing() == {"running": 1, "queued": 1}
    assert "2 trials already in the scheduler's queue" in desk.run("submit", grid)
    desk.site.run("scontrol", "resume", job)
    desk.gate.touch()
    desk.until_idle()
    assert sorted(desk.ran().values()) == [1, 1]


def test_a_task_whose_step_could_not_be_created_is_run_by_the_next_submit(desk: SlurmDesk) -> None:
    desk.profile(
        TARGETS,
        f"{{setup: ['touch {desk.folder}/set-up', 'until [ -e {desk.gate} ]; do sleep 0.1; "
        f"done']}}",
    )
    grid = desk.grid(
        "workload: toys:counted\ntarget: a30\nmatrix: {width: [1, 2]}\nfixed: {tally: TALLY}\n"
    )
    desk.run("submit", grid, "--pack", "2")
    desk.until((desk.folder / "set-up").exists, "the batch script runs")
    desk.site.stop_controller()
    desk.gate.touch()
    gave_up = "Unable to contact slurm controller"
    desk.until(
        lambda: any(gave_up in log.read_text() for log in desk.store_folder.rglob("*.err")),
        "srun has given up",
    )
    desk.site.start_controller()
    desk.until_idle()
    assert "1 task ended before a trial began (exit code 1)" in desk.run("status")
    assert gave_up in desk.run("logs", desk.trials()[0])
    desk.run("submit", grid, "--pack", "2")
    desk.until_idle()
    assert sorted(desk.ran().values()) == [1, 1]
    assert desk.standing() == {"completed": 2}


def test_accounts_that_are_away_for_a_while(desk: SlurmDesk) -> None:
    desk.site.stop_accounting()
    grid = desk.grid(COUNTED)
    desk.run("submit", grid, "--pack", "4")
    desk.until_idle()
    assert desk.standing() == {"completed": 12}
    assert sorted(desk.ran().values()) == [1] * 12


def test_cancel_touches_only_what_this_store_queued(desk: SlurmDesk) -> None:
    other = desk.site.run(
        "sbatch", "--parsable", "--partition=cpu", "--output=/dev/null", "--wrap", "sleep 3600"
    )
    desk.run("submit", desk.grid(CANCELLED), "--pack", "1")
    desk.until(lambda: len(desk.ran()) == 4, "all trials run")
    # What runs is neither removed nor cleaned, and goes on under another name.
    refused = desk.run("rm", "toy", "--yes", code=1)
    assert "4 of its trials are queued or running, so nothing of 'toy' was removed" in refused
    cleaned = desk.run("clean", "--kind", "logs", "--older-than", "0d", "--yes")
    assert "nothing is older than 0d" in cleaned
    desk.run("mv", "toy", "renamed")
    assert "cancelled 2 tasks with 2 trials" in desk.run("cancel", "renamed", "--target", "t4")
    first, second = desk.trials(target="cpu")
    assert "cancelled 1 task with 1 trial" in desk.run("cancel", first)
    desk.until(
        lambda: len(desk.site.run("squeue", "--noheader").splitlines()) == 2,
        "only two jobs are left",
    )
    assert (
        desk.site.run("squeue", "--noheader", f"--jobs={other}", "--Format=State").strip()
        == "RUNNING"
    )
    assert desk.standing() == {"running": 1, "cancelled": 3}
    desk.gate.touch()
    desk.site.run("scancel", other)
    desk.until_idle()
    desk.run("status", "--wait", code=1)
    assert {row["trial"]: row["outcome"] for row in desk.rows(target="cpu")} == {
        first: "cancelled",
        second: "completed",
    }
    assert [row["outcome"] for row in desk.rows(target="t4")] == ["cancelled"] * 2
    desk.run("rm", "renamed", "--yes")
    assert desk.json("ls") == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system that fills up soon."""
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", mount],
        check=False,
        capture_output=True,
    ).returncode:
        pytest.skip("this machine does not allow mounts")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


def test_a_store_that_fills_up_while_tasks_run(desk: SlurmDesk, small_disk: Path) -> None:
    desk.store_folder = small_disk / "store"
    grid = desk.grid(
        "workload: toys:counted\ntarget: cpu\nmatrix: {width: {range: [0, 40]}}\nfixed: {tally: "
        "TALLY}\n"
    )
    desk.run("submit", grid, "--pack", "40")
    desk.until_idle()
    recorded = desk.outcomes()
    assert 0 < recorded["completed"] < 40
    desk.run("status", "--wait", code=1)
    subprocess.run(["mount", "-o", "remount,size=32m", small_disk], check=True)
    desk.run("submit", grid, "--pack", "40")
    desk.until_idle()
    assert desk.standing() == {"completed": 40}
    assert desk.outcomes().keys() <= {"completed", "interrupted"}
    assert sum(desk.ran().values()) <= 41


def test_a_task_that_cannot_begin_says_why(desk: SlurmDesk) -> None:
    desk.profile(TARGETS, '{setup: ["echo no such module >&2", "cd /nowhere"]}')
    desk.run("submit", desk.grid(COUNTED.replace("[cpu, a30, t4]", "cpu")), "--pack", "2")
    desk.until_idle()
    said = desk.run("status")
    assert (
        "2 tasks ended before a trial began (exit code 1; runner: this line of setup failed with "
        "exit code 1: cd /nowhere)" in said
    )
    assert desk.standing() == {"waiting": 4}
    assert "no such module" in desk.run("logs", desk.trials()[0])
    desk.profile(TARGETS, '{setup: ["exit 0"]}')
    desk.run("submit", desk.grid(COUNTED.replace("[cpu, a30, t4]", "cpu")), "--pack", "2")
    desk.until_idle()
    assert "does a line of setup exit?" in desk.run("status")
    assert desk.standing() == {"waiting": 4}
    assert not desk.ran()
