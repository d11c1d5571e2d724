"""The arrays of a sweep that a scheduler holds: noted down when queued, found again after a crash,
asked after in one go.

An array is frozen before it is queued and its ticket is written after. A submit that ends in
between leaves an array without a ticket, of which nobody knows whether it is queued: its job name,
which no other array has, tells. Only arrays that this store queued are looked at; those that a copy
took along belong to the original.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from artifacts.identity import is_same_folder
from artifacts.index import Index
from artifacts.publish import replace as replace_file
from artifacts.publish import told_reading
from artifacts.record import Outcome
from artifacts.store import Store
from cluster.backend import Scheduler, SchedulerHandle, TaskReport
from cluster.errors import ClusterError
from cluster.open import LOCAL_BACKENDS, open_scheduler, read_handle
from cluster.profile import Profile
from cluster.state import State
from runner.errors import FrozenFileDamaged, PublishFailed
from runner.sweep.attempts import GO_ON, OUTCOME_OF, array_name, publish_derived, unrecorded
from runner.sweep.journal import Started, read_all
from runner.sweep.stamp import check_stamp, stamped
from runner.sweep.submission import (
    FrozenArray,
    Submission,
    discard,
    read_array,
    restore,
    submissions,
    withdraw,
)

_TICKET = ".ticket"

_FOLDERS_UP = 2
"""From the logs of a sweep to the store."""

_UNKNOWN_LENGTH = 1000
"""Tasks that an array is asked after whose file cannot be read; those that never were are not in
the answer."""

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


@dataclass(frozen=True)
class QueuedArray:
    """An array that was meant for a scheduler; ``handle`` is None if it is not known to have got
    there."""

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
    """What the scheduler says about the trials of a sweep, and what the store said right after."""

    index: Index
    """The records, read after the scheduler had answered."""
    begun: frozenset[str] = frozenset()
    """Trials with an attempt that has begun and has no record."""
    states: dict[str, State] = field(default_factory=dict)
    """PENDING, RUNNING, or UNKNOWN because it could not be asked, by trial: these are left to the
    scheduler."""
    dead: list[Dead] = field(default_factory=list)
    trouble: str = ""
    """Why the scheduler could not be asked; what it holds is then not known, and nothing may be
    concluded from its silence."""
    arrays: list[tuple[QueuedArray, list[State]]] = field(default_factory=list)
    """Arrays with trials that have no final record, and the states of their tasks."""
    stillborn: dict[str, str] = field(default_factory=dict)
    """For each task that ended before it began a trial what the scheduler says, by the first trial
    of its pack."""


def job_name(store: Store, path: Path, array: FrozenArray) -> str:
    """The job name of an array: readable, and unlike that of any other array of any store."""
    submission = path.parent.parent
    # A store that is older than its id told its arrays apart by the path that it was reached by.
    unique = f"{array.store}/{array_name(store, path)}" if array.store else str(path)
    digest = hashlib.sha256(unique.encode(errors="surrogateescape")).hexdigest()[
        : 12 if array.store else 8
    ]
    return f"{submission.parent.name}.{submission.name}.{path.stem}.{digest}"


def write_ticket(path: Path, handle: SchedulerHandle) -> None:
    """Note that an array is queued."""
    replace_file(path.with_suffix(_TICKET), memoryview(stamped(handle.to_dict())))


def settle_doubts(store: Store, sweep: str) -> str:
    """Find out about every array without a ticket whether it is queued; call it with the sweep
    locked.

    One that SLURM has gets its ticket. Any other is withdrawn and looked for once more: should
    SLURM be about to queue it, its tasks will find nothing to run, so that its trials can be queued
    anew and none runs twice.

    Returns:
        Why it could not be found out; empty if it was, or if there was no doubt.
    """
    for submission in submissions(store.sweep_folder(sweep)):
        for path in submission.withdrawn():  # the settling of doubts was cut short
            restore(path)
    doubtful = [queued for queued in _queued(store, sweep, []) if queued.handle is None]
    if not doubtful:
        return ""
    try:
        found = _found(store, sweep, doubtful)
        absent = [queued.path for queued in doubtful if queued.path not in found]
        for path in absent:
            withdraw(path)
        found |= _found(store, sweep, [queued for queued in doubtful if queued.path in absent])
    except ClusterError as error:
        return str(error)
    for queued in doubtful:
        if queued.path not in found:
            discard(queued.path)
            continue
        if queued.path in absent:
            restore(queued.path)
        write_ticket(queued.path, found[queued.path])
    return ""


def look(store: Store, sweep: str) -> QueueView:
    """Ask the scheduler after everything of the sweep that has no final record, in one call for all
    arrays; changes nothing.

    The scheduler is asked first, then the journal is read, then the records: whatever ends
    meanwhile is seen as recorded.
    """
    before = store.index(sweep)
    damaged: list[QueuedArray] = []
    wanted = [
        queued
        for queued in _queued(store, sweep, damaged)
        if _is_unsettled(queued, before, damaged)
    ]
    trouble = ""
    reports: dict[str, list[TaskReport]] = {}
    if wanted or damaged:
        try:
            found = _found(
                store, sweep, [queued for queued in [*wanted, *damaged] if queued.handle is None]
            )
        except ClusterError as error:
            found, trouble = {}, str(error)
        wanted, damaged = (
            [replace(one, handle=one.handle or found.get(one.path)) for one in some]
            for some in (wanted, damaged)
        )
        handles = [queued.handle for queued in [*wanted, *damaged] if queued.handle is not None]
        with scheduler_of(store, sweep, (wanted or damaged)[-1]) as scheduler:
            reports = scheduler.reports(handles)
    journal = read_all(store.sweep_folder(sweep))
    index = store.index(sweep)
    opened = unrecorded(journal, index).values()
    begun = {(started.array, started.trial): started for started in opened}
    view = QueueView(
        index,
        frozenset(trial for _, trial in begun),
        trouble=trouble or _of_damaged(damaged, reports),
    )
    for queued in wanted:
        if not _is_unsettled(queued, index, damaged):
            continue
        if queued.handle is None:
            if trouble:
                for pack in queued.array.packs:
                    view.states |= dict.fromkeys(_open_trials(queued, pack, index), State.UNKNOWN)
            continue
        view.arrays.append((queued, [report.state for report in reports[queued.handle.id]]))
        for pack, report in zip(queued.array.packs, reports[queued.handle.id], strict=True):
            if report.state is State.UNKNOWN and report.silent:
                view.trouble = report.detail
            name = array_name(store, queued.path)
            waiting = list(_open_trials(queued, pack, index))
            idle = not any((name, trial) in begun for trial in waiting) and not _has_ended(
                queued, pack, index
            )
            if report.state in _BROKEN and len(waiting) == len(pack) and idle:
                view.stillborn[waiting[0]] = _why_stillborn(queued.handle, report)
            for trial in waiting:
                started = begun.get((name, trial))
                if not report.state.final and (report.state is not State.UNKNOWN or report.silent):
                    # A task that runs has begun one of its trials; the others wait in its pack.
                    waits = report.state is State.RUNNING and started is None
                    view.states[trial] = State.PENDING if waits else report.state
                elif started is not None:
                    view.dead.append(_dead(started, report))
    view.stillborn = {
        trial: reason for trial, reason in view.stillborn.items() if trial not in view.states
    }
    return view


def settle(store: Store, view: QueueView) -> int:
    """Write the records of attempts whose task has ended without one; how many were written."""
    return sum(
        publish_derived(store, dead.started, dead.outcome, dead.reason) for dead in view.dead
    )


def task_logs(store: Store, sweep: str, trials: Collection[str]) -> tuple[Path, ...]:
    """What the scheduler itself wrote of the latest task that holds one of these trials: its output
    and its errors."""
    for queued in reversed(list(_queued(store, sweep, []))):
        for index, pack in enumerate(queued.array.packs):
            if queued.handle is not None and any(
                queued.submission.spec(line).trial_id in trials for line, _ in pack
            ):
                return queued.handle.logs(index)
    return ()


def _queued(store: Store, sweep: str, damaged: list[QueuedArray]) -> Iterator[QueuedArray]:
    """Arrays that this store gave to a scheduler; those whose file cannot be read are added to
    ``damaged``."""
    ids = store.ids
    for submission in submissions(store.sweep_folder(sweep)):
        for path in submission.arrays():
            try:
                _, array = read_array(path)
                queued = QueuedArray(path, submission, array, _ticket(path, array))
            except FrozenFileDamaged:
                queued = QueuedArray(
                    path, submission, _unreadable(path, submission, ids), _ticket(path)
                )
                if queued.array.backend not in LOCAL_BACKENDS:
                    damaged.append(queued)
                continue
            if array.backend not in LOCAL_BACKENDS and _is_ours(store, ids, queued):
                yield queued


def _unreadable(path: Path, submission: Submission, ids: Sequence[str]) -> FrozenArray:
    """What can be said of an array whose file cannot be read."""
    try:
        backend = submission.about.backend
    except FrozenFileDamaged:
        backend = "slurm"
    return FrozenArray(
        target="",
        backend=backend,
        submitted_at=path.lstat().st_mtime,
        resources={},
        trial_time_min=None,
        store=ids[0] if ids else "",
        packs=[[]] * _UNKNOWN_LENGTH,
    )


def _is_ours(store: Store, ids: Collection[str], queued: QueuedArray) -> bool:
    """Whether it was queued from this very store, and not from one that this is a copy of."""
    if queued.array.store:
        return queued.array.store in ids
    if queued.handle is None:
        return True
    root = Path(queued.handle.folder).parents[
        _FOLDERS_UP
    ]  # of a store older than its id the folder of the logs tells
    return root == store.root or not (root / "sweeps").is_dir() or is_same_folder(root, store.root)


def scheduler_of(store: Store, sweep: str, queued: QueuedArray) -> Scheduler:
    """The scheduler that has an array."""
    try:
        profile = queued.submission.profile
    except FrozenFileDamaged:  # asking needs nothing of it
        profile = Profile(name=str(queued.submission.folder), backend="slurm", targets={})
    return open_scheduler(profile, store.logs_folder(sweep), cluster=queued.array.cluster)


def _found(
    store: Store, sweep: str, doubtful: Sequence[QueuedArray]
) -> dict[Path, SchedulerHandle]:
    """The handles of the arrays that SLURM knows by name; ClusterError where it does not answer."""
    found: dict[Path, SchedulerHandle] = {}
    for cluster in {queued.array.cluster for queued in doubtful}:
        there = [queued for queued in doubtful if queued.array.cluster == cluster]
        names = {job_name(store, queued.path, queued.array): queued for queued in there}
        since = min(queued.array.submitted_at for queued in there)
        with scheduler_of(store, sweep, there[-1]) as scheduler:
            handles = scheduler.find(
                {name: len(queued.array.packs) for name, queued in names.items()}, since
            )
        found |= {names[name].path: handle for name, handle in handles.items()}
    return found


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


def _why_stillborn(handle: SchedulerHandle, report: TaskReport) -> str:
    """Why a task ended before it began a trial; where a line of setup failed, which."""
    said = report.detail or f"it ended as {report.state}"
    return f"{said}; {line}" if (line := handle.failed_setup(report.index)) else said


def _dead(started: Started, report: TaskReport) -> Dead:
    """What became of an attempt whose task has ended without writing its record."""
    said = report.detail or f"the scheduler says: {report.state}"
    if report.state is State.FAILED:
        # An exception of the trial's own ends in a record; a task fails only where its worker could
        # not go on.
        recorded = report.code != PublishFailed.code
        why = f"its worker could not go on ({said})" if recorded else "its record was not written"
        return Dead(started, Outcome.interrupted, f"{why}: 'runner logs' has what it printed")
    return Dead(started, OUTCOME_OF[report.state], said)


def _ticket(path: Path, array: FrozenArray | None = None) -> SchedulerHandle | None:
    """The handle that was noted down; None also for a damaged one, for SLURM knows the array by
    name."""
    ticket = path.with_suffix(_TICKET)
    try:
        with told_reading(ticket):
            data = ticket.read_bytes()
        check_stamp(ticket, data)
        handle = read_handle(msgspec.json.decode(data))
    except (
        FileNotFoundError,
        msgspec.DecodeError,
        ValueError,
        RecursionError,
    ):  # ValueError: bytes that are not UTF-8
        return None
    fits = array is None or handle.n_tasks == len(array.packs)
    return handle if fits and len(Path(handle.folder).parents) > _FOLDERS_UP else None


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
        ended = [attempt for attempt in index.attempts(trial) if attempt.attempt >= planned]
        if not ended or ended[-1].outcome in GO_ON:
            yield trial


def _has_ended(queued: QueuedArray, pack: list[tuple[int, int]], index: Index) -> bool:
    """Whether an attempt of a pack is recorded that its task may have made."""
    return any(
        one.attempt >= planned
        for line, planned in pack
        for one in index.attempts(queued.submission.spec(line).trial_id)
    )
