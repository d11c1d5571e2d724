"""What is averaged, over what, and what is not."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import pytest

from runner.report.summary import Mean, UnknownColumn, mean_of, summarise
from tests.runner.report.making import collected, record


def test_without_keys_it_groups_by_what_varies_but_the_seed(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        *(
            record(10 * i + seed, {"lr": lr, "epochs": 3}, seed=seed, test_accuracy=0.5 + lr + seed / 10)
            for i, lr in enumerate((0.1, 0.01))
            for seed in range(3)
        ),
    )
    summary = summarise(table)
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
    summary = summarise(table)
    assert summary.by == ("workload", "kernel")
    assert [group.keys for group in summary.groups] == [("svm", "poly"), ("svm", "rbf"), ("train", None)]


def test_a_parameter_left_at_its_default_in_some_trials_is_a_key(tmp_path: Path) -> None:
    table = collected(tmp_path, record(0, {}, test_accuracy=0.5), record(1, {"momentum": 0.9}, test_accuracy=0.6))
    assert [group.keys for group in summarise(table).groups] == [(None,), (0.9,)]


def test_trials_that_did_not_complete_are_counted_and_never_averaged(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(0, {"lr": 0.1}, seed=0, test_accuracy=0.9),
        record(1, {"lr": 0.1}, seed=1, test_accuracy=0.1, outcome="failed"),
        record(2, {"lr": 0.1}, seed=2, outcome="UNKNOWN"),
        record(3, {"lr": 1.0}, seed=0, outcome="timed_out"),
    )
    summary = summarise(table)
    full, empty = summary.groups
    assert (full.n, full.not_completed, full.means["test_accuracy"]) == (1, 2, Mean(0.9, None, 1))
    assert (empty.n, empty.not_completed, empty.means) == (0, 1, {})
    assert summary.not_completed == {"failed": 1, "UNKNOWN": 1, "timed_out": 1}
    assert summary.averaged == (), "one completed trial a cell averages over nothing"


def test_it_names_everything_that_varies_inside_a_cell(tmp_path: Path) -> None:
    records = [
        record(100 * i + 10 * j + seed, {"model": model, "lr": lr}, seed=seed, test_accuracy=0.5)
        for i, model in enumerate(("a", "b"))
        for j, lr in enumerate((0.1, 0.2, 0.3) if model == "a" else (0.1, 0.2))
        for seed in range(2)
    ]
    summary = summarise(collected(tmp_path, *records), ["model"])
    assert summary.averaged == (("lr", 2, 3), ("seed", 2, 2))
    assert [group.n for group in summary.groups] == [6, 4]


def test_two_kinds_of_hardware_in_one_cell_are_named(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(0, {}, seed=0, total_s=1.0),
        record(1, {}, seed=1, total_s=9.0, gpu_name="A30"),
        record(2, {}, seed=2, total_s=9.0, gpu_name="A30"),
    )
    summary = summarise(table)
    assert ("gpu_name", 2, 2) in summary.averaged
    assert summary.devices == {"A30": 2, "Model T": 1}


def test_the_same_trial_in_two_sweeps_is_not_averaged_with_itself(tmp_path: Path) -> None:
    table = collected(tmp_path, *(record(0, {"lr": 0.1}, sweep=sweep, test_accuracy=0.5) for sweep in ("one", "two")))
    summary = summarise(table)
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
    tmp_path: Path, values: dict[str, float], results: dict[str, object], expected: str
) -> None:
    table = collected(tmp_path, record(0, {}, results=results, **values))
    assert [metric.name for metric in summarise(table).metrics] == [expected]


def test_each_workload_keeps_its_own_metric(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(0, {}, test_accuracy=0.5, train_s=1.0, total_s=2.0),
        record(1, {}, workload="mine:main", results={"score": 7.0}, total_s=3.0),
    )
    summary = summarise(table)
    assert [metric.name for metric in summary.metrics] == ["test_accuracy", "score", "train_s", "total_s"]
    custom, train = summary.groups
    assert custom.means.keys() == {"score", "total_s"}
    assert train.means.keys() == {"test_accuracy", "train_s", "total_s"}


def test_a_list_or_a_mapping_is_a_key_like_any_other(tmp_path: Path) -> None:
    table = collected(tmp_path, record(0, {"split": [0.7, 0.3]}, total_s=1.0), record(1, {"split": [0.8, 0.2]}, total_s=1.0))
    assert [group.keys for group in summarise(table, ["split"]).groups] == [([0.7, 0.3],), ([0.8, 0.2],)]


def test_numbers_sort_as_numbers_also_in_a_mixed_column(tmp_path: Path) -> None:
    table = collected(tmp_path, *(record(i, {"gamma": gamma}, total_s=1.0) for i, gamma in enumerate((10, "scale", 9))))
    assert [str(group.keys[0]) for group in summarise(table).groups] == ["9", "10", "scale"]


def test_an_unknown_key_names_the_nearest_column(tmp_path: Path) -> None:
    table = collected(tmp_path, record(0, {"kernel": "rbf"}, total_s=1.0))
    with pytest.raises(UnknownColumn, match="did you mean 'kernel'") as caught:
        summarise(table, ["kernal"])
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_mean_without_a_number_in_it_says_so() -> None:
    assert math.isnan(mean_of([1.0, math.nan]).mean)
    assert math.isinf(mean_of([1.0, math.inf]).mean)
