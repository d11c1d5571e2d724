"""What SLURM writes: lines of squeue and sacct, its words for states, and the ids of array tasks
(``123_4``, ``123_[0-9,12,20-40:2%8]``)."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cluster.backend import TaskReport
from cluster.state import State

SQUEUE_FORMAT = ",".join(
    f"{field}:|"
    for field in (
        "JobArrayID",
        "State",
        "DerivedEC",
        "exit_code",
        "NodeList",
        "RestartCnt",
        "StartTime",
        "EndTime",
        "Reason",
        "Name",
    )
)
SACCT_FORMAT = (
    "JobID,State,DerivedExitCode,ExitCode,NodeList,Start,End,ReqMem,MaxRSS,Reason,JobName"
)

_OUT_OF_MEMORY_MARK = (
    125  # slurmstepd reports a task that the kernel killed for its memory as ended by this "signal"
)
_OWN_FAULT = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)
_UNITS_MB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}
_JOB = re.compile(r"(?P<job>\d+)(?:_(?:(?P<index>\d+)|\[(?P<several>[^\]]*)\]))?")

SLURM_WORDS: dict[str, State] = {
    "BOOT_FAIL": State.NODE_FAILED,
    "CANCELLED": State.CANCELLED,
    "COMPLETED": State.COMPLETED,
    "COMPLETING": State.RUNNING,
    "CONFIGURING": State.PENDING,
    "DEADLINE": State.TIMED_OUT,
    "FAILED": State.FAILED,
    "LAUNCH_FAILED": State.NODE_FAILED,
    "NODE_FAIL": State.NODE_FAILED,
    "OUT_OF_MEMORY": State.OUT_OF_MEMORY,
    "PENDING": State.PENDING,
    "POWER_UP_NODE": State.PENDING,
    "PREEMPTED": State.PREEMPTED,
    "RECONFIG_FAIL": State.NODE_FAILED,
    "REQUEUED": State.PENDING,
    "REQUEUE_FED": State.PENDING,
    "REQUEUE_HOLD": State.PENDING,
    "RESIZING": State.RUNNING,
    "RESV_DEL_HOLD": State.PENDING,
    "RUNNING": State.RUNNING,
    "SIGNALING": State.RUNNING,
    "SPECIAL_EXIT": State.PENDING,
    "STAGE_OUT": State.RUNNING,
    "STOPPED": State.RUNNING,
    "SUSPENDED": State.RUNNING,
    "TIMEOUT": State.TIMED_OUT,
}


@dataclass(frozen=True)
class Row:
    """One line: the tasks it stands for, and one report for all of them (its index means
    nothing)."""

    job: str
    indices: list[int]
    name: str
    report: TaskReport


def squeue_rows(text: str) -> list[Row]:
    """Return the lines that ``squeue --Format SQUEUE_FORMAT`` printed."""
    rows = []
    for line in text.splitlines():
        fields = line.strip().split("|", 9)
        if len(fields) < 10 or (job := read_job(fields[0])) is None:
            continue
        word, derived, own, node, restarts, start, end, reason, name = fields[1:]
        derived_status, status = int(derived or 0), int(own or 0)
        killed_by = derived_status & 0x7F or status & 0x7F
        report = _report(
            word, killed_by, derived_status >> 8 or status >> 8, node, start, end, reason
        )
        rows.append(
            Row(job[0], job[1], name.rstrip("|"), replace(report, restarts=int(restarts or 0)))
        )
    return rows


def sacct_rows(text: str) -> list[Row]:
    """Return the lines that ``sacct --format SACCT_FORMAT`` printed; what its steps add is folded
    into each job's line."""
    rows: list[Row] = []
    granted_mb = 0.0
    for line in text.splitlines():
        fields = line.split("|", 10)
        if len(fields) < 11:
            continue
        written, word, derived, own, node, start, end, asked, used, reason, name = fields
        job = read_job(written)
        if job is not None:
            granted_mb = _mb(asked)
            code, killed_by = _codes(derived if derived not in ("", "0:0") else own)
            report = _report(
                "PREEMPTED" if word == "REQUEUED" else word,
                killed_by,
                code,
                node,
                start,
                end,
                reason,
            )
            rows.append(
                Row(job[0], job[1], name, report)
            )  # REQUEUED: a run that was cut short, so that another can follow
        elif rows and rows[-1].report.state in (State.KILLED, State.FAILED):
            took_too_much = 0 < granted_mb <= _mb(used) and rows[-1].report.state is State.KILLED
            if from_slurm(word) is State.OUT_OF_MEMORY or took_too_much:
                detail = (
                    f"it used {used or 'more than'} of the {granted_mb:g} MB granted"
                    if used
                    else "it used more memory than granted"
                )
                rows[-1] = replace(
                    rows[-1],
                    report=replace(rows[-1].report, state=State.OUT_OF_MEMORY, detail=detail),
                )
    return rows


def _report(
    word: str, killed_by: int, code: int, node: str, start: str, end: str, reason: str
) -> TaskReport:
    state = from_slurm(word)
    detail = "" if reason in ("", "None", "NonZeroExitCode") else reason
    if state is State.FAILED:
        state, detail = _why_failed(killed_by, code, detail)
    elif state is State.UNKNOWN:
        detail = f"SLURM says '{word}'"
    return TaskReport(
        index=0,
        state=state,
        word=word.split()[0] if word.strip() else "",
        detail=detail,
        node="" if node.startswith(("None", "(null)")) else node,
        code=code if state is State.FAILED else 0,
        started_at=_time(start) if state is not State.PENDING else None,
        ended_at=_time(end) if state.final else None,
    )


def _why_failed(killed_by: int, code: int, reason: str) -> tuple[State, str]:
    """SLURM calls FAILED whatever did not end with 0; the signal tells more."""
    if killed_by == _OUT_OF_MEMORY_MARK:
        return State.OUT_OF_MEMORY, "it used more memory than granted"
    if killed_by:
        name = signal.strsignal(killed_by) or f"signal {killed_by}"
        state = State.CRASHED if killed_by in _OWN_FAULT else State.KILLED
        return state, f"ended by signal {killed_by} ({name})"
    return State.FAILED, reason or f"exit code {code}"


def _codes(written: str) -> tuple[int, int]:
    """sacct's ``code:signal``."""
    code, _, killed_by = written.partition(":")
    return int(code or 0), int(killed_by or 0)


def _time(written: str) -> float | None:
    return float(written) if written.isdecimal() else None


def _mb(written: str) -> float:
    match = re.match(r"([\d.]+)([KMGT]?)", written)
    return float(match[1]) * _UNITS_MB.get(match[2] or "M", 1.0) if match else 0.0


def from_slurm(word: str) -> State:
    """Return SLURM's word for a state, as squeue, scontrol or sacct print it (``CANCELLED by
    1000``, ``TIMEOUT+``)."""
    first = word.split()[0].rstrip("+") if word.strip() else ""
    return SLURM_WORDS.get(first, State.UNKNOWN)


def read_job(written: str) -> tuple[str, list[int]] | None:
    """Return the job and the indices that an id stands for.

    A job without an array has none; text that is no job id (a step, ``123.batch``) gives None.
    """
    match = _JOB.fullmatch(written.strip())
    if match is None:
        return None
    if match["index"] is not None:
        return match["job"], [int(match["index"])]
    return match["job"], read_indices(match["several"] or "")


def read_indices(written: str) -> list[int]:
    """Return ``0-3,7,10-20:5%2`` as numbers; the throttle after ``%`` is no index."""
    indices: list[int] = []
    for part in written.partition("%")[0].split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        if first.isdecimal():  # SLURM ends a list that it cut short with "..."
            indices += range(int(first), int(last or first) + 1, int(step or 1))
    return indices


def write_indices(indices: Iterable[int]) -> str:
    """Return the numbers as SLURM reads them, neighbors joined: ``0-3,7``."""
    spans: list[list[int]] = []
    for index in sorted(set(indices)):
        if spans and spans[-1][1] == index - 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in spans)
