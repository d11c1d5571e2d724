"""The commands of docs/studies.md: each has the trials that it says, and those for a machine
without a GPU run."""

from __future__ import annotations

import os
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from artifacts.collect import collect
from artifacts.store import Store
from cluster.profile import builtin
from jobs.hardware import Hardware
from runner.cli.main import main
from runner.grid.expand import load_grid
from runner.planning.profile import find_profile

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = (REPOSITORY / "docs" / "studies.md").read_text(encoding="utf-8")
COMMANDS = re.findall(
    r"^(runner submit .*?)  +# (\d+) trials", DOCUMENT.replace("\\\n", ""), re.MULTILINE
)
REDUCED = [command for command, _ in COMMANDS if "train_subset=" in command]

TINY = {"train_subset": "64", "test_subset": "64", "repeats": "1"}
"""Enough to go through all of it."""
REAL_DATA = Path(os.environ.get("RUNNER_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def options(command: str, option: str) -> dict[str, str]:
    """What follows an option, wherever it stands: name to value."""
    return dict(
        value.split("=", 1) for given, value in pairwise(shlex.split(command)) if given == option
    )


def grid_of(command: str) -> Path:
    return REPOSITORY / shlex.split(command)[2]


def test_every_study_has_a_whole_and_a_reduced_command() -> None:
    studies = {path for path in (REPOSITORY / "grids").glob("*.yaml") if path.stem != "quickstart"}
    assert {grid_of(command) for command in REDUCED} == studies
    assert {grid_of(command) for command, _ in COMMANDS if "--" not in command} == studies


@pytest.mark.parametrize(("command", "trials"), COMMANDS)
def test_a_command_has_as_many_trials_as_it_says(command: str, trials: str) -> None:
    on = options(command, "--on")
    site = Path(__file__).with_name("cluster.yaml")
    profile = find_profile(site, REPOSITORY).profile if not on else builtin()
    targets = {
        name: Hardware(resources.wants_gpu, resources.gpu)
        for name, resources in profile.targets.items()
    }
    sets = [f"{name}={value}" for name, value in options(command, "--set").items()]
    grid = load_grid(grid_of(command), targets=targets, profile_name=profile.name, sets=sets, on=on)
    assert len(grid.specs) == int(trials)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all of them: decoding CIFAR-10 takes longer than any of these sweeps."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("command", REDUCED, ids=lambda command: grid_of(command).stem)
@pytest.mark.long
def test_a_reduced_command_runs(
    command: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On real data where that is there, else on scikit-learn's digits."""
    sets = {
        name: value
        for name, value in options(command, "--set").items()
        if name.rpartition(".")[2] not in TINY
    } | TINY
    if REAL_DATA.is_dir():
        monkeypatch.setenv("RUNNER_DATA", str(REAL_DATA))
        monkeypatch.setenv("RUNNER_CACHE", str(cache))
    else:
        sets["dataset"] = "digits"
    monkeypatch.chdir(REPOSITORY)
    words = ["submit", str(grid_of(command)), "--store", str(tmp_path), "--backend", "inline"]
    words += [
        word
        for name, value in options(command, "--on").items()
        for word in ("--on", f"{name}={value}")
    ]
    words += [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    with pytest.raises(SystemExit) as left:
        main(words)
    rows = collect(Store(tmp_path), [grid_of(command).stem]).table.to_pylist()
    assert [(row["outcome"], row["error_message"]) for row in rows] == [("completed", None)] * len(
        rows
    )
    assert rows
    assert left.value.code == 0
