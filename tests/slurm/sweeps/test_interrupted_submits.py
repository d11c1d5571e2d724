"""Submits that are cut short while sbatch runs: whatever SLURM made of it, each trial runs once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.sweep.lock import is_held
from tests.slurm.site import Site

from .desk import SlurmDesk, at_site

GRID = (
    "workload: trials:gated\ntarget: cpu\nmatrix: {width: {range: [0, 4]}}\nfixed: {gate: "
    "GATE, "
    "tally: TALLY}\n"
)

INTERRUPTED = """#!/bin/sh
answer=$({sbatch} "$@") || exit 1
kill -INT $PPID
echo "$answer"
"""
INTERRUPTED_TWICE = """#!/bin/sh
answer=$({sbatch} "$@") || exit 1
kill -INT $PPID
kill -TERM $PPID
until [ -e {folder}/go-on ]; do sleep 0.1; done
echo "$answer"
"""
OUTLIVES_ITS_SUBMIT = """#!/bin/sh
kill -9 $PPID
until [ -e {folder}/go-on ]; do sleep 0.1; done
exec {sbatch} "$@"
"""
NEVER_GETS_THERE = """#!/bin/sh
kill -9 $PPID
"""
SPEAKS_FIRST = """#!/bin/sh
answer=$({sbatch} "$@") || exit 1
echo "    Welcome to the Big Machine"
echo "--> Verifying valid jobname...OK"
echo "$answer"
"""


@pytest.fixture
def desk(running_site: Site, tmp_path: Path) -> Iterator[SlurmDesk]:
    """A desk at the site with accounting."""
    with at_site(running_site, tmp_path) as desk:
        desk.profile("\n  cpu: {partition: cpu, SMALL}\n")
        yield desk


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder ahead on PATH, for an sbatch of one's own; what its scripts wait for is there in the
    end."""
    folder = tmp_path / "bin"  # and not beside the grid, where it would be the user's code
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    yield folder
    (folder / "go-on").touch()


def put(folder: Path, script: str) -> None:
    own = folder / "sbatch"
    own.unlink(missing_ok=True)
    own.write_text(script.format(sbatch=shutil.which("sbatch"), folder=folder))
    own.chmod(0o755)


def arrays(desk: SlurmDesk) -> list[str]:
    return sorted(path.name for path in desk.store_folder.rglob("arrays/*"))


def each_ran_once(desk: SlurmDesk, trials: int = 4) -> None:
    desk.gate.touch()
    desk.until_idle()
    assert sorted(desk.ran().values()) == [1] * trials
    assert desk.standing() == {"completed": trials}


def test_ctrl_c_waits_for_the_answer_of_sbatch(desk: SlurmDesk, sbatch: Path) -> None:
    grid = desk.grid(GRID)
    put(sbatch, INTERRUPTED)
    desk.run("submit", grid, "--pack", "4", code=130)
    assert arrays(desk) == ["0001.json", "0001.ticket"]
    assert "4 trials already in the scheduler's queue" in desk.run("submit", grid)
    each_ran_once(desk)


def test_a_second_signal_ends_it_at_once_and_the_array_is_found_by_name(
    desk: SlurmDesk, sbatch: Path
) -> None:
    grid = desk.grid(GRID)
    put(sbatch, INTERRUPTED_TWICE)
    desk.run("submit", grid, "--pack", "4", code=130)
    assert arrays(desk) == ["0001.json"]
    (sbatch / "sbatch").unlink()
    assert "4 trials already in the scheduler's queue" in desk.run("submit", grid)
    assert arrays(desk) == ["0001.json", "0001.ticket"]
    each_ran_once(desk)


def test_an_sbatch_that_outlives_its_submit_keeps_the_sweep_locked(
    desk: SlurmDesk, sbatch: Path
) -> None:
    grid = desk.grid(GRID)
    put(sbatch, OUTLIVES_ITS_SUBMIT)
    desk.run("submit", grid, "--pack", "4", code=-9)
    folder = desk.store.sweep_folder("toy")
    assert is_held(folder)
    put(sbatch, SPEAKS_FIRST)
    (sbatch / "go-on").touch()
    desk.until(lambda: not is_held(folder), "sbatch has ended")
    assert "4 trials already in the scheduler's queue" in desk.run("submit", grid)
    each_ran_once(desk)


def test_a_number_is_not_given_again_and_a_banner_is_no_answer(
    desk: SlurmDesk, sbatch: Path
) -> None:
    grid = desk.grid(GRID)
    put(sbatch, NEVER_GETS_THERE)
    desk.run("submit", grid, "--pack", "2", code=-9)
    put(sbatch, SPEAKS_FIRST)
    assert "4 trials queued in 2 tasks of 1 array" in desk.run("submit", grid, "--pack", "2")
    assert arrays(desk) == ["0001.void", "0002.json", "0002.ticket"]
    each_ran_once(desk)


def test_the_store_is_one_under_every_path_and_a_copy_is_another(desk: SlurmDesk) -> None:
    grid = desk.grid(GRID.replace("[0, 4]", "[0, 2]"))
    desk.run("submit", grid, "--pack", "1")
    (ticket,) = desk.store_folder.rglob("*.ticket")
    ticket.write_bytes(b"")  # as after a power cut: the name is all that is left
    real, link, copy = desk.store_folder, desk.folder / "link", desk.folder / "copy"
    link.symlink_to(real)
    shutil.copytree(real, copy)
    desk.store_folder = link
    assert "2 trials already in the scheduler's queue" in desk.run("submit", grid)
    desk.store_folder = copy
    assert "nothing queued or running" in desk.run("cancel", "toy")
    desk.gate.touch()
    desk.store_folder = real
    desk.until_idle()
    assert desk.standing() == {"completed": 2}
    desk.store_folder = copy
    desk.run("submit", grid, "--pack", "1")
    desk.until_idle()
    assert sorted(desk.ran().values()) == [2, 2]
    first, second = ((folder / "id").read_text().splitlines() for folder in (real, copy))
    assert len(first) == 1
    assert len(second) > 1
