"""Dependencies that can never be satisfied: SLURM queues a job with one all the same, to wait for
ever."""

from __future__ import annotations

import re

from cluster.slurm.commands import Commands
from cluster.slurm.errors import SlurmCommandFailed
from cluster.slurm.parse import from_slurm, read_job
from cluster.state import State

_NEEDS_SUCCESS = frozenset({"afterok", "aftercorr"})
_NEEDS_FAILURE = frozenset({"afternotok"})


def never_satisfied(commands: Commands, dependency: str) -> str:
    """Return why a job with this ``--dependency`` would never start; empty where it may, or where
    nobody can tell.

    ``afterok:12:13,afterany:14`` wants all of its parts, ``afterok:12?afterok:13`` any one of them.
    """
    parts = re.split(r"[,?]", dependency)
    jobs = [job for part in parts for job in _jobs(part)]
    if not jobs:
        return ""
    ended = _ended(commands, jobs)
    reasons = [_reason(part, ended) for part in parts]
    if "?" in dependency:
        return reasons[0] if all(reasons) else ""
    return next(filter(None, reasons), "")


def _reason(part: str, ended: dict[str, State]) -> str:
    kind = part.partition(":")[0].lower()
    for job in _jobs(part):
        state = ended.get(job)
        if state is None:
            continue
        if kind in _NEEDS_SUCCESS and state is not State.COMPLETED:
            return f"{part} waits for job {job} to end well, and it has ended as {state}"
        if kind in _NEEDS_FAILURE and state is State.COMPLETED:
            return f"{part} waits for job {job} to fail, and it has completed"
    return ""


def _jobs(part: str) -> list[str]:
    """The jobs, or array tasks, that a part names; their delay (``123+5``) left out."""
    return [
        job for word in part.split(":")[1:] if read_job(job := word.partition("+")[0]) is not None
    ]


def _ended(commands: Commands, jobs: list[str]) -> dict[str, State]:
    """How those of the jobs ended that have ended; of an array its first task that did not end
    well."""
    wanted = {job.partition("_")[0] for job in jobs}
    lines: list[str] = []
    for program, options in (
        (
            "squeue",
            (
                "--noheader",
                "--states=all",
                f"--jobs={','.join(sorted(wanted))}",
                "--Format=JobArrayID:|,State:|",
            ),
        ),
        (
            "sacct",
            (
                "--noheader",
                "--parsable2",
                "--allocations",
                f"--jobs={','.join(sorted(wanted))}",
                "--format=JobID,State",
            ),
        ),
    ):
        try:
            lines += commands.run(program, *options).splitlines()
        except (
            SlurmCommandFailed
        ):  # forgotten there, or no accounts here: what the other says stands
            continue
    found: dict[str, dict[str, State]] = {}
    for line in lines:
        written, _, word = line.strip().rstrip("|").partition("|")
        read = read_job(written)
        if read is None or read[0] not in wanted:
            continue
        for key in {written, read[0], *(f"{read[0]}_{index}" for index in read[1])}:
            found.setdefault(key, {}).setdefault(written, from_slurm(word))
    states = {job: list(found.get(job, {}).values()) for job in jobs}
    return {
        job: next((state for state in of if state is not State.COMPLETED), State.COMPLETED)
        for job, of in states.items()
        if of and all(state.final for state in of)
    }
