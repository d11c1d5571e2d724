"""`runner collect`, on records of a real store."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artifacts.store import Store
from runner.report.gather import gather
from tests.runner.cli.conftest import Run
from tests.runner.report.making import publish, record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    records = [
        record(
            10 * i + seed,
            {"lr": lr, "model": "cnn"},
            attempt=1,
            seed=seed,
            test_accuracy=accuracy + seed / 100,
            train_s=2.0,
            total_s=3.0,
        )
        for i, (lr, accuracy) in enumerate(((0.1, 0.9), (0.01, 0.95)))
        for seed in range(3)
    ]
    broken = record(
        99,
        {"lr": 1.0, "model": "cnn"},
        attempt=1,
        outcome="failed",
        error_type="ValueError",
        error_message="diverged",
    )
    again = record(0, {"lr": 0.1, "model": "cnn"}, attempt=2, seed=0, outcome="cancelled")
    return publish(tmp_path / "store", *records, broken, again)


def test_it_prints_one_table_and_what_to_type_next(run: Run, store: Store) -> None:
    done = run("collect", "--store", str(store.root))
    assert (done.code, done.err) == (0, "")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines == [
        "lr n not completed test_accuracy % train_s total_s",
        "0.01 3 96.00 ± 1.00 2.00 ± 0.00 3.00 ± 0.00",
        "0.1 3 91.00 ± 1.00 2.00 ± 0.00 3.00 ± 0.00",
        "1 0 1",
        "1 trial not completed and in no average: 1 failed",
        "measured on Model T (6 trials)",
        "",
        f"next: runner show {99:016x} --store {store.root} says why it did not complete",
    ]


def test_by_groups_and_says_over_what_it_averages(run: Run, store: Store) -> None:
    done = run("collect", "study", "--by", "model", "--store", str(store.root))
    lines = done.out.splitlines()
    assert lines[1].split()[:5] == ["cnn", "6", "1", "93.50", "±"]
    assert "each cell averages over lr (2 values), seed (3 values)" in lines


def test_by_an_unknown_column_is_an_error_that_names_the_nearest(run: Run, store: Store) -> None:
    done = run("collect", "--by", "modell", "--store", str(store.root))
    assert done.code == 1
    assert "did you mean 'model'" in done.err


def test_json_gives_every_row_and_column(run: Run, store: Store) -> None:
    rows = json.loads(run("collect", "--json", "--store", str(store.root)).out)
    assert len(rows) == 7
    assert {row["outcome"] for row in rows} == {"completed", "failed"}
    assert rows[0].keys() >= {"trial", "lr", "test_accuracy", "history", "gpu_name"}
    grouped = json.loads(run("collect", "--json", "--by", "lr", "--store", str(store.root)).out)
    assert [(row["lr"], row["n"], row["not_completed"]) for row in grouped] == [
        (0.01, 3, 0),
        (0.1, 3, 0),
        (1.0, 0, 1),
    ]
    assert grouped[0]["test_accuracy"] == {
        "mean": pytest.approx(0.96),
        "sd": pytest.approx(0.01),
        "n": 3,
    }


def test_attempts_lists_each_of_them(run: Run, store: Store) -> None:
    done = run("collect", "--attempts", "--store", str(store.root))
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == [
        "trial",
        "attempt",
        "outcome",
        "lr",
        "seed",
        "test_accuracy",
        "total_s",
        "error_type",
    ], "no column without a value"
    assert [row[1:3] for row in rows if row and row[0] == f"{0:016x}"] == [
        ["1", "completed"],
        ["2", "cancelled"],
    ]
    assert (
        len(json.loads(run("collect", "--attempts", "--json", "--store", str(store.root)).out)) == 8
    )


def test_the_table_goes_to_a_file_in_three_formats(run: Run, store: Store, tmp_path: Path) -> None:
    for ending in ("parquet", "csv", "json"):
        file = tmp_path / f"table.{ending}"
        done = run("collect", "-o", str(file), "--store", str(store.root))
        assert (done.code, done.err) == (0, f"wrote 7 rows to {file}\n")
        assert "96.00 ± 1.00" in done.out, "the file comes beside the table, not instead of it"
    accuracies = sorted(
        value
        for value in pq.read_table(tmp_path / "table.parquet")["test_accuracy"].to_pylist()
        if value is not None
    )
    with (tmp_path / "table.csv").open(newline="") as lines:
        assert (
            sorted(
                float(row["test_accuracy"]) for row in csv.DictReader(lines) if row["test_accuracy"]
            )
            == accuracies
        )
    rows = json.loads((tmp_path / "table.json").read_text())
    assert (
        sorted(row["test_accuracy"] for row in rows if row["test_accuracy"] is not None)
        == accuracies
    )


def test_an_unreadable_record_is_named_and_the_rest_is_collected(run: Run, store: Store) -> None:
    damaged = store.records_folder("study") / f"{1:016x}.1.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    done = run("collect", "--store", str(store.root))
    assert done.code == 1
    assert str(damaged) in done.err
    assert "91.00 ± 1.41" in done.out, "seeds 0 and 2 are left"


def test_a_store_without_records_says_what_to_do(run: Run) -> None:
    done = run("collect")
    assert (done.code, done.out) == (1, "")
    assert "has no sweep yet: start with 'runner init'" in done.err


def test_records_of_earlier_grids_are_left_out_and_counted(store: Store) -> None:
    latest = {f"{number:016x}" for number in (0, 1, 2, 77)}
    gathered = gather(store, ["study"], expected={"study": latest})
    assert gathered.table["trial"].to_pylist() == sorted(latest - {f"{77:016x}"})
    assert gathered.notes == (
        "4 records of earlier grids left out (--all includes them)",
        "1 trial without a record yet",
    )
    assert gather(store, ["study"], expected={"study": set()}).table.num_rows == 0
    assert gather(store, ["study"]).notes == ()


def _table(run: Run, store: Store, *arguments: str) -> list[list[str]]:
    """The rows of the table, split at two blanks."""
    done = run("collect", *arguments, "--store", str(store.root))
    assert done.code == 0, done.err
    return [
        re.split(r"\s{2,}", line.strip()) for line in done.out.split("\n\nnext: ")[0].splitlines()
    ]


def test_metrics_are_those_asked_for(run: Run, store: Store) -> None:
    assert _table(run, store, "--metric", "train_s,test_accuracy")[0] == [
        "lr",
        "n",
        "not completed",
        "train_s",
        "test_accuracy %",
    ]
    unknown = run("collect", "--metric", "acc", "--store", str(store.root))
    assert (unknown.code, "test_accuracy" in unknown.err) == (1, True)
    words = run("collect", "--metric", "model", "--store", str(store.root))
    assert words.code == 1
    assert "'model' has no numbers" in words.err


def test_sort_puts_the_best_first_and_top_keeps_the_first(run: Run, store: Store) -> None:
    best = ["0.01", "3"]
    assert [row[:2] for row in _table(run, store, "--sort", "test_accuracy")[1:3]] == [
        best,
        ["0.1", "3"],
    ]
    assert [row[:2] for row in _table(run, store, "--sort", "-test_accuracy")[1:3]] == [
        ["0.1", "3"],
        best,
    ]
    assert [row[0] for row in _table(run, store, "--sort", "-lr")[1:4]] == ["1", "0.1", "0.01"]
    top = _table(run, store, "--top", "1")
    assert top[1][:2] == best
    assert top[2] == ["the first 1 of 3 rows"]
    unknown = run("collect", "--sort", "loss", "--store", str(store.root))
    assert (unknown.code, "they have lr, n, test_accuracy, train_s, total_s" in unknown.err) == (
        1,
        True,
    )


def test_a_column_that_is_named_twice_is_shown_once(run: Run, store: Store) -> None:
    rows = _table(run, store, "--by", "lr,lr", "--metric", "test_accuracy,,test_accuracy")
    assert rows[0] == ["lr", "n", "not completed", "test_accuracy %"]


def test_trials_are_listed_with_their_ids(run: Run, store: Store) -> None:
    rows = _table(
        run, store, "--trials", "--sort", "test_accuracy", "--top", "2", "--where", "lr<0.5"
    )
    assert rows[0] == ["trial", "outcome", "lr", "seed", "test_accuracy", "total_s"]
    assert [row[0] for row in rows[1:3]] == [f"{12:016x}", f"{11:016x}"]
    assert ["6 trials of 7 where lr<0.5"] in rows


def test_where_keeps_what_holds_in_the_table_the_file_and_json(
    run: Run, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    where = ("--where", "lr<=0.1, seed != 1 and model='cnn'", "--store", str(store.root))
    assert len(json.loads(run("collect", "--json", "-o", str(file), *where).out)) == 4
    assert len(list(csv.DictReader(file.open(newline="")))) == 4
    for bad, code in (
        ("lr", 2),
        ("lr<<1", 2),
        ("lr<", 2),
        ("lr>=null", 2),
        ("learning_rate<1", 1),
        ("lr<a", 2),
        ("model>3", 2),
        ("model=cnn or resnet", 2),
    ):
        done = run("collect", "--where", bad, "--store", str(store.root))
        assert (done.code, done.out) == (code, ""), bad
    everything = json.loads(run("collect", "--json", "--store", str(store.root)).out)
    known = json.loads(
        run("collect", "--json", "--where", "lr<inf,lr>-inf", "--store", str(store.root)).out
    )
    assert known == [row for row in everything if row["lr"] is not None] != []
    assert (
        "they have" in run("collect", "--where", "learning_rate<1", "--store", str(store.root)).err
    )


def test_a_workload_without_the_column_is_shown_under_its_name(run: Run, tmp_path: Path) -> None:
    store = publish(
        tmp_path,
        record(1, {"lr": 0.1}, test_accuracy=0.9),
        record(2, {"kernel": "rbf"}, workload="svm", test_accuracy=0.8),
    )
    rows = _table(run, store, "--by", "lr")
    assert rows[0][:3] == ["workload", "lr", "n"]
    assert [row[0] for row in rows[1:3]] == ["svm", "train"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "json", "md", "tex"])
def test_with_by_the_file_has_the_summary(
    run: Run, store: Store, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"summary.{ending}"
    done = run("collect", "--by", "lr", "-o", str(file), "--store", str(store.root))
    assert (done.code, done.err) == (0, f"wrote 3 rows to {file}\n")
    if ending in ("md", "tex"):
        text = file.read_text()
        assert "96.00 ± 1.00" in text.replace(r"$\pm$", "±")
        assert (
            r"test\_accuracy \%"
            if ending == "tex"
            else "| lr | n | not completed | test_accuracy % |"
        ) in text
        return
    rows = {"csv": lambda: list(csv.DictReader(file.open(newline=""))), "json": lambda: json.loads(file.read_text()),
            "parquet": lambda: pq.read_table(file).to_pylist()}[ending]()  # fmt: skip
    assert [float(row["lr"]) for row in rows] == [0.01, 0.1, 1.0]
    assert float(rows[0]["test_accuracy_mean"]) == pytest.approx(0.96)
    assert (int(rows[0]["test_accuracy_n"]), int(rows[2]["not_completed"])) == (3, 1)


def test_a_trial_of_two_sweeps_counts_once_and_is_told(run: Run, tmp_path: Path) -> None:
    both = [
        record(number, {"lr": 0.1}, seed=number, sweep=sweep, test_accuracy=0.5)
        for number in range(2)
        for sweep in ("one", "two")
    ]
    store = publish(tmp_path, *both, record(7, {"lr": 0.1}, seed=7, sweep="two", test_accuracy=0.5))
    rows = _table(run, store, "--by", "lr")
    assert rows[1][:2] == ["0.1", "3"]
    assert ["2 trials of several sweeps (one, two): the same trial counts once in a row"] in rows
    assert ["measured on Model T (3 trials)"] in rows
    assert [row[:2] for row in _table(run, store)[1:3]] == [["one", "2"], ["two", "3"]]
