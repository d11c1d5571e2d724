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

from artifacts.columns import COLUMNS, RESERVED
from artifacts.errors import BadColumn, BadName
from artifacts.record import Outcome, Record, parameter_column
from tests.artifacts.conftest import make_record


def published(record: Record) -> dict[str, Any]:
    """The row as a reader sees it that knows nothing of this package."""
    table = pq.read_table(pa.BufferReader(record.file))
    row: dict[str, Any] = table.to_pylist(maps_as_pydicts="strict")[0]
    return row


def test_what_is_missing_has_no_column_and_no_zero() -> None:
    row = published(make_record(eval_s=None))
    assert "eval_s" not in row
    assert "gpu_energy_j" not in row
    assert row["train_s"] == 1.5


def test_every_column_of_the_schema_can_be_filled() -> None:
    examples = {
        "string": "x",
        "int": 3,
        "double": 0.5,
        "bool": True,
        "timestamp": 1.5e9,
        "list<string>": ["a"],
        "history": [{"epoch": 1}],
    }
    own = {"schema_version", "sweep", "trial", "attempt", "parameters", "results"}
    values = {
        column.name: examples[column.type] for column in COLUMNS if column.name not in own
    } | {"outcome": "failed"}
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
    assert (row["engine_asked"], row["engine"], row["parameters"]) == (
        "auto",
        "sklearnex",
        ["engine_asked"],
    )
    assert parameter_column("lr") == "lr"


def test_history_keeps_what_else_was_reported() -> None:
    history = published(make_record())["history"]
    assert [entry["epoch"] for entry in history] == [1, 2]
    assert history[0]["val_loss"] == 0.5
    assert history[0]["extra"] is None
    assert history[1]["val_loss"] is None
    assert history[1]["extra"] == {"gradient_norm": 3.0}


class Color(enum.Enum):
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
        (Color.red, "red"),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        ("caf\udce9", "caf\\udce9"),
    ],
)
def test_values_of_parameters_become_plain(given_value: Any, kept: Any) -> None:
    row = published(make_record(parameters={"p": given_value}))
    assert row["p"] == kept
    assert type(row["p"]) is type(kept)


plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda name: parameter_column(name) == name
)


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
    row = published(
        make_record(
            submitted_at=datetime(2024, 6, 1, 12, 0, tzinfo=summer), started_at=1_700_000_000.25
        )
    )
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
def test_a_value_that_does_not_fit_is_refused_before_anything_is_written(
    values: dict[str, Any], column: str
) -> None:
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
def test_two_values_never_share_a_column_and_objects_have_none(
    parameters: dict[str, Any], results: dict[str, Any], column: str
) -> None:
    with pytest.raises(BadColumn) as refused:
        make_record(parameters=parameters, results=results)
    assert refused.value.name == column


@pytest.mark.parametrize(
    "sweep", ["", ".", "..", "../up", "a/b", "/etc", ".hidden", "a\nb", "a\0b", "x" * 201]
)
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


def test_a_large_step_and_a_part_of_an_epoch_are_kept_as_reported() -> None:
    history = [{"epoch": 0.5}, {"epoch": 3_000_000_000}, {"epoch": 2**53}]
    assert [entry["epoch"] for entry in published(make_record(history=history))["history"]] == [
        0.5,
        3_000_000_000,
        2**53,
    ]


def test_names_that_utf8_cannot_hold_are_spelled_out() -> None:
    row = published(
        make_record(
            parameters={"p\udcff": 1},
            results={"r\udcff": 2},
            history=[{"epoch": 1, "m\udcff": 3.0}],
        )
    )
    assert (row["p\\udcff"], row["r\\udcff"], row["history"][0]["extra"]) == (
        1,
        2,
        {"m\\udcff": 3.0},
    )
    assert (row["parameters"], row["results"]) == (["p\\udcff"], ["r\\udcff"])


def test_values_of_subclasses_are_those_of_their_type() -> None:
    """Such an integer was looked for in a range of 2**64 numbers, one after another."""

    class Count(int):
        pass

    class Name(str):
        pass

    class Share(float):
        pass

    given_values = {
        "n": Count(3),
        "s": Name("a"),
        "x": Share(0.5),
        "l": [Count(1)],
        "t": [Name("b")],
    }
    row = published(make_record(parameters=given_values, steps=Count(7)))
    assert {name: row[name] for name in given_values} == given_values
    assert row["steps"] == 7


class Hostile:
    """Raises whatever is asked of it."""

    dtype = "float64"

    def tolist(self) -> Any:
        raise RuntimeError("the device is gone")

    __repr__ = __str__ = tolist


def _endless() -> dict[str, Any]:
    endless: dict[str, Any] = {}
    endless["self"] = endless
    return endless


@pytest.mark.parametrize(
    "unwritable",
    [
        Hostile(),
        object(),
        _endless(),
        10**5000,
        {"a": 10**5000},
        {(1, 2): 3},
        [Hostile()],
        b"x",
        1j,
        datetime,
    ],
    ids=[
        "raises",
        "object",
        "endless",
        "digits",
        "digits-inside",
        "keys",
        "inside",
        "bytes",
        "complex",
        "class",
    ],
)
def test_what_no_column_can_hold_is_named_and_costs_nothing_else(unwritable: Any) -> None:
    with pytest.raises(BadColumn):
        make_record(results={"net": unwritable})
    record = Record.keeping(
        "study",
        "aa",
        1,
        {"p": unwritable},
        {"outcome": "completed", "steps": unwritable},
        {"net": unwritable, "a": 1},
    )
    row = published(record)
    assert (row["a"], row["parameters"], row["results"]) == (1, [], ["a"])
    assert sorted(entry.partition(":")[0] for entry in row["not_written"]) == ["net", "p", "steps"]


def test_a_metric_that_does_not_fit_costs_no_other_of_the_history() -> None:
    history = [
        {"epoch": 1, "loss": 0.5, "extra": {"note": "x"}},
        {"epoch": 2, "loss": Hostile(), "train_loss": 10**400, "note": 1},
    ]
    row = published(
        Record.keeping("study", "aa", 1, {}, {"outcome": "completed", "history": history})
    )
    assert [entry["epoch"] for entry in row["history"]] == [1, 2]
    assert [entry["extra"] for entry in row["history"]] == [{"loss": 0.5}, {"note": 1.0}]
    assert sorted(entry.partition(":")[0] for entry in row["not_written"]) == [
        "history.loss",
        "history.note",
        "history.train_loss",
    ]


def test_of_names_that_collide_one_is_kept_and_the_other_named() -> None:
    parameters = {"engine": 1, "engine_asked": 2, "a\udcff": 3, "a\\udcff": 4}
    results = {"engine_asked": 5, "outcome": 6, "b\udcff": 7, "b\\udcff": 8}
    history = [{"epoch": 1, "m\udcff": 1.0, "m\\udcff": 2.0}]
    row = published(
        Record.keeping(
            "study", "aa", 1, parameters, {"outcome": "completed", "history": history}, results
        )
    )
    assert (row["engine_asked"], row["a\\udcff"], row["b\\udcff"], row["outcome"]) == (
        1,
        3,
        7,
        "completed",
    )
    assert row["history"][0]["extra"] in ({"m\\udcff": 1.0}, {"m\\udcff": 2.0})
    assert len(row["not_written"]) == 6  # two parameters, three results and a metric


def test_without_an_outcome_there_is_no_record() -> None:
    with pytest.raises(BadColumn, match="outcome"):
        Record.keeping("study", "aa", 1, {}, {"outcome": "finished"})


@pytest.mark.parametrize(
    ("more", "diverged"),
    [
        ({}, False),
        ({"val_loss": math.nan}, True),
        ({"test_accuracy": math.nan}, True),
        ({"results": {"loss": -math.inf}}, True),
        ({"results": {"Valid_Loss": math.inf}}, True),
        ({"results": {"ratio": math.nan}}, False),
        (
            {"history": [{"epoch": 1, "train_loss": math.nan}, {"epoch": 2, "train_loss": 0.5}]},
            False,
        ),
        ({"history": [{"epoch": 1, "train_loss": math.nan}]}, True),
        ({"history": [{"epoch": 1, "my_loss": math.inf}]}, True),
        ({"diverged": True}, True),
    ],
)
def test_a_completed_attempt_says_whether_it_diverged(more: dict[str, Any], diverged: bool) -> None:
    assert published(make_record(**more))["diverged"] is diverged
    assert "diverged" not in published(make_record(outcome="failed", **{**more, "diverged": None}))
