"""Two lives of one task, and workers whose supervisor is gone: no trial is lost, none computes on
unseen, one result counts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from runner.sweep.journal import AttemptStarted
from tests.slurm.site import Site

from .desk import SlurmDesk, at_site

TARGETS = "  cpu: {partition: cpu, SMALL}"

GATED = (
    "workload: trials:gated\ntarget: cpu\nmatrix: {width: WIDTHS}\nfixed: {gate: GATE, tally: "
    "TALLY}\n"
)


@pytest.fixture
def desk(running_site: Site, tmp_path: Path) -> Iterator[SlurmDesk]:
    """A desk at the site with accounting."""
    with at_site(running_site, tmp_path) as desk:
        desk.profile(TARGETS)
        yield desk


def supervisor_of(started: AttemptStarted) -> int:
    """The process that SLURM started for the task."""
    above = [
        process
        for process in psutil.Process(started.pid).parents()
        if "cluster.slurm.task" in process.cmdline()
    ]
    return above[-1].pid


def test_a_worker_ends_with_its_supervisor(desk: SlurmDesk) -> None:
    """SLURM, which follows parents here (proctrack/linuxproc), sees nothing of what a killed
    process leaves."""
    grid = desk.grid(GATED.replace("WIDTHS", "[1]"))
    desk.run("submit", grid)
    desk.until(lambda: len(desk.ran()) == 1, "it runs")
    (first,) = desk.begun().values()
    worker = first.process
    assert worker is not None
    os.kill(supervisor_of(first), signal.SIGKILL)
    desk.until(lambda: not worker.lives, "the worker has ended too")
    desk.until_idle()
    desk.run("submit", grid)
    desk.until(lambda: desk.ran().total() == 2, "it runs again")
    desk.gate.touch()
    desk.until_idle()
    assert [(row["outcome"], row["derived"]) for row in desk.rows()] == [
        ("killed", True),
        ("completed", False),
    ]


def test_two_lives_of_a_task_behind_a_parted_network_lose_nothing(desk: SlurmDesk) -> None:
    """The daemon of a node is gone for long; its task is alive, and SLURM starts it again
    elsewhere."""
    site = desk.site
    desk.run("submit", desk.grid(GATED.replace("WIDTHS", "[1, 2]")), "--pack", "2")
    first, second = desk.trials()
    desk.until(lambda: desk.ran()[first] == 1, "the first life is at its first trial")
    (early,) = desk.begun().values()
    short = next(node.short for node in site.nodes if node.name == early.node)
    site.cut_off(short)
    desk.until(lambda: desk.ran()[first] == 2, "the second life is at it too")
    assert early.process is not None
    assert early.process.lives
    (late,) = [started for started in desk.begun().values() if started != early]
    assert (late.node != early.node, late.life, late.attempt) == (True, 1, 2)
    assert [one.outcome.value for one in desk.store.index("toy").attempts(first)] == ["node_failed"]
    desk.gate.touch()
    desk.until(
        lambda: desk.ran()[second] == 2 and desk.outcomes()["completed"] == 4,
        "both lives have done both trials",
    )
    site.start_node(short)
    desk.until_idle()
    assert desk.standing() == {"completed": 2}
    assert [row["trial"] for row in desk.json("collect")] == sorted((first, second))
    for trial in (first, second):
        assert [(row["attempt"], row["derived"]) for row in desk.rows(trial=trial)] == [
            (1, False),
            (2, False),
        ]
    assert {row["node"] for row in desk.rows(trial=first)} == {early.node, late.node}
