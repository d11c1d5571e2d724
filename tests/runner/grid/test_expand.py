"""What a grid comes to: which trials, in which order, with which ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.spec import JobSpec
from tests.runner.grid.conftest import Expand

STUDY = """
name: resnet-hyperparameters
groups:
  - workload: train
    target: [a30, t4]
    matrix:
      dataset: [mnist, fashion_mnist]
      model: [resnet18, resnet50]
      batch_size: [16, 32]
      lr: [1e-3, 1e-4]
      weight_decay: {logspace: [1e-5, 1e-2, 4]}
    zip: {optimizer: [sgd, adam], momentum: [0.9, null]}
    fixed: {epochs: 10, amp: fp16, split: [0.7, 0.1, 0.2]}
    exclude: [{model: resnet50, target: t4}]
    include: [{dataset: mnist, model: resnet34, batch_size: 64, lr: 1e-3, target: a30}]
    repeats: 5
    resources: {time_min: 60, mem_gb: 24}
  - workload: svm
    target: cpu
    matrix: {dataset: [mnist, fashion_mnist], kernel: [poly, rbf]}
    fixed: {train_subset: 10000}
"""


def specs_of(grid: str, expand: Expand) -> list[JobSpec]:
    return expand(grid).specs


def test_a_whole_study(expand: Expand) -> None:
    expanded = expand(STUDY)
    train, svm = expanded.groups
    assert (train.points, train.excluded, train.merged, train.collapsed, train.trials) == (
        1285,
        320,
        0,
        0,
        965,
    )
    assert (svm.points, svm.trials) == (4, 4)
    assert expanded.name == "resnet-hyperparameters"
    assert expanded.ids == [spec.trial_id for spec in expanded.specs]
    assert len(set(expanded.ids)) == 969
    included = expanded.specs[960:965]
    assert [spec.seed for spec in included] == [0, 1, 2, 3, 4]
    # lr 1e-3 is the default, so it is not written out; momentum and optimizer are given by zip only
    # and stay at theirs.
    wanted = {
        "amp": "fp16",
        "dataset": "mnist",
        "epochs": 10,
        "model": "resnet34",
        "split": [0.7, 0.1, 0.2],
    }
    assert included[0] == JobSpec(
        workload="train",
        target="a30",
        seed=0,
        params=wanted,
        resources={"time_min": 60, "mem_gb": 24},
        group="train",
    )
    pairs = {
        (spec.params.get("optimizer", "adam"), spec.params.get("momentum"))
        for spec in expanded.specs[:960]
    }
    assert pairs == {("sgd", 0.9), ("adam", None)}
    assert not any(
        spec.target == "t4" and spec.params["model"] == "resnet50" for spec in expanded.specs[:960]
    )


def test_the_order_is_that_of_the_grid(expand: Expand) -> None:
    specs = specs_of(
        "name: x\ntarget: [t4, cpu]\nmatrix: {lr: [3, 1], epochs: [9, 7]}\nrepeats: 2", expand
    )
    seen = [(spec.target, spec.params["lr"], spec.params["epochs"], spec.seed) for spec in specs]
    assert seen == [
        (target, lr, epochs, seed)
        for target in ("t4", "cpu")
        for lr in (3, 1)
        for epochs in (9, 7)
        for seed in (0, 1)
    ]


def test_the_least_grid_is_one_trial(expand: Expand) -> None:
    (spec,) = specs_of("name: x", expand)
    assert spec == JobSpec(workload="train", target="cpu", seed=0, params={}, group="train")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fixed: {lr: 1e-2, epochs: 3}", "fixed: {epochs: 3, lr: 0.01}"),
        ("fixed: {lr: 1e-2}", "matrix: {lr: [0.010]}"),
        ("fixed: {lr: 2}", "fixed: {lr: 2.0}"),
        ("fixed: {epochs: 16}", "fixed: {epochs: 1.6e1}"),
        ("fixed: {weight_decay: 0}", "fixed: {weight_decay: -0.0}"),
        ("fixed: {}", "fixed: {lr: 1e-3, model: simple_cnn, momentum: null}"),
        ("matrix: {lr: [1e-3]}", "zip: {lr: [0.001]}"),
        ("target: cpu", "matrix: {target: [cpu]}"),
        ("target: cpu", "zip: {target: [cpu], lr: [0.001]}"),
        ("target: cpu", "fixed: {target: cpu}"),
        ("fixed: {split: [0.5, 0, 0.5]}", "fixed: {split: [5e-1, 0.0, 0.5]}"),
        ("workload: train", "resources: {mem_gb: 3}"),
    ],
)
def test_two_ways_to_write_one_trial(one: str, other: str, expand: Expand) -> None:
    assert expand(f"name: x\n{one}").ids == expand(f"name: y\n{other}").ids


def test_another_value_is_another_trial(expand: Expand) -> None:
    ids = [
        expand(f"name: x\n{change}").ids[0]
        for change in (
            "",
            "fixed: {lr: 2}",
            "fixed: {epochs: 2}",
            "target: a30",
            "workload: svm",
            "fixed: {optimizer: sgd, momentum: 0.5}",
            "fixed: {optimizer: adamw, weight_decay: 0}",
        )
    ]
    assert len(set(ids)) == len(ids)


def test_overlapping_groups_run_a_trial_once(expand: Expand) -> None:
    expanded = expand(
        """
        name: x
        groups:
          - {name: one, matrix: {lr: [1, 2, 3]}, resources: {mem_gb: 1}}
          - {name: two, matrix: {lr: [2.0, 3.0, 4]}, include: [{lr: 4}], resources: {mem_gb: 2}}
        """
    )
    assert [
        (spec.params["lr"], spec.group, spec.resources["mem_gb"]) for spec in expanded.specs
    ] == [
        (1, "one", 1),
        (2, "one", 1),
        (3, "one", 1),
        (4, "two", 2),
    ]
    assert expanded.merged == 3
    assert [
        (group.label, group.points, group.merged, group.trials) for group in expanded.groups
    ] == [("one", 3, 0, 3), ("two", 4, 3, 1)]
    assert expanded.notes == [
        "two: trials that an earlier group has too run with that group's resources"
    ]


def test_a_value_given_twice_is_one(expand: Expand) -> None:
    expanded = expand("name: x\nmatrix: {lr: [1e-1, 0.1, 1.0e-1, 0.2]}\nrepeats: 2")
    assert (len(expanded.specs), expanded.merged, expanded.notes) == (
        4,
        4,
        ["matrix.lr gives 4 values, 2 of them different"],
    )


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ("{lr: 1}", {(2, 0, "cpu"), (2, 0, "a30"), (2, 1, "cpu"), (2, 1, "a30")}),
        (
            "{lr: 1.0, seed: 0}",
            {
                (1, 1, "cpu"),
                (1, 1, "a30"),
                (2, 0, "cpu"),
                (2, 0, "a30"),
                (2, 1, "cpu"),
                (2, 1, "a30"),
            },
        ),
        ("{target: cpu}", {(1, 0, "a30"), (1, 1, "a30"), (2, 0, "a30"), (2, 1, "a30")}),
        (
            "{target: cpu, seed: 1}",
            {
                (1, 0, "cpu"),
                (2, 0, "cpu"),
                (1, 0, "a30"),
                (1, 1, "a30"),
                (2, 0, "a30"),
                (2, 1, "a30"),
            },
        ),
        (
            "{epochs: 5, lr: 2}",
            {(1, 0, "cpu"), (1, 0, "a30"), (1, 1, "cpu"), (1, 1, "a30")},
        ),  # 5 epochs are the default
        ("{seed: 1}, {lr: 2}", {(1, 0, "cpu"), (1, 0, "a30")}),
    ],
)
def test_exclude_drops_what_matches_every_key(
    exclude: str, left: set[tuple[int, int, str]], expand: Expand
) -> None:
    expanded = expand(
        f"name: x\ntarget: [cpu, a30]\nmatrix: {{lr: [1, 2]}}\nexclude: [{exclude}]\nrepeats: 2"
    )
    assert {(spec.params["lr"], spec.seed, spec.target) for spec in expanded.specs} == left
    assert expanded.groups[0].excluded == 8 - len(left)


def test_exclude_in_a_zip_needs_both_in_one_row(
    expand: Expand, mistakes: Callable[..., list[str]]
) -> None:
    grid = "name: x\nzip: {lr: [1, 2], epochs: [3, 4]}\nexclude: [{lr: 1, epochs: %d}]"
    assert len(specs_of(grid % 3, expand)) == 1
    assert mistakes(grid % 4) == [
        "grid.yaml:3: exclude[0]: matches nothing: no trial of the group has lr: 1, epochs: 4"
    ]


def test_include_starts_from_fixed_and_is_not_excluded(expand: Expand) -> None:
    grid = """
    name: x
    target: [cpu, a30]
    matrix: {lr: [1, 2]}
    fixed: {epochs: 3, batch_size: 8}
    exclude: [{lr: 2}]
    include: [{lr: 2, epochs: 4}, {target: t4}]
    repeats: 2
    """
    specs = specs_of(grid, expand)
    assert [
        (s.params.get("lr"), s.params["epochs"], s.params["batch_size"], s.target)
        for s in specs
        if s.seed == 1
    ] == [
        (1, 3, 8, "cpu"),
        (1, 3, 8, "a30"),
        (2, 4, 8, "cpu"),
        (2, 4, 8, "a30"),
        (None, 3, 8, "t4"),
    ]


def test_include_adds_a_point_and_changes_none(expand: Expand) -> None:
    """GitHub's would give batch_size to the points of the matrix that have this lr."""
    specs = specs_of(
        "name: x\nmatrix: {lr: [1, 2], epochs: [3, 4]}\ninclude: [{lr: 2, batch_size: 8}]", expand
    )
    assert [spec.params for spec in specs] == [
        {"lr": 1, "epochs": 3},
        {"lr": 1, "epochs": 4},
        {"lr": 2, "epochs": 3},
        {"lr": 2, "epochs": 4},
        {"lr": 2, "batch_size": 8},
    ]


def test_only_includes(expand: Expand) -> None:
    specs = specs_of("name: x\ninclude: [{lr: 1}, {lr: 2}]", expand)
    assert [spec.params for spec in specs] == [{"lr": 1}, {"lr": 2}]


def test_groups_of_one_workload_can_be_told_apart(expand: Expand) -> None:
    groups = expand(
        "name: x\ngroups: [{fixed: {lr: 1}}, {fixed: {lr: 2}}, {workload: svm}, {name: mine, "
        "fixed: {lr: 3}}]"
    ).groups
    assert [group.label for group in groups] == ["train", "train-2", "svm", "mine"]


def test_on_runs_one_target_as_another_but_excludes_what_was_written(expand: Expand) -> None:
    grid = (
        "name: x\ntarget: [v100, t4]\nmatrix: {model: [resnet18, resnet50]}\nexclude: [{model: "
        "resnet50, target: v100}]"
    )
    specs = expand(grid, on={"v100": "a30"}).specs
    assert [(spec.target, spec.params["model"]) for spec in specs] == [
        ("a30", "resnet18"),
        ("t4", "resnet18"),
        ("t4", "resnet50"),
    ]


def test_on_may_make_two_targets_one(expand: Expand) -> None:
    expanded = expand("name: x\ntarget: [a30, t4]", on={"a30": "cpu", "t4": "cpu"})
    assert ([spec.target for spec in expanded.specs], expanded.merged) == (["cpu"], 1)


CUSTOM = """
def main(lr, depth: int = 3, *, context, seed, extra: dict | None = None):
    raise AssertionError("a plan runs nothing")
"""


def test_a_function_of_ones_own_is_found_beside_the_grid(expand: Expand, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CUSTOM, encoding="utf-8")
    specs = specs_of(
        "name: x\nworkload: mine:main\nmatrix: {lr: [1, 1.0, fast], depth: [3, 4]}\nfixed: {extra: "
        "{b: 1, a: 2.0}}",
        expand,
    )
    # A function's own defaults may change, so they are written out.
    assert [spec.params for spec in specs] == [
        {"depth": depth, "extra": {"a": 2, "b": 1}, "lr": lr}
        for lr in (1, "fast")
        for depth in (3, 4)
    ]


def test_a_function_that_takes_anything(expand: Expand, tmp_path: Path) -> None:
    (tmp_path / "open_mine.py").write_text("def main(a=1, **parameters): ...", encoding="utf-8")
    grid = (
        "name: x\nworkload: open_mine:main\nmatrix: {b: [1, two]}\ninclude: [{c: [1, {d: null}]}]"
    )
    assert [spec.params for spec in specs_of(grid, expand)] == [
        {"a": 1, "b": 1},
        {"a": 1, "b": "two"},
        {"a": 1, "c": [1, {"d": None}]},
    ]


def test_a_parameter_of_any_name_goes_where_kwargs_are_taken(expand: Expand) -> None:
    Path("named.py").write_text("def main(**options): ...\n")
    specs = specs_of(
        "name: x\nworkload: named:main\nmatrix: {optimizer.lr: [0.1, 0.2], my param: [1]}\nfixed: "
        "{__init__: 3}",
        expand,
    )
    assert [spec.params for spec in specs] == [
        {"__init__": 3, "my param": 1, "optimizer.lr": lr} for lr in (0.1, 0.2)
    ]
