"""--set replaces a parameter wherever it stands, in the groups that are meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from runner.grid.problems import GridError
from tests.runner.grid.conftest import Expand

GRID = """
name: x
groups:
  - name: nets
    target: [a30, t4]
    matrix: {lr: [1, 2], batch_size: [8, 16]}
    zip: {epochs: [3, 4], momentum: [0.9, 0.8]}
    fixed: {optimizer: sgd, train_subset: 100}
    exclude: [{lr: 1, batch_size: 16}]
    include: [{lr: 9, epochs: 9, target: t4}]
  - workload: svm
    fixed: {train_subset: 50}
"""


@pytest.mark.parametrize(
    ("sets", "key", "train", "svm"),
    [
        ([], "lr", {1: 4, 2: 8, 9: 1}, {None: 1}),
        (
            ["lr=7"],
            "lr",
            {7: 9},
            {None: 1},
        ),  # batch 8 and 16, epochs 3 and 4, two targets, and the included point
        (["lr=5,6,7"], "lr", {5: 9, 6: 9, 7: 9}, {None: 1}),
        (["epochs=1"], "epochs", {1: 13}, {None: 1}),
        (["epochs=1"], "momentum", {0.9: 6, 0.8: 6, None: 1}, {None: 1}),
        (["epochs=1,2"], "epochs", {1: 13, 2: 13}, {None: 1}),
        (["train_subset=10"], "train_subset", {10: 13}, {10: 1}),
        (["nets.train_subset=10,20"], "train_subset", {10: 13, 20: 13}, {50: 1}),
        (["svm.train_subset=null"], "train_subset", {100: 13}, {None: 1}),
        (["train_subset=10", "svm.train_subset=20"], "train_subset", {10: 13}, {20: 1}),
        (["target=cpu"], "target", {"cpu": 7}, {"cpu": 1}),
        (["nets.target=a30,cpu"], "target", {"a30": 7, "cpu": 7}, {"cpu": 1}),
        (["train.target=a30"], "target", {"a30": 7}, {"cpu": 1}),
        (["split=[0.5,0.25,0.25]"], "split", {(0.5, 0.25, 0.25): 13}, {(0.5, 0.25, 0.25): 1}),
        (
            ["lr={logspace: [1, 100, 3]}"],
            "lr",
            {1: 5, 10: 9, 100: 9},
            {None: 1},
        ),  # 1 with batch size 16 is excluded
        (["lr= 1e-2 , 0.01 "], "lr", {0.01: 9}, {None: 1}),
        (["dataset='npz:a,b.npz'"], "dataset", {"npz:a,b.npz": 13}, {"npz:a,b.npz": 1}),
    ],
)
def test_set(
    sets: list[str], key: str, train: dict[Any, int], svm: dict[Any, int], expand: Expand
) -> None:
    expanded = expand(GRID, sets=sets)

    for workload, wanted in (("train", train), ("svm", svm)):
        specs = [spec for spec in expanded.specs if spec.workload == workload]
        found = Counter(
            spec.target if key == "target" else _frozen(spec.params.get(key)) for spec in specs
        )
        assert found == wanted


@pytest.mark.parametrize(
    ("sets", "on"),
    [
        (["lr=5,6,7", "epochs=1,2"], {}),
        (["lr={logspace: [1, 100, 3]}", "train_subset=null", "repeats=3"], {}),
        (["nets.target=a30,cpu"], {}),
        (["momentum=0.5", "resources.time_min=3", "isolate=true"], {"t4": "a30"}),
        (["dataset='npz:a,b.npz'", "svm.C=1e-5"], {"a30": "t4", "t4": "a30"}),
    ],
)
def test_the_grid_after_them_has_the_same_trials(
    expand: Expand, sets: list[str], on: dict[str, str]
) -> None:
    found = expand(GRID, sets=sets, on=on)
    again = expand(found.effective)
    assert again.ids == found.ids
    assert again.specs == found.specs


def test_texts_that_look_like_numbers_stay_texts_in_the_grid_after_them(expand: Expand) -> None:
    texts = ["npz:1e3.npz", "npz:a: b.npz", "npz:ü #1.npz", "npz:'.npz"]
    grid = f"name: x\ndescription: '1.5'\nworkload: svm\nmatrix: {{dataset: {texts!r}}}\n"
    found = expand(grid, sets=["C=.5"])
    again = expand(found.effective)
    assert (again.ids, again.description) == (found.ids, "1.5")


def test_without_overrides_the_grid_itself_says_it_all(expand: Expand) -> None:
    assert expand(GRID).effective == ""


def test_isolate_is_set_for_a_group(expand: Expand) -> None:
    expanded = expand(GRID, sets=["svm.isolate=true"])
    assert {spec.isolate for spec in expanded.specs if spec.workload == "train"} == {False}
    assert {spec.isolate for spec in expanded.specs if spec.workload == "svm"} == {True}
    with pytest.raises(GridError, match="isolate: expected true or false, got 1"):
        expand(GRID, sets=["isolate=1"])


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def test_repeats_and_resources(expand: Expand) -> None:
    expanded = expand(GRID, sets=["repeats=2", "svm.resources.mem_gb=3", "resources.time_min=1.5"])
    assert len(expanded.specs) == 28
    assert expanded.specs[0].resources == {"time_min": 1.5}
    assert expanded.specs[-1].resources == {"mem_gb": 3, "time_min": 1.5}


def test_an_exclude_about_what_was_set_may_match_nothing(expand: Expand) -> None:
    assert len(expand(GRID, sets=["nets.batch_size=32"]).specs) == 10


def test_a_group_stays_more_than_its_includes_when_its_axis_becomes_fixed(expand: Expand) -> None:
    grid = "name: x\nmatrix: {lr: [1, 2]}\ninclude: [{lr: 3, epochs: 9}]"
    assert [spec.params for spec in expand(grid, sets=["lr=5"]).specs] == [
        {"lr": 5},
        {"epochs": 9, "lr": 5},
    ]


def test_a_function_of_ones_own_is_called_by_its_whole_name(expand: Expand, tmp_path: Any) -> None:
    (tmp_path / "mod.py").write_text("def main(lr=1): ...", encoding="utf-8")
    grid = "name: x\ngroups: [{workload: 'mod:main'}, {fixed: {lr: 2}}]"
    assert [spec.params["lr"] for spec in expand(grid, sets=["mod:main.lr=5"]).specs] == [5, 2]


@pytest.mark.parametrize(
    ("sets", "printed"),
    [
        (["lrr=1"], "--set: lrr: no group has a parameter 'lrr': did you mean 'lr'?"),
        (["netz.lr=1"], "--set: netz.lr: no group is called 'netz': did you mean 'nets'?"),
        (["svm.lr=1"], "--set: svm.lr: no group has a parameter 'lr': known: C, coef0"),
        (["lr"], "--set: lr: write key=value, key=value,value or group.key=value"),
        (["=3"], "--set: write key=value"),
        (["lr="], "--set: lr: gives no value: write null for none"),
        (["lr=fast"], "--set: lr: expected a number above 0, got 'fast'"),
        (["lr=[1,2]"], "--set: lr: expected a number above 0, got [1, 2]"),
        (["dataset={a"], "--set: dataset: '{a' cannot be read"),
        (["lr={linspace: [1, 2]}"], "--set: lr: linspace needs [first, last, n]"),
        (["lr=1", "lr=2"], "--set: lr: is set twice: give all its values at once"),
        (["repeats=0"], "--set: repeats: expected a whole number of at least 1, got 0"),
        (["repeats=1,2"], "--set: repeats: takes one value"),
        (
            ["resources.time_mn=3"],
            "--set: resources.time_mn: unknown key (did you mean 'time_min'?)",
        ),
        (
            ["nets.target=gpu"],
            "--set: nets.target: cluster.yaml has no target 'gpu' (it has a30, cpu, t4)",
        ),
        (
            ["nets.workload=svm"],
            "--set: nets.workload: no group has a parameter 'workload': known: ",
        ),
    ],
)
def test_what_cannot_be_set(
    sets: list[str], printed: str, mistakes: Callable[..., list[str]]
) -> None:
    (said,) = mistakes(GRID, sets=sets)
    assert said.startswith(printed)


def test_mistakes_of_the_command_line_follow_those_of_the_file(
    mistakes: Callable[..., list[str]],
) -> None:
    said = mistakes("name: x\nfixed: {lr: 0}", sets=["epoch=1", "momentum=2"])
    assert [line.split(": ")[:2] for line in said] == [
        ["grid.yaml:2", "fixed.lr"],
        ["--set", "epoch"],
        ["--set", "momentum"],
    ]
