"""`runner status --watch`, on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from jobs.position import Position
from runner.cli import output, watch
from runner.report.status_page import status_page
from runner.report.watching import left_text
from runner.sweep.pace import TimeLeft
from runner.sweep.status import SweepStatus
from runner.sweep.tracking import Cause, RunningTrial, View
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
                    re.search(rb"66%.*/(s|min|h)", written, re.DOTALL)
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


def _view(groups: int, running: int, causes: int) -> View:
    hostile = "<script>alert(1)</script>\x1b[31m\u202e" + "x" * 100
    counts = Counter(completed=3, failed=2, running=1, waiting=4)
    return View(
        SweepStatus(
            sweep="a-sweep-with-a-rather-long-[red]name-" + "y" * 60,
            submission=1,
            trials=10 * groups,
            submit_is_running=True,
            by_cell={(f"group {number} {hostile}", "cpu"): counts for number in range(groups)},
            earlier=0,
            unreadable=(),
            stopped=(),
            not_started={},
            grid="",
            scheduler_error="",
        ),
        tuple(
            RunningTrial(
                f"{number:016x}", 1, "group", "cpu", "node", 3723.0,
                Position("train", 12.4, 1e-9, 0.5, 1e6), 60, {"lr": hostile, "seed": number},
            )
            for number in range(running)
        ),
        tuple(Cause("failed", hostile, 7, f"{number:016x}") for number in range(causes)),
        0.25,
        TimeLeft(185.0, 420.0),
        0.98,
    )  # fmt: skip


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 12), (200, 50)])
@pytest.mark.parametrize("many", [1, 300])
def test_the_view_fits_the_terminal_however_much_there_is_to_show(
    columns: int,
    lines: int,
    many: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(lines))
    watch.draw([_view(many, many, many)], "stopping")
    printed = capsys.readouterr().out
    rows = printed.splitlines()
    assert len(rows) < lines
    assert all(output.columns_of(row) < columns for row in rows)
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert rows[-1] == "stopping"
    assert "50%" in rows[1]
    if many == 1:
        assert "0:" not in rows[1]
        assert any(row.startswith("00000000  1:02:03") for row in rows)
    elif lines >= 24:
        assert sum(row.startswith("… and ") for row in rows) == 3


def test_the_page_shows_the_same_and_obeys_nothing() -> None:
    page = status_page([_view(2, 1, 1)], output.cell, again_s=5)
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m" in page
    assert '<meta http-equiv="refresh" content="5">' in page
    assert "4 to 7 min left" in page or "3 to 7 min left" in page
    assert "http://" not in page.replace("http-equiv", "")
    assert "refresh" not in status_page([_view(1, 0, 0)], output.cell)


@pytest.mark.parametrize(
    ("low_s", "high_s", "said"),
    [
        (0.0, 0.4, "about 1 s left"),
        (40.2, 80.0, "40 to 80 s left"),
        (10.0, 200.0, "less than 4 min left"),
        (185.0, 420.0, "3 to 7 min left"),
        (180.0, 180.0, "about 3 min left"),
        (3600.0 * 20, 3600.0 * 30.5, "20 to 31 h left"),
        (86400.0 * 2, 86400.0 * 5, "2 to 5 d left"),
    ],
)
def test_the_time_left_is_said_with_its_range(low_s: float, high_s: float, said: str) -> None:
    assert left_text(TimeLeft(low_s, high_s)) == said


def test_a_log_file_gets_lines_and_each_way_to_fail_once(desk: Desk, tmp_path: Path) -> None:
    grid = "workload: toys:moody\nmatrix: {width: [1, 2, 3]}\nfixed: {tally: TALLY}\n"
    page = tmp_path / "status.html"
    submit = desk.start("submit", desk.grid(grid), "--backend", "inline")
    submit.communicate()
    printed = desk.run("status", "--watch", "--html", page)
    assert "\x1b" not in printed
    assert "Not completed" in page.read_text()
    [told] = desk.json("status")
    assert told["by_group"][0]["counts"] == told["counts"]
    assert {failure["outcome"] for failure in told["failures"]} <= {"failed", "killed", "crashed"}
    assert told["failures"]
