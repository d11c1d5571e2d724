"""How numbers are written."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from runner.report.summary import Mean, Metric, Summary, SummaryGroup, summarize
from runner.report.tables import Heading, Table, listing, summary_table, text
from tests.runner.report.making import collected, record


def test_mean_sd_and_n_stand_in_each_row(tmp_path: Path) -> None:
    table = summary_table(
        summarize(
            collected(
                tmp_path,
                record(0, {"lr": 0.1}, seed=0, test_accuracy=0.98, train_s=12.0),
                record(1, {"lr": 0.1}, seed=1, test_accuracy=0.96, train_s=13.0),
                record(2, {"lr": 1.0}, seed=0, test_accuracy=0.1, train_s=0.01234),
            )
        )
    )
    assert [heading.text for heading in table.headings] == ["lr", "n", "test_accuracy %", "train_s"]
    assert table.rows == (
        ("0.1", "2", "97.00 ± 1.41", "  12.5 ± 0.7"),
        ("1", "1", "10.00       ", "0.0123      "),
    )
    assert table.notes == ("measured on Model T (3 trials)",)


def test_a_line_says_over_what_a_cell_averages(tmp_path: Path) -> None:
    records = [
        record(10 * i + seed, {"lr": lr}, seed=seed, test_accuracy=0.5)
        for i, lr in enumerate((0.1, 0.2, 0.3))
        for seed in range(2)
    ]
    notes = summary_table(summarize(collected(tmp_path, *records), ["workload"])).notes
    assert notes[0] == "each cell averages over lr (3 values), seed (2 values)"


def test_failures_have_a_column_and_a_line(tmp_path: Path) -> None:
    table = summary_table(
        summarize(
            collected(
                tmp_path,
                record(0, {}, seed=0, test_accuracy=0.5),
                record(1, {}, seed=1, outcome="failed"),
                record(2, {}, seed=2, outcome="gpu_out_of_memory"),
                record(3, {}, seed=3, outcome="failed"),
            )
        )
    )
    assert table.rows[0][:2] == ("1", "3")
    assert table.headings[1].text == "not completed"
    assert (
        table.notes[0] == "3 trials not completed and in no average: 2 failed, 1 gpu_out_of_memory"
    )


def test_a_disturbed_measurement_is_marked_where_it_counts(tmp_path: Path) -> None:
    table = summary_table(
        summarize(
            collected(tmp_path, record(0, {}, test_accuracy=0.5, train_s=10.0, disturbed=True))
        )
    )
    assert table.rows == (("1", "50.00", "10.0 *"),)
    assert table.notes[0].startswith("* 1 measurement disturbed")


def test_a_metric_that_some_trials_lack_says_how_many_have_it(tmp_path: Path) -> None:
    table = summary_table(
        summarize(
            collected(
                tmp_path,
                record(0, {}, seed=0, test_accuracy=0.5, train_s=10.0),
                record(1, {}, seed=1, test_accuracy=0.5),
            )
        )
    )
    assert table.rows == (("2", "50.00 ± 0.00", "10.0 (n=1)"),)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (16.0, "16"),
        (0.001, "0.001"),
        (1e-5, "1e-05"),
        (True, "true"),
        ([0.7, 0.3], "[0.7,0.3]"),
        ("rbf", "rbf"),
    ],
)
def test_a_value_looks_as_it_would_in_a_grid(value: object, shown: str) -> None:
    assert text(value) == shown


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e-30, 1e30])
def test_no_number_breaks_the_table(value: float) -> None:
    group = SummaryGroup((), 2, 0, 0, {"score": Mean(value, value, 2)})
    table = summary_table(Summary((), (Metric("score"),), (group,), (), {}, {}))
    assert float(table.rows[0][1].split(" ± ")[0]) == pytest.approx(value, abs=1e-6, nan_ok=True)


def test_a_listing_leaves_blank_what_a_row_lacks() -> None:
    table = listing(("a", "b"), [{"a": 1, "b": "x"}, {"a": 20}])
    assert table.rows == (("1", "x"), ("20", ""))
    assert [heading.right for heading in table.headings] == [True, False]
    assert listing(("a",), []) == Table((Heading("a"),), ())


@pytest.mark.parametrize(
    ("mean", "sd", "shown"),
    [
        (1e-9, 2e-10, "1e-09 ± 2e-10"),
        (1.234e-5, 0.0, "1.23e-05 ± 0"),
        (0.00123, 0.00004, "0.00123 ± 0.00004"),
        (5.0, 1e-6, "5.00 ± 1e-06"),
        (-1e-9, 1.0, "-1e-09 ± 1"),
        (0.0, 1e-9, "0 ± 1e-09"),
        (1.5e160, math.inf, "1.5e+160 ± inf"),
        (math.nan, math.nan, "nan ± nan"),
    ],
)
def test_no_number_is_shown_as_the_zero_it_is_not(mean: float, sd: float, shown: str) -> None:
    group = SummaryGroup((), 2, 0, 0, {"score": Mean(mean, sd, 2)})
    assert (
        summary_table(Summary((), (Metric("score"),), (group,), (), {}, {})).rows[0][1].strip()
        == shown
    )


def test_keys_that_differ_look_different(tmp_path: Path) -> None:
    table = summary_table(
        summarize(
            collected(
                tmp_path,
                *(record(i, {"p": p}, total_s=1.0) for i, p in enumerate([1, "1", "auto", True])),
            )
        )
    )
    assert {row[0] for row in table.rows} == {"1", '"1"', "auto", "true"}
    close = [record(i, {"lr": lr}, total_s=1.0) for i, lr in enumerate([0.12345678, 0.12345679])]
    assert {
        row[0] for row in summary_table(summarize(collected(tmp_path / "close", *close))).rows
    } == {"0.12345678", "0.12345679"}


def test_what_diverged_and_what_is_no_number_is_said_below_the_table(tmp_path: Path) -> None:
    records = [
        record(i, {}, seed=i, results={"loss": loss})
        for i, loss in enumerate([0.5, math.nan, "low"])
    ]
    table = summary_table(summarize(collected(tmp_path, *records)))
    assert [heading.text for heading in table.headings] == ["n", "diverged", "loss"]
    assert table.rows == (("3", "1", "nan ± nan (n=2)"),)
    assert table.notes[0].startswith("1 completed trial diverged")
    assert (
        table.notes[1]
        == "loss is not a number in 1 completed trial (low, for example): in none of its means"
    )
