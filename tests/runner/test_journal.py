"""The journal tells what began and what ended, also after a kill in the middle of a line."""

from __future__ import annotations

from pathlib import Path

from runner.journal import Ended, Follower, Journal, Started, entries, open_attempts


def began(trial: str, attempt: int = 1) -> Started:
    return Started(trial=trial, attempt=attempt, at=1.0, node="here", pid=1)


def test_attempts_without_an_end_are_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    journal.write(began("a"))
    journal.write(Ended("a", 1, "completed", 0.9))
    journal.write(began("b"))
    Journal(tmp_path, "w2").write(began("a", 2))
    assert set(open_attempts(tmp_path)) == {("b", 1), ("a", 2)}


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
    assert follower.new_entries() == [Ended("a", 1, "failed")]


def test_a_line_cut_short_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    journal.write(began("a"))
    with journal.path.open("ab") as file:
        file.write(b'{"type":"sta')
    assert entries(tmp_path, journal.path.stem) == [began("a")]


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert open_attempts(tmp_path) == {}
