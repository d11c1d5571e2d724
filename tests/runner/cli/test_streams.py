"""Where the words of a command cannot go, no work is lost, and the exit code says so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.runner.conftest import Desk

GRID = "workload: toys:quick\nmatrix: {width: [1, 2]}\nrepeats: 2\n"
COMMANDS = [
    "collect toy",
    "status toy",
    "collect toy --json",
    "plan grid.yaml",
    "params train",
    "--help",
]


def _shell(desk: Desk, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which RUNNER is the command and S stands for the store."""
    return subprocess.run(
        ["bash", "-c", "set -o pipefail; " + line.replace("RUNNER", f"'{Path(sys.executable).with_name('runner')}'")],
        cwd=desk.folder, env={**os.environ, "RUNNER_STORE": str(desk.store_folder), **environment},
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("to", [">/dev/full", ">&-", "2>&-", "2>/dev/full", "| true"])
def test_a_submit_that_cannot_speak_still_runs_and_records_everything(desk: Desk, to: str) -> None:
    desk.grid(GRID)
    done = _shell(desk, f"RUNNER submit grid.yaml --backend inline {to}")
    assert "Traceback" not in done.stderr, done.stderr
    assert desk.outcomes() == Counter(completed=4), done.stderr
    assert done.returncode == {">/dev/full": 1, "| true": 141}.get(to, 0)
    assert ("error: not everything could be printed: No space left on device" in done.stderr) is (
        to == ">/dev/full"
    )


def test_no_command_has_a_traceback_for_words_that_are_lost(desk: Desk) -> None:
    desk.grid(GRID)
    desk.run("submit", "grid.yaml", "--backend", "inline")
    for command in COMMANDS:
        done = _shell(
            desk,
            f"RUNNER {command} >/dev/full; echo $?; RUNNER {command} >&-; echo $?; RUNNER "
            f"{command} | true; echo $?",
        )
        assert done.stdout.split() == ["1", "0", "141"], command
        assert done.stderr == "error: not everything could be printed: No space left on device\n", (
            command
        )


def test_a_terminal_that_knows_ascii_alone_gets_ascii(desk: Desk) -> None:
    desk.grid(
        GRID.replace("[1, 2]", "[1, '\N{GREEK SMALL LETTER MU}']").replace("quick", "quick_text"),
        "toy",
    )
    (desk.folder / "toys.py").write_text(
        "def quick_text(width: int | str = 1, seed: int = 0): return {'score': float(seed)}\n"
    )
    desk.run("submit", "grid.yaml", "--backend", "inline")
    done = _shell(desk, "RUNNER collect toy --by width", PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.500 +- 0.707" in done.stdout
    assert r"\u03bc" in done.stdout
