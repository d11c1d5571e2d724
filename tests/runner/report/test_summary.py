"""What is averaged, over what, and what is not."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import pytest

from artifacts.values import spelled
from runner.report.summary import Mean, UnknownColumn, mean_of, summarize
from tests.runner.report.making import collected, record


def test_without_keys_it_groups_by_what_varies_but_the_seed(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        *(
            record(
                10 * i + seed,
                {"lr": lr, "epochs": 3},
                seed=seed,
                test_accuracy=0.5 + lr + seed / 10,
            )
            for i, lr in enumerate((0.1, 0.01))
            for seed in range(3)
        ),
    )
    summary = summarize(table)
    assert summary.by == ("lr",)
    assert [group.keys for group in summary.groups] == [(0.01,), (0.1,)]
    accuracy = summary.groups[1].means["test_accuracy"]
    assert (accuracy.mean, accuracy.sd, accuracy.n) == (pytest.approx(0.7), pytest.approx(0.1), 3)
    assert summary.averaged == (("seed", 3, 3),)


def test_a_parameter_that_only_the_other_workload_has_is_no_key(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(0, {"epochs": 3}, test_accuracy=0.5),
        record(1, {"C": 1, "kernel": "rbf"}, workload="svm", test_accuracy=0.6),
        record(2, {"C": 1, "kernel": "poly"}, workload="svm", test_accuracy=0.7),
    )
    summary = summarize(table)
    assert summary.by == ("workload", "kernel")
    assert [group.keys for group in summary.groups] == [
        ("svm", "poly"),
        ("svm", "rbf"),
        ("train", None),
    ]


def test_a_parameter_left_at_its_default_in_some_trials_is_a_key(tmp_path: Path) -> None:
    table = collected(
        tmp_path, record(0, {}, test_accuracy=0.5), record(1, {"momentum": 0.9}, test_accuracy=0.6)
    )
    assert [group.keys for group in summarize(table).groups] == [(None,), (0.9,)]


def test_trials_that_did_not_complete_are_counted_and_never_averaged(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(0, {"lr": 0.1}, seed=0, test_accuracy=0.9),
        record(1, {"lr": 0.1}, seed=1, test_accuracy=0.1, outcome="failed"),
        record(2, {"lr": 0.1}, seed=2, outcome="unknown"),
        record(3, {"lr": 1.0}, seed=0, outcome="timed_out"),
    )
    summary = summarize(table)
    full, empty = summary.groups
    assert (full.n, full.not_completed, full.means["test_accuracy"]) == (1, 2, Mean(0.9, None, 1))
    assert (empty.n, empty.not_completed, empty.means) == (0, 1, {})
    assert summary.not_completed == {"failed": 1, "unknown": 1, "timed_out": 1}
    assert summary.averaged == (), "one completed trial a cell averages over nothing"


def test_it_names_everything_that_varies_inside_a_cell(tmp_path: Path) -> None:
    records = [
        record(100 * i + 10 * j + seed, {"model": model, "lr": lr}, seed=seed, test_accuracy=0.5)
        for i, model in enumerate(("a", "b"))
        for j, lr in enumerate((0.1, 0.2, 0.3) if model == "a" else (0.1, 0.2))
        for seed in range(2)
    ]
    summary = summarize(collected(tmp_path, *records), ["model"])
    assert summary.averaged == (("lr", 2, 3), ("seed", 2, 2))
    assert [group.n for group in summary.groups] == [6, 4]


def test_two_kinds_of_hardware_in_one_cell_are_named(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(0, {}, seed=0, total_s=1.0),
        record(1, {}, seed=1, total_s=9.0, gpu_name="A30"),
        record(2, {}, seed=2, total_s=9.0, gpu_name="A30"),
    )
    summary = summarize(table)
    assert ("gpu_name", 2, 2) in summary.averaged
    assert summary.devices == {"A30": 2, "Model T": 1}


def test_the_same_trial_in_two_sweeps_is_not_averaged_with_itself(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        *(record(0, {"lr": 0.1}, sweep=sweep, test_accuracy=0.5) for sweep in ("one", "two")),
    )
    summary = summarize(table)
    assert summary.by == ("sweep",)
    assert [group.n for group in summary.groups] == [1, 1]


@pytest.mark.parametrize(
    ("values", "results", "expected"),
    [
        ({"test_accuracy": 0.5, "val_accuracy": 0.6}, {}, "test_accuracy"),
        ({"val_accuracy": 0.6}, {"score": 3.0}, "val_accuracy"),
        ({}, {"label": "x", "converged": True, "score": 3, "rank": 1.5}, "score"),
    ],
)
def test_the_metric_is_the_best_one_that_the_workload_has(
    tmp_path: Path, values: dict[str, Any], results: dict[str, object], expected: str
) -> None:
    table = collected(tmp_path, record(0, {}, results=results, **values))
    assert [metric.name for metric in summarize(table).metrics] == [expected]


def test_each_workload_keeps_its_own_metric(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(0, {}, test_accuracy=0.5, train_s=1.0, total_s=2.0),
        record(1, {}, workload="mine:main", results={"score": 7.0}, total_s=3.0),
    )
    summary = summarize(table)
    assert [metric.name for metric in summary.metrics] == [
        "test_accuracy",
        "score",
        "train_s",
        "total_s",
    ]
    custom, train = summary.groups
    assert custom.means.keys() == {"score", "total_s"}
    assert train.means.keys() == {"test_accuracy", "train_s", "total_s"}


def test_a_list_or_a_mapping_is_a_key_like_any_other(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(0, {"split": [0.7, 0.3]}, total_s=1.0),
        record(1, {"split": [0.8, 0.2]}, total_s=1.0),
    )
    assert [group.keys for group in summarize(table, ["split"]).groups] == [
        ([0.7, 0.3],),
        ([0.8, 0.2],),
    ]


def test_numbers_sort_as_numbers_also_in_a_mixed_column(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        *(record(i, {"gamma": gamma}, total_s=1.0) for i, gamma in enumerate((10, "scale", 9))),
    )
    assert [str(group.keys[0]) for group in summarize(table).groups] == ["9", "10", "scale"]


def test_an_unknown_key_names_the_nearest_column(tmp_path: Path) -> None:
    table = collected(tmp_path, record(0, {"kernel": "rbf"}, total_s=1.0))
    with pytest.raises(UnknownColumn, match="did you mean 'kernel'") as caught:
        summarize(table, ["kernal"])
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_mean_without_a_number_in_it_says_so() -> None:
    assert math.isnan(mean_of([1.0, math.nan]).mean)
    assert math.isinf(mean_of([1.0, math.inf]).mean)


@pytest.mark.parametrize(
    ("numbers", "mean", "sd"),
    [
        ([1e160, 2e160], 1.5e160, 0.5e160 * math.sqrt(2)),
        ([1.7e308, 1.7e308], 1.7e308, 0.0),
        ([1.7e308, -1.7e308], 0.0, math.inf),
        ([1e-300, 3e-300], 2e-300, math.sqrt(2) * 1e-300),
        ([math.inf, -math.inf], math.nan, math.nan),
        ([1.7e308, 1.7e308, -math.inf], -math.inf, math.nan),
        ([1, math.nan], math.nan, math.nan),
        ([0, 0], 0.0, 0.0),
        ([2**62, 2**62 + 1024], 2.0**62 + 512, 512 * math.sqrt(2)),
    ],
)
def test_no_number_is_too_large_or_too_small_for_a_mean(
    numbers: list[float], mean: float, sd: float
) -> None:
    found = mean_of(numbers)
    assert found.mean == pytest.approx(mean, rel=1e-12, abs=0, nan_ok=True)
    assert found.sd == pytest.approx(sd, rel=1e-12, abs=0, nan_ok=True)


def test_values_of_different_kinds_are_different_keys(tmp_path: Path) -> None:
    values: list[Any] = [1, "1", True, "true", [1, 2], "[1,2]", 1.0]
    table = collected(
        tmp_path, *(record(i, {"p": value}, total_s=1.0) for i, value in enumerate(values))
    )
    summary = summarize(table)
    assert summary.by == ("p",)
    assert {spelled(group.keys[0]): group.n for group in summary.groups} == {
        "1": 2, '"1"': 1, "true": 1, '"true"': 1, "[1, 2]": 1, '"[1,2]"': 1
    }  # fmt: skip


def test_a_result_named_like_another_workloads_parameter_is_no_key(tmp_path: Path) -> None:
    shared = [
        record(
            10 * width + seed,
            {"width": width},
            workload="x:shared",
            seed=seed,
            results={"height": 2.0 * width},
        )
        for width in (1, 2)
        for seed in range(3)
    ]
    other = [
        record(
            100 * height + seed,
            {"height": height},
            workload="x:other",
            seed=seed,
            results={"width": height + 0.1 * seed},
        )
        for height in (4, 5)
        for seed in range(3)
    ]
    summary = summarize(collected(tmp_path, *shared, *other))
    found = [(row["workload"], row["width"], row["height"], row["n"]) for row in summary.as_rows()]
    assert sorted(found, key=str) == [
        ("x:other", None, 4, 3), ("x:other", None, 5, 3), ("x:shared", 1, None, 3), ("x:shared", 2, None, 3)
    ]  # fmt: skip
    assert {metric.name for metric in summary.metrics} == {"height", "width"}
    (row,) = (row for row in summary.as_rows() if row["height"] == 4)
    assert row["width (result)"]["mean"] == pytest.approx(4.1)
    assert row["height (result)"] is None


def test_what_is_no_number_leaves_the_metric_and_is_told(tmp_path: Path) -> None:
    scores: list[Any] = [0.5, 0.7, True, "best", "0.9", None]
    table = collected(
        tmp_path,
        *(record(i, {}, seed=i, results={"score": score}) for i, score in enumerate(scores)),
    )
    summary = summarize(table)
    (group,) = summary.groups
    assert group.means["score"].mean == pytest.approx(0.6)
    assert (group.n, group.means["score"].n) == (6, 2)
    assert summary.no_numbers == (("score", 3, True),)


def test_a_key_that_is_nan_is_one_key(tmp_path: Path) -> None:
    table = collected(tmp_path, *(record(i, {}, val_loss=math.nan if i else 0.5) for i in range(3)))
    assert [group.n for group in summarize(table, ["val_loss"]).groups] == [1, 2]


def test_completed_trials_that_diverged_are_counted(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(0, {}, val_loss=0.5, total_s=1.0),
        record(1, {}, val_loss=math.inf, total_s=1.0),
        record(2, {}, outcome="failed"),
    )
    assert [row["diverged"] for row in summarize(table).as_rows()] == [1]
