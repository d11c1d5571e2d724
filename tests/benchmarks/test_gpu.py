"""The table of `make gpu`: all of it that needs no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gpu
from cluster import machine
from jobs.hardware import Hardware
from jobs.registry import defaults_of
from runner.grid.expand import load_grid
from runner.planning.profile import find_profile

REPOSITORY = Path(__file__).resolve().parents[2]
NVIDIA_SMI = """#!/bin/sh
while true; do echo "50, 1024, 100.0"; echo "[N/A], [N/A], [N/A]"; sleep 0.1; done
"""


@pytest.mark.parametrize(("study", "params"), gpu.STUDIES)
def test_each_reduced_trial_is_a_point_of_its_study(study: str, params: dict[str, object]) -> None:
    profile = find_profile(REPOSITORY / "tests" / "grids" / "cluster.yaml", REPOSITORY).profile
    targets = {
        name: Hardware(resources.wants_gpu, resources.gpu)
        for name, resources in profile.targets.items()
    }
    path = REPOSITORY / "grids" / f"{study}.yaml"
    specs = load_grid(path, folder=path.parent, targets=targets, profile_name="the tests").specs
    points = [{**defaults_of("train"), **spec.params} for spec in specs if targets[spec.target].gpu]
    assert any(params.items() <= {**point, **_hashable(point)}.items() for point in points)


def _hashable(point: dict[str, object]) -> dict[str, object]:
    return {name: str(value) for name, value in point.items() if isinstance(value, list | tuple)}


def test_nothing_is_imported_that_a_bare_node_lacks() -> None:
    program = (
        "import sys, benchmarks.gpu, benchmarks.training, jobs.execute\n"
        "print({'ray', 'submitit', 'typer', 'rich', 'scipy', 'yaml', 'duckdb'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_the_marked_tests_are_collected_without_what_a_bare_node_lacks(tmp_path: Path) -> None:
    for name in ("ray", "submitit", "typer", "rich", "hypothesis"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not here')\n")
    files = gpu.files_marked("gpu")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-m", "gpu", "--collect-only"),
            *("-p", "no:hypothesispytest", *files),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout
    assert "test_gpu.py::" in done.stdout


def test_what_nvidia_smi_prints_is_averaged() -> None:
    seen = gpu.readings("10, 1024, 50.5\n30, 3072, 149.5\nN/A, N/A, N/A\n\n[Unknown Error]\n")
    assert seen == [(10, 1024, 50.5), (30, 3072, 149.5)]
    assert gpu.compared(seen, 2.0) == ("2 readings: utilization 20 %, 2.00 GiB, 100 W, so 200 J")
    assert gpu.compared([], 2.0) == "no readings"


def test_cells_cannot_break_the_table() -> None:
    table = gpu.markdown({"Tests": [("a | b", "two\nlines")]}, [("GPU", "none")])
    assert table.splitlines() == [
        "| what | result |",
        "| --- | --- |",
        "| GPU | none |",
        "| **Tests** |  |",
        "| a \\| b | two lines |",
    ]


def test_a_part_that_takes_too_long_leaves_its_rows_out_and_is_told() -> None:
    rows = gpu.run_part("studies", ["--device", "cpu"], limit_s=0.01)
    assert rows[0][0] == "**studies stopped after 0 s**"


def test_without_a_gpu_it_says_so_at_once(tmp_path: Path) -> None:
    if machine.gpus():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit, match="no NVIDIA GPU"):
        gpu.main(["-o", str(tmp_path / "gpu.md")])


@pytest.mark.long
def test_all_of_it_runs_on_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "nvidia-smi"
    fake.write_text(NVIDIA_SMI)
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    arguments = ["--device", "cpu", "--images", "64", "--epochs", "1", "--points", "1"]
    tests = ["--marker", "not gpu", "--tests", "tests/jobs/test_hardware.py"]
    gpu.main([*arguments, "-o", str(tmp_path / "gpu.md"), *tests])
    table = (tmp_path / "gpu.md").read_text()
    assert " passed" in table
    assert "cnn-cpu-vs-gpu: model simple_cnn" in table
    assert "images/s" in table
    assert "simple_cnn, batch 64, plain loop" in table
    assert "**training ended" not in table
    assert "readings: utilization 50 %, 1.00 GiB, 100 W" in table
