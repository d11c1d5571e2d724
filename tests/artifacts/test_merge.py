"""Records of several stores in one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from artifacts.collect import collect, compact_leftovers
from artifacts.merge import merge_records
from artifacts.store import Store
from artifacts.tables import rows_of
from tests.artifacts.conftest import make_record

A, B = "00000000000000aa", "00000000000000bb"


def made(path: Path) -> Store:
    store = Store(path)
    store.create()
    return store


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store, Store]:
    """Two stores with an attempt 1 of the same trial, and an empty third."""
    one, two, third = (made(tmp_path / name) for name in ("one", "two", "third"))
    one.publish(make_record(A, 1, started_at=100.0, node="n1", test_accuracy=0.5))
    two.publish(make_record(A, 1, started_at=200.0, node="n2", test_accuracy=0.75))
    two.publish(make_record(B, 1, started_at=210.0, node="n2"))
    return one, two, third


def rows(store: Store, *, attempts: bool = True) -> list[tuple[str, int, str, str]]:
    table = collect(store, ["study"], attempts=attempts).table
    return [
        (row["trial"], row["attempt"], row["merged_from"], row["node"]) for row in rows_of(table)
    ]


def test_an_attempt_is_told_by_store_trial_and_number(stores: tuple[Store, Store, Store]) -> None:
    one, two, third = stores
    assert merge_records(two, "study", third).added == 2
    assert merge_records(one, "study", third).added == 1
    assert rows(third) == [(A, 1, one.id, "n1"), (A, 1, two.id, "n2"), (B, 1, two.id, "n2")]
    assert len(third.read("study", A)) == 2
    # Of completed attempts of several stores the one that began last counts.
    assert rows(third, attempts=False)[0] == (A, 1, two.id, "n2")


def test_merging_again_adds_nothing(stores: tuple[Store, Store, Store]) -> None:
    one, two, third = stores
    for source in (one, two):
        merge_records(source, "study", third)
    files = sorted(third.records_folder("study").iterdir())
    for source in (two, one):
        assert merge_records(source, "study", third).added == 0
    assert sorted(third.records_folder("study").iterdir()) == files
    one.publish(make_record(A, 2, started_at=300.0, node="n1"))
    compact_leftovers(one, "study")
    assert merge_records(one, "study", third).added == 1


def test_a_merge_of_a_merge_keeps_who_made_each_record(
    stores: tuple[Store, Store, Store], tmp_path: Path
) -> None:
    one, two, third = stores
    merge_records(two, "study", one)
    merge_records(one, "study", third)
    assert rows(third) == [(A, 1, one.id, "n1"), (A, 1, two.id, "n2"), (B, 1, two.id, "n2")]
    assert merge_records(two, "study", third).added == 0
    # And back: what a store made itself is its own, however it comes.
    assert merge_records(third, "study", two).added == 1
    assert merge_records(third, "study", one).added == 0


def test_what_a_store_completed_itself_goes_on_counting(
    stores: tuple[Store, Store, Store],
) -> None:
    one, two, _ = stores
    merge_records(two, "study", one)
    assert rows(one, attempts=False)[0] == (A, 1, None, "n1")
    index = one.index("study")
    assert [attempt.own for attempt in index.attempts(A)] == [False, True]
    assert [attempt.attempt for attempt in index.own_attempts(A)] == [1]
    assert index.completed == {A, B}


def test_a_copy_adds_only_what_it_has_computed_since(
    stores: tuple[Store, Store, Store], tmp_path: Path
) -> None:
    one, _, third = stores
    copy = Store(tmp_path / "copy")
    shutil.copytree(one.root, copy.root)
    merge_records(one, "study", third)
    assert merge_records(copy, "study", third).added == 0
    copy.create()  # its first submit gives it an id of its own
    copy.publish(make_record(B, 1, started_at=400.0, node="n3"))
    assert merge_records(copy, "study", third).added == 1
    assert rows(third) == [(A, 1, one.id, "n1"), (B, 1, copy.id, "n3")]


def test_the_workers_own_record_comes_after_the_derived_one(
    stores: tuple[Store, Store, Store],
) -> None:
    one, _, third = stores
    late: dict[str, Any] = {"started_at": 500.0, "node": "n1"}
    one.publish(make_record(B, 1, outcome="node_failed", derived=True, **late))
    assert merge_records(one, "study", third).added == 2
    one.publish(make_record(B, 1, **late))
    assert merge_records(one, "study", third).added == 1
    assert [row["outcome"] for row in third.read("study", B)] == ["completed"]


def test_a_damaged_file_is_named_and_the_others_come(
    stores: tuple[Store, Store, Store],
) -> None:
    _, two, third = stores
    damaged = two.records_folder("study") / f"{B}.1.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    merged = merge_records(two, "study", third)
    assert (merged.added, [one.path for one in merged.unreadable]) == (1, [damaged])


def test_values_keep_their_kinds(tmp_path: Path) -> None:
    one, third = made(tmp_path / "one"), made(tmp_path / "third")
    for trial, lr in ((A, 0.5), (B, "auto")):
        one.publish(make_record(trial, parameters={"lr": lr}))
    merge_records(one, "study", third)
    assert [third.read("study", trial)[0]["lr"] for trial in (A, B)] == [0.5, "auto"]
