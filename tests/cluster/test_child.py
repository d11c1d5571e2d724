"""A child ends as its call does, and nothing of it outlives its parent, its guard or itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cluster.processes import Birth

PATIENCE_S = 60

SCRIPT = """
import ctypes, os, signal, subprocess, sys, time
from cluster.child import Child

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # in one piece, whoever else writes

def call():
    subprocess.Popen(["sleep", "600"])
    if os.fork() == 0:  # of a parent that is gone: nothing but the tree it came from leads to it
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    say("below", os.getpid())
    {then}

child = Child(call)
say("guard", child._guard)
say("child", child.birth.pid)
while child.wait(0.1) is None:
    pass
say("code", child.code)
"""


class Tree:
    """A parent with a child, and what is below it."""

    def __init__(self, then: str) -> None:
        self.parent = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.replace("{then}", then)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.parent.stdout is not None
        self.pids = dict(self.parent.stdout.readline().split() for _ in range(3))
        self.processes: list[psutil.Process] = []

    def grown(self) -> bool:
        """Guard, child, what it executed, and what it forked and left are all there."""
        below = psutil.Process(self.parent.pid).children(recursive=True)
        self.processes = [process for process in below if process.status() != psutil.STATUS_ZOMBIE]
        return len(self.processes) == 4 and int(self.pids["child"]) in {
            process.pid for process in self.processes
        }

    def gone(self) -> bool:
        return not any(
            process.is_running() and process.status() != psutil.STATUS_ZOMBIE
            for process in self.processes
        )


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)


@pytest.mark.parametrize("killed", ["parent", "guard", "child"])
@pytest.mark.parametrize("busy", ["time.sleep(600)", "ctypes.PyDLL(None).sleep(600)"])
def test_whoever_is_killed_takes_all_below_along(killed: str, busy: str) -> None:
    tree = Tree(busy)  # the second never gives the interpreter back, as native code may
    until(tree.grown, "all are there")
    os.kill(tree.parent.pid if killed == "parent" else int(tree.pids[killed]), signal.SIGKILL)
    out, _ = tree.parent.communicate(timeout=PATIENCE_S)
    assert out.split()[-2:] == ([] if killed == "parent" else ["code", "-9"])
    until(tree.gone, "none is left")


@pytest.mark.parametrize(
    ("then", "code"),
    [
        ("return 0", 0),
        ("return 75", 75),
        ("raise ValueError", 70),
        ("ctypes.string_at(0)", -11),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15),
    ],
)
def test_its_end_is_told_and_what_it_started_ends_with_it(then: str, code: int) -> None:
    tree = Tree(then)
    out, _ = tree.parent.communicate(timeout=PATIENCE_S)
    assert out.split()[-2:] == ["code", str(code)]
    assert not [
        process for process in psutil.process_iter() if process.pid in map(int, tree.pids.values())
    ]


def test_a_warning_reaches_the_child_and_spares_its_guard(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    tree = Tree(
        f"signal.signal(signal.SIGTERM, lambda *_: open({str(mark)!r}, 'w')); time.sleep(600)"
    )
    until(tree.grown, "all are there")
    for name in ("guard", "child"):
        os.kill(int(tree.pids[name]), signal.SIGTERM)
    until(mark.exists, "the child has heard it")
    assert all(process.is_running() for process in tree.processes)
    tree.parent.kill()
    tree.parent.communicate()
    until(tree.gone, "none is left")


def test_a_number_that_another_process_has_now_is_not_the_process() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        birth = Birth.of(process.pid)
        assert birth is not None
        assert birth.lives
        assert not Birth(birth.pid, birth.ticks - 1).lives
        Birth(birth.pid, birth.ticks - 1).end()
        assert process.poll() is None
        birth.end()
        assert process.wait() == -signal.SIGKILL
    assert Birth.of(process.pid) is None
    assert not birth.lives
