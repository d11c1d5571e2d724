"""`runner status --watch`, on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from runner.sweep.journal import AttemptEnded, AttemptStarted, Journal
from runner.sweep.pace import Pace
from tests.runner.conftest import Desk

GRID = "workload: toys:held\nmatrix: {width: [1, 2, 4]}\nfixed: {tally: TALLY, gate: GATE}\n"
RUNNER = Path(sys.executable).with_name("runner")


def test_it_is_redrawn_in_place_with_rate_and_time_left(desk: Desk, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    submit = desk.start("submit", desk.grid(GRID.replace("GATE", str(gate))), "--backend", "inline")
    desk.wait_until(lambda: desk.outcomes()["completed"] == 2, submit)
    leader, follower = pty.openpty()
    settings = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    command: list[str | Path] = [RUNNER, "status", "--watch", "--store", desk.store_folder]
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=settings
    ) as watching:
        os.close(follower)
        written = b""
        try:
            while chunk := os.read(leader, 65536):
                written += chunk
                if (
                    re.search(rb"running.*/(s|min|h)", written, re.DOTALL)
                    and written.count(b"2 of 3 trials") > 1
                ):
                    gate.touch()
        except OSError:  # how Linux ends the reading of a terminal that nobody has open any more
            pass
        finally:
            os.close(leader)
    assert watching.returncode == 0
    assert submit.wait() == 0
    assert b"\x1b[1A" in written, "the cursor goes up to the line before"
    last = re.sub(r"\x1b\[[0-9;]*m", "", written.decode().split("\x1b[1A")[-1])
    assert "toy: 3 of 3 trials completed" in last
    assert "next: runner collect toy" in last
    assert "toy: 3 of 3 trials completed" in desk.run("status", "--watch")


def test_the_pace_is_that_of_the_latest_array(desk: Desk) -> None:
    store = desk.store
    desk.run("submit", desk.grid("workload: toys:quick\n"), "--backend", "inline")
    began = (store.sweep_folder("toy") / "001" / "arrays" / "0001.json").stat().st_mtime
    journal, now = Journal(store.sweep_folder("toy"), "other"), [began + 100.0]
    pace = Pace(store, "toy", now=lambda: now[0])
    pace.follow()
    for number, at in enumerate((-5000.0, 1000.0, 1010.0)):
        journal.write(AttemptStarted(f"{number:016x}", 1, began + at, "here", 1))
        journal.write(AttemptEnded(f"{number:016x}", 1, "completed", total_s=10.0))
    assert pace.follow()
    assert not pace.follow()
    now[0] = began + 1025.0
    rate, left_s = pace.rate(), pace.left_s(10)
    assert rate is not None
    assert left_s is not None
    assert abs(rate - 3 / 1020) < 1e-4, "the real trial of now and two others"
    assert abs(left_s - (10 / rate - 5)) < 1
