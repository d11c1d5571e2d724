"""Where running trials are, told beside them and never in their way."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from jobs.position import Position
from runner.sweep.positions import Reporter, read_positions, tidy
from tests.patience import PATIENCE_S


def _wait_for_file(folder: Path) -> Path:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := list((folder / "positions").glob("*.json"))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found[0]


def test_a_worker_writes_one_small_file_over_and_over_and_takes_it_away(tmp_path: Path) -> None:
    epochs = iter(range(1, 10_000))
    reporter = Reporter(tmp_path, "node-1", every_s=0.02)
    with reporter.watching("ab", 1, lambda: Position("train", next(epochs), 0.5, 0.9, 100.0)):
        path = _wait_for_file(tmp_path)
        first = path.stat()
        before = next(iter(read_positions(tmp_path).values()))
        deadline = time.monotonic() + PATIENCE_S
        while (now := read_positions(tmp_path).get(("ab", 1), before)).position == before.position:
            assert time.monotonic() < deadline
        assert (now.position.phase, now.position.loss) == ("train", 0.5)
        assert path.stat().st_ino == first.st_ino
        assert path.stat().st_size == first.st_size == 512
    assert list((tmp_path / "positions").iterdir()) == []


def test_a_short_trial_writes_nothing(tmp_path: Path) -> None:
    asked = threading.Event()

    def position() -> Position:
        asked.set()
        return Position()

    reporter = Reporter(tmp_path, "node-1", every_s=3600.0)
    for number in range(100):
        with reporter.watching("ab", number, position):
            pass
    assert not asked.is_set()
    assert list((tmp_path / "positions").iterdir()) == []


@pytest.mark.parametrize("what", ["no folder", "raises"])
def test_what_cannot_be_written_disturbs_nothing(tmp_path: Path, what: str) -> None:
    if what == "no folder":
        (tmp_path / "positions").write_text("in its place")
    tries = threading.Semaphore(0)

    def position() -> Position:
        tries.release()
        if what == "raises":
            raise RuntimeError(what)
        return Position("train")

    reporter = Reporter(tmp_path, "node-1", every_s=0.01)
    with reporter.watching("ab", 1, position):
        for _ in range(3):
            assert tries.acquire(timeout=PATIENCE_S)
    assert read_positions(tmp_path) == {}


def test_the_umask_of_a_trial_is_not_that_of_the_file(tmp_path: Path) -> None:
    reporter = Reporter(tmp_path, "node-1", every_s=0.01)
    usual = os.umask(0o777)
    try:
        with reporter.watching("ab", 1, lambda: Position("train")):
            path = _wait_for_file(tmp_path)
            deadline = time.monotonic() + PATIENCE_S
            while stat.S_IMODE(path.stat().st_mode) != 0o666 & ~usual:
                assert time.monotonic() < deadline
    finally:
        os.umask(usual)


def test_what_a_killed_worker_leaves_is_tidied_away(tmp_path: Path) -> None:
    folder = tmp_path / "positions"
    folder.mkdir()
    line = '{{"trial":"{}","attempt":1,"at":5.0,"position":{{}}}}'
    for trial in ("ab", "cd"):
        (folder / f"{trial}.json").write_text(line.format(trial).ljust(511) + "\n")
    (folder / "torn.json").write_text('{"trial":"ef","att')
    assert read_positions(tmp_path).keys() == {("ab", 1), ("cd", 1)}
    tidy(tmp_path, {("ab", 1)})
    assert [path.name for path in folder.iterdir()] == ["ab.json"]
