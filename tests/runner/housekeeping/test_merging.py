"""Several stores in one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import runner
from artifacts.errors import NameTaken
from artifacts.store import Store
from runner.housekeeping.merging import MergedStore, NotMergeable, merge
from runner.housekeeping.rename import rename
from tests.runner.builders import record
from tests.runner.conftest import Desk
from tests.runner.housekeeping.conftest import MakeStore
from tests.runner.housekeeping.killing import killed_at_every_step

GRID = "workload: toys:quick\nmatrix: {width: [1, 2]}\n"


def content(root: Path) -> dict[str, bytes]:
    """Every file below a store but for what belongs to the store alone."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name not in ("id", "lock")
    }


def added(merged: list[MergedStore]) -> list[int]:
    return [sum(sweep.added for sweep in each.sweeps) for each in merged]


def test_records_logs_and_submissions_come_and_the_source_stays(
    store: Store, tmp_path: Path
) -> None:
    both, before = Store(tmp_path / "both"), content(store.root)
    (merged,) = merge([store], both)
    assert [(each.sweep, each.added, each.logs, each.submissions) for each in merged.sweeps] == [
        ("one", 2, 2, 1),
        ("two", 2, 2, 1),
    ]
    assert (merged.left.files, merged.files) == (9, 0)
    assert content(store.root) == before
    there = content(both.root)
    for name in ("grid.yaml", "specs.jsonl"):
        brought = there[f"sweeps/one/merged/{store.id}/001/{name}"]
        assert brought == before[f"sweeps/one/001/{name}"]
    assert {name for name in before if "/logs/" in name} <= there.keys()
    table = runner.load(both.root, "one").to_arrow()
    assert table["merged_from"].to_pylist() == [store.id] * 2
    (again,) = merge([store], both, files=True)
    assert (added([again]), again.files) == ([0], 9)
    assert {name for name in before if name.startswith("files/")} <= content(both.root).keys()
    whole = content(both.root)
    merge([store], both, files=True)
    assert content(both.root) == whole


def test_a_log_that_has_grown_comes_again_and_another_file_stays(
    store: Store, tmp_path: Path
) -> None:
    both = Store(tmp_path / "both")
    merge([store], both)
    grown, other = sorted(both.logs_folder("one").iterdir())
    with (store.logs_folder("one") / grown.name).open("a") as file:
        file.write("and more\n")
    other.write_text("something else")
    (merged,) = merge([store], both)
    assert grown.read_text() == "what it printed\nand more\n"
    assert (merged.kept, other.read_text()) == ([other], "something else")


def test_trials_of_another_grid_are_shown_beside_the_stores_own(
    make_store: MakeStore,
) -> None:
    source, target = make_store("source"), make_store("target")
    source.publish(record("0" * 16, sweep="one"))
    # The others are the same attempts: one store is a copy of the other.
    assert added(merge([source], target)) == [1]
    records = runner.load(target.root, "one")
    assert len(records) == 3
    assert not records.notes


def test_names_come_along_and_a_name_that_is_taken_is_told(
    make_store: MakeStore, tmp_path: Path
) -> None:
    source, free, taken = make_store("source"), Store(tmp_path / "free"), make_store("taken")
    rename(source, "one", "monday")
    rename(taken, "two", "monday")
    assert not merge([source], free)[0].notes
    assert free.shown_names()["one"] == "monday"
    (note,) = merge([source], taken)[0].notes
    assert "another sweep of this name" in note
    assert taken.shown_names() == {"one": "one", "two": "monday"}
    shutil.rmtree(taken.sweep_folder("one"))
    shutil.rmtree(taken.records_folder("one"))
    rename(taken, "two", "one")
    with pytest.raises(NameTaken):
        merge([source], taken)


def test_what_is_no_other_store_is_refused(store: Store, tmp_path: Path) -> None:
    for source in (Store(tmp_path / "nothing"), store):
        with pytest.raises(NotMergeable):
            merge([source], store)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_log_that_may_not_be_read_is_told(store: Store, tmp_path: Path) -> None:
    log = next(store.logs_folder("one").iterdir())
    log.chmod(0)
    (merged,) = merge([store], Store(tmp_path / "both"))
    assert str(log) in merged.notes[0]
    assert added([merged]) == [4]


def test_killed_at_any_step_the_same_call_merges(store: Store, tmp_path: Path) -> None:
    for folder in ("sweeps", "records"):
        shutil.rmtree(store.root / folder / "two")
    merge([store], Store(tmp_path / "whole"))
    expected = content(tmp_path / "whole")
    target = Store(tmp_path / "target")
    steps = 0
    for steps in killed_at_every_step(lambda: merge([store], target), stride=3):
        merge([store], target)
        left = {name: data for name, data in content(target.root).items() if ".partial" not in name}
        assert left == expected, f"killed at step {steps}"
        shutil.rmtree(target.root)
    assert steps > 20


def test_merged_trials_count_beside_those_of_the_store_itself(desk: Desk, tmp_path: Path) -> None:
    grid = desk.grid(GRID)
    desk.run("submit", grid, "--backend", "inline", "--limit", "1")
    first, both = desk.store_folder, tmp_path / "both"
    desk.store_folder = tmp_path / "second"
    desk.run("submit", grid, "--backend", "inline")
    damaged = next(path for path in (desk.store_folder / "records" / "toy").iterdir())
    said = merge_command(first, desk.store_folder, "--into", both)
    assert "toy: 1 record added" in said
    assert "toy: 2 records added" in said
    assert f"next: runner collect --store {both}" in said
    assert "2 were there already" in merge_command(desk.store_folder, "--into", both)
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert f"{damaged}: " in merge_command(desk.store_folder, "--into", both, code=1)
    desk.store_folder = both
    assert len(desk.json("collect", "--attempts")) == 3
    assert len(desk.json("collect")) == 2
    assert "merged" in desk.run("ls")
    assert "nothing was submitted to it" in desk.run("status", code=1)
    assert "nothing to run" in desk.run("submit", grid, "--backend", "inline")
    assert desk.json("status")[0]["counts"] == {"completed": 2}


def merge_command(*arguments: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("runner"), "merge", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr
