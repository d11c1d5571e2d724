"""SQL over records: what the views hold, and that nothing else is in reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from artifacts.attempts import STORE, Attempts
from artifacts.collect import collect, compact_leftovers
from artifacts.query import BadQuery, QueryFailed, answer, describe
from artifacts.store import Store
from tests.artifacts.conftest import make_record


def attempts(store: Store) -> pa.Table:
    table = collect(store, store.sweeps()).attempts
    return table.append_column(STORE, pa.array(["here"] * table.num_rows, pa.string()))


@pytest.fixture
def table(store: Store) -> pa.Table:
    history = [
        {"epoch": 1.0, "val_accuracy": 0.5, "margin": 0.1},
        {"epoch": 2.0, "val_accuracy": math.nan},
    ]
    for record in (
        make_record("aa", 1, outcome="failed", parameters={"lr": 0.1, "C": 1.5, "c": "x"}),
        make_record("aa", 2, history=history, val_accuracy=math.nan, parameters={"lr": 0.1, "C": 1.5, "c": "x"}),
        make_record("aa", 3, outcome="cancelled", parameters={"lr": 0.1, "C": 1.5, "c": "x"}),
        make_record("bb", 1, outcome="failed", parameters={"lr": 0.1, "depth": "auto", "store": 7, "sizes": [1, 2]}),
        make_record("cc", 1, parameters={"lr": "auto", "depth": 2}, results={"C": 9.0}),
    ):  # fmt: skip
        store.publish(record)
    return attempts(store)


def rows(sql: str, table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in answer(sql, table).to_pylist()]


def test_results_has_the_attempt_that_counts_and_attempts_has_every_one(table: pa.Table) -> None:
    ask = "SELECT store, trial, attempt, outcome FROM {} ORDER BY ALL"
    assert rows(ask.format("results"), table) == [
        ("here", "aa", 2, "completed"), ("here", "bb", 1, "failed"), ("here", "cc", 1, "completed"),
    ]  # fmt: skip
    assert rows("SELECT count(*) FROM attempts", table) == [(5,)]
    assert rows("SELECT count(*) FROM attempts WHERE outcome = 'failed'", table) == [(2,)]


def test_epochs_has_a_row_per_epoch_with_what_the_workload_reported(table: pa.Table) -> None:
    first, second = rows(
        "SELECT trial, attempt, epoch, val_accuracy, extra['margin'] FROM epochs WHERE trial = 'aa' ORDER BY epoch",
        table,
    )
    assert first == ("aa", 2, 1.0, 0.5, 0.1)
    assert second[:3] == ("aa", 2, 2.0)
    assert math.isnan(second[3])
    assert second[4] is None


def test_names_that_differ_in_case_get_a_number(table: pa.Table) -> None:
    assert rows("SELECT C, c_1, store, store_1 FROM results ORDER BY trial", table) == [
        (1.5, "x", "here", None), (None, None, "here", 7), (9.0, None, "here", None),
    ]  # fmt: skip
    meanings = {row["column"]: row["meaning"] for row in describe(table).to_pylist()}
    assert "'c'" in meanings["c_1"]


def test_parameters_has_no_result_of_another_workload(table: pa.Table) -> None:
    assert rows("SELECT C FROM parameters ORDER BY trial", table) == [(1.5,), (None,), (None,)]


def test_columns_have_types_and_one_of_several_kinds_is_text(table: pa.Table) -> None:
    types = {
        row["column"]: row["type"]
        for row in describe(table).to_pylist()
        if row["view"] == "parameters"
    }
    assert types["sizes"] == "BIGINT[]"
    assert (types["C"], types["lr"], types["depth"]) == ("DOUBLE", "VARCHAR", "VARCHAR")
    assert rows("SELECT DISTINCT try_cast(lr AS DOUBLE) x FROM results ORDER BY x", table) == [
        (0.1,),
        (None,),
    ]


def test_answers_are_of_plain_types_and_their_columns_have_distinct_names(table: pa.Table) -> None:
    found = answer(
        "SELECT sum(attempt) s, 0.25 d, [0.5] l, sum(2::HUGEINT ** 70) AS big, 'x'::BLOB b, trial, trial,"
        " 'a'::ENUM('a') e, INTERVAL 90 SECOND i, uuid() u FROM results GROUP BY trial LIMIT 1",
        table,
    )  # fmt: skip
    assert found.column_names == ["s", "d", "l", "big", "b", "trial", "trial_1", "e", "i", "u"]
    row = found.to_pylist()[0]
    assert (row["d"], row["l"], row["b"], row["e"], row["i"]) == (0.25, [0.5], "78", "a", "0:01:30")
    assert isinstance(row["s"], int)
    assert found.schema.field("big").type == pa.float64()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM results",
        "SELECT trial FROM results WHERE lr = '0.1' ORDER BY c_1",
        "SELECT r.trial FROM results r JOIN attempts a USING (trial) WHERE a.outcome = 'failed' ORDER BY 1",
        "SELECT (SELECT max(attempt) FROM attempts), sum(len(history)) FROM results",
        "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 2) SELECT i, trial FROM n, results ORDER BY ALL",
        "FROM query('SELECT outcome FROM attempts ORDER BY trial, attempt')",
    ],
)
def test_only_the_columns_in_use_are_read_and_the_answer_is_the_same(
    store: Store, table: pa.Table, sql: str
) -> None:
    assert compact_leftovers(store, "study")

    class Watched(Attempts):
        read: ClassVar[set[str]] = set()

        def select(self, columns: Sequence[str]) -> pa.Table:
            self.read.update(columns)
            return super().select(columns)

    watched = Watched()
    watched.add(store, ["study"], {}, "here")
    assert answer(sql, watched).equals(answer(sql, table))
    assert "traceback" not in watched.read
    listed = [each.sort_by([("view", "ascending"), ("column", "ascending")]) for each in
              (describe(watched), describe(table))]  # fmt: skip
    assert listed[0].equals(listed[1])


def test_columns_read_one_by_one_are_those_of_the_table(store: Store, table: pa.Table) -> None:
    assert compact_leftovers(store, "study") > 3
    store.publish(make_record("dd", parameters={"lr": 0.5, "new": None}))
    table = collect(store, ["study"]).attempts
    watched = Attempts()
    watched.add(store, ["study"], {})
    for name in table.column_names:
        assert watched.select([name])[name].combine_chunks().equals(
            table[name].combine_chunks()
        ) or name in ("val_accuracy", "history")  # NaN equals nothing


REFUSED = [
    "COPY results TO 'FOLDER/out.csv'",
    "COPY (SELECT 1) TO 'FOLDER/out.parquet'",
    "EXPORT DATABASE 'FOLDER/out'",
    "ATTACH 'FOLDER/out.db' AS other",
    "CREATE TABLE mine AS SELECT 1",
    "INSERT INTO results SELECT * FROM results",
    "DELETE FROM results",
    "DROP VIEW results",
    "SET lock_configuration = false",
    "RESET enable_external_access",
    "PRAGMA database_list",
    "CALL enable_logging(storage := 'file', storage_path := 'FOLDER/out')",
    "INSTALL httpfs",
    "LOAD 'FOLDER/other.duckdb_extension'",
    "IMPORT DATABASE 'FOLDER'",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE one AS SELECT 1",
    "SELECT 1; COPY results TO 'FOLDER/out.csv'",
    "WITH x AS (INSERT INTO results VALUES (1) RETURNING *) SELECT * FROM x",
    "SELECT * FROM query('COPY results TO ''FOLDER/out.csv''')",
    "SELECT * FROM read_csv('FOLDER/secret.csv')",
    "SELECT * FROM 'FOLDER/secret.csv'",
    "SELECT * FROM read_text('FOLDER/secret.csv')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_parquet('FOLDER/*.parquet')",
    "SELECT * FROM read_json('FOLDER/secret.csv')",
    "SELECT * FROM glob('FOLDER/*')",
    "SELECT * FROM sniff_csv('FOLDER/secret.csv')",
    "SELECT * FROM parquet_metadata('FOLDER/x.parquet')",
    "SELECT getenv('HOME')",
    "SELECT * FROM table",
    "SELECT * FROM secret_frame",
    "",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_nothing_but_select_runs_and_no_file_is_read_or_written(
    table: pa.Table, tmp_path: Path, sql: str
) -> None:
    secret_frame = table  # DuckDB would otherwise look through the variables of its callers
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "secret.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadQuery):
        answer(sql.replace("FOLDER", str(folder)), secret_frame)
    assert [path.name for path in folder.iterdir()] == ["secret.csv"]


def test_errors_name_the_place_and_what_may_have_been_meant(table: pa.Table) -> None:
    with pytest.raises(BadQuery) as wrong:
        answer("SELECT trial,\n  val_acuracy FROM results", table)
    assert "LINE 2:   val_acuracy FROM results\n          ^^^" in str(wrong.value)
    assert "did you mean 'val_accuracy'?" in str(wrong.value)
    with pytest.raises(BadQuery, match="did you mean 'results'"):
        answer("SELECT * FROM result", table)
    with pytest.raises(BadQuery, match="syntax error"):
        answer("SELEC 1", table)
    with pytest.raises(QueryFailed, match="Could not convert"):
        answer("SELECT outcome::INT FROM results", table)


def test_no_rows_and_no_parameters_can_be_asked_too(store: Store) -> None:
    store.sweep_folder("study").mkdir()
    table = attempts(store)
    assert rows("SELECT count(*) FROM results", table) == [(0,)]
    assert rows("FROM epochs", table) == []
    assert rows("SELECT trial FROM parameters", table) == []
