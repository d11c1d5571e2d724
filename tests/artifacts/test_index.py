"""What a folder of records says, whatever else happens to it."""

from __future__ import annotations

import multiprocessing
import os
import random
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts import parquet
from artifacts.collect import collect, compact_leftovers
from artifacts.columns import SCHEMA_VERSION
from artifacts.errors import RecordExists
from artifacts.index import names
from artifacts.publish import publish
from artifacts.record import Outcome
from artifacts.store import Store
from tests.artifacts.conftest import make_record

SPAWN = multiprocessing.get_context("spawn")


def test_attempts_stand_in_order_with_their_outcomes(store: Store) -> None:
    paths = [
        store.publish(make_record("aa", attempt, outcome=outcome))
        for attempt, outcome in ((10, "completed"), (2, "timed_out"), (1, "unknown"))
    ]
    store.publish(make_record("bb", outcome="killed", derived=True, disturbed=True))
    index = store.index("study")
    assert [attempt.attempt for attempt in index.attempts("aa")] == [1, 2, 10]
    assert [attempt.outcome for attempt in index.attempts("aa")] == [
        Outcome.unknown,
        Outcome.timed_out,
        Outcome.completed,
    ]
    assert [attempt.path for attempt in index.attempts("aa")] == paths[::-1]
    (only,) = index.attempts("bb")
    assert (only.derived, only.disturbed) == (True, True)
    assert index.completed == {"aa"}
    assert index.last_attempts() == {"aa": 10, "bb": only.attempt}


def test_a_sweep_without_records_is_empty(store: Store) -> None:
    index = store.index("study")
    assert (index.trials, index.unreadable, index.completed) == ({}, (), frozenset())


def test_new_records_are_seen_by_the_same_store(store: Store) -> None:
    store.publish(make_record("aa"))
    assert store.index("study").completed == {"aa"}
    store.publish(make_record("bb"))
    assert store.index("study").completed == {"aa", "bb"}
    compact_leftovers(store, "study")
    assert store.index("study").completed == {"aa", "bb"}
    assert {
        attempt.path for attempts in store.index("study").trials.values() for attempt in attempts
    } == {
        path
        for path in store.records_folder("study").iterdir()
        if path.name.startswith("compacted-")
    }


def test_a_removed_record_is_gone(store: Store) -> None:
    path = store.publish(make_record("aa"))
    store.index("study")
    path.unlink()
    assert store.index("study").trials == {}


def rewrite(path: Path, column: str, value: Any) -> None:
    """What another version of the runner would have published."""
    table = parquet.read(path)
    path.unlink()
    path.write_bytes(
        parquet.table_bytes(
            table.set_column(table.column_names.index(column), column, [pa.array([value])])
        )
    )


def test_an_outcome_of_another_word_is_unknown_and_not_completed(store: Store) -> None:
    rewrite(store.publish(make_record("aa")), "outcome", "succeeded")
    assert store.index("study").attempts("aa")[0].outcome is Outcome.unknown
    assert store.index("study").completed == set()


@pytest.mark.parametrize("compacted", ["", "derived", "late", "derived late", "both"])
def test_what_a_worker_says_late_outranks_what_was_derived_in_its_place(
    store: Store, compacted: str
) -> None:
    for trial in ("aa", "bb"):
        store.publish(make_record(trial, outcome="node_failed", derived=True, train_s=None))
    if "derived" in compacted:
        compact_leftovers(store, "study")
    late = [make_record(trial, train_s=7.0) for trial in ("aa", "bb")]
    for record in late:
        store.publish(record)
    if "late" in compacted:
        store.compact_published("study", late)
    if "both" in compacted:
        compact_leftovers(store, "study")
    index = store.index("study")
    assert index.completed == {"aa", "bb"}
    assert [(one.outcome, one.derived) for one in index.attempts("aa")] == [
        (Outcome.completed, False)
    ]
    assert [row["train_s"] for row in store.read("study", "aa")] == [7.0]
    assert collect(store, ["study"]).table["train_s"].to_pylist() == [7.0, 7.0]
    assert collect(store, ["study"], attempts=True).table["derived"].to_pylist() == [False, False]
    kept = [
        outcome
        for path in store.records_folder("study").iterdir()
        for outcome in parquet.read(path)["outcome"].to_pylist()
    ]
    assert sorted(kept) == ["completed"] * 2 + ["node_failed"] * 2


def test_nothing_is_derived_where_the_worker_has_spoken(store: Store) -> None:
    store.publish(make_record("aa"))
    with pytest.raises(RecordExists):
        store.publish(make_record("aa", outcome="killed", derived=True))


def test_a_derived_record_under_the_name_of_older_stores_is_compacted_like_any(
    store: Store,
) -> None:
    for trial in ("aa", "bb"):
        path = store.publish(make_record(trial, outcome="killed", derived=True))
        path.rename(path.with_name(f"{trial}.1.parquet"))
    compact_leftovers(store, "study")
    assert [
        path.name.startswith("compacted-") for path in store.records_folder("study").iterdir()
    ] == [True]
    assert [
        one.derived for trial in ("aa", "bb") for one in store.index("study").attempts(trial)
    ] == [True, True]


def test_of_two_workers_with_one_attempt_the_completed_one_counts(store: Store) -> None:
    for outcomes in (("preempted", "completed"), ("completed", "preempted")):
        sweep = f"study-{outcomes[0]}"
        for outcome in outcomes:
            for trial in ("aa", "bb"):
                store.publish(make_record(trial, sweep=sweep, outcome=outcome))
            compact_leftovers(store, sweep)
        assert [one.outcome for one in store.index(sweep).attempts("aa")] == [Outcome.completed]
        assert [row["outcome"] for row in store.read(sweep, "aa")] == ["completed"]
        assert (
            collect(store, [sweep], attempts=True).table["outcome"].to_pylist() == ["completed"] * 2
        )


DAMAGE = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "only its end": lambda data: data[-8:],
    "another format": lambda data: b"trial,attempt\naa,1\n" * 50,
    "zeroed": lambda data: bytes(len(data)),
    "a block zeroed": lambda data: data[:512] + bytes(512) + data[1024:],
    "an absurd footer length": lambda data: data[:-8] + b"\xff\xff\xff\x7f" + data[-4:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_and_left_alone_and_its_number_is_taken(
    store: Store, damage: str
) -> None:
    store.publish(make_record("aa", 1, outcome="failed"))
    path = store.publish(make_record("aa", 2))
    store.publish(make_record("bb", 1))
    broken = DAMAGE[damage](path.read_bytes())
    path.write_bytes(broken)
    index = store.index("study")
    (named,) = index.unreadable
    assert (named.path, named.trial, named.attempt) == (path, "aa", 2)
    assert named.reason
    assert index.completed == {"bb"}
    assert index.last_attempts() == {"aa": 2, "bb": 1}
    collected = collect(store, ["study"])
    assert collected.unreadable == (named,)
    assert collected.table["trial"].to_pylist() == ["aa", "bb"]
    compact_leftovers(store, "study")
    assert path.read_bytes() == broken


def test_a_damaged_file_of_many_is_named_without_a_trial(store: Store) -> None:
    for trial in ("aa", "bb"):
        store.publish(make_record(trial))
    (path,) = store.compact("study", list(store.records_folder("study").iterdir()))
    path.write_bytes(path.read_bytes()[:-100])
    index = store.index("study")
    assert [(named.path, named.trial, named.attempt) for named in index.unreadable] == [
        (path, None, None)
    ]
    assert index.trials == {}


def test_a_good_copy_put_back_is_read_again(store: Store) -> None:
    path = store.publish(make_record("aa"))
    good = path.read_bytes()
    path.write_bytes(good[:100])
    assert store.index("study").completed == set()
    path.write_bytes(good)
    assert store.index("study").completed == {"aa"}


def test_no_flipped_bit_is_believed(store: Store) -> None:
    store.publish(make_record("bb"))
    path = store.publish(make_record("aa"))
    good = path.read_bytes()
    chance = random.Random(7)
    for place in chance.sample(range(len(good)), 200):
        path.write_bytes(
            good[:place] + bytes([good[place] ^ (1 << chance.randrange(8))]) + good[place + 1 :]
        )
        index = store.index("study")
        assert index.completed == {"bb"}
        assert [named.path for named in index.unreadable] == [path]


def test_a_record_that_another_program_rewrote_is_not_believed(store: Store) -> None:
    path = store.publish(make_record("aa"))
    pq.write_table(pq.read_table(path), path)
    (named,) = store.index("study").unreadable
    assert "another program" in named.reason


def test_a_record_under_another_name_is_not_believed(store: Store) -> None:
    path = store.publish(make_record("aa", 1))
    path.rename(path.with_name("aa.2.parquet"))
    (named,) = store.index("study").unreadable
    assert named.attempt == 2
    assert "than its name says" in named.reason


def test_a_record_of_a_newer_schema_is_named_as_such(store: Store) -> None:
    rewrite(store.publish(make_record("aa")), "schema_version", SCHEMA_VERSION + 1)
    (named,) = store.index("study").unreadable
    assert "newer runner" in named.reason


def test_foreign_files_and_half_written_ones_are_passed_over(store: Store) -> None:
    folder = store.publish(make_record("aa")).parent
    (folder / ".0123456789abcdef.partial").write_bytes(b"PAR1")
    (folder / "notes.txt").write_text("x")
    (folder / ".nfs0001.parquet").write_bytes(b"")
    index = store.index("study")
    assert (index.completed, index.unreadable) == ({"aa"}, ())


def test_a_link_to_nowhere_is_named_and_does_not_hang_the_reader(store: Store) -> None:
    folder = store.publish(make_record("aa")).parent
    (folder / "bb.1.parquet").symlink_to(folder / "nowhere")
    index = store.index("study")
    assert index.completed == {"aa"}
    assert [(named.trial, named.attempt) for named in index.unreadable] == [("bb", 1)]


def test_a_folder_or_a_device_in_a_records_place_is_named(store: Store) -> None:
    folder = store.publish(make_record("aa")).parent
    (folder / "bb.1.parquet").mkdir()
    assert [named.trial for named in store.index("study").unreadable] == ["bb"]


def publish_and_compact(root: Path, count: int, done: Synchronized[int]) -> None:
    store = Store(root)
    pack = []
    for number in range(count):
        pack.append(store.publish(make_record(f"{number:016x}")))
        done.value = number + 1
        if len(pack) == 7:
            store.compact("study", pack)
            pack = []


def test_a_reader_misses_nothing_while_others_publish_and_compact(store: Store) -> None:
    count = 250
    done = SPAWN.Value("i", 0)
    writer = SPAWN.Process(target=publish_and_compact, args=(store.root, count, done))
    compacter = SPAWN.Process(target=compact_often, args=(store.root,))
    writer.start()
    compacter.start()
    fresh_rounds = 0
    cached = Store(store.root)
    while writer.is_alive():
        published = done.value
        for reader in (Store(store.root), cached):
            index = reader.index("study")
            assert index.unreadable == ()
            assert not {f"{number:016x}" for number in range(published)} - index.trials.keys()
            assert all(len(attempts) == 1 for attempts in index.trials.values())
        published = done.value
        assert collect(store, ["study"] if published else []).table.num_rows >= published
        if published:
            assert store.read("study", f"{published - 1:016x}")[0]["outcome"] == "completed"
        fresh_rounds += 1
    writer.join()
    assert writer.exitcode == 0
    assert compacter.is_alive()  # it met no error either
    compacter.kill()
    compacter.join()
    assert fresh_rounds > 1
    assert len(store.index("study").completed) == count


def compact_often(root: Path) -> None:
    store = Store(root)
    while True:
        compact_leftovers(store, "study")


def test_a_scan_is_made_twice_because_one_can_miss_a_move(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of many is linked behind the scan's back, and the singles ahead of it removed: the
    worst order a folder can be read in."""
    for trial in ("aa", "bb"):
        store.publish(make_record(trial))
    folder = store.records_folder("study")
    scandir = os.scandir
    moved: list[Path] = []

    def overtaken(path: Path) -> Any:
        if moved:
            return scandir(path)
        moved.append(path)
        empty = scandir(
            store.files_folder("aa").parent
        )  # what such a scan sees: neither the old names nor the new one
        store.compact("study", [folder / "aa.1.parquet", folder / "bb.1.parquet"])
        return empty

    monkeypatch.setattr(os, "scandir", overtaken)
    assert [name.startswith("compacted-") for name in names(folder)] == [True]


def test_a_hundred_thousand_compacted_rows_are_indexed(store: Store) -> None:
    count = 100_000
    one = make_record("aa").to_table()
    rows = pa.concat_tables([one] * count).combine_chunks()
    rows = rows.set_column(
        rows.column_names.index("trial"),
        "trial",
        [pa.array([f"{number:016x}" for number in range(count)])],
    )
    outcomes = pa.array(["completed" if number % 4 else "failed" for number in range(count)])
    rows = rows.set_column(rows.column_names.index("outcome"), "outcome", [outcomes])
    store.records_folder("study").mkdir()
    publish(
        store.records_folder("study") / "compacted-0.parquet", memoryview(parquet.table_bytes(rows))
    )
    index = store.index("study")
    assert len(index.trials) == count
    assert len(index.completed) == count * 3 // 4
    assert index.attempts(f"{4:016x}")[0].outcome is Outcome.failed
