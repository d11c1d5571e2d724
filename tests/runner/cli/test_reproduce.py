"""`runner reproduce`: real trials, run again from what their submit froze."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifacts.store import Store
from runner.cli.main import main
from tests.runner.cli.conftest import Run
from tests.runner.conftest import Desk

STUDIES = Path(__file__).parents[2] / "stores" / "studies"
SHIPPED = sorted(path.name for path in (STUDIES / "records").iterdir())

MODULE = """\
import os


def score(seed: int, x: int) -> dict[str, float]:
    shift = float(os.environ.get("SHIFT", "0"))
    return {"score": x + VERSION + shift + (0.5 * seed) ** 2, "loss": 1.0 + 0.01 * seed * x}
"""
GRID = """\
name: scores
workload: mine:score
target: big
matrix: {x: [1, 2]}
repeats: 3
"""
PROFILE = "targets: {big: {cpus: 1}}\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The store of a sweep whose code, grid and profile have been replaced since, moved away."""
    folder = tmp_path_factory.mktemp("reproduce")
    desk = Desk(folder / "desk", folder / "store")
    desk.folder.mkdir()
    desk.environment["XDG_STATE_HOME"] = str(folder / "state")
    module, profile = desk.folder / "mine.py", desk.folder / "cluster.yaml"
    module.write_text("VERSION = 1.0\n" + MODULE)
    profile.write_text(PROFILE)
    grid = desk.folder / "grid.yaml"
    grid.write_text(GRID)
    desk.run("submit", grid, "--backend", "inline")
    module.write_text("VERSION = 2.0\n" + MODULE)
    grid.unlink()
    profile.unlink()
    moved = folder / "elsewhere"
    desk.store_folder.rename(moved)
    desk.store_folder = moved
    yield desk
    desk.clean_up()


def again(desk: Desk, into: str, *options: str, code: int = 0) -> str:
    """Run the sweep again and return what is printed."""
    words = ["reproduce", "scores", "--into", into, "--backend", "inline", *options]
    return desk.run(*words, code=code)


def test_a_moved_store_is_all_that_is_needed(desk: Desk) -> None:
    before = sorted(path for path in desk.store_folder.rglob("*") if path.is_file())
    said = again(desk, "again", "--metric", "score,loss")
    assert "nothing differs from the original before it runs" in said
    assert "6 identical" in said, "two metrics, each in two cells and in both together"
    assert sorted(path for path in desk.store_folder.rglob("*") if path.is_file()) == before
    copy = Store(desk.folder / "again")
    assert len(copy.index("scores").completed) == 6

    repeated = again(desk, "again", "--metric", "score,loss")
    assert "6 identical" in repeated, "the same command again runs nothing and compares"


def test_another_result_is_different_and_exit_code_1(desk: Desk) -> None:
    desk.environment["SHIFT"] = "5"
    words = ["reproduce", "scores", "--into", "shifted", "--backend", "inline"]
    plain = desk.json(*words, "--metric", "score,loss", code=1)
    del desk.environment["SHIFT"]
    verdicts = {(effect["metric"], effect["verdict"]) for effect in plain["effects"]}
    assert verdicts == {("score", "different"), ("loss", "identical")}


def test_new_seeds_make_independent_sides(desk: Desk) -> None:
    said = again(desk, "new", "--metric", "loss", "--seeds", "new")
    assert "Welch" in said
    assert "identical" not in said
    copy = Store(desk.folder / "new")
    seeds = {copy.read("scores", trial)[-1]["seed"] for trial in copy.index("scores").completed}
    assert seeds == {3, 4, 5}


def test_targets_are_mapped_to_those_of_here(desk: Desk) -> None:
    said = again(desk, "mapped", "--on", "big=cpu", "--trials", "3", "--metric", "loss")
    assert "3 trials left out by --trials" in said
    assert "1 identical" in said, "the mapped target parts no pair"
    copy = Store(desk.folder / "mapped")
    assert {copy.read("scores", trial)[-1]["target"] for trial in copy.index("scores").trials} == {
        "cpu"
    }
    lacking = again(desk, "other", "--on", "big=huge", code=1)
    assert "no target 'huge'" in lacking
    own = again(desk, str(desk.store_folder), code=2)
    assert "--into" in own


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another user")
def test_code_of_another_user_runs_only_when_trusted(desk: Desk, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(desk.store_folder, theirs, symlinks=True)
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    words = ["reproduce", "scores", "--into", "trusted", "--backend", "inline", "--trials", "1"]
    mine, desk.store_folder = desk.store_folder, theirs
    desk.environment["XDG_STATE_HOME"] = str(tmp_path / "empty")
    try:
        assert "--trust" in desk.run(*words, code=1)
        desk.run(*words, "--metric", "score", "--trust")
    finally:
        desk.store_folder = mine


@pytest.mark.parametrize("sweep", ["quickstart"])
def test_a_shipped_study_is_reproduced_from_a_small_store(
    run: Run, tmp_path: Path, sweep: str
) -> None:
    shutil.copytree(STUDIES, tmp_path / "store")
    done = run(
        "reproduce", sweep, "--store", str(tmp_path / "store"), "--into", str(tmp_path / "again"),
        "--trials", "6", "--backend", "inline", "--metric", "test_accuracy", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    plain = json.loads(done.out)
    assert len(plain["effects"]) >= 2
    verdicts = {effect["verdict"] for effect in plain["effects"]}
    # On the processor that made the store they are identical, on another one they need not be.
    assert verdicts <= {"identical", "same", "undecided"}
    assert not plain["missing"]


@pytest.mark.long
@pytest.mark.parametrize("sweep", [name for name in SHIPPED if name != "quickstart"])
def test_every_shipped_study_is_reproduced_from_a_small_store(
    tmp_path: Path, sweep: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(STUDIES, tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    for name in ("RUNNER_STORE", "RUNNER_DATA"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as left:
        main(
            ["reproduce", sweep, "--store", "store", "--into", "again", "--backend", "inline",
             "--metric", "test_accuracy", "--json"]
        )  # fmt: skip
    assert left.value.code == 0
    plain = json.loads(capsys.readouterr().out)
    assert [effect["n"] for effect in plain["effects"]]
    assert "different" not in {effect["verdict"] for effect in plain["effects"]}
    assert [path.name for path in Path("again/records").iterdir()] == [sweep]
