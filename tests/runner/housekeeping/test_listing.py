"""The sweeps of a store at a glance."""

from __future__ import annotations

import shutil

from artifacts.record import Outcome
from artifacts.store import Store
from runner.housekeeping.listing import listed
from runner.housekeeping.rename import rename
from runner.housekeeping.sizes import human
from tests.runner.builders import record
from tests.runner.housekeeping.conftest import trials


def test_each_sweep_has_its_trials_outcomes_and_size(store: Store) -> None:
    rename(store, "one", "monday")
    (trial, _) = trials(store, "two")
    store.publish(record("0" * 16, outcome=Outcome.failed, sweep="two"))
    store.publish(record(trial, 2, outcome=Outcome.failed, sweep="two"))
    shutil.rmtree(store.sweep_folder("one"))
    one, two = listed(store)
    assert (one.name, one.former, one.submitted_at) == ("monday", ("one",), None)
    assert (one.trials, one.outcomes) == (2, {"completed": 2})
    assert (two.trials, two.submissions, two.outcomes) == (2, 1, {"completed": 2, "failed": 1})
    assert two.submitted_at is not None
    assert not two.running
    files = sum(
        path.stat().st_size
        for folder in ("records/one", *(f"files/{each}" for each in store.index("one").trials))
        for path in (store.root / folder).rglob("*")
        if path.is_file()
    )
    assert one.size == files


def test_damaged_records_are_named(store: Store) -> None:
    damaged = next(store.records_folder("one").iterdir())
    damaged.write_bytes(b"no record")
    assert [str(damaged) in problem for problem in listed(store, ["one"])[0].unreadable] == [True]


def test_sizes_are_for_readers() -> None:
    assert [human(size) for size in (0, 999, 1000, 999_499, 999_500, 12_345_678)] == [
        "0 bytes", "999 bytes", "1.0 kB", "999 kB", "1.0 MB", "12 MB",
    ]  # fmt: skip
