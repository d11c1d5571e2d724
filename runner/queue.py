"""The arrays of a sweep that a scheduler holds: noted down when queued, found again after a crash, asked after in one go.

An array is frozen before it is queued and its ticket is written after, so a submit that dies in between leaves an array without a
ticket; its job name, which no other array has, tells whether the scheduler got it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from artifacts.index import Index
from artifacts.publish import publish
from artifacts.record import Outcome
from artifacts.store import Store
from cluster.scheduler import handle_from, open_scheduler
from cluster.state import State
from runner.attempts import GO_ON, OUTCOME_OF, array_name, publish_derived
from runner.freeze import FrozenArray, Submission, read_array, submissions
from runner.journal import Started, open_attempts
from runner.site import frozen_site

if TYPE_CHECKING:
    from cluster.scheduler import Scheduler, SchedulerHandle, TaskReport

LOCAL_BACKENDS = frozenset({"ray", "inline"})
"""Their workers end with the submit that drives them; every other backend has a queue of its own."""

_TICKET = ".ticket"

_BROKEN = frozenset({State.FAILED, State.CRASHED, State.KILLED, State.OUT_OF_MEMORY, State.NODE_FAILED, State.TIMED_OUT})


@dataclass(frozen=True)
class QueuedArray:
    """An array that was meant for a scheduler; ``handle`` is None if it is not known to have got there."""

    path: Path
    submission: Submission
    array: FrozenArray
    handle: SchedulerHandle | None


@dataclass(frozen=True)
class Dead:
    """An attempt that began in a task that has ended, and that has no record."""

    started: Started
    outcome: Outcome
    reason: str


@dataclass
class QueueView:
    """What the scheduler says about the trials of a sweep."""

    states: dict[str, State] = field(default_factory=dict)
    """PENDING or RUNNING, by trial: these are left to the scheduler."""
    dead: list[Dead] = field(default_factory=list)
    trouble: str = ""
    """Why the scheduler could not be asked; what it holds is then not known, and nothing may be concluded from its silence."""
    arrays: list[tuple[QueuedArray, list[State]]] = field(default_factory=list)
    """Arrays with trials that have no final record, and the states of their tasks."""
    stillborn: dict[str, str] = field(default_factory=dict)
    """For each task that ended before it began a trial what the scheduler says, by the first trial of its pack."""


def job_name(store: Store, path: Path) -> str:
    """The job name of an array: readable, and unlike that of any other array of any store."""
    submission = path.parent.parent
    unique = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return f"{submission.parent.name}.{submission.name}.{path.stem}.{unique}"


def write_ticket(path: Path, handle: SchedulerHandle) -> None:
    """Note that an array is queued."""
    publish(path.with_suffix(_TICKET), memoryview(msgspec.json.encode(handle.to_dict())))


def look(store: Store, sweep: str, index: Index) -> QueueView:
    """Ask the scheduler after everything of the sweep that has no final record: records first, one call for all arrays."""
    view = QueueView()
    wanted = [queued for queued in _queued(store, sweep) if _unsettled(queued, index)]
    if not wanted:
        return view
    with open_scheduler(frozen_site(wanted[-1].submission.folder / "cluster.yaml").profile, store.logs_folder(sweep)) as scheduler:
        wanted = _acknowledged(scheduler, store, wanted)
        answer = scheduler.reports([queued.handle for queued in wanted if queued.handle is not None])
    begun = _begun(store, sweep, index)
    for queued in wanted:
        if queued.handle is None:
            continue
        reports = answer[queued.handle.id]
        view.arrays.append((queued, [report.state for report in reports]))
        for pack, report in zip(queued.array.packs, reports, strict=True):
            if report.state is State.UNKNOWN and report.silent:
                view.trouble = report.detail
            name = array_name(store, queued.path)
            waiting = list(_open_trials(queued, pack, index))
            if report.state in _BROKEN and len(waiting) == len(pack) and not any((name, trial) in begun for trial in waiting):
                view.stillborn[waiting[0]] = report.detail or f"it ended as {report.state}"
            for trial in waiting:
                started = begun.get((name, trial))
                if not report.state.final and (report.state is not State.UNKNOWN or report.silent):
                    # A task that runs has begun one of its trials; the others wait in its pack.
                    waits = report.state is State.RUNNING and started is None
                    view.states[trial] = State.PENDING if waits else report.state
                elif started is not None:
                    view.dead.append(_dead(started, report))
    view.stillborn = {trial: reason for trial, reason in view.stillborn.items() if trial not in view.states}
    return view


def settle(store: Store, view: QueueView) -> int:
    """Write the records of attempts whose task has ended without one; how many were written."""
    return sum(publish_derived(store, dead.started, dead.outcome, dead.reason) for dead in view.dead)


def task_logs(store: Store, sweep: str, trials: Collection[str]) -> tuple[Path, ...]:
    """What the scheduler itself wrote of the latest task that holds one of these trials: its output and its errors."""
    for queued in reversed(list(_queued(store, sweep))):
        for index, pack in enumerate(queued.array.packs):
            if queued.handle is not None and any(queued.submission.spec(line).trial_id in trials for line, _ in pack):
                return queued.handle.logs(index)
    return ()


def _queued(store: Store, sweep: str) -> Iterator[QueuedArray]:
    for submission in submissions(store.sweep_folder(sweep)):
        for path in submission.arrays():
            _, array = read_array(path)
            if array.backend not in LOCAL_BACKENDS:
                yield QueuedArray(path, submission, array, _ticket(path))


def _dead(started: Started, report: TaskReport) -> Dead:
    """What became of an attempt whose task has ended without writing its record."""
    said = report.detail or f"the scheduler says: {report.state}"
    if report.state is State.FAILED:
        # An exception of the trial's own ends in a record; a task fails only where its worker could not go on.
        return Dead(started, Outcome.interrupted, f"its worker could not go on ({said}): 'runner logs' has what it printed")
    return Dead(started, OUTCOME_OF[report.state], said)


def _ticket(path: Path) -> SchedulerHandle | None:
    ticket = path.with_suffix(_TICKET)
    return handle_from(msgspec.json.decode(ticket.read_bytes())) if ticket.exists() else None


def _acknowledged(scheduler: Scheduler, store: Store, wanted: list[QueuedArray]) -> list[QueuedArray]:
    """Find the arrays without a ticket that the scheduler has all the same; the others were never queued."""
    names = {queued.path: job_name(store, queued.path) for queued in wanted}
    lost = {names[queued.path]: queued for queued in wanted if queued.handle is None}
    if not lost:
        return wanted
    since = min(queued.array.submitted_at for queued in lost.values())
    found = scheduler.find({name: len(queued.array.packs) for name, queued in lost.items()}, since)
    return [queued if queued.handle is not None else replace(queued, handle=found.get(names[queued.path])) for queued in wanted]


def _unsettled(queued: QueuedArray, index: Index) -> bool:
    return any(True for pack in queued.array.packs for _ in _open_trials(queued, pack, index))


def _open_trials(queued: QueuedArray, pack: list[tuple[int, int]], index: Index) -> Iterator[str]:
    """Trials of a pack that its task may still work on: no attempt of it has ended for good."""
    for line, planned in pack:
        trial = queued.submission.spec(line).trial_id
        if trial in index.completed:
            continue
        ended = [attempt for attempt in index.attempts(trial) if attempt.attempt >= planned]
        if not ended or ended[-1].outcome in GO_ON:
            yield trial


def _begun(store: Store, sweep: str, index: Index) -> dict[tuple[str, str], Started]:
    """Attempts without a record, by array and trial."""
    return {
        (started.array, trial): started
        for (trial, attempt), started in open_attempts(store.sweep_folder(sweep)).items()
        if all(recorded.attempt != attempt for recorded in index.attempts(trial))
    }
