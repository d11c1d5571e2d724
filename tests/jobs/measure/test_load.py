"""Other people's load is told from the trial's own, and from a sibling's on its own CPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.measure import load
from jobs.measure.load import CpuTimes, cpu_times, disturbance, family

BURN = "import time\nwhile time.process_time() < {seconds}: pass"


@pytest.fixture
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))


@pytest.mark.usefixtures("eight_cpus")
@pytest.mark.parametrize(
    ("cpus", "own", "others", "disturbed"),
    [
        (8, 7.9, 0.0, False),
        (8, 7.0, 1.0, True),
        (8, 7.2, 0.75, False),
        (8, 7.1, 0.85, True),
        (4, 4.0, 4.0, False),  # a sibling with the other four
        (4, 3.6, 4.35, False),
        (4, 3.5, 4.45, True),
        (4, 3.2, 4.8, True),
        (1, 1.0, 7.0, False),
        (1, 0.8, 7.15, False),
        (1, 0.7, 7.25, True),
        (1, 0.5, 7.5, True),
        (1, 0.0, 0.0, False),
        (4, 0.0, 4.0, False),  # a trial that waits is not disturbed by those who do not
    ],
)
def test_others_may_use_what_was_not_promised(
    cpus: int, own: float, others: float, disturbed: bool
) -> None:
    seconds = 10.0
    last = CpuTimes(busy=100 + (own + others) * seconds, stolen=5, own=50 + own * seconds)
    assert bool(disturbance(CpuTimes(busy=100, stolen=5, own=50), last, seconds, cpus)) == disturbed


@pytest.mark.usefixtures("eight_cpus")
def test_a_hypervisor_that_takes_time_is_told() -> None:
    (reason,) = disturbance(CpuTimes(0, 0, 0), CpuTimes(10, 20, 10), 10.0, 8)
    assert reason == "CPU time taken by the hypervisor: 2.0 of 8 CPUs"


@pytest.mark.usefixtures("eight_cpus")
@pytest.mark.parametrize(
    ("cpus", "stolen", "disturbed"),
    [(8, 0.75, False), (8, 0.85, True), (1, 0.75, False), (1, 0.85, True)],
)
def test_a_tenth_of_the_cpus_may_be_taken(cpus: int, stolen: float, disturbed: bool) -> None:
    assert (
        bool(disturbance(CpuTimes(10, 5, 10), CpuTimes(10, 5 + 10 * stolen, 10), 10.0, cpus))
        == disturbed
    )


def test_the_kernels_counters_are_those_of_the_allowed_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each field another power of ten, so that a sum shows which are in it; guests are counted
    among the users."""
    lines = [
        f"cpu{number} " + " ".join(str(number * 10**place) for place in range(10))
        for number in range(1, 4)
    ]
    (tmp_path / "stat").write_text(
        "\n".join(["cpu " + "9 " * 10, *lines, "intr 12345 6", "ctxt 7"]) + "\n"
    )
    monkeypatch.setattr(load, "STAT", tmp_path / "stat")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {1, 3})
    ticks = os.sysconf("SC_CLK_TCK")
    times = cpu_times()
    assert times.busy == pytest.approx(4 * 1_100_111 / ticks)
    assert times.stolen == pytest.approx(4 * 10_000_000 / ticks)


def test_a_childs_time_is_ones_own_while_it_runs_and_afterward() -> None:
    before = cpu_times()
    child = subprocess.Popen([sys.executable, "-c", BURN.format(seconds=0.4) + "\nprint('burned', "
                                                                               "flush=True)\ninput()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "burned\n"
    assert child.pid in family()
    running = cpu_times()
    child.communicate("\n")
    assert child.pid not in family()
    ended = cpu_times()
    assert running.own - before.own >= 0.3
    assert ended.own - before.own >= 0.3
    assert ended.busy - before.busy >= 0.3


def test_grandchildren_and_those_of_other_threads_are_family() -> None:
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', "
        "'print(__import__(\"os\").getpid(), flush=True); input()'])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    assert {os.getpid(), child.pid, grandchild} <= family()
    child.communicate("\n")
    assert grandchild not in family()
