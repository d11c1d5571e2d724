"""Processes seen from outside: what they hold, how they end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from cluster.processes import held_bytes, kill_tree
from cluster.ray.worker_death import explain_death
from cluster.state import State
from tests.patience import PATIENCE_S

MIB = 2**20


def python(script: str) -> subprocess.Popen[str]:
    """A Python that says when its script is ready, and then waits for its standard input."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{script}\nprint('ready', flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_memory_counts_what_is_held_and_not_what_is_mapped(tmp_path: Path) -> None:
    file = tmp_path / "mapped"
    file.write_bytes(bytes(200 * MIB))
    script = f"""
import mmap
file = open({str(file)!r}, "rb")
mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
touched = sum(mapped[::4096])
held = b"x" * {100 * MIB}"""
    with python(script) as process:
        held = held_bytes(process.pid, limit=10 * MIB)
        process.kill()
    assert 100 * MIB < held < 180 * MIB


def test_pages_that_forks_share_are_counted_once() -> None:
    script = (
        f"import os,time\nheld=b'x'*({100 * MIB})\nfor _ in range(2):\n    if os.fork() == "
        "0:\n        time.sleep(3600)"
    )
    process = python(script)
    try:
        assert held_bytes(process.pid, limit=1000 * MIB) > 300 * MIB
        assert held_bytes(process.pid, limit=200 * MIB) < 200 * MIB
    finally:
        kill_tree(process.pid)
        process.wait()


def test_a_killed_tree_leaves_no_child() -> None:
    process = python("import subprocess; subprocess.Popen(['sleep', '3600'])")
    children = psutil.Process(process.pid).children()
    kill_tree(process.pid)
    process.wait()
    _, left = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert children
    assert [child for child in left if child.status() != psutil.STATUS_ZOMBIE] == []
    kill_tree(process.pid)  # gone already: nothing happens


def test_what_is_known_of_a_death_decides_its_name(tmp_path: Path) -> None:
    crash = tmp_path / "crash"
    crash.write_text("Fatal Python error: Segmentation fault\n")
    silent = tmp_path / "silent"
    silent.touch()
    assert explain_death(crash, "", node_alive=True, oom_killed=True)[0] is State.CRASHED
    assert explain_death(silent, "", node_alive=True, oom_killed=True)[0] is State.OUT_OF_MEMORY
    assert explain_death(silent, "", node_alive=False, oom_killed=False)[0] is State.NODE_FAILED
    assert explain_death(None, "", node_alive=True, oom_killed=False)[0] is State.KILLED
