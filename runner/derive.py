"""Records for attempts whose worker could not write its own: it was killed, its node died, its driver went away."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from artifacts.errors import RecordExists
from artifacts.record import Outcome, Record
from artifacts.store import Store
from cluster.signals import Sequel
from cluster.state import State
from jobs.errors import JobsError
from jobs.registry import workload
from jobs.spec import JobSpec
from runner.errors import FrozenFileDamaged
from runner.freeze import FrozenArray, Submission, read_array
from runner.journal import Started, open_attempts

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

OUTCOME_AFTER: Mapping[Sequel, Outcome] = {
    Sequel.GOES_ON: Outcome.preempted,
    Sequel.OUT_OF_TIME: Outcome.timed_out,
    Sequel.CANCELLED: Outcome.cancelled,
}
"""What an attempt is called that was asked to stop, and did."""

WHY_STOPPED: Mapping[Outcome, str] = {
    Outcome.timed_out: "the walltime ran out as often as the profile's max_requeues allows: 'runner retry' goes on from what was saved",
    Outcome.cancelled: "it was cancelled while it ran: the next submit goes on from what was saved",
}

GO_ON = frozenset({Outcome.preempted, Outcome.interrupted, Outcome.node_failed})
"""After these a task that runs again takes the trial up again; whatever else ended an attempt of its own stands."""

_DRIVER_GONE = "its worker went away with the submit that drove it: the same submit runs the trial again"


def publish_derived(store: Store, started: Started, outcome: Outcome, message: str) -> bool:
    """Write the record of an attempt that began and cannot speak for itself; False if it has one after all."""
    submission, array = _array_of(store, started)
    record = derived_record(submission, array, submission.spec(started.line), started, outcome, message)
    try:
        store.publish(record)
    except RecordExists:
        return False
    return True


def derived_record(submission: Submission, array: FrozenArray, spec: JobSpec, started: Started, outcome: Outcome, message: str) -> Record:
    """What is known of an attempt from the outside; columns only its worker could have measured stay empty."""
    about = submission.about
    return Record.keeping(
        sweep=submission.sweep,
        trial=started.trial,
        attempt=started.attempt,
        parameters=_parameters(spec, tuple(about.import_path)),
        values={
            "workload": spec.workload,
            "target": spec.target,
            "seed": spec.seed,
            "group": spec.group,
            "outcome": outcome,
            "derived": True,
            "error_message": message,
            "submitted_at": datetime.fromtimestamp(array.submitted_at, UTC),
            "started_at": datetime.fromtimestamp(started.at, UTC),
            "queue_s": started.at - array.submitted_at,
            "cpus_asked": array.resources.get("cpus"),
            "backend": array.backend,
            "node": started.node,
            "job_id": started.job,
            "task": started.task,
            "pid": started.pid,
            "log": started.log,
            "commit": about.environment.commit,
            "dirty": about.environment.dirty,
            "runner_version": about.environment.runner_version,
        },
    )


def settle_abandoned(store: Store, sweep: str, recorded: Mapping[str, frozenset[int]], backends: frozenset[str]) -> int:
    """Give the attempts that a vanished local submit left behind their records; call it with the sweep locked, when none can be alive.

    Args:
        recorded: Attempt numbers that have a record, by trial.
        backends: Only attempts of these backends, whose workers end with their driver.

    Returns:
        How many records were written.
    """
    written = 0
    for (trial, attempt), started in open_attempts(store.sweep_folder(sweep)).items():
        if attempt in recorded.get(trial, ()):
            continue
        with suppress(FrozenFileDamaged):  # nothing is known of it any more; its number stays taken, and the trial runs again
            _, array = _array_of(store, started)
            if array.backend in backends:
                written += publish_derived(store, started, Outcome.interrupted, _DRIVER_GONE)
    return written


def _array_of(store: Store, started: Started) -> tuple[Submission, FrozenArray]:
    """The array of an attempt; where its file is damaged, what the rest of the submission and the journal tell of it."""
    path = store.root / started.array
    try:
        return read_array(path)
    except FrozenFileDamaged:
        submission = Submission(path.parent.parent)
        spec = submission.spec(started.line)
        return submission, FrozenArray(
            target=spec.target,
            backend=submission.about.backend,
            submitted_at=started.at,
            resources={},
            trial_time_min=None,
            packs=[],
        )


def array_name(store: Store, path: Path) -> str:
    """How the journal names an array: its path below the store, so that a store can be moved."""
    return str(path.relative_to(store.root))


def _parameters(spec: JobSpec, import_path: tuple[str, ...]) -> dict[str, object]:
    """Every parameter, defaults too; those the spec names if the user's own module is gone since."""
    try:
        found = workload(spec.workload, import_path)
        return found.written_out(found.read(spec.params))
    except JobsError:
        return dict(spec.params)
