"""Attempts from their beginning to their record: which are still open, and who settles them.

An attempt belongs to one process: to a number on a node and a time of birth, in one run of a task.
Whoever settles it, gives it the record that its worker could not write, must know that this very
process is gone. On its own node that can be seen, and what computes on with nobody to watch it is
ended; of another node only the scheduler can tell. If the worker's own record comes after all, as
behind a network that was parted, both stay and the worker's counts.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from artifacts.errors import RecordExists
from artifacts.index import Index
from artifacts.record import Outcome, Record
from artifacts.store import Store
from cluster.open import is_local
from cluster.place import Place, here
from cluster.signals import AfterStop, earlier_end, neighbors
from cluster.state import State
from jobs.errors import JobsError
from jobs.registry import workload
from jobs.spec import JobSpec
from runner.errors import FrozenFileDamaged
from runner.sweep.circumstances import circumstances, versions
from runner.sweep.journal import AttemptStarted, Entry, entries, workers
from runner.sweep.submission import FrozenArray, Submission, read_array

OUTCOME_OF: Mapping[State, Outcome] = {
    State.FAILED: Outcome.failed,
    State.TIMED_OUT: Outcome.timed_out,
    State.OUT_OF_MEMORY: Outcome.out_of_memory,
    State.PREEMPTED: Outcome.preempted,
    State.CANCELLED: Outcome.cancelled,
    State.NODE_FAILED: Outcome.node_failed,
    State.CRASHED: Outcome.crashed,
    State.KILLED: Outcome.killed,
    # The task ended as if all were well and left no record: nobody knows what became of the trial.
    State.COMPLETED: Outcome.unknown,
    State.UNKNOWN: Outcome.unknown,
}

_WALLTIME = "the walltime ran out as often as the profile's max_requeues allows"
_SAVED = "goes on from what was saved"

GO_ON = frozenset({Outcome.preempted, Outcome.interrupted, Outcome.node_failed})
"""After these a task that runs again takes the trial up again; whatever else ended an attempt of
its own stands."""

RESULTS = frozenset({Outcome.failed, Outcome.gpu_out_of_memory})
"""Outcomes that the same attempt would have again: answers, which run again only on demand."""

_REQUEUED = (
    "the task was started again by the scheduler and its earlier life left no record of "
    "this attempt"
)

_EARLIER_ENDS = frozenset({State.NODE_FAILED, State.PREEMPTED})
"""What a scheduler may say of an earlier life that is more than: it was started again."""

_DRIVER_GONE = (
    "its worker went away with the submit that drove it: the same submit runs the trial again"
)


@dataclass(frozen=True)
class TakenOver:
    """What the trials of a task have behind them when it takes them up."""

    outcomes: Mapping[str, Mapping[int, Outcome]]
    """Of attempts that earlier processes of this task began, by trial and number."""
    elsewhere: frozenset[str]
    """Trials that another process computes just now."""


@dataclass(frozen=True)
class LostAttempt:
    """An attempt that began in a task that has ended, and that has no record."""

    started: AttemptStarted
    outcome: Outcome
    reason: str
    ended_at: float | None = None
    """When its task ended, in seconds since the epoch; None if nobody knows."""


def unrecorded(
    entries: Iterable[Entry], index: Index | None = None
) -> dict[tuple[str, int], AttemptStarted]:
    """Return the attempts that have begun and have no record, by trial and number.

    Args:
        entries: What workers have noted.
        index: The records, read after the journal; None where the journal's own word will do,
            which a kill may have cut short.
    """
    begun: dict[tuple[str, int], AttemptStarted] = {}
    ended: set[tuple[str, int]] = set()
    for entry in entries:
        if isinstance(entry, AttemptStarted):
            begun[entry.trial, entry.attempt] = entry
        else:
            ended.add((entry.trial, entry.attempt))
    return {
        (trial, number): started
        for (trial, number), started in begun.items()
        if (trial, number) not in ended
        and (index is None or all(one.attempt != number for one in index.own_attempts(trial)))
    }


def outcome_after(what: AfterStop, *, alone: bool) -> tuple[Outcome, str | None]:
    """Return what an attempt is called that was asked to stop, and did; and why, if it does not go
    on by itself.

    Args:
        what: Follows for its task.
        alone: It was the first that this run of the task began, so that it had all of the walltime.
    """
    if what is AfterStop.GOES_ON:
        return Outcome.preempted, None
    if what is AfterStop.CANCELLED:
        return Outcome.cancelled, f"it was cancelled while it ran: the next submit {_SAVED}"
    if alone:
        return Outcome.timed_out, f"{_WALLTIME}: 'runner retry' {_SAVED}"
    return (
        Outcome.interrupted,
        f"{_WALLTIME}, and others of its pack had used up most of it: the next submit {_SAVED}",
    )


def publish_derived(
    store: Store,
    started: AttemptStarted,
    outcome: Outcome,
    message: str,
    ended_at: float | None = None,
) -> bool:
    """Write the record of an attempt that began and cannot speak for itself; False if it has one
    after all.

    Args:
        store: Where.
        started: What its worker noted when it began.
        outcome: What became of it.
        message: Why.
        ended_at: When it ended, in seconds since the epoch; None if nobody knows.
    """
    submission, array = _array_of(store, started)
    known = {**versions(submission, started), **circumstances(submission, array, started)}
    if ended_at is not None and ended_at >= started.at:
        known |= {"ended_at": ended_at, "total_s": ended_at - started.at}
    if not array.packs:  # its file is damaged
        known |= {"submitted_at": None, "queue_s": None, "cpus_asked": None}
    record = Record.keeping(
        submission.sweep,
        started.trial,
        started.attempt,
        _parameters(submission.spec(started.line), submission.import_path),
        {**known, "outcome": outcome, "derived": True, "error_message": message},
    )
    try:
        store.publish(record)
    except RecordExists:
        return False
    return True


def take_over(
    store: Store, sweep: str, place: Place, array: str, trials: Collection[str], *, continues: bool
) -> TakenOver:
    """Settle what earlier processes of this array task left open, and end what computes its trials
    here with nobody to watch it.

    Args:
        place: Where this task runs.
        array: Name of its array.
        trials: Those of its pack.
        continues: The task had a process before this one, in this life or another.
    """
    folder = store.sweep_folder(sweep)
    elsewhere = _computed_here(folder, place, trials)
    begun: dict[tuple[str, int], AttemptStarted] = {}
    for entry in _of_task(folder, place) if continues else ():
        if isinstance(entry, AttemptStarted) and entry.array == array:
            if entry.life <= place.life:
                begun[entry.trial, entry.attempt] = entry
            else:
                elsewhere.add(
                    entry.trial
                )  # the scheduler has given this task up, and started it again
    if not begun:
        return TakenOver({}, frozenset(elsewhere))
    index = store.index(sweep)
    outcomes = {
        trial: {one.attempt: one.outcome for one in index.own_attempts(trial)}
        for trial in {trial for trial, _ in begun}
    }
    left_open = [
        entry
        for (trial, _), entry in unrecorded(begun.values(), index).items()
        if trial not in elsewhere
    ]
    if left_open:
        end = earlier_end()
        outcome = OUTCOME_OF[end] if end in _EARLIER_ENDS else Outcome.interrupted
        for entry in left_open:
            _end_here(entry, place)
            publish_derived(store, entry, outcome, _REQUEUED)
            outcomes[entry.trial][entry.attempt] = outcome
    return TakenOver(outcomes, frozenset(elsewhere))


def settle(store: Store, dead: Iterable[LostAttempt]) -> int:
    """Write the records of attempts whose task has ended without one; return how many."""
    return sum(
        publish_derived(store, one.started, one.outcome, one.reason, one.ended_at) for one in dead
    )


def settle_abandoned(store: Store, opened: Iterable[AttemptStarted]) -> int:
    """Write the records of attempts that a vanished local submit left; the sweep is locked.

    A worker of theirs that still computes here has outlived what drove it, and is ended.

    Args:
        store: Where they are recorded.
        opened: Attempts that have begun and have no record; those on a scheduler are left alone.

    Returns:
        How many records were written.
    """
    written = 0
    for started in opened:
        # Of a damaged one nothing is known any more: its number stays taken, the trial runs again.
        with suppress(FrozenFileDamaged):
            _, array = _array_of(store, started)
            if is_local(array.backend):
                _end_here(started, here())
                written += publish_derived(store, started, Outcome.interrupted, _DRIVER_GONE)
    return written


def _array_of(store: Store, started: AttemptStarted) -> tuple[Submission, FrozenArray]:
    """The array of an attempt; where its file is damaged, what the rest of the submission and the
    journal tell of it."""
    path = store.root / started.array
    if ".." in path.parts or not path.is_relative_to(store.root / "sweeps"):
        raise FrozenFileDamaged(str(path), "the journal names it as an array, and it is none")
    submission = Submission(path.parent.parent)
    spec = submission.spec(started.line)
    if spec.trial_id != started.trial:
        raise FrozenFileDamaged(
            str(submission.folder),
            f"line {started.line + 1} of its specs is not trial {started.trial}",
        )
    try:
        return read_array(path)
    except FrozenFileDamaged:
        return submission, FrozenArray(
            target=spec.target,
            backend=submission.about.backend,
            submitted_at=started.at,
            resources={},
            trial_time_min=None,
            packs=[],
        )


def array_name(store: Store, path: Path) -> str:
    """Return how the journal names an array: its path below the store, so that a store can be
    moved."""
    return str(path.relative_to(store.root))


def _of_task(folder: Path, place: Place) -> Iterator[Entry]:
    """What all processes of this array task have noted so far; an earlier version had one file for
    them all."""
    for worker in workers(folder, f"{place.of_task.removesuffix('-')}*"):
        if f"{worker}-".startswith(place.of_task):
            yield from entries(folder, worker)


def _computed_here(folder: Path, place: Place, trials: Collection[str]) -> set[str]:
    """Trials that another process computes on this node; one that nobody watches, or that an
    earlier life left, is ended instead."""
    computed = set()
    for other in neighbors():
        opened = unrecorded(entries(folder, other.worker)).values()
        ours = {
            started.trial
            for started in opened
            if started.process == other.process and started.trial in trials
        }
        if not ours:
            continue
        if other.unwatched or (
            other.place.of_task == place.of_task and other.place.life < place.life
        ):
            other.end()
        else:
            computed |= ours
    return computed


def _end_here(started: AttemptStarted, place: Place) -> None:
    """End the attempt's process if it is on this node and alive: it is about to be said that it is
    gone."""
    process = started.process
    if process is not None and started.node == place.node and process.pid != os.getpid():
        process.end()


def _parameters(spec: JobSpec, import_path: tuple[str, ...]) -> dict[str, object]:
    """Every parameter, defaults too; those the spec names if the user's own module is gone
    since."""
    try:
        found = workload(spec.workload, import_path)
        return found.written_out(found.read(spec.params))
    except JobsError:
        return dict(spec.params)
