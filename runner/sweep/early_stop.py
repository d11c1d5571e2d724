"""Stops what looks hopeless of a group: its first trials failed in one way, none is completed, and
the rest looks the same as they.

An exception is a result, and one setting may raise it where another does not. So an untried trial
looks the same as the failed ones only if none of its settings is new: for its target and each of
its parameters, the failed trials have either its own value or so many different ones
(``SAME_FAULT_LIMIT``) that the value does not seem to matter. The seed is no setting. A script that
always raises costs three trials and two more for each further axis, however long the axes are, and
a model that is broken costs none of the other models.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from artifacts.publish import entries, replace, translate_write_errors
from artifacts.record import Outcome
from jobs.spec import JobSpec
from runner.sweep.journal import AttemptEnded, AttemptStarted, Entry
from runner.sweep.stamp import check_stamp, stamped
from runner.sweep.submission import Submission

Kind = TypeVar("Kind")

SAME_FAULT_LIMIT = 3
"""So many trials of a group, and none of it completed, must fail with the same traceback."""

_FOLDER = "stopped"
_ROUND = "round.json"
_ABSENT = ""
"""Stands for the value of a parameter that a trial does not give."""
_CHANGING = re.compile(r"0x[0-9a-fA-F]+|\b\d+\b")


class Stopped(msgspec.Struct, frozen=True):
    """What of a group is not begun, and why."""

    group: str
    error: str
    trials: list[str]
    """Those that failed in the same way."""
    tried: dict[str, list[str]] = {}
    """By setting, the values of the failed trials as JSON text; no more than ``SAME_FAULT_LIMIT``
    of them."""
    lifted: bool = False
    """One of its trials is completed after all: nothing is left out any more."""

    def looks_like(self, spec: JobSpec) -> bool:
        """Return whether none of the trial's settings is new."""
        settings = _settings(spec)
        return settings.keys() <= self.tried.keys() and all(
            len(values) == SAME_FAULT_LIMIT or settings.get(name, _ABSENT) in values
            for name, values in self.tried.items()
        )


class _Round(msgspec.Struct, frozen=True):
    """One submit: failures of earlier ones are no evidence, for what was wrong may have been
    mended."""

    since: float = 0.0
    """Seconds since the epoch."""
    keep_going: bool = False
    """Stop nothing."""


def fault(error_type: str | None, traceback: str | None) -> str | None:
    """Return a short name for a way to fail: the traceback without numbers that differ from trial
    to trial; None without an exception."""
    if not error_type:
        return None
    frames = [line for line in (traceback or "").splitlines() if line.lstrip().startswith("File ")]
    return hashlib.sha256(
        "\n".join([error_type, *(_CHANGING.sub("#", frame) for frame in frames)]).encode()
    ).hexdigest()[:12]


def consider(
    submission: Submission, ended: AttemptEnded, journal: Iterable[Entry]
) -> Stopped | None:
    """Stop what looks as hopeless as this failure and those before it.

    Args:
        submission: Its folder holds the group's mark, for every worker.
        ended: The attempt that has just failed.
        journal: What all workers have written so far.
    """
    current = _decoded(submission.folder / _FOLDER / _ROUND, _Round) or _Round()
    if current.keep_going:
        return None
    begun: dict[tuple[str, int], AttemptStarted] = {}
    of_group: list[AttemptEnded] = []
    for entry in journal:
        if isinstance(entry, AttemptStarted):
            begun[entry.trial, entry.attempt] = entry
        elif (entry.group, entry.submission) == (ended.group, ended.submission):
            of_group.append(entry)
    if any(entry.outcome == Outcome.completed for entry in of_group):
        lift(submission, ended.group)
        return None
    recent = [
        (entry, start)
        for entry in of_group
        if (start := begun.get((entry.trial, entry.attempt))) and start.at >= current.since
    ]
    alike = {entry.trial: start.line for entry, start in recent if entry.fault == ended.fault}
    if (
        ended.fault is None
        or len(alike) < SAME_FAULT_LIMIT
        or len({entry.fault for entry, _ in recent}) > 1
    ):
        return None
    stopped = Stopped(
        ended.group,
        ended.error or "",
        sorted(alike),
        _tried([submission.spec(line) for line in alike.values()]),
    )
    _write(_mark(submission, ended.group), stopped)
    return stopped


def is_stopped(submission: Submission, spec: JobSpec) -> bool:
    """Return whether the trial is not to be begun any more."""
    stopped = _decoded(_mark(submission, spec.group), Stopped)
    return stopped is not None and not stopped.lifted and stopped.looks_like(spec)


def lift(submission: Submission, group: str) -> None:
    """Leave nothing of the group out any more: one of its trials is completed."""
    path = _mark(submission, group)
    stopped = _decoded(path, Stopped)
    if stopped is not None and not stopped.lifted:
        _write(path, msgspec.structs.replace(stopped, lifted=True))


def stopped_groups(submission_folder: Path) -> list[Stopped]:
    """Return every group of a submission of which something was left out."""
    folder = submission_folder / _FOLDER
    marks = sorted(
        Path(entry.path)
        for entry in entries(folder)
        if entry.name.endswith(".json") and entry.name != _ROUND
    )
    return [stopped for path in marks if (stopped := _decoded(path, Stopped)) is not None]


def release(submission: Submission, *, keep_going: bool = False) -> None:
    """Let stopped groups run again: whoever submits again has seen what was wrong.

    Args:
        keep_going: Stop none of them, whatever fails.
    """
    folder = submission.folder / _FOLDER
    marks = [Path(entry.path) for entry in entries(folder)]
    for path in marks:
        _decoded(path, Stopped)  # one of a newer runner is not taken away
    for path in marks:
        with translate_write_errors(path):
            path.unlink(missing_ok=True)
    _write(folder / _ROUND, _Round(time.time(), keep_going))


def _tried(failed: Iterable[JobSpec]) -> dict[str, list[str]]:
    settings = [_settings(spec) for spec in failed]
    names = dict.fromkeys(name for each in settings for name in each)
    return {
        name: sorted({each.get(name, _ABSENT) for each in settings})[:SAME_FAULT_LIMIT]
        for name in names
    }


def _settings(spec: JobSpec) -> dict[str, str]:
    settings = {"target": spec.target, **spec.params}
    return {
        name: msgspec.json.encode(value, order="sorted").decode()
        for name, value in settings.items()
    }


def _decoded(path: Path, kind: type[Kind]) -> Kind | None:
    """Return what the file holds; None where there is none, or it is damaged: a mark is no record.

    Raises NewerFormat.
    """
    with suppress(OSError, msgspec.DecodeError, ValueError, RecursionError):
        data = path.read_bytes()
        check_stamp(path, data)
        return msgspec.json.decode(data, type=kind)
    return None


def _write(path: Path, value: Stopped | _Round) -> None:
    with translate_write_errors(path.parent):
        path.parent.mkdir(exist_ok=True)
    replace(path, memoryview(stamped(value)))


def _mark(submission: Submission, group: str) -> Path:
    return submission.folder / _FOLDER / f"{hashlib.sha256(group.encode()).hexdigest()[:16]}.json"
