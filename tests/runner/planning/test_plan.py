"""A plan as it is shown, away from any scheduler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.runner.conftest import Desk

PROFILE = """
backend: slurm
targets:
  cpu: {partition: cpu, time_min: 30}
  a30: {partition: gpu-a30, gpus: 2, gpu: a30, time_min: 90}
  endless: {partition: gpu-a30, gpus: 1}
"""


@pytest.fixture
def away(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose profile is a cluster's, on a machine that has none of SLURM's commands."""
    (desk.folder / "cluster.yaml").write_text(PROFILE)
    monkeypatch.setenv("PATH", str(tmp_path))
    return desk


def test_a_plan_shows_the_batch_script_of_each_class_once_and_what_it_asks_for(away: Desk) -> None:
    grid = away.grid("workload: toys:quick\ntarget: [cpu, a30]\nmatrix: {width: [1, 2, 3, 4]}\n")
    plan = away.json("plan", grid, "--pack", "2")
    assert [script.count("#SBATCH --array=0-1%2") for script in plan["scripts"]] == [1, 1]
    assert ["#SBATCH --gres=gpu:a30:2" in script for script in plan["scripts"]] == [False, True]
    assert plan["gpu_hours"] == 2 * 2 * 1.5
    said = away.run("submit", grid, "--pack", "2", "--dry-run")
    assert "6.0 GPU-hours at most" in said
    assert all(script.rstrip() in said for script in plan["scripts"])
    assert not away.store_folder.exists()


def test_gpu_hours_without_a_limit_are_not_known(away: Desk) -> None:
    plan = away.json("plan", away.grid("workload: toys:quick\ntarget: [a30, endless]\n"))
    assert plan["gpu_hours"] is None


def test_no_script_where_no_scheduler_is(away: Desk) -> None:
    assert (
        away.json("plan", away.grid("workload: toys:quick\n"), "--backend", "ray")["scripts"] == []
    )


@pytest.mark.parametrize(
    ("grid", "why"),
    [
        (
            "workload: toys:quick\nmatrix: {width: [1]}\nresources: {cpus: 4096}",
            "'toy-cpu' can never run here: it asks for 4096 CPUs",
        ),
        (
            "fixed: {train_subset: 5000}",
            "1 trial cannot split the dataset 'digits': train_subset 5000 is not between 1 and the "
            "1438 images",
        ),
        (
            "matrix: {test_subset: [5000, 6000]}",
            "test_subset 6000 is not between 1 and the 359 images",
        ),
        (
            "workload: svm\nfixed: {split: [0.5, 0, 0.5], train_subset: 900}",
            "train_subset 900 is not between 1 and the 899 images",
        ),
    ],
)
def test_what_submit_refuses_plan_refuses(desk: Desk, grid: str, why: str) -> None:
    from jobs.data import prepare

    prepare("digits", None, say=lambda _line: None)
    path = desk.grid(grid)
    said = [
        desk.run(command, path, "--backend", backend, code=1)
        for command, backend in (("plan", "inline"), ("submit", "ray"))
    ]
    assert said[0] == said[1]
    assert why in said[0]
    assert not list(desk.store_folder.glob("sweeps/*/0*"))


def test_a_grid_is_read_once_so_that_it_may_come_through_a_pipe(desk: Desk) -> None:
    grid = desk.grid("workload: toys:quick\nmatrix: {width: [1, 2]}\n")
    text = grid.read_text()
    for command in ("plan", "submit"):
        process = subprocess.run(
            [Path(sys.executable).with_name("runner"), command, "/dev/stdin", "--store", desk.store_folder, "--backend", "inline"],
            cwd=desk.folder, input=text, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "2" in process.stdout
    assert desk.outcomes() == {"completed": 2}
    assert (desk.store_folder / "sweeps" / "toy" / "001" / "grid.yaml").read_text() == text
