"""What goes with a sweep, and what stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artifacts.errors import UnknownSweep
from artifacts.store import Store
from runner.housekeeping.errors import SweepInUse
from runner.housekeeping.removal import removal_of, remove, was_cut_short
from runner.housekeeping.rename import rename
from runner.sweep.lock import sweep_lock
from tests.runner.conftest import Desk
from tests.runner.housekeeping.conftest import trials
from tests.runner.housekeeping.killing import killed_at_every_step


def everything(root: Path) -> set[str]:
    """Every path below the store but for locks, which a command that looks makes."""
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.name not in ("lock", "removed")
    }


def test_only_the_sweep_and_the_files_of_its_own_trials_go(store: Store) -> None:
    (shared,) = trials(store, "one") & trials(store, "two")
    (own,) = trials(store, "one") - trials(store, "two")
    removal = removal_of(store, "one")
    assert (removal.submissions, removal.attempts, removal.trials) == (1, 2, 2)
    assert (removal.files, removal.shared) == ((own,), (shared,))
    assert removal.files_space.bytes == 3000
    before = everything(store.root)
    remove(store, "one")
    gone = before - everything(store.root)
    assert {path for path in gone if not path.startswith(("sweeps/one", "records/one"))} == {
        path for path in before if path.startswith(f"files/{own}")
    }
    assert store.sweeps() == ["two"]
    with pytest.raises(UnknownSweep):
        remove(store, "one")
    remove(store, "two")
    assert not list((store.root / "files").iterdir())


def test_a_sweep_in_use_is_refused(store: Store) -> None:
    with (
        sweep_lock(store.sweep_folder("one")),
        pytest.raises(SweepInUse, match="another command holds it"),
    ):
        removal_of(store, "one")
    with (
        sweep_lock(store.sweep_folder("one")),
        pytest.raises(SweepInUse, match="nothing of 'one' was removed"),
    ):
        remove(store, "one")
    assert store.sweeps() == ["one", "two"]


def test_a_damaged_sweep_can_go_and_one_beside_it_keeps_its_files(store: Store) -> None:
    (store.sweep_folder("two") / "001" / "specs.jsonl").write_bytes(b"{")
    removal = removal_of(store, "one")
    assert not removal.files  # two may have any of the trials
    assert set(removal.shared) == trials(store, "one")
    remove(store, "two")
    remove(store, "one")
    assert store.sweeps() == []


def test_killed_at_any_step_the_same_call_removes(store: Store, tmp_path: Path) -> None:
    name = "monday"
    rename(store, "one", name)
    spare = tmp_path / "spare"
    shutil.copytree(store.root, spare)
    remove(store, name)
    whole = everything(store.root)
    steps = 0

    def again() -> None:
        shutil.rmtree(store.root)
        shutil.copytree(spare, store.root)

    again()
    for steps in killed_at_every_step(lambda: remove(Store(store.root), name)):
        left = Store(store.root)
        if left.has("one") or was_cut_short(left, name):
            remove(left, name)
        assert everything(store.root) == whole, f"killed at step {steps}"
        again()
    assert steps > 10


def test_rm_says_what_goes_and_asks(desk: Desk) -> None:
    grid = desk.grid("workload: toys:quick\nmatrix: {width: [1, 2]}\n")
    desk.run("submit", grid, "--backend", "inline")
    asked = desk.run("rm", "toy", code=2)
    assert "1 submission, 2 records of 2 trials, and logs:" in asked
    assert "nothing was removed" in asked
    assert desk.json("ls")[0]["outcomes"] == {"completed": 2}
    assert "removed toy" in desk.run("rm", "toy", "--yes")
    assert "has no sweep yet" in desk.run("ls")
    assert "has no sweep 'toy'" in desk.run("rm", "toy", "--yes", code=1)
    desk.run("submit", grid, "--backend", "inline")
    assert desk.outcomes() == {"completed": 2}
