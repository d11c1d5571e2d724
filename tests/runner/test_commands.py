"""A script as it is, run by a command line of the grid: planned, submitted, stopped at its
limit."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.runner.conftest import Desk

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = (REPOSITORY / "docs" / "custom-workloads.md").read_text(encoding="utf-8")
LOCAL = ["inline", pytest.param("ray", marks=pytest.mark.ray)]


def written(desk: Desk, heading: str) -> Path:
    """The files of the documentation's example, written to the desk; its grid."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = dict(re.findall(r"```(python|yaml)\n(.*?)```", section, re.DOTALL))
    script, grid = blocks["python"], blocks["yaml"]
    (desk.folder / script.splitlines()[0].removeprefix("# ")).write_text(script)
    path = desk.folder / "grid.yaml"
    path.write_text(grid)
    return path


@pytest.mark.parametrize("backend", LOCAL)
def test_the_example_of_the_documentation_runs(desk: Desk, backend: str) -> None:
    grid = written(desk, "A script that reads its arguments itself")
    assert "6 completed" in desk.run("submit", grid, "--backend", backend)
    rows = desk.json("collect", "spirals")
    assert sorted((row["depth"], row["seed"]) for row in rows) == [
        (depth, seed) for depth in (2, 4, 8) for seed in (0, 1)
    ]
    assert all(0 < row["test_accuracy"] <= 1 and row["largest_weight"] > 0 for row in rows)
    if backend == "ray":
        assert "training with depth" in desk.run("logs", rows[0]["trial"])
    assert "nothing to run" in desk.run("submit", grid, "--backend", backend)


def test_mistakes_have_their_lines(desk: Desk) -> None:
    (desk.folder / "train.py").write_text("import argparse\n")
    grid = desk.grid(
        "command: python train.py --lr {lr} --depth {depth}\nmatrix:\n  lr: [1]\n  width: [2]\n"
    )
    said = desk.run("plan", grid, code=1)
    assert "grid.yaml:2" in said
    assert "the command has {depth}: give it in matrix, zip or fixed" in said
    assert "grid.yaml:5" in said
    assert "write {width} where its value belongs" in said


@pytest.mark.parametrize("workload", ["train.py", "train:main", "train:parse"])
def test_a_script_that_is_no_function_is_told_how_to_be_a_command(
    desk: Desk, workload: str
) -> None:
    (desk.folder / "train.py").write_text(
        "import argparse\ndef main():\n    argparse.ArgumentParser().parse_args()\n"
    )
    said = desk.run("plan", desk.grid(f"workload: {workload}\nmatrix: {{lr: [1, 2]}}\n"), code=1)
    assert "python train.py --lr {lr}" in " ".join(said.split())


def test_a_command_ends_at_its_limit(desk: Desk) -> None:
    (desk.folder / "long.py").write_text("import time\ntime.sleep(3600)\n")
    grid = desk.grid("command: python long.py\nresources: {time_min: 0.02}\n")
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert desk.outcomes() == {"timed_out": 1}


def test_ctrl_c_ends_the_command(desk: Desk) -> None:
    pid = desk.folder / "pid"  # not in the folder that the command runs in, which is the trial's
    script = (
        "import os, pathlib, "
        f"time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(3600)\n"
    )
    (desk.folder / "long.py").write_text(script)
    process = desk.start("submit", desk.grid("command: python long.py\n"), "--backend", "inline")
    desk.wait_until(lambda: pid.exists() and pid.read_text() != "", process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert not Path(f"/proc/{pid.read_text()}").exists()
