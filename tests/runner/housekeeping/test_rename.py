"""A sweep under another name: every command shows the new one and takes both."""

from __future__ import annotations

from pathlib import Path

import pytest

import runner
from artifacts.errors import BadName, NameTaken, UnknownSweep
from artifacts.store import Store
from runner.housekeeping.rename import rename
from runner.sweep.sweep import Sweep
from tests.runner.conftest import Desk
from tests.runner.housekeeping.killing import killed_at_every_step


def test_both_names_mean_the_sweep_and_records_stay_as_they_are(store: Store) -> None:
    before = {path: path.read_bytes() for path in store.records_folder("one").iterdir()}
    assert rename(store, "one", "monday") == "one"
    assert rename(store, "monday", "tuesday") == "monday"
    assert {store.resolve(name) for name in ("one", "monday", "tuesday")} == {"one"}
    assert store.shown_names() == {"one": "tuesday", "two": "two"}
    assert {path: path.read_bytes() for path in store.records_folder("one").iterdir()} == before
    assert Sweep(store, "tuesday").latest.number == 1
    for name in ("one", "monday", "tuesday"):
        rows = runner.load(store.root, name).to_arrow()
        assert set(rows["sweep"].to_pylist()) == {"tuesday"}
    rename(store, "tuesday", "one")
    assert store.shown_names()["one"] == "one"
    rename(store, "one", "monday")
    assert store.shown_names()["one"] == "monday"


def test_a_name_of_another_sweep_is_refused(store: Store) -> None:
    rename(store, "one", "monday")
    for old, taken in (("one", "two"), ("two", "one"), ("two", "monday")):
        with pytest.raises(NameTaken):
            rename(store, old, taken)
    with pytest.raises(UnknownSweep):
        rename(store, "three", "four")
    with pytest.raises(BadName):
        rename(store, "two", "a/b")
    assert store.shown_names() == {"one": "monday", "two": "two"}


def test_a_damaged_or_hostile_name_means_nothing(store: Store) -> None:
    rename(store, "one", "monday")
    for content in (b"", b"[]", b'{"sweep": "../..", "since": 1}', b'{"sweep": 3, "since": "x"}'):
        (store.root / "names" / "monday").write_bytes(content)
        assert store.resolve("monday") == "monday"
        assert store.shown_names()["one"] == "one"


def test_killed_at_any_step_the_same_call_renames(store: Store) -> None:
    for _ in killed_at_every_step(lambda: rename(store, "one", "monday")):
        assert store.shown_names()["one"] in ("one", "monday")
        rename(store, "one", "monday")
        assert store.shown_names()["one"] == "monday"
        (store.root / "names" / "monday").unlink()


def test_a_grid_with_either_name_continues_the_sweep(desk: Desk) -> None:
    text = "workload: toys:counted\nfixed: {tally: TALLY}\nmatrix: {width: [1]}\n"
    desk.run("submit", desk.grid(text), "--backend", "inline")
    said = desk.run("mv", "grid.yaml", "monday")
    assert "'toy' is now 'monday'; both names mean this sweep" in said
    for name in ("toy", "monday"):
        grid = desk.grid(text, name)
        assert "nothing to run" in desk.run("submit", grid, "--backend", "inline")
    assert [entry.name for entry in (desk.store_folder / "sweeps").iterdir()] == ["toy"]
    assert desk.json("status", "monday")[0]["sweep"] == "monday"
    assert desk.run("mv", "toy", "monday").strip() == "the sweep is called 'monday' already"


def test_mv_leaves_no_partial_file_behind(store: Store, tmp_path: Path) -> None:
    rename(store, "one", "monday")
    assert [path.name for path in (store.root / "names").iterdir()] == ["monday"]
