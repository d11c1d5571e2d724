"""An array task as SLURM sees it: where it runs, and when it is told to stop, by whom and whether
it will run again."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum

import psutil

from cluster.errors import BackendUnavailable
from cluster.place import Place
from cluster.processes import Birth
from cluster.signals import WARNING, AfterStop, Neighbor, request_stop, warned
from cluster.slurm.commands import Commands
from cluster.slurm.errors import SlurmCommandFailed
from cluster.slurm.parse import SACCT_FORMAT, sacct_rows
from cluster.slurm.script import MAX_REQUEUES_VARIABLE
from cluster.state import State

_PROGRAM = "cluster.slurm.task"
"""Stands in the command line of every task of ours."""

_RUNNING = frozenset({"RUNNING", "SIGNALING"})
_PATIENCE_S = 20.0
"""The task is waiting to compute, and what sacct would say is only a better word."""


class TaskEnd(StrEnum):
    """What becomes of a task that stops now."""

    ASKS_AGAIN = "asks_again"  # it may ask to be queued again, and will be
    QUEUED_AGAIN = (
        "queued_again"  # SLURM has queued it again already: preempted without a grace time
    )
    OUT_OF_REQUEUES = "out_of_requeues"  # its walltime ran out as often as the profile allows
    PAST_ITS_LIMIT = "past_its_limit"  # SLURM is ending it
    ENDS = "ends"  # cancelled

    @property
    def runs_again(self) -> bool:
        """Return the task will be started once more."""
        return self in (TaskEnd.ASKS_AGAIN, TaskEnd.QUEUED_AGAIN)


def listen() -> None:
    """Take SLURM's warnings as a request to stop at the next step, instead of dying of them. Call
    it once, before any thread.

    USR2 comes ahead of the walltime, TERM with the grace time of a preemption and with scancel.
    submitit's own handler is not
    used: it takes any signal within a limit of ten minutes or less for a time-out, and leaves in
        the middle of a step.
    """
    # SLURM sends USR2 to every process of the task, and a data loader's workers would die of it. A
    # blocked signal stays blocked in whatever is forked or executed from here on, and each process
    # sees by itself that it has come.
    signal.pthread_sigmask(signal.SIG_BLOCK, {WARNING})
    signal.signal(signal.SIGTERM, _stop_at_the_next_step)


def task_end() -> TaskEnd:
    """Return what becomes of this array task if it stops now; one squeue call."""
    if warned() and restarts() >= int(os.environ.get(MAX_REQUEUES_VARIABLE, "0")):
        return TaskEnd.OUT_OF_REQUEUES
    try:
        answer = Commands().run(
            "squeue",
            "--noheader",
            f"--jobs={_this_task()}",
            "--Format=State:|,RestartCnt:|,Reason:|",
        )
    except (SlurmCommandFailed, BackendUnavailable):
        return TaskEnd.ASKS_AGAIN  # slurmctld is away: asking is all that is left
    state, count, reason = [*answer.strip().split("|"), "", ""][:3]
    if state in _RUNNING:
        return TaskEnd.ASKS_AGAIN
    if int(count or 0) > restarts():
        return TaskEnd.QUEUED_AGAIN
    return TaskEnd.PAST_ITS_LIMIT if reason == "TimeLimit" else TaskEnd.ENDS


def queue_again() -> None:
    """Have SLURM end this array task, and start it again later; SlurmCommandFailed if it does not
    want to."""
    Commands().run("scontrol", "requeue", _this_task())


def after_stop() -> AfterStop:
    """Return what becomes of this array task if it stops now, in the words of all schedulers."""
    found = task_end()
    if found.runs_again:
        return AfterStop.GOES_ON
    return AfterStop.CANCELLED if found is TaskEnd.ENDS else AfterStop.OUT_OF_TIME


def earlier_end() -> State:
    """Return how the run of this array task before the present one ended; one sacct call, UNKNOWN
    where the site keeps no accounts."""
    options = (
        "--noheader",
        "--parsable2",
        "--duplicates",
        f"--jobs={_this_task()}",
        "--starttime=now-30days",
        f"--format={SACCT_FORMAT}",
    )
    try:
        rows = sacct_rows(Commands().run("sacct", *options, timeout_s=_PATIENCE_S))
    except (SlurmCommandFailed, BackendUnavailable):
        return State.UNKNOWN
    ended = [
        row.report for row in rows if row.report.state.final and row.report.ended_at is not None
    ]
    return max(ended, key=lambda report: report.ended_at or 0.0).state if ended else State.UNKNOWN


def place(variables: Mapping[str, str] = os.environ) -> Place:
    """Return where an array task runs, by its environment."""
    return Place(
        node=variables.get("SLURMD_NODENAME") or socket.gethostname(),
        partition=variables.get("SLURM_JOB_PARTITION"),
        array_job_id=variables["SLURM_ARRAY_JOB_ID"],
        array_task_id=int(variables["SLURM_ARRAY_TASK_ID"]),
        life=int(variables.get("SLURM_RESTART_COUNT", "0")),
    )


def neighbors() -> list[Neighbor]:
    """Return the processes of array tasks on this node, but for this one and those above it."""
    here = place()
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, KeyError, ValueError):
            if not _runs_a_task(process) or process.pid == os.getpid():
                continue
            its = place(process.environ())
            birth = Birth.of(process.pid)
            above = [parent for parent in process.parents() if _runs_a_task(parent)]
            top = Birth.of(above[-1].pid) if above else birth
            if birth is not None and top is not None and its.node == here.node:
                found.append(Neighbor(its, birth, top))
    return found


def restarts() -> int:
    """Return how often this array task was queued again before this run."""
    return place().life


def _this_task() -> str:
    """What SLURM's commands call this task alone: the SLURM_JOB_ID of an array's last task is also
    the id of the whole array."""
    return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"


def _runs_a_task(process: psutil.Process) -> bool:
    """Whether it is what SLURM started for a task of ours, or forked from that."""
    return any(_PROGRAM in word for word in process.cmdline())


def _stop_at_the_next_step(number: int, frame: object) -> None:
    request_stop()
