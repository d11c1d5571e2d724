"""One record, readable."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from artifacts.columns import COLUMNS
from runner.report.record import history_table, sections, with_unit
from tests.runner.report.making import publish, record

HISTORY = [
    {"epoch": 1, "train_loss": 0.5, "val_accuracy": 0.9},
    {"epoch": 2, "train_loss": 0.25, "val_accuracy": 0.95, "extra": {"margin": 3.0}},
]


def test_every_column_of_the_schema_is_shown_or_named_as_not_recorded(tmp_path: Path) -> None:
    store = publish(
        tmp_path, record(0, {"lr": 0.1}, results={"score": 3}, test_accuracy=0.5, history=HISTORY)
    )
    (row,) = store.read("study", f"{0:016x}")
    found = sections(row)
    names = [line.name for section in found for line in section.lines] + [
        name for section in found for name in section.empty
    ]
    assert sorted(names) == sorted(
        {column.name for column in COLUMNS} - {"history", "parameters", "results"} | {"lr", "score"}
    )


def test_parameters_and_results_are_sections_of_their_own(tmp_path: Path) -> None:
    store = publish(tmp_path, record(0, {"lr": 0.1, "momentum": None}, results={"score": 3}))
    (row,) = store.read("study", f"{0:016x}")
    by_title = {
        section.title: {line.name: line.value for line in section.lines}
        for section in sections(row)
    }
    assert by_title["parameters"] == {"lr": "0.1", "momentum": "does not act (default)"}, (
        "adam has none"
    )
    assert by_title["results"] == {"score": "3"}
    assert list(by_title)[:3] == ["identity", "parameters", "results"]


def test_values_carry_their_units() -> None:
    assert with_unit(0.98123, "fraction") == "98.12 %"
    assert with_unit(12.5, "s") == "12.5 s"
    assert with_unit(1.5, "GiB (2**30 bytes)") == "1.5 GiB"
    assert (
        with_unit(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "UTC") == "2026-01-02 03:04:05.000 UTC"
    )
    assert with_unit(["process 7", "thermal"], "") == "process 7, thermal"


def test_the_history_shows_what_any_epoch_has(tmp_path: Path) -> None:
    store = publish(tmp_path, record(0, {}, history=HISTORY))
    (row,) = store.read("study", f"{0:016x}")
    table = history_table(row["history"])
    assert [heading.text for heading in table.headings] == [
        "epoch",
        "train_loss",
        "val_accuracy",
        "margin",
    ]
    assert table.rows == (("1", "0.5", "0.9", ""), ("2", "0.25", "0.95", "3"))
