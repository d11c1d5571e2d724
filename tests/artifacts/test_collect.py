"""One table of many records, and the files it is written to."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts import parquet
from artifacts.collect import collect, compact_leftovers
from artifacts.columns import COLUMNS, RESERVED
from artifacts.errors import StoreNotWritable, UnknownFormat, UnknownSweep
from artifacts.preferred import Preferred, counted
from artifacts.record import Record
from artifacts.store import Store
from artifacts.table_files import write_table
from tests.artifacts.conftest import SmallDisk, make_record

SCHEMA_NAMES = [column.name for column in COLUMNS]


def column(store: Store, name: str, **how: Any) -> list[Any]:
    values: list[Any] = collect(store, ["study"], **how).table[name].to_pylist()
    return values


def test_a_trial_has_one_row_its_completed_attempt_or_else_its_last(store: Store) -> None:
    for trial, outcomes in {
        "aa": ["failed", "completed", "interrupted"],
        "bb": ["failed", "timed_out"],
        "cc": ["completed"],
    }.items():
        for attempt, outcome in enumerate(outcomes, start=1):
            store.publish(make_record(trial, attempt, outcome=outcome))
    table = collect(store, ["study"]).table
    assert table.select(["trial", "attempt", "outcome"]).to_pylist() == [
        {"trial": "aa", "attempt": 2, "outcome": "completed"},
        {"trial": "bb", "attempt": 2, "outcome": "timed_out"},
        {"trial": "cc", "attempt": 1, "outcome": "completed"},
    ]
    assert column(store, "attempt", attempts=True) == [1, 2, 3, 1, 2, 1]


def test_of_several_completed_attempts_the_one_that_fits_counts(store: Store) -> None:
    made: dict[str, list[tuple[str | None, str | None]]] = {
        "aa": [("c1", "d1"), ("c2", "d1"), ("c1", "d2")],  # code goes first
        "bb": [("c1", "d1"), ("c2", "d2"), ("c2", "d1"), ("c2", "d2")],
        "cc": [("c1", "d1"), ("c1", "d2"), ("c1", "d1")],
        "dd": [(None, None), ("c1", "d1")],  # what is not known may be as well
        "ee": [("c2", None), ("c2", None)],
    }
    for trial, digests in made.items():
        for attempt, (code, data) in enumerate(digests, start=1):
            store.publish(make_record(trial, attempt, code=code, data_digest=data))
    first = {"study": Preferred(code=frozenset({"c2"}), data=frozenset({"d1"}))}
    assert column(store, "attempt", preferred=first) == [2, 3, 3, 1, 2]
    index = store.index("study")
    chosen = [counted(index.attempts(trial), first["study"]) for trial in made]
    assert [one and one.attempt for one in chosen] == [2, 3, 3, 1, 2]
    assert column(store, "attempt") == [3, 4, 3, 2, 2]


def test_columns_come_in_the_schemas_order_then_parameters_then_results(store: Store) -> None:
    store.publish(make_record("aa", parameters={"lr": 0.1}, results={"score": 1}))
    store.publish(make_record("bb", parameters={"kernel": "rbf"}, results={"margin": 2}))
    table = collect(store, ["study"]).table
    assert table.column_names[: len(SCHEMA_NAMES)] == SCHEMA_NAMES
    assert set(table.column_names[len(SCHEMA_NAMES) : -2]) == {"lr", "kernel"}
    assert set(table.column_names[-2:]) == {"score", "margin"}


@pytest.mark.parametrize("compacted", [False, True])
def test_columns_of_the_schema_keep_their_types(store: Store, compacted: bool) -> None:
    for trial in ("aa", "bb"):
        store.publish(make_record(trial, disturbed_by=["cron"]))
    if compacted:
        compact_leftovers(store, "study")
    table = collect(store, ["study"]).table
    for field in parquet.SCHEMA:
        assert table.schema.field(field.name).type == field.type, field.name


@pytest.mark.parametrize(
    ("values", "kind", "united"),
    [
        ([1, 0.5], pa.float64(), [1.0, 0.5]),
        ([2**53 + 1, 0.5], pa.string(), [str(2**53 + 1), "0.5"]),
        (["scale", 0.1], pa.string(), ["scale", "0.1"]),
        ([True, 2], pa.string(), ["true", "2"]),
        ([None, 2], pa.int64(), [None, 2]),
        ([None, None], pa.string(), [None, None]),
        ([[1, 2], [0.5]], parquet.list_of(pa.float64()), [[1.0, 2.0], [0.5]]),
        ([[1, 2], "official"], pa.string(), ["[1, 2]", "official"]),
        ([[1, 2], ["a"]], pa.string(), ["[1, 2]", '["a"]']),
        ([[], [3]], parquet.list_of(pa.float64()), [[], [3.0]]),
    ],
)
@pytest.mark.parametrize("compacted", [False, True])
def test_parameters_whose_types_differ_are_widened_or_become_text(
    store: Store, values: list[Any], kind: pa.DataType, united: list[Any], compacted: bool
) -> None:
    for number, value in enumerate(values):
        for repeat in range(2):
            store.publish(make_record(f"{number}{repeat}", parameters={"p": value}))
    if compacted:
        assert compact_leftovers(store, "study") == 4
    table = collect(store, ["study"]).table
    assert table["p"].type == kind
    assert table["p"].to_pylist() == [value for value in united for _ in range(2)]


def test_compaction_changes_no_value_and_no_type(store: Store) -> None:
    values = [1, 0.5, "scale", True, None, [1, 2], [0.5], {"a": 1}, 2**62 + 1, "scale", 7]
    for number, value in enumerate(values):
        store.publish(
            make_record(
                f"{number:02}",
                parameters={"p": value} if number % 3 else {"p": value, f"q{number}": number},
            )
        )
    before = [store.read("study", f"{number:02}") for number in range(len(values))]
    assert compact_leftovers(store, "study") > 5
    after = [Store(store.root).read("study", f"{number:02}") for number in range(len(values))]
    assert after == before
    assert [type(row["p"]) for (row,) in after] == [type(row["p"]) for (row,) in before]


@pytest.mark.parametrize("compacted", [False, True])
def test_columns_that_are_not_wanted_are_not_read(store: Store, compacted: bool) -> None:
    for seed in range(2):
        store.publish(make_record(f"{seed:016x}", history=[{"epoch": 1}], train_s=2.0))
    if compacted:
        compact_leftovers(store, "study")
    table = collect(store, ["study"], without=["history"]).table
    assert table["history"].null_count == 2
    assert table["train_s"].to_pylist() == [2.0, 2.0]


def test_leftovers_are_compacted_a_file_per_set_of_types(store: Store) -> None:
    for number in range(30):
        store.publish(make_record(f"{number:02}"))
    assert compact_leftovers(store, "study") == 30
    assert compact_leftovers(store, "study") == 0
    assert len(list(store.records_folder("study").iterdir())) == 1
    assert collect(store, ["study"]).table.num_rows == 30


def test_only_the_files_given_are_compacted(store: Store) -> None:
    paths = [store.publish(make_record(f"{number:02}")) for number in range(4)]
    (many,) = store.compact("study", [*paths[:2], paths[0].with_name("gone.1.parquet")])
    assert {path for path in paths if path.exists()} == set(paths[2:])
    assert store.compact("study", [many]) == []
    assert many.exists()
    assert len(store.index("study").completed) == 4


def test_half_written_files_of_the_dead_are_cleared_and_those_of_the_living_are_not(
    store: Store,
) -> None:
    folder = store.publish(make_record("aa")).parent
    dead, living = folder / ".1.partial", folder / ".2.partial"
    dead.touch()
    living.touch()
    os.utime(dead, (time.time() - 7200,) * 2)
    compact_leftovers(store, "study")
    assert (dead.exists(), living.exists()) == (False, True)


def test_a_sweep_without_records_gives_an_empty_table_with_all_columns(store: Store) -> None:
    store.sweep_folder("study").mkdir()
    assert compact_leftovers(store, "study") == 0
    collected = collect(store, ["study"])
    assert (collected.table.num_rows, collected.table.column_names) == (0, SCHEMA_NAMES)


def test_an_unknown_sweep_is_told(store: Store) -> None:
    with pytest.raises(UnknownSweep):
        collect(store, ["study"])


def test_sweeps_come_in_the_order_asked_for_and_are_not_mixed(store: Store) -> None:
    for sweep in ("a", "b"):
        store.publish(
            make_record("aa", sweep=sweep, parameters={"lr": 0.1 if sweep == "a" else "auto"})
        )
    table = collect(store, ["b", "a", "b"]).table
    assert table.select(["sweep", "lr"]).to_pylist() == [
        {"sweep": "b", "lr": "auto"},
        {"sweep": "a", "lr": "0.1"},
    ]


@pytest.fixture
def table(store: Store) -> pa.Table:
    store.publish(
        make_record(
            "aa",
            train_loss=math.nan,
            error_message='a, "quoted"\nmessage',
            parameters={"p": [1, 2], "q": None},
        )
    )
    store.publish(make_record("bb", parameters={"p": [3], "q": None}))
    return collect(store, ["study"]).table


def test_parquet_holds_the_table_as_it_is(table: pa.Table, tmp_path: Path) -> None:
    write_table(table, tmp_path / "table.parquet")
    again = pq.read_table(tmp_path / "table.parquet")
    assert again.schema.equals(table.schema)
    assert again.drop_columns("train_loss").equals(table.drop_columns("train_loss"))


def test_csv_has_json_for_lists_and_nothing_for_what_is_missing(
    table: pa.Table, tmp_path: Path
) -> None:
    write_table(table, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first.keys() == RESERVED | {"p", "q"}
    assert (first["trial"], first["p"], first["q"], first["eval_s"]) == ("aa", "[1, 2]", "", "")
    assert first["error_message"] == 'a, "quoted"\nmessage'
    assert json.loads(second["history"])[1]["extra"] == {"gradient_norm": 3.0}
    assert datetime.fromisoformat(second["started_at"]).timestamp() == 1_700_000_000.25
    assert (first["train_loss"], second["train_loss"]) == ("nan", "")


def test_json_is_strict_and_nested(table: pa.Table, tmp_path: Path) -> None:
    write_table(table, tmp_path / "table.json")
    first, second = json.loads((tmp_path / "table.json").read_text(), parse_constant=pytest.fail)
    assert (first["p"], first["q"], first["train_loss"]) == ([1, 2], None, None)
    assert datetime.fromisoformat(second["started_at"]).timestamp() == 1_700_000_000.25
    assert second["history"][1]["extra"] == {"gradient_norm": 3.0}


def test_a_table_is_written_over_an_older_one_and_an_unknown_format_is_told(
    table: pa.Table, tmp_path: Path
) -> None:
    write_table(table, tmp_path / "table.csv")
    write_table(table.slice(0, 1), tmp_path / "table.csv")
    assert (
        len((tmp_path / "table.csv").read_text().splitlines()) == 3
    )  # the message has a line break
    with pytest.raises(UnknownFormat):
        write_table(table, tmp_path / "table.xlsx")
    with pytest.raises(StoreNotWritable):
        write_table(table, tmp_path / "nowhere" / "table.csv")


def test_a_read_only_store_can_be_collected(small_disk: SmallDisk) -> None:
    store = Store(small_disk.root)
    store.create()
    store.publish(make_record("aa"))
    store.publish(make_record("bb"))
    small_disk.make_read_only()
    assert column(store, "trial") == ["aa", "bb"]
    with pytest.raises(StoreNotWritable, match="Read-only"):
        compact_leftovers(store, "study")


def test_times_of_day_need_no_zone_files_on_the_node(store: Store) -> None:
    store.publish(make_record("aa"))
    code = "import sys; sys.modules['tzdata'] = None\n"
    code += "from pathlib import Path; from artifacts.store import Store\n"
    code += (
        f"print(Store(Path({str(store.root)!r})).read('study', 'aa')[0]['started_at'].timestamp())"
    )
    bare = {**os.environ, "PYTHONTZPATH": ""}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=bare, check=True, capture_output=True, text=True
    ).stdout
    assert float(printed) == 1_700_000_000.25


def test_records_that_are_still_held_are_compacted_as_they_were_published(store: Store) -> None:
    records = [make_record(trial=f"t{number}", train_s=float(number)) for number in range(5)]
    for record in records:
        store.publish(record)
    before = [store.read(record.sweep, record.trial) for record in records]
    (path,) = store.compact_published(records[0].sweep, records)
    assert [found.name for found in store.records_folder(records[0].sweep).glob("*.parquet")] == [
        path.name
    ]
    assert [Store(store.root).read(record.sweep, record.trial) for record in records] == before


def old_epochs(record: Record) -> bytes:
    """The file of a record as it was written when an epoch was a small integer."""
    old = parquet.list_of(
        pa.struct(
            [
                field.with_type(pa.int32()) if field.name == "epoch" else field
                for field in parquet.SCHEMA.field("history").type.value_type
            ]
        )
    )
    table = record.to_table()
    place = table.column_names.index("history")
    return parquet.table_bytes(
        table.set_column(place, pa.field("history", old), table["history"].cast(old))
    )


def test_records_of_before_are_read_beside_those_of_now(store: Store) -> None:
    (store.records_folder("study")).mkdir()
    (store.records_folder("study") / "aa.1.parquet").write_bytes(
        old_epochs(make_record("aa", history=[{"epoch": 1, "custom": 2.0}]))
    )
    store.publish(make_record("bb", history=[{"epoch": 1.5}]))
    for _ in range(2):
        rows = collect(store, ["study"]).table
        assert rows.schema.field("history").type == parquet.SCHEMA.field("history").type
        assert [
            [entry["epoch"] for entry in history] for history in rows["history"].to_pylist()
        ] == [[1], [1.5]]
        assert store.read("study", "aa")[0]["history"][0]["extra"] == {"custom": 2.0}
        assert compact_leftovers(store, "study") in (2, 0)


ALIKE = [
    1,
    "1",
    True,
    "true",
    [1, 2],
    "[1,2]",
    "[1, 2]",
    0.5,
    "0.5",
    "auto",
    '"1"',
    "NaN",
    "null",
    1e-30,
    -3,
]


@pytest.mark.parametrize("compacted", [False, True])
def test_values_of_different_kinds_never_become_one(
    store: Store, tmp_path: Path, compacted: bool
) -> None:
    for number, value in enumerate(ALIKE):
        for sweep in ("study", "other")[: 1 + number % 2]:
            store.publish(make_record(f"{number:02}", sweep=sweep, parameters={"p": value}))
    if compacted:
        compact_leftovers(store, "study")
    table = collect(store, ["study", "other"]).table
    texts = table["p"].to_pylist()[: len(ALIKE)]
    assert len(set(texts)) == len(ALIKE)
    assert texts[:3] == ["1", '"1"', "true"]
    assert texts[9] == "auto"
    write_table(table, tmp_path / "table.json")
    again = [row["p"] for row in json.loads((tmp_path / "table.json").read_text())]
    assert again == [*ALIKE, *ALIKE[1::2]]
    assert [type(value) for value in again] == [type(value) for value in [*ALIKE, *ALIKE[1::2]]]


def test_equal_numbers_are_one_value_however_they_were_typed(store: Store) -> None:
    for number, value in enumerate([1, 1.0, [1, 2], [1.0, 2.0], "scale"]):
        store.publish(make_record(f"{number:02}", parameters={"p": value}))
    assert column(store, "p") == ["1", "1", "[1, 2]", "[1, 2]", "scale"]


def test_no_text_in_a_csv_is_a_formula_and_every_number_is_a_number(
    store: Store, tmp_path: Path
) -> None:
    texts = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "a=1", "", None, "＝1"]
    for number, text in enumerate(texts):
        parameters = {"text": text, "number": -1 - number, "mixed": -number if number % 2 else text}
        store.publish(
            make_record(
                f"{number:02}", parameters=parameters, results={"=name()": 1}, train_loss=-1.5
            )
        )
    write_table(collect(store, ["study"]).table, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [
        "'=1+1",
        "'+1",
        "'-1",
        "'@sum",
        "'\tx",
        "'\rx",
        "a=1",
        "",
        "",
        "'＝1",
    ]
    assert [row["number"] for row in rows] == [str(-1 - number) for number in range(len(texts))]
    assert [row["mixed"] for row in rows] == [
        "'=1+1",
        "-1",
        '"-1"',
        "-3",
        "'\tx",
        "-5",
        "a=1",
        "-7",
        "",
        "-9",
    ]
    assert {row["train_loss"] for row in rows} == {"-1.5"}
    assert "'=name()" in rows[0]
