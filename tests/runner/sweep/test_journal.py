"""The journal tells what began and what ended, also after a kill in the middle of a line."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from artifacts.errors import StoreNotReadable
from runner.sweep.attempts import unrecorded
from runner.sweep.journal import AttemptEnded, AttemptStarted, Follower, Journal, entries, read_all


def began(trial: str, attempt: int = 1) -> AttemptStarted:
    return AttemptStarted(trial=trial, attempt=attempt, at=1.0, node="here", pid=1)


def test_attempts_without_an_end_are_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    journal.write(began("a"))
    journal.write(AttemptEnded("a", 1, "completed", 0.9))
    journal.write(began("b"))
    Journal(tmp_path, "w2").write(began("a", 2))
    assert set(unrecorded(read_all(tmp_path))) == {("b", 1), ("a", 2)}


def test_a_follower_gives_each_entry_once_and_waits_for_whole_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    journal.write(began("a"))
    follower = Follower(tmp_path)
    assert follower.new_entries() == [began("a")]
    assert follower.new_entries() == []
    with journal.path.open("ab") as file:
        file.write(b'{"type":"ended","trial":"a",')
    assert follower.new_entries() == []
    with journal.path.open("ab") as file:
        file.write(b'"attempt":1,"outcome":"failed"}\n')
    assert follower.new_entries() == [AttemptEnded("a", 1, "failed")]


def test_a_line_cut_short_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    journal.write(began("a"))
    with journal.path.open("ab") as file:
        file.write(b'{"type":"sta')
    assert entries(tmp_path, journal.path.stem) == [began("a")]


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert read_all(tmp_path) == []


def test_a_journal_that_is_closed_to_this_user_is_not_taken_for_an_empty_one() -> None:
    with tempfile.TemporaryDirectory(
        dir="/tmp"
    ) as name:  # pytest's own folders are closed to others as well
        folder = Path(name)
        folder.chmod(0o755)
        Journal(folder, "w").write(began("a"))
        (folder / "journal").chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(StoreNotReadable, match="chmod"):
                read_all(folder)
        finally:
            os.seteuid(user)
            (folder / "journal").chmod(0o755)
        assert read_all(folder) == [began("a")]


def test_a_trial_that_closes_the_journal_costs_no_line(tmp_path: Path) -> None:
    """Nor does what it opens under the same number get one."""
    journal = Journal(tmp_path, "w")
    os.close(journal._fd)
    with (tmp_path / "others").open("w") as others:
        assert others.fileno() == journal._fd
        journal.write(AttemptEnded("a", 1, "completed"))
    assert [entry.trial for entry in read_all(tmp_path)] == ["a"]
    assert (tmp_path / "others").read_text() == ""
