"""Stops the queue of a group whose first trials all fail in the same way: what is wrong with all of them is no result."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from artifacts.record import Outcome
from runner.journal import Ended, Entry

SAME_FAULT_LIMIT = 3
"""So many trials of a group, and none of it completed, must fail with the same traceback."""

_FOLDER = "stopped"
_CHANGING = re.compile(r"0x[0-9a-fA-F]+|\b\d+\b")


class Stopped(msgspec.Struct, frozen=True):
    """Why the rest of a group is not run."""

    group: str
    error: str
    trials: list[str]
    """Those that failed in the same way."""


def fault(error_type: str | None, traceback: str | None) -> str | None:
    """A short name for a way to fail: the traceback without numbers that differ from trial to trial; None without an exception."""
    if not error_type:
        return None
    frames = [line for line in (traceback or "").splitlines() if line.lstrip().startswith("File ")]
    return hashlib.sha256("\n".join([error_type, *(_CHANGING.sub("#", frame) for frame in frames)]).encode()).hexdigest()[:12]


def consider(submission_folder: Path, ended: Ended, journal: list[Entry]) -> Stopped | None:
    """Stop the group if this failure makes it hopeless.

    Args:
        submission_folder: Where the group's mark is left for every worker.
        ended: The attempt that has just failed.
        journal: What all workers have written so far.
    """
    of_group = [
        entry for entry in journal if isinstance(entry, Ended) and entry.group == ended.group and entry.submission == ended.submission
    ]
    if any(entry.outcome == Outcome.completed for entry in of_group):
        return None
    alike = sorted({entry.trial for entry in of_group if entry.fault == ended.fault})
    if ended.fault is None or len(alike) < SAME_FAULT_LIMIT or len({entry.fault for entry in of_group}) > 1:
        return None
    stopped = Stopped(ended.group, ended.error or "", alike)
    path = _mark(submission_folder, ended.group)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.encode(stopped))
    return stopped


def is_stopped(submission_folder: Path, group: str) -> bool:
    """Whether the group's trials are not to be begun any more."""
    return _mark(submission_folder, group).exists()


def stopped_groups(submission_folder: Path) -> list[Stopped]:
    """Every group of a submission that was stopped."""
    folder = submission_folder / _FOLDER
    marks = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [msgspec.json.decode(path.read_bytes(), type=Stopped) for path in marks]


def release(submission_folder: Path) -> None:
    """Let stopped groups run again: whoever submits again has seen what was wrong."""
    for path in (submission_folder / _FOLDER).glob("*.json"):
        path.unlink(missing_ok=True)


def _mark(submission_folder: Path, group: str) -> Path:
    return submission_folder / _FOLDER / f"{hashlib.sha256(group.encode()).hexdigest()[:16]}.json"
