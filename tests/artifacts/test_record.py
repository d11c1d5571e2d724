"""What a record takes, what it refuses, and what comes back from its file."""

from __future__ import annotations

import enum
import json
import math
import pickle
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts import parquet
from artifacts.columns import COLUMNS, RESERVED
from artifacts.errors import BadColumn, BadName
from artifacts.record import Outcome, Record, parameter_column
from tests.artifacts.conftest import make_record


def published(record: Record) -> dict[str, Any]:
    """The row as a reader sees it that knows nothing of this package."""
    return pq.read_table(pa.BufferReader(parquet.record_bytes(record))).to_pylist(maps_as_pydicts="strict")[0]


def test_what_is_missing_has_no_column_and_no_zero() -> None:
    row = published(make_record(eval_s=None))
    assert "eval_s" not in row
    assert "gpu_energy_j" not in row
    assert row["train_s"] == 1.5


def test_every_column_of_the_schema_can_be_filled() -> None:
    examples = {"string": "x", "int": 3, "double": 0.5, "bool": True, "timestamp": 1.5e9, "list<string>": ["a"], "history": [{"epoch": 1}]}
    own = {"schema_version", "sweep", "trial", "attempt", "parameters", "results"}
    values = {column.name: examples[column.type] for column in COLUMNS if column.name not in own} | {"outcome": "failed"}
    row = published(Record("study", "aa", 1, {}, values))
    assert row.keys() == RESERVED
    for name, value in values.items():
        if name not in ("submitted_at", "started_at", "ended_at", "history"):
            assert row[name] == value


def test_parameters_and_results_stand_under_their_own_names() -> None:
    row = published(make_record(parameters={"lr": 0.1, "momentum": None}, results={"score": 3}))
    assert (row["lr"], row["momentum"], row["score"]) == (0.1, None, 3)
    assert (row["parameters"], row["results"]) == (["lr", "momentum"], ["score"])


def test_a_parameter_named_like_a_column_is_what_was_asked_for() -> None:
    row = published(make_record(parameters={"engine": "auto"}, engine="sklearnex"))
    assert (row["engine_asked"], row["engine"], row["parameters"]) == ("auto", "sklearnex", ["engine_asked"])
    assert parameter_column("lr") == "lr"


def test_history_keeps_what_else_was_reported() -> None:
    history = published(make_record())["history"]
    assert [entry["epoch"] for entry in history] == [1, 2]
    assert history[0]["val_loss"] == 0.5
    assert history[0]["extra"] is None
    assert history[1]["val_loss"] is None
    assert history[1]["extra"] == {"gradient_norm": 3.0}


class Colour(enum.Enum):
    red = "red"


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        (np.float64(0.5), 0.5),
        (np.int32(7), 7),
        (np.bool_(True), True),
        (np.arange(3), [0, 1, 2]),
        (True, True),
        ([1, 2.5], [1.0, 2.5]),
        ([True, False], [True, False]),
        (("a", "b"), ["a", "b"]),
        ([1, "a", None], '[1,"a",null]'),
        ([[1, 2], [3]], "[[1,2],[3]]"),
        ({"a": np.float64(1.5), "b": Path("x")}, '{"a":1.5,"b":"x"}'),
        (2**63, str(2**63)),
        ([2**63], f"[{2**63}]"),
        (Path("/data/x"), "/data/x"),
        (Colour.red, "red"),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        ("caf\udce9", "caf\\udce9"),
    ],
)
def test_values_of_parameters_become_plain(given_value: Any, kept: Any) -> None:
    row = published(make_record(parameters={"p": given_value}))
    assert row["p"] == kept
    assert type(row["p"]) is type(kept)


plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda name: parameter_column(name) == name)


@settings(max_examples=60, deadline=None)
@given(parameters=st.dictionaries(names, plain, max_size=6))
def test_any_plain_parameter_comes_back_as_it_was(parameters: dict[str, Any]) -> None:
    row = published(make_record(parameters=parameters))
    for name, value in parameters.items():
        assert row[name] == value
        assert type(row[name]) is type(value)


def test_a_diverged_loss_is_not_a_missing_one() -> None:
    row = published(make_record(train_loss=math.nan, val_loss=math.inf))
    assert math.isnan(row["train_loss"])
    assert row["val_loss"] == math.inf


def test_times_of_day_are_utc_whatever_the_clock_said() -> None:
    summer = timezone(timedelta(hours=2))
    row = published(make_record(submitted_at=datetime(2024, 6, 1, 12, 0, tzinfo=summer), started_at=1_700_000_000.25))
    assert row["submitted_at"] == datetime(2024, 6, 1, 10, 0, tzinfo=UTC)
    assert row["started_at"].timestamp() == 1_700_000_000.25


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"accuracy": 0.5}, "accuracy"),
        ({"schema_version": 2}, "schema_version"),
        ({"outcome": "finished"}, "outcome"),
        ({"outcome": None}, "outcome"),
        ({"train_s": "fast"}, "train_s"),
        ({"train_s": True}, "train_s"),
        ({"steps": 1.5}, "steps"),
        ({"seed": 2**63}, "seed"),
        ({"dirty": 1}, "dirty"),
        ({"node": 1.5}, "node"),
        ({"disturbed_by": "cron"}, "disturbed_by"),
        ({"started_at": datetime(2024, 1, 1)}, "started_at"),
        ({"history": [{"epoch": "one"}]}, "history.epoch"),
        ({"history": [{"epoch": 1, "note": "x"}]}, "history.note"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_before_anything_is_written(values: dict[str, Any], column: str) -> None:
    with pytest.raises(BadColumn) as refused:
        make_record(**values)
    assert refused.value.name == column


@pytest.mark.parametrize(
    ("parameters", "results", "column"),
    [
        ({"lr": 1}, {"lr": 2}, "lr"),
        ({}, {"test_accuracy": 2}, "test_accuracy"),
        ({"engine": 1, "engine_asked": 2}, {}, "parameters"),
        ({"net": object()}, {}, "net"),
        ({}, {"net": [object()]}, "net"),
    ],
)
def test_two_values_never_share_a_column_and_objects_have_none(parameters: dict[str, Any], results: dict[str, Any], column: str) -> None:
    with pytest.raises(BadColumn) as refused:
        make_record(parameters=parameters, results=results)
    assert refused.value.name == column


@pytest.mark.parametrize("sweep", ["", ".", "..", "../up", "a/b", "/etc", ".hidden", "a\nb", "a\0b", "x" * 201])
def test_a_sweep_stays_inside_the_store(sweep: str) -> None:
    with pytest.raises(BadName):
        make_record(sweep=sweep)


@pytest.mark.parametrize("trial", ["", "a.b", "../a", "compacted-1", ".a", "a b"])
def test_a_trial_is_a_file_name_that_can_be_taken_apart(trial: str) -> None:
    with pytest.raises(BadName):
        make_record(trial)


def test_a_record_travels_between_processes() -> None:
    record = make_record(parameters={"options": {"a": [1]}}, outcome=Outcome.preempted)
    again = pickle.loads(pickle.dumps(record))
    assert again == record
    assert published(again) == published(record)
    assert json.loads(published(again)["options"]) == {"a": [1]}
