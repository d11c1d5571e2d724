"""`runner doctor` on a workstation: this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cluster import machine
from tests.runner.cli.conftest import Finished, Run, run

__all__ = ["run"]

CPU = "targets: {cpu: {cpus: 1}}"


def profile(folder: Path, text: str) -> str:
    file = folder / "profile.yaml"
    file.write_text(text + "\n")
    return str(file)


def findings(done: Finished) -> dict[str | None, list[dict[str, str]]]:
    found: dict[str | None, list[dict[str, str]]] = {}
    for one in json.loads(done.out)["findings"]:
        found.setdefault(one["target"], []).append(one)
    return found


@pytest.mark.parametrize("backend", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_good_machine_gets_a_clean_bill_and_keeps_nothing_of_it(
    run: Run, tmp_path: Path, backend: str
) -> None:
    store = tmp_path / "new" / "store"
    done = run(
        "doctor",
        "--cluster",
        profile(tmp_path, f"backend: {backend}\n{CPU}"),
        "--store",
        str(store),
    )
    assert done.code == 0, done.out
    assert "cpu" in done.out
    assert "ok" in done.out
    assert "next: runner init" in done.out
    assert not store.parent.exists()


def test_a_store_that_is_there_stays_as_it_was(run: Run, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "records").mkdir(parents=True)
    done = run(
        "doctor", "--cluster", profile(tmp_path, f"backend: inline\n{CPU}"), "--store", str(store)
    )
    assert done.code == 0, done.out
    assert [entry.name for entry in store.rglob("*")] == ["records"]


def test_what_this_machine_can_never_run(run: Run, tmp_path: Path) -> None:
    targets = (
        "targets: {cpu: {cpus: 1}, wide: {cpus: 4000}, deep: {mem_gb: 900000}, fast: {gpus: 99}}"
    )
    done = run(
        "doctor",
        "--cluster",
        profile(tmp_path, f"backend: inline\n{targets}"),
        "--no-probe",
        "--json",
    )
    assert done.code == 1
    found = findings(done)
    assert set(found) == {"wide", "deep", "fast"}
    assert all(one["level"] == "refused" for each in found.values() for one in each)
    assert "4000 CPUs" in found["wide"][0]["what"]
    assert f"{machine.cpus()} CPUs" in found["wide"][0]["fix"]
    assert "GPU" in found["fast"][0]["what"]


def test_a_machine_without_a_gpu_is_told_before_a_trial_is(run: Run, tmp_path: Path) -> None:
    if machine.gpus():
        pytest.skip("this machine has a GPU")
    done = run(
        "doctor",
        "--cluster",
        profile(tmp_path, "backend: inline\ntargets: {a30: {gpus: 1, gpu: a30}}"),
        "--json",
    )
    assert done.code == 1
    [finding] = findings(done)["a30"]
    assert "no GPU that NVML shows" in finding["fix"]


@pytest.mark.parametrize("place", ["file", "file/store", "/proc/store"])
def test_a_store_that_cannot_be_written(run: Run, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    store = tmp_path / place
    done = run(
        "doctor",
        "--cluster",
        profile(tmp_path, f"backend: inline\n{CPU}"),
        "--store",
        str(store),
        "--json",
    )
    assert done.code == 1
    [finding] = findings(done)[None]
    assert "--store" in finding["fix"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_data_folder_that_is_not_there(run: Run, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    options = ("--cluster", profile(tmp_path, f"backend: inline\n{CPU}"), "--no-probe", "--json")
    done = run("doctor", *options, "--data-dir", str(gone))
    assert done.code == 1
    [finding] = findings(done)[None]
    assert str(gone) in finding["what"]
    assert run("doctor", *options, RUNNER_DATA=str(tmp_path)).code == 0


def test_mistakes_in_the_profile_are_named_by_line(run: Run, tmp_path: Path) -> None:
    file = profile(tmp_path, "backend: inline\ntargets:\n  cpu: {cpu: 1}")
    done = run("doctor", "--cluster", file)
    assert done.code == 1
    assert f"{file}:3: targets.cpu.cpu" in done.err


def test_without_slurm_it_says_so(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    done = run(
        "doctor",
        "--cluster",
        profile(tmp_path, f"backend: slurm\n{CPU}"),
        "--json",
        PATH=os.fspath(empty),
    )
    assert done.code == 1
    [finding] = findings(done)[None]
    assert "not on PATH" in finding["what"]
