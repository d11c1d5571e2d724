"""No two trials compute the same thing, and nothing is asked for that cannot happen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.runner.grid.conftest import Expand

Mistakes = Callable[..., list[str]]


def test_an_axis_that_cannot_act_collapses_with_a_note(expand: Expand) -> None:
    expanded = expand(
        "name: x\nworkload: svm\nmatrix: {degree: [2, 3, 4], kernel: [rbf, poly], C: [1, "
        "2]}\nrepeats: 2"
    )
    (group,) = expanded.groups
    assert (group.points, group.collapsed, group.merged, group.trials) == (24, 8, 0, 16)
    assert expanded.collapsed == 8
    assert expanded.notes == ["degree: acts only with kernel poly: 12 trials collapsed into 4"]
    assert [spec.params for spec in expanded.specs if spec.seed == 0] == [
        {},
        {"C": 2},
        {"degree": 2, "kernel": "poly"},
        {"C": 2, "degree": 2, "kernel": "poly"},
        {"kernel": "poly"},
        {"C": 2, "kernel": "poly"},
        {"degree": 4, "kernel": "poly"},
        {"C": 2, "degree": 4, "kernel": "poly"},
    ]


def test_what_acts_on_one_target_only_is_told_with_the_other(expand: Expand) -> None:
    grid = (
        "name: x\ntarget: [cpu, a30]\nmatrix: {cudnn_benchmark: [true, false], lr: [1, "
        "2]}\nfixed: {model: resnet18}"
    )
    expanded = expand(grid)
    (note,) = expanded.notes
    assert note.startswith("cudnn_benchmark: true does not act")
    assert note.endswith("(target cpu): 4 trials collapsed into 2")
    assert (len(expanded.specs), expanded.collapsed) == (6, 2)


def test_a_fixed_value_that_acts_somewhere_is_left_at_its_default_elsewhere(expand: Expand) -> None:
    expanded = expand(
        "name: x\nworkload: svm\nmatrix: {kernel: [linear, rbf, poly]}\nfixed: {gamma: "
        "0.1}\nrepeats: 3"
    )
    assert expanded.notes == [
        "gamma: acts only with kernel poly or rbf or sigmoid: left at its default in 3 trials"
    ]
    assert [spec.params.get("gamma") for spec in expanded.specs] == [None] * 3 + [0.1] * 6
    assert expanded.collapsed == 0


@pytest.mark.parametrize(
    ("grid", "printed"),
    [
        ("matrix: {kernel: [rbf, linear]}\nfixed: {degree: 5}", "4: fixed.degree: "),
        ("matrix: {kernel: [rbf, linear], degree: [5]}", "3: matrix.degree: "),
        ("matrix: {kernel: [poly]}\ninclude: [{kernel: rbf, degree: 5}]", "4: include[0].degree: "),
    ],
)
def test_a_value_written_once_that_acts_nowhere_is_a_mistake(
    grid: str, printed: str, mistakes: Mistakes
) -> None:
    (said,) = mistakes(f"name: x\nworkload: svm\n{grid}")
    assert said == f"grid.yaml:{printed}acts only with kernel poly: leave it out"


def test_values_that_are_only_spelled_otherwise_are_one_trial(expand: Expand) -> None:
    axes = "matrix: {momentum: [0, null], fused: [true, null], weight_decay: [0, null]}"
    expanded = expand(f"name: x\nfixed: {{optimizer: sgd, epochs: 1}}\n{axes}")
    assert [spec.params for spec in expanded.specs] == [{"epochs": 1, "optimizer": "sgd"}]
    assert (expanded.merged, expanded.collapsed, expanded.notes) == (7, 0, [])


def test_a_spelled_out_default_is_no_mistake_beside_a_value_that_does_not_act(
    expand: Expand,
) -> None:
    expanded = expand("name: x\nfixed: {weight_decay: 0}\nmatrix: {lr_gamma: [0.2, 0.5]}")
    assert [spec.params for spec in expanded.specs] == [{}]
    assert [note.partition(":")[0] for note in expanded.notes] == ["lr_gamma", "lr_gamma"]


def test_a_value_that_acts_under_another_spelling_is_alive(expand: Expand) -> None:
    grid = (
        "name: x\nfixed: {fused: true, device: cpu, prefetch_factor: 2}\nmatrix: {loader: "
        "[dataloader], num_workers: [1, 2]}"
    )
    assert [spec.params for spec in expand(grid).specs] == [
        {"loader": "dataloader", "num_workers": n} for n in (1, 2)
    ]


def test_a_default_written_out_is_no_mistake(expand: Expand) -> None:
    assert expand("name: x\nworkload: svm\nfixed: {kernel: rbf, degree: 3}").specs[0].params == {}


@pytest.mark.parametrize("options", [{"on": {"a30": "cpu"}}, {"sets": ["target=cpu"]}])
def test_a_rehearsal_on_another_target_drops_what_cannot_act_there(
    options: dict[str, object], expand: Expand
) -> None:
    grid = "name: x\ntarget: a30\nfixed: {model: resnet18, cudnn_benchmark: true}"
    assert expand(grid).specs[0].params == {"cudnn_benchmark": True, "model": "resnet18"}
    rehearsal = expand(grid, **options)
    assert rehearsal.specs[0].params == {"model": "resnet18"}
    (note,) = rehearsal.notes
    assert note.endswith("left at its default in 1 trial")


def test_values_that_contradict_each_other_are_a_mistake(mistakes: Mistakes) -> None:
    (said,) = mistakes("name: x\nmatrix: {device: [cpu, cuda], lr: [1, 2]}\nrepeats: 4")
    assert said.startswith(
        "grid.yaml:2: matrix.device: cuda was asked for on a target without a GPU"
    )
    assert said.endswith("(in 2 of 4 points: exclude them, or change one of the values)")


def test_a_contradiction_that_is_excluded_is_none(expand: Expand) -> None:
    grid = (
        "name: x\ntarget: [cpu, a30]\nmatrix: {device: [auto, cuda]}\nexclude: [{target: cpu, "
        "device: cuda}]"
    )
    assert [spec.target for spec in expand(grid).specs] == [
        "cpu",
        "a30",
    ]  # on the a30, auto is cuda


def test_a_name_that_only_the_workload_can_judge(mistakes: Mistakes) -> None:
    (said,) = mistakes("name: x\nmatrix: {model: [resnet18, resnet19]}")
    assert said.startswith("grid.yaml:2: matrix.model: no model 'resnet19' (did you mean 'resnet1")


def test_collapse_and_overlap_are_counted_apart(expand: Expand) -> None:
    expanded = expand(
        "name: x\ngroups: [{workload: svm, matrix: {degree: [2, 3]}}, {workload: svm, name: again, "
        "matrix: {C: [1, 1.0, 2]}}]"
    )
    assert [(g.points, g.collapsed, g.merged, g.trials) for g in expanded.groups] == [
        (2, 1, 0, 1),
        (3, 0, 2, 1),
    ]
    assert (expanded.collapsed, expanded.merged) == (1, 2)
