"""What the scheduler says of a sweep, asked once for all its arrays; changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from artifacts.index import Index
from artifacts.record import Outcome
from artifacts.store import Store
from cluster.backend import Scheduler, SchedulerHandle, TaskReport
from cluster.errors import ClusterError
from cluster.state import State
from runner.errors import FrozenFileDamaged, PublishFailed
from runner.sweep.arrays import Arrays, QueuedArray, job_name
from runner.sweep.attempts import GO_ON, OUTCOME_OF, LostAttempt, array_name
from runner.sweep.early_stop import is_stopped
from runner.sweep.journal import AttemptStarted

_BROKEN = frozenset(
    {
        State.FAILED,
        State.CRASHED,
        State.KILLED,
        State.OUT_OF_MEMORY,
        State.NODE_FAILED,
        State.TIMED_OUT,
    }
)

SchedulerOf = Callable[[QueuedArray], Scheduler]
"""Gives the scheduler that has an array."""


@dataclass(frozen=True)
class Answer:
    """What the scheduler said of the arrays that have trials without a final record."""

    wanted: list[QueuedArray] = field(default_factory=list)
    damaged: list[QueuedArray] = field(default_factory=list)
    reports: Mapping[str, list[TaskReport]] = field(default_factory=dict)
    scheduler_error: str = ""


@dataclass
class QueueView:
    """What the scheduler says about the trials of a sweep that have no final record."""

    states: dict[str, State] = field(default_factory=dict)
    """PENDING, RUNNING, or UNKNOWN because it could not be asked, by trial: these are left to the
    scheduler."""
    dead: list[LostAttempt] = field(default_factory=list)
    scheduler_error: str = ""
    """Why the scheduler could not be asked; what it holds is then not known, and nothing may be
    concluded from its silence."""
    arrays: list[tuple[QueuedArray, list[State]]] = field(default_factory=list)
    """Arrays with trials that have no final record, and the states of their tasks."""
    not_started: dict[str, str] = field(default_factory=dict)
    """For each task that ended before it began a trial what the scheduler says, by the first trial
    of its pack."""


def ask(store: Store, arrays: Arrays, index: Index, scheduler_of: SchedulerOf) -> Answer:
    """Ask the scheduler after every array with trials that have no final record, all in one call.

    Args:
        store: That queued them.
        arrays: What was queued.
        index: The records so far; what is settled by them is not asked after.
        scheduler_of: Gives the scheduler that has an array.
    """
    damaged = list(arrays.damaged)
    wanted = [one for one in arrays.known if _is_unsettled(one, index, damaged)]
    if not wanted and not damaged:
        return Answer()
    trouble = ""
    try:
        handles = find(
            store, [one for one in [*wanted, *damaged] if one.handle is None], scheduler_of
        )
    except ClusterError as error:
        handles, trouble = {}, str(error)
    wanted, damaged = (
        [replace(one, handle=one.handle or handles.get(one.path)) for one in some]
        for some in (wanted, damaged)
    )
    asked = [one.handle for one in [*wanted, *damaged] if one.handle is not None]
    reports = scheduler_of((wanted or damaged)[-1]).reports(asked)
    return Answer(wanted, damaged, reports, trouble)


def find(
    store: Store, doubtful: Collection[QueuedArray], scheduler_of: SchedulerOf
) -> dict[Path, SchedulerHandle]:
    """Return the handles of the arrays that the scheduler knows by name.

    Raises:
        ClusterError: It does not answer.
    """
    found: dict[Path, SchedulerHandle] = {}
    for cluster in {queued.array.cluster for queued in doubtful}:
        there = [queued for queued in doubtful if queued.array.cluster == cluster]
        names = {job_name(store, queued.path, queued.array): queued for queued in there}
        since = min(queued.array.submitted_at for queued in there)
        handles = scheduler_of(there[-1]).find(
            {name: len(queued.array.packs) for name, queued in names.items()}, since
        )
        found |= {names[name].path: handle for name, handle in handles.items()}
    return found


def view_of(
    store: Store, answer: Answer, opened: Iterable[AttemptStarted], index: Index
) -> QueueView:
    """Return what an answer means for the trials.

    Args:
        store: That queued them.
        answer: Of the scheduler.
        opened: Attempts that have begun and have no record; read after the answer.
        index: The records, read after these.
    """
    begun = {(started.array, started.trial): started for started in opened}
    view = QueueView(
        scheduler_error=answer.scheduler_error or _of_damaged(answer.damaged, answer.reports)
    )
    for queued in answer.wanted:
        if not _is_unsettled(queued, index, []):
            continue
        if queued.handle is None:
            if answer.scheduler_error:
                for pack in queued.array.packs:
                    view.states |= dict.fromkeys(_open_trials(queued, pack, index), State.UNKNOWN)
            continue
        view.arrays.append((queued, [report.state for report in answer.reports[queued.handle.id]]))
        for pack, report in zip(queued.array.packs, answer.reports[queued.handle.id], strict=True):
            if report.state is State.UNKNOWN and report.silent:
                view.scheduler_error = report.detail
            name = array_name(store, queued.path)
            waiting = list(_open_trials(queued, pack, index))
            idle = not any((name, trial) in begun for trial in waiting) and not _has_ended(
                queued, pack, index
            )
            if len(waiting) == len(pack) and idle and _ended_too_soon(queued, pack, report):
                view.not_started[waiting[0]] = _why_not_started(queued.handle, report)
            for trial in waiting:
                started = begun.get((name, trial))
                if not report.state.final and (report.state is not State.UNKNOWN or report.silent):
                    # A task that runs has begun one of its trials; the others wait in its pack.
                    waits = report.state is State.RUNNING and started is None
                    view.states[trial] = State.PENDING if waits else report.state
                elif started is not None:
                    view.dead.append(_dead(started, report))
    view.not_started = {
        trial: reason for trial, reason in view.not_started.items() if trial not in view.states
    }
    return view


def _of_damaged(damaged: Iterable[QueuedArray], reports: Mapping[str, list[TaskReport]]) -> str:
    """What stands in the way if SLURM has tasks that run nobody knows which trials."""
    for queued in damaged:
        if queued.handle is None:
            continue
        if any(
            not report.state.final
            for report in reports[queued.handle.id]
            if report.word or report.silent
        ):
            cancel = queued.handle.cancel_command
            return (
                f"{queued.path} cannot be read, and its tasks are not over: cancel them with "
                f"'{cancel}', or wait for their end"
            )
    return ""


def _ended_too_soon(queued: QueuedArray, pack: list[tuple[int, int]], report: TaskReport) -> bool:
    """Whether a task that began no trial should have: it broke, or ended well before its worker."""
    if report.state is not State.COMPLETED:
        return report.state in _BROKEN
    specs = [queued.submission.spec(line) for line, _ in pack]
    return not all(is_stopped(queued.submission, spec) for spec in specs)


def _why_not_started(handle: SchedulerHandle, report: TaskReport) -> str:
    """Why a task ended before it began a trial; where a line of setup failed, which."""
    said = report.detail or f"it ended as {report.state}"
    if report.state is State.COMPLETED:
        said = "it ended well before runner began: does a line of setup exit?"
    return f"{said}; {line}" if (line := handle.failed_setup(report.index)) else said


def _dead(started: AttemptStarted, report: TaskReport) -> LostAttempt:
    """What became of an attempt whose task has ended without writing its record."""
    said = report.detail or f"the scheduler says: {report.state}"
    if report.state is State.FAILED:
        # An exception of the trial's own ends in a record; a task fails only where its worker could
        # not go on.
        recorded = report.code != PublishFailed.code
        why = f"its worker could not go on ({said})" if recorded else "its record was not written"
        return LostAttempt(
            started,
            Outcome.interrupted,
            f"{why}: 'runner logs' has what it printed",
            _end_of(started, report),
        )
    return LostAttempt(started, OUTCOME_OF[report.state], said, _end_of(started, report))


def _end_of(started: AttemptStarted, report: TaskReport) -> float | None:
    """When the run of the task ended that an attempt belonged to."""
    if started.life < len(report.earlier):
        return report.earlier[started.life].ended_at
    return report.ended_at if started.life == report.restarts else None


def _is_unsettled(queued: QueuedArray, index: Index, damaged: list[QueuedArray]) -> bool:
    """Whether trials of it have no final record; if what was frozen does not tell, it is added to
    ``damaged``."""
    try:
        return any(True for pack in queued.array.packs for _ in _open_trials(queued, pack, index))
    except FrozenFileDamaged:
        damaged.append(queued)
        return False


def _open_trials(queued: QueuedArray, pack: list[tuple[int, int]], index: Index) -> Iterator[str]:
    """Trials of a pack that its task may still work on: no attempt of it has ended for good."""
    for line, planned in pack:
        trial = queued.submission.spec(line).trial_id
        if trial in index.completed:
            continue
        ended = [attempt for attempt in index.own_attempts(trial) if attempt.attempt >= planned]
        if not ended or ended[-1].outcome in GO_ON:
            yield trial


def _has_ended(queued: QueuedArray, pack: list[tuple[int, int]], index: Index) -> bool:
    """Whether an attempt of a pack is recorded that its task may have made."""
    return any(
        one.attempt >= planned
        for line, planned in pack
        for one in index.own_attempts(queued.submission.spec(line).trial_id)
    )
