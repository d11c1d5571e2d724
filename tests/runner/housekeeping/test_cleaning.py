"""Old checkpoints, profiles and logs go; records and what is still worked on stay."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from artifacts.store import Store
from runner.housekeeping.cleaning import (
    CHECKPOINTS,
    CODE,
    KINDS,
    LOGS,
    PROFILES,
    clean,
    cleaning_of,
)
from runner.sweep.journal import AttemptStarted, Journal
from runner.sweep.lock import sweep_lock
from tests.runner.conftest import Desk
from tests.runner.housekeeping.conftest import trials
from tests.runner.housekeeping.killing import killed_at_every_step

DAY_S = 86400.0


@pytest.fixture
def old(store: Store) -> Store:
    """A store of which everything is 40 days old."""
    for path in store.root.rglob("*"):
        about = path.stat()
        os.utime(path, (about.st_atime, about.st_mtime - 40 * DAY_S))
    return store


def kept(store: Store) -> set[str]:
    return {
        str(path.relative_to(store.root))
        for path in store.root.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_only_what_is_old_goes_and_never_a_record(old: Store) -> None:
    assert not cleaning_of(old, [], KINDS, 41 * DAY_S).items
    before = kept(old)
    (trial,) = trials(old, "one") & trials(old, "two")
    own = old.files_folder(trial) / "result.txt"
    own.write_text("of the workload itself")
    young = old.files_folder(trial) / "profile" / "content"
    young.touch()
    found = cleaning_of(old, [], KINDS, 30 * DAY_S)
    assert {kind: len(found.of(kind)) for kind in KINDS} == {
        CHECKPOINTS: 3, PROFILES: 5, LOGS: 4, CODE: 0,
    }  # fmt: skip
    assert kept(old) == before | {str(own.relative_to(old.root))}
    assert clean(old, [], KINDS, 30 * DAY_S) == found
    assert {name for name in kept(old) if name.startswith("files/")} == {
        str(path.relative_to(old.root)) for path in (own, young)
    }
    assert {name for name in before - kept(old) if not name.startswith("files/")} == {
        name for name in before if "/logs/" in name
    }
    assert sorted(path.name for path in (old.root / "files").iterdir()) == [trial]
    assert not list((old.root / "removed").iterdir())


def test_a_kind_and_a_sweep_can_be_chosen(old: Store) -> None:
    clean(old, ["one"], [CHECKPOINTS], 30 * DAY_S)
    left = {path.parts[-3] for path in (old.root / "files").rglob("checkpoint/content")}
    assert left == trials(old, "two") - trials(old, "one")
    assert len(list(old.logs_folder("one").iterdir())) == 2


def test_what_is_worked_on_stays(old: Store) -> None:
    with sweep_lock(old.sweep_folder("two")):
        found = clean(old, [], KINDS, 0)
    assert found.busy == ("two",)
    (gone,) = trials(old, "one") - trials(old, "two")
    assert {item.path.parent.name for item in found.of(CHECKPOINTS)} == {gone}
    assert {item.path.parent.parent.name for item in found.of(LOGS)} == {"one"}
    # An attempt that has begun and has no record may still run, by whatever drives it.
    trial = min(trials(old, "two") - trials(old, "one"))
    Journal(old.sweep_folder("two"), "somewhere-1").write(
        AttemptStarted(trial, 2, 0.0, "somewhere", 1)
    )
    found = clean(old, [], KINDS, 0)
    assert {item.path.parent.name for item in found.of(CHECKPOINTS)} == trials(old, "two") - {trial}
    assert not any(item.path.name.startswith(trial) for item in found.of(LOGS))


def test_killed_at_any_step_the_same_call_cleans(old: Store, tmp_path: Path) -> None:
    spare = tmp_path / "spare"
    shutil.copytree(old.root, spare)
    clean(old, [], KINDS, DAY_S)
    expected, steps = kept(old), 0
    shutil.rmtree(old.root)
    shutil.copytree(spare, old.root)
    for steps in killed_at_every_step(lambda: clean(Store(old.root), [], KINDS, DAY_S), stride=3):
        clean(Store(old.root), [], KINDS, DAY_S)
        assert kept(old) == expected, f"killed at step {steps}"
        shutil.rmtree(old.root)
        shutil.copytree(spare, old.root)
    assert steps > 20


def test_clean_lists_and_removes_only_when_told(desk: Desk) -> None:
    grid = desk.grid("workload: toys:quick\nmatrix: {width: [1]}\n")
    desk.run("submit", grid, "--backend", "inline")
    (trial,) = desk.store.index("toy").trials
    checkpoint = desk.store.files_folder(trial) / "checkpoint" / "content"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("12345")
    assert "nothing is older than 30d" in desk.run("clean")
    listed = desk.run("clean", "--older-than", "0d")
    assert "checkpoints      1      1  5 bytes" in listed
    assert "nothing was removed" in listed
    assert checkpoint.exists()
    assert "is no age" in desk.run("clean", "--older-than", "soon", code=2)
    assert "'record' is none of" in desk.run("clean", "--kind", "record", code=2)
    assert desk.json("clean", "toy", "--older-than", "0d", "--yes")["removed"] is True
    assert not checkpoint.exists()
    assert desk.outcomes() == {"completed": 1}
