"""The state of many arrays with one squeue and at most one sacct call, and arrays found again by
their name."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cluster.backend import EarlierRun, TaskReport
from cluster.errors import BackendUnavailable
from cluster.slurm.commands import Commands
from cluster.slurm.errors import SlurmCommandFailed
from cluster.slurm.parse import (
    SACCT_FORMAT,
    SQUEUE_FORMAT,
    Row,
    read_job,
    sacct_rows,
    squeue_rows,
)
from cluster.state import State

_CLOCK_SKEW_S = 600


@dataclass(frozen=True)
class Asked:
    """One job whose tasks are asked for."""

    job: str
    name: str
    """The name it was queued under; a job with the same number and another name is another job, for
    numbers are recycled."""
    indices: range
    """The array indices that belong to it."""
    since: float
    """When it was submitted, seconds since 1970."""


class Queue:
    """Asks SLURM; remembers only whether the site keeps accounts."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self.has_accounting = True

    def ask(self, asked: Iterable[Asked]) -> dict[tuple[str, int], TaskReport]:
        """Return a report for every task, by job and array index; UNKNOWN with the reason where
        SLURM has nothing to say.

        squeue first: it is fresh and knows what waits. sacct only for tasks that squeue has
        forgotten, that were killed (it knows the memory they took) or that were queued again (it
        knows how they ended before); never in squeue's place, for it would call a task ended that
        has been queued again.
        """
        jobs = {one.job: one for one in asked}
        if not jobs:
            return {}
        found: dict[tuple[str, int], TaskReport] = {}
        if trouble := self._ask_squeue(jobs, found):
            return {
                (job, index): TaskReport(
                    index, State.UNKNOWN, detail=trouble, job_id=f"{job}_{index}", silent=True
                )
                for job, one in jobs.items()
                for index in one.indices
            }
        wanted = [
            job
            for job, one in jobs.items()
            if any(_needs_accounts(found.get((job, index))) for index in one.indices)
        ]
        trouble = self._ask_sacct({job: jobs[job] for job in wanted}, found) if wanted else ""
        for job, one in jobs.items():
            known = any((job, index) in found for index in one.indices)
            for index in one.indices:
                if (job, index) not in found:
                    report = _unlisted(index, known and not trouble, trouble)
                    silent = report.state is State.UNKNOWN and bool(trouble) and self.has_accounting
                    found[job, index] = replace(report, job_id=f"{job}_{index}", silent=silent)
        return found

    def find(self, names: Iterable[str], since: float) -> dict[str, str]:
        """Return the job ids of this user's arrays with these names, submitted after `since`
        (seconds since 1970).

        Of two with the same name the older is given. An array that nobody knows of is absent.

        Raises:
            SlurmCommandFailed: squeue, or sacct for what squeue does not list, gave no answer, so
                that absence would mean nothing.
        """
        wanted = set(names)
        found: dict[str, str] = {}
        if not wanted:
            return found
        of_us = ["--noheader", f"--user={_user()}", f"--name={','.join(sorted(wanted))}"]
        since -= _CLOCK_SKEW_S
        _enter_oldest(
            self.commands.run(
                "squeue", *of_us, "--states=all", "--Format=JobArrayID:|,SubmitTime:|,Name:|"
            ),
            since,
            found,
        )
        if wanted - set(found) and self.has_accounting:
            text, trouble = self._sacct(
                [*of_us, "--parsable2", "--allocations", f"--starttime={_ago(since)}"],
                "JobID,Submit,JobName",
            )
            if trouble and self.has_accounting:
                raise SlurmCommandFailed("sacct", trouble)
            _enter_oldest(text, since, found)
        return {name: found[name] for name in wanted & set(found)}

    def count(self) -> int:
        """Return how many tasks this user has in the queue, each counting against MaxSubmitJobs."""
        text = self.commands.run(
            "squeue", "--noheader", f"--user={_user()}", "--Format=JobArrayID:|"
        )
        jobs = [
            job
            for line in text.splitlines()
            if (job := read_job(line.strip().rstrip("|"))) is not None
        ]
        return sum(max(1, len(indices)) for _, indices in jobs)

    def _ask_squeue(
        self, jobs: Mapping[str, Asked], found: dict[tuple[str, int], TaskReport]
    ) -> str:
        """Enter what squeue knows; what went wrong, if anything did."""
        try:
            text = self.commands.run(
                "squeue",
                "--noheader",
                "--states=all",
                f"--jobs={','.join(jobs)}",
                f"--Format={SQUEUE_FORMAT}",
            )
        except SlurmCommandFailed as failure:
            if "Invalid job id" in failure.message:  # asked for one job that it has forgotten
                return ""
            return str(failure)
        except BackendUnavailable as failure:
            return str(failure)
        for row in squeue_rows(text):
            _enter(row, jobs, found)
        return ""

    def _ask_sacct(
        self, jobs: Mapping[str, Asked], found: dict[tuple[str, int], TaskReport]
    ) -> str:
        """Add what sacct knows; what went wrong, if anything did."""
        if not self.has_accounting:
            return "this site keeps no accounts"
        since = min(one.since for one in jobs.values())
        options = [
            "--noheader",
            "--parsable2",
            "--duplicates",
            f"--jobs={','.join(jobs)}",
            f"--starttime={_ago(since)}",
        ]
        text, trouble = self._sacct(options, SACCT_FORMAT)
        if trouble:
            return trouble
        runs: dict[tuple[str, int], list[TaskReport]] = {}
        for row in sorted(
            sacct_rows(text), key=lambda row: len(row.indices) == 1
        ):  # a task's own line corrects the line of its array
            entered: dict[tuple[str, int], TaskReport] = {}
            _enter(row, jobs, entered)
            for key, report in entered.items():
                earlier = runs.setdefault(key, [])
                if len(row.indices) == 1:
                    earlier[:] = [one for one in earlier if one.started_at is not None]
                earlier.append(report)
        for key, reports in runs.items():
            found[key] = _joined(found.get(key), reports)
        return ""

    def _sacct(self, options: list[str], fields: str) -> tuple[str, str]:
        try:
            return self.commands.run("sacct", *options, f"--format={fields}"), ""
        except SlurmCommandFailed as failure:
            if "accounting storage is disabled" in failure.message:
                self.has_accounting = False
                return "", "this site keeps no accounts"
            return "", str(failure)
        except BackendUnavailable as failure:
            return "", str(failure)


def _enter(row: Row, jobs: Mapping[str, Asked], found: dict[tuple[str, int], TaskReport]) -> None:
    one = jobs.get(row.job)
    if one is not None and row.name == one.name:
        for index in row.indices:
            if index in one.indices:
                found[row.job, index] = replace(
                    row.report, index=index, job_id=f"{row.job}_{index}"
                )


def _needs_accounts(report: TaskReport | None) -> bool:
    return report is None or report.restarts > 0 or report.state is State.KILLED


def _joined(queued: TaskReport | None, runs: list[TaskReport]) -> TaskReport:
    """One report of what squeue says now (if anything) and all runs that the accounts know, oldest
    first."""
    last = runs[-1]
    current = last if queued is None else queued
    # While a task waits or runs again, the accounts may not have its new line yet; then all their
    # lines are of earlier runs.
    is_new_run = queued is not None and not queued.state.final and last.state.final
    before = runs if is_new_run else runs[:-1]
    if current.state is State.KILLED and last.state is State.OUT_OF_MEMORY:
        current = replace(current, state=last.state, detail=last.detail)
    earlier = tuple(
        EarlierRun(one.state, one.node, one.started_at, one.ended_at)
        for one in before
        if one.state.final
    )
    return replace(current, earlier=earlier, restarts=max(current.restarts, len(earlier)))


def _unlisted(index: int, known_array: bool, trouble: str) -> TaskReport:
    """A task that neither squeue nor sacct lists."""
    if known_array:
        # Every task that began has a line in the accounts, and every task that waits one in the
        # queue.
        return TaskReport(
            index,
            State.CANCELLED,
            detail="cancelled while it waited: its array is known, and it never began",
        )
    return TaskReport(
        index, State.UNKNOWN, detail=trouble or "neither squeue nor sacct knows its job any more"
    )


def _enter_oldest(text: str, since: float, found: dict[str, str]) -> None:
    """Enter the oldest job of each name."""
    for line in text.splitlines():
        fields = line.strip().split("|", 2)
        if len(fields) < 3:  # what a site has to tell its users
            continue
        written, submitted, name = fields
        job = read_job(written)
        name = name.rstrip("|")
        if job is not None and submitted.isdecimal() and int(submitted) >= int(since):
            found[name] = min(found.get(name, job[0]), job[0], key=int)


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name  # not getpass: that believes $LOGNAME


def _ago(since: float) -> str:
    """A time as sacct reads it, with room for clocks that differ."""
    return f"now-{max(0, int(time.time() - since)) + _CLOCK_SKEW_S}"
