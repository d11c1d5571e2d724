"""`runner query`, on records of real stores."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import runner
from artifacts.store import Store
from tests.runner.cli.conftest import Run
from tests.runner.report.making import publish, record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    records = [
        record(
            seed, {"lr": 0.1, "note": "=1+1"}, attempt=1, seed=seed, test_accuracy=0.5 + seed / 4
        )
        for seed in range(3)
    ]
    again = record(0, {"lr": 0.1, "note": "=1+1"}, attempt=2, outcome="cancelled")
    other = record(7, {"lr": 0.2}, sweep="other", test_accuracy=0.1)
    return publish(tmp_path / "store", *records, again, other)


def test_a_table_csv_json_and_a_file_say_the_same(run: Run, store: Store, tmp_path: Path) -> None:
    ask = ("query", "SELECT lr, max(test_accuracy) best, any_value(note) note FROM results GROUP BY ALL ORDER BY lr", "--store", str(store.root))  # fmt: skip
    printed = run(*ask)
    assert (printed.code, printed.err) == (0, "")
    assert [line.split() for line in printed.out.splitlines()] == [
        ["lr", "best", "note"], ["0.1", "1", "=1+1"], ["0.2", "0.1"],
    ]  # fmt: skip
    assert json.loads(run(*ask, "--json").out) == [
        {"lr": 0.1, "best": 1.0, "note": "=1+1"}, {"lr": 0.2, "best": 0.1, "note": None},
    ]  # fmt: skip
    rows = list(csv.reader(run(*ask, "--csv").out.splitlines()))
    assert rows == [["lr", "best", "note"], ["0.1", "1", "'=1+1"], ["0.2", "0.1", ""]]
    wrote = run(*ask, "-o", str(tmp_path / "best.parquet"))
    assert (wrote.out, wrote.err) == ("", f"wrote 2 rows to {tmp_path / 'best.parquet'}\n")
    assert pq.read_table(tmp_path / "best.parquet")["best"].to_pylist() == [1.0, 0.1]


def test_sweeps_and_stores_are_chosen(run: Run, store: Store, tmp_path: Path) -> None:
    count = "SELECT count(*) n FROM attempts"
    assert json.loads(run("query", count, "other", "--json", "--store", str(store.root)).out) == [
        {"n": 1}
    ]
    second = publish(tmp_path / "second", record(9, {"lr": "auto"}, sweep="more"))
    both = ("--store", str(store.root), "--store", str(second.root), "--store", f"{second.root}/")
    by_store = run(
        "query", "SELECT store, count(*) n FROM attempts GROUP BY ALL ORDER BY n", *both, "--json"
    )
    assert json.loads(by_store.out) == [
        {"store": str(second.root), "n": 1}, {"store": str(store.root), "n": 5},
    ]  # fmt: skip
    named = run("query", count, "more", *both, "--json")
    assert json.loads(named.out) == [{"n": 1}]
    assert "no sweep 'nope'" in run("query", count, "nope", *both).err


def test_wrong_sql_is_wrong_usage_and_nothing_is_written(run: Run, store: Store) -> None:
    wrong = run("query", "SELECT lrr FROM results", "--store", str(store.root))
    assert (wrong.code, wrong.out) == (2, "")
    assert "did you mean 'lr'?" in wrong.err
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    target = next(iter(before))
    assert run("query", f"COPY results TO '{target}'", "--store", str(store.root)).code == 2
    assert run("query", "SELECT note::INT FROM results", "--store", str(store.root)).code == 1
    assert run("query", "--store", str(store.root)).code == 2
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before


def test_schema_lists_every_view_with_types(run: Run, store: Store) -> None:
    listed = run("query", "--schema", "--store", str(store.root))
    assert listed.code == 0
    assert [line.split(":")[0] for line in listed.out.splitlines() if line[:1].strip() and ": " in line] == [
        "results", "attempts", "epochs", "parameters",
    ]  # fmt: skip
    columns = json.loads(
        run("query", "--schema", "study", "--json", "--store", str(store.root)).out
    )
    lr = next(each for each in columns if each["view"] == "parameters" and each["column"] == "lr")
    assert lr["type"] == "DOUBLE"


def test_python_asks_the_rows_that_it_loaded(store: Store) -> None:
    records = runner.load(store.root, "study", where="seed>0")
    assert records.sql("SELECT count(*) n FROM results").to_pylist() == [{"n": 2}]
    every = runner.load(store.root)
    assert every.sql("SELECT count(*) n FROM attempts").to_pylist() == [{"n": 5}]
    assert len(every) == 4
