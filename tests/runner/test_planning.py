"""A plan as it is shown, away from any scheduler."""

from __future__ import annotations

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
    assert away.json("plan", away.grid("workload: toys:quick\n"), "--backend", "ray")["scripts"] == []
