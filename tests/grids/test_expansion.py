"""Every grid that ships is right, and has the trials that its study has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cluster.profile import Profile
from jobs.hardware import Hardware
from runner.grid.expand import Expanded, load_grid
from runner.planning.profile import find_profile

GRIDS = Path(__file__).resolve().parents[2] / "grids"

TRIALS = {
    "quickstart": {("train", "cpu"): 16, ("svm", "cpu"): 9},
    "cnn-cpu-vs-gpu": {("train", "cpu"): 2 * 5, ("train", "t4"): 2 * 5},
    "resnet18-profiling": {("train", "cpu"): 2, ("train", "a30"): 8},
    "resnet18-cudnn-cublas": {("train", "a30"): 3 + 12 + 3},
    "resnet10-optimizations": {("train", "a30"): 3 * (3 + 4 - 1)},
    "resnet-hyperparameters": {("train", "a30"): 128, ("svm", "cpu"): 4},
    "cpu-vs-a30": {("train", "cpu"): 3 * 3, ("train", "a30"): 3 * 3 * 2},
}
"""By workload and target."""


@pytest.fixture(scope="module")
def profile() -> Profile:
    return find_profile(Path(__file__).with_name("cluster.yaml"), GRIDS).profile


def expanded(name: str, profile: Profile) -> Expanded:
    targets = {
        target: Hardware(resources.wants_gpu, resources.gpu)
        for target, resources in profile.targets.items()
    }
    return load_grid(GRIDS / f"{name}.yaml", targets=targets, profile_name=profile.name)


def test_every_grid_is_held_to_its_number() -> None:
    assert {path.stem for path in GRIDS.glob("*.yaml")} == set(TRIALS)


@pytest.mark.parametrize("name", TRIALS)
def test_a_grid_has_the_trials_of_its_study(name: str, profile: Profile) -> None:
    grid = expanded(name, profile)
    assert grid.name == name, (
        "a sweep is called as its file, so that `runner collect` takes the name that one knows"
    )
    assert Counter((spec.workload, spec.target) for spec in grid.specs) == TRIALS[name]
    assert grid.notes == [], (
        "nothing that is written is without effect on the hardware it is meant for"
    )


@pytest.mark.parametrize("name", TRIALS)
def test_its_targets_can_give_what_it_asks_for(name: str, profile: Profile) -> None:
    for spec in expanded(name, profile).specs:
        asked = profile.target(spec.target).merged(spec.resources)
        processes = spec.params.get("num_workers", 0)
        assert spec.params.get("threads", 1) + processes <= asked.cpus


def test_the_hyperparameters_are_the_whole_product(profile: Profile) -> None:
    grid = expanded("resnet-hyperparameters", profile)
    params = [spec.params for spec in grid.specs if spec.workload == "train"]
    for name in ("model", "batch_size", "optimizer", "lr", "epochs", "pin_memory", "dataset"):
        halves = Counter(repr(given.get(name)) for given in params)
        assert sorted(halves.values()) == [64, 64], name


def test_one_optimization_is_in_two_groups_and_runs_once(profile: Profile) -> None:
    assert expanded("resnet10-optimizations", profile).merged == 3
