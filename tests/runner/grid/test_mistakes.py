"""Every mistake of a file is told at once, with its line, its key and the word that was meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.hardware import CPU
from runner.grid.expand import load_grid
from runner.grid.problems import GridError
from tests.runner.grid.conftest import Expand

Mistakes = Callable[..., list[str]]


def test_what_only_the_workload_can_judge_is_told_with_the_rest(mistakes: Mistakes) -> None:
    said = mistakes(
        "name: x\nmatrix: {model: [resnet19, resnet18], lr: 1e-3}\nfixed: {split: [1, 1, "
        "1]}\ninclude: [{dataset: mnits}]"
    )
    assert [line.partition(" (")[0][:52] for line in said] == [
        "grid.yaml:2: matrix.lr: an axis is a list: write [0.",
        "grid.yaml:2: matrix.model: no model 'resnet19'",
        "grid.yaml:3: fixed.split: split [1.0, 1.0, 1.0] adds",
        said[3][:52],
    ]
    assert "include[0].dataset: " in said[3]


@pytest.mark.parametrize(
    ("grid", "printed"),
    [
        ("name: x\nworkload: svn", "2: workload: no workload 'svn': did you mean 'svm'?"),
        (
            "name: x\nworkload: nowhere.to:be_found",
            "2: workload: workload 'nowhere.to:be_found': there is no module nowhere.to",
        ),
        ("name: x\nworkload: 3", "2: workload: expected a name, got 3"),
        (
            "name: x\nfixed:\n  epochs: 1\n  learning_rat: 1",
            "4: fixed.learning_rat: workload 'train' has no such parameter: known: amp,",
        ),
        (
            "name: x\nmatrix: {optimiser: [adam]}",
            "2: matrix.optimiser: workload 'train' has no such parameter: did you mean "
            "'optimizer'?",
        ),
        (
            "name: x\nmatrix:\n  lr:\n    - 1e-3\n    - small",
            "5: matrix.lr[1]: expected a number above 0, got 'small'",
        ),
        (
            "name: x\nmatrix: {lr: [1_000]}",
            "2: matrix.lr[0]: expected a number above 0, got '1_000'",
        ),
        ("name: x\nfixed: {lr: -1}", "2: fixed.lr: expected a number above 0, got -1"),
        ("name: x\nfixed: {lr: .inf}", "2: fixed.lr: inf is not a finite number"),
        (
            "name: x\nfixed: {epochs: 2.5}",
            "2: fixed.epochs: expected a whole number of at least 1, got 2.5",
        ),
        (
            "name: x\nfixed: {epochs: true}",
            "2: fixed.epochs: expected a whole number of at least 1, got true",
        ),
        (
            "name: x\nfixed: {epochs: 99999999999999999999}",
            "2: fixed.epochs: 99999999999999999999 does not fit 64 bits",
        ),
        (
            "name: x\nfixed: {lr: [1e-3, 1e-4]}",
            "2: fixed.lr: expected a number above 0, got [0.001, 0.0001]: several values are an "
            "axis of matrix",
        ),
        (
            "name: x\nfixed: {lr: {linspace: [1, 2, 3]}}",
            "2: fixed.lr: linspace makes an axis: move it to matrix or zip",
        ),
        (
            "name: x\nfixed: {pretrained: on}",
            "2: fixed.pretrained: expected true or false, got 'on': YAML 1.2 has only true and "
            "false",
        ),
        (
            "name: x\nfixed: {optimizer: adm}",
            "2: fixed.optimizer: expected 'sgd' or 'adam' or 'adamw', got 'adm': did you mean "
            "'adam'?",
        ),
        ("name: x\nfixed: {dataset: null}", "2: fixed.dataset: expected text, got null"),
        (
            "name: x\nfixed: {seed: 3}",
            "2: fixed.seed: the seed is not a parameter: `repeats: n` gives",
        ),
        ("name: x\nmatrix: {lr: []}", "2: matrix.lr: the axis has no values"),
        ("name: x\nmatrix: {epochs: {range: [3, 1]}}", "2: matrix.epochs: the axis has no values"),
        (
            "name: x\nmatrix: {lr: 1e-3}",
            "2: matrix.lr: an axis is a list: write [0.001], or move it to fixed",
        ),
        (
            "name: x\nmatrix: {lr: {logspce: [1, 2, 3]}}",
            "2: matrix.lr: an axis is a list or one of linspace, logspace, range: did you mean "
            "'logspace'?",
        ),
        (
            "name: x\nmatrix: {lr: {logspace: [0, 1, 3]}}",
            "2: matrix.lr: both ends of logspace must be above 0",
        ),
        ("name: x\nmatrix: [lr]", "2: matrix: expected a mapping, got ['lr']"),
        (
            "name: x\nzip: {lr: [1, 2], epochs: [1, 2, 3]}",
            "2: zip: lists that are walked together must be of one length: lr has 2, epochs has 3",
        ),
        (
            "name: x\nmatrix: {lr: [1]}\nfixed:\n  lr: 2",
            "4: fixed.lr: lr is given twice: it already stands on line 2 (matrix.lr)",
        ),
        ("name: x\nmatrix:\n  lr: [1]\n  lr: [2]", "4: matrix.lr: 'lr' is already given on line 3"),
        (
            "name: x\ntarget: cpu\nmatrix: {target: [a30]}",
            "3: matrix.target: target is given twice: it already stands on line 2 (target)",
        ),
        (
            "name: x\ntarget: [cpu, a3]",
            "2: target[1]: cluster.yaml has no target 'a3' (it has a30, cpu, t4): did you mean "
            "'a30'? add it there",
        ),
        ("name: x\ntarget: 30", "2: target: an axis is a list"),
        ("name: x\ntarget: [30]", "2: target[0]: expected the name of a target, got 30"),
        (
            "name: x\nmatrix: {lr: [1]}\nexclude: [{lr: 2}]",
            "3: exclude[0]: matches nothing: no trial of the group has lr: 2",
        ),
        (
            "name: x\nexclude: [{epochs: 6}]",
            "2: exclude[0]: matches nothing: no trial of the group has epochs: 6",
        ),
        (
            "name: x\nexclude: [{seed: 1}]",
            "2: exclude[0]: matches nothing: no trial of the group has seed: 1",
        ),
        (
            "name: x\nexclude: [{pretrained: 0}]",
            "2: exclude[0].pretrained: expected true or false, got 0",
        ),
        ("name: x\nexclude: [{}]", "2: exclude[0]: gives no key, so it would drop everything"),
        ("name: x\nexclude: {lr: 1}", "2: exclude: expected a list of mappings"),
        (
            "name: x\nmatrix: {lr: [1]}\ninclude:\n  - {lr: 1}\n  - {lr: no}",
            "5: include[1].lr: expected a number above 0, got 'no'",
        ),
        ("name: x\nrepeats: 0", "2: repeats: expected a whole number of at least 1, got 0"),
        (
            "name: x\nrepeats: [1, 2]",
            "2: repeats: expected a whole number of at least 1, got [1, 2]",
        ),
        ("name: x\nisolate: 1", "2: isolate: expected true or false, got 1"),
        (
            "name: x\nresources: {time_mn: 3}",
            "2: resources.time_mn: unknown key (did you mean 'time_min'?)",
        ),
        ("name: x\nresources: {cpus: 0}", "2: resources.cpus: expected int >= 1 (it is 0)"),
        ("name: x\nmatirx: {lr: [1]}", "2: matirx: no such key: did you mean 'matrix'?"),
        (
            "name: x\ngroups:\n  - lr: 3",
            "3: lr: no such key of a group: known: command, exclude, fixed, include",
        ),
        ("name: x\ngroups: []", "2: groups: expected a list of groups, got []"),
        ("name: x\ngroups: [5]", "2: a group is a mapping, got 5"),
        (
            "name: x\nrepeats: 2\ngroups: [{}]",
            "2: repeats: stands beside `groups`: move it into a group",
        ),
        (
            "name: x\ngroups: [{name: a}, {name: a, fixed: {lr: 3}}]",
            "2: name: another group is already called 'a'",
        ),
        ("fixed: {lr: 1}", "1: name: is missing"),
        ("name: ../x", "1: name: '../x' cannot name a folder of the store"),
        ("name: .x", "1: name: '.x' cannot name a folder of the store"),
        ("name: 2024", "1: name: 2024 cannot name a folder of the store"),
        (f"name: {'x' * 101}", "1: name: 'xxx"),
        (
            "name: x\nfixed: {lr: !!python/object:builtins.float 1}",
            "2: fixed.lr: the tag !!python/object:builtins.float is not allowed",
        ),
        ("name: x\nmatrix: {lr: [1, 2}", "2: is not YAML: while parsing a flow sequence"),
        ("- name: x", "1: a grid is a mapping with `name` and `groups`"),
        ("", "1: a grid is a mapping with `name` and `groups`"),
    ],
)
def test_one_mistake_is_one_line(grid: str, printed: str, mistakes: Mistakes) -> None:
    (said,) = mistakes(grid)
    assert said.startswith(f"grid.yaml:{printed}")


def test_all_mistakes_are_told_in_the_order_of_the_lines(mistakes: Mistakes) -> None:
    said = mistakes(
        """\
name: ../../etc
groups:
  - workload: train
    target: [a30, h1000]
    matrix:
      modell: [resnet18]
      batch_size: []
      epochs: [1, two]
      epochs: [3]
    zip: {momentum: [0.9, 0], optimizer: [sgd]}
    fixed: {epochs: 3, weight_decay: !!python/tuple [1]}
    exclude: [{label_smoothing: 0.1}, {lr: 1e-3}]
  - workload: swm
    repeats: none
  - workload: svm
    matrix: {kernel: [rbf, poly, gauss]}
    exclude: [{C: 2}]
"""
    )
    assert [tuple(line.split(": ")[0:2]) for line in said] == [
        ("grid.yaml:1", "name"),
        ("grid.yaml:4", "target[1]"),
        ("grid.yaml:6", "matrix.modell"),
        ("grid.yaml:7", "matrix.batch_size"),
        ("grid.yaml:8", "matrix.epochs[1]"),
        ("grid.yaml:9", "groups[0].matrix.epochs"),
        ("grid.yaml:10", "zip"),
        ("grid.yaml:11", "groups[0].fixed.weight_decay"),
        ("grid.yaml:12", "exclude[0]"),
        ("grid.yaml:13", "workload"),
        ("grid.yaml:14", "repeats"),
        ("grid.yaml:16", "matrix.kernel[2]"),
        ("grid.yaml:17", "exclude[0]"),
    ]


def test_a_wrong_list_of_a_thousand_values_does_not_fill_the_screen(mistakes: Mistakes) -> None:
    assert len(mistakes(f"name: x\nmatrix: {{lr: [{', '.join(['-1'] * 1000)}]}}")) == 20


@pytest.mark.parametrize(
    ("axes", "count"),
    [
        ("matrix: {lr: {linspace: [1, 2, 300]}, weight_decay: {linspace: [1, 2, 400]}}", "120,000"),
        ("matrix: {lr: {linspace: [1, 2, 1000000000000]}}", "1,000,000,000,000"),
        (
            "zip: {lr: {linspace: [1, 2, 1000]}, epochs: {range: [1, 1001]}}\nrepeats: 101",
            "101,000",
        ),
        ("repeats: 1000000000", "1,000,000,000"),
        ("include: [{lr: 1}, {lr: 2}]\nmatrix: {lr: [3]}\nrepeats: 40000", "120,000"),
    ],
)
def test_too_many_trials_are_counted_and_not_built(
    axes: str, count: str, mistakes: Mistakes
) -> None:
    assert mistakes(f"name: x\n{axes}") == [
        f"grid.yaml:1: expands to {count} trials, more than 100,000: make it smaller, or raise "
        "--max-trials"
    ]


def test_the_limit_itself_is_allowed(expand: Expand, mistakes: Mistakes) -> None:
    grid = "name: x\nmatrix: {lr: [1, 2, 3]}\ninclude: [{lr: 4}]\nrepeats: 2"
    assert len(expand(grid, max_trials=8).specs) == 8
    assert mistakes(grid, max_trials=7) == [
        "grid.yaml:1: expands to 8 trials, more than 7: make it smaller, or raise --max-trials"
    ]


def test_a_missing_parameter_of_ones_own_function(mistakes: Mistakes, tmp_path: Path) -> None:
    (tmp_path / "needs.py").write_text("def main(lr, layers: int, context): ...", encoding="utf-8")
    grid = """\
name: x
groups:
  - workload: needs:main
    matrix: {lr: [1]}
  - workload: needs:main
    include: [{lr: 1}, {layers: 1.5, lr: 2}]
"""
    assert mistakes(grid) == [
        "grid.yaml:3: workload 'needs:main' needs 'layers', and it has no default: give it in "
        "matrix, zip or fixed",
        "grid.yaml:6: include[0]: workload 'needs:main' needs 'layers', and it has no default: "
        "give it in matrix, zip or fixed",
        "grid.yaml:6: include[1].layers: expected a whole number, got 1.5",
    ]


def test_a_parameter_named_as_a_column_of_the_record(mistakes: Mistakes, tmp_path: Path) -> None:
    (tmp_path / "anything.py").write_text("def main(**parameters): ...", encoding="utf-8")
    (said,) = mistakes("name: x\nworkload: anything:main\nfixed: {train_s: 3}")
    assert said.startswith("grid.yaml:3: fixed.train_s: is a column of every record")


@pytest.mark.parametrize(
    ("on", "printed"),
    [
        ({"a31": "cpu"}, ["--on: a31=cpu: the grid has no target 'a31': did you mean 'a30'?"]),
        (
            {"a30": "cpuu"},
            [
                "--on: a30=cpuu: cluster.yaml has no target 'cpuu' (it has a30, cpu, t4): did you "
                "mean 'cpu'? name one of these"
            ],
        ),
    ],
)
def test_on_names_targets_that_exist(
    on: dict[str, str], printed: list[str], mistakes: Mistakes
) -> None:
    assert mistakes("name: x\ntarget: a30", on=on) == printed


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"absent\.yaml: cannot be read: No such file or directory"):
        load_grid(tmp_path / "absent.yaml", targets={}, profile_name="cluster.yaml")


def test_more_threads_than_cpus_are_refused_unless_the_group_asks_for_as_many(
    mistakes: Mistakes, expand: Expand
) -> None:
    targets = {"cpu": replace(CPU, cpus=1)}
    grid = "name: x\nmatrix: {threads: [1, 4]}"
    (said,) = mistakes(grid, targets=targets)
    assert "threads: 4 would take turns on 1 CPU" in said
    assert len(expand(f"{grid}\nresources: {{cpus: 4}}", targets=targets).specs) == 2
