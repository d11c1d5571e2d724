"""One array task: its pack of specs in, one record each out, whatever happens.

What arrives is the path of a frozen array and an index. A worker process may be given many tasks (a warm pool) or one (an array task
of SLURM, which may also be requeued and then goes on with what its earlier life left).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import psutil

from artifacts.errors import ArtifactsError, RecordExists
from artifacts.record import Outcome, Record
from artifacts.store import Store
from cluster.errors import ProcessLost, ProcessSpent, Requeue
from cluster.place import Place, here
from cluster.signals import earlier_end, sequel, stop_requested
from cluster.state import State
from jobs.execute import Expectation, Finished, execute, warm
from jobs.spec import JobSpec
from runner.derive import GO_ON, OUTCOME_AFTER, OUTCOME_OF, WHY_STOPPED, array_name, publish_derived
from runner.errors import PublishFailed
from runner.freeze import FrozenArray, Submission, read_array
from runner.journal import Ended, Journal, Started, entries, read_all
from runner.stopping import consider, fault, is_stopped, lift
from runner.tasklog import log_name, section

_COMPACT_EVERY = 1000
"""Loose records of a worker at most, so that a look at a running sweep stays quick; the rest is compacted when it has ended, since
removing the single files costs a third of what writing them does."""

_STOPPED = frozenset(OUTCOME_AFTER.values())

_REQUEUED = "the task was started again by the scheduler and its earlier life left no record of this attempt"

_EARLIER_ENDS = frozenset({State.NODE_FAILED, State.PREEMPTED})
"""What a scheduler may say of an earlier life that is more than: it was started again."""


def run_task(array_path: str, index: int) -> None:
    """Run the trials of pack ``index``; the function that travels to the nodes.

    Raises:
        PublishFailed: A record could not be written; the trial counts as not run, and the rest of the pack is not begun.
        Requeue: The scheduler asked to stop; what is left of the pack wants to be run later.
        ProcessSpent: A trial left a process in which none can compute any more; it has its record, the rest of the pack is not begun.
        ProcessLost: A trial left a process that cannot even write its record.
    """
    path = Path(array_path)
    submission, array = read_array(path)
    worker = _worker(path.parents[4], submission.sweep, array.backend)
    taken = worker.earlier_life(array_name(worker.store, path))
    for line, planned in array.packs[index]:
        spec = submission.spec(line)
        attempts = taken.get(spec.trial_id, {})
        if attempts and attempts[max(attempts)] not in GO_ON:
            continue
        attempt = max([planned, *(number + 1 for number in attempts)])
        if is_stopped(submission, spec):
            continue
        if stop_requested():
            raise Requeue
        if worker.run(path, submission, array, line, attempt) in _STOPPED:
            raise Requeue
        if worker.spent:
            raise ProcessSpent


def warm_up(array_path: str) -> None:
    """Import what the array's workloads need and map their data, before the first trial's clock starts."""
    submission, array = read_array(Path(array_path))
    _import_from(submission.about.import_path)
    # The first record that pyarrow makes imports pandas: half a second that is no trial's.
    Record("warm", "warm", 0, {}, {"outcome": Outcome.completed}).to_table()
    seen: set[tuple[str, Any]] = set()
    for pack in array.packs:
        for line, _ in pack:
            spec = submission.spec(line)
            key = (spec.workload, spec.params.get("dataset"))
            if key not in seen:
                seen.add(key)
                warm(spec, data_dir=_data_dir(submission))


class Worker:
    """What this process keeps between its trials."""

    def __init__(self, root: Path, sweep: str, backend: str) -> None:
        self.store = Store(root)
        self.sweep = sweep
        self.place: Place = here()
        self._logs = None if backend == "inline" else self.store.logs_folder(sweep)
        self._loose: list[Record] = []
        self._first = True
        self.spent = ""
        """Why no trial may run in this process any more; empty if one may."""

    @cached_property
    def journal(self) -> Journal:
        """This worker's own file."""
        return Journal(self.store.sweep_folder(self.sweep), self.place.worker)

    def earlier_life(self, array: str) -> dict[str, dict[int, Outcome]]:
        """Outcomes by attempt of the trials that this task began before it was requeued; settles what was left open.

        A task that was never requeued has no journal yet, and looks at nothing.
        """
        if self._first is False or self.place.job_id is None:
            return {}
        begun = {
            (entry.trial, entry.attempt): entry
            for entry in entries(self.journal.path)
            if isinstance(entry, Started) and entry.array == array
        }
        if not begun:
            return {}
        trials = {trial for trial, _ in begun}
        taken = {
            trial: {found.attempt: found.outcome for found in attempts}
            for trial, attempts in self.store.index(self.sweep).trials.items()
            if trial in trials
        }
        left_open = {key: entry for key, entry in begun.items() if key[1] not in taken.setdefault(key[0], {})}
        if left_open:
            end = earlier_end()
            outcome = OUTCOME_OF[end] if end in _EARLIER_ENDS else Outcome.interrupted
            for (trial, attempt), entry in left_open.items():
                publish_derived(self.store, entry, outcome, _REQUEUED)
                taken[trial][attempt] = outcome
        return taken

    def run(self, path: Path, submission: Submission, array: FrozenArray, line: int, attempt: int) -> Outcome:
        """One attempt, from its line in the journal to its record."""
        spec = submission.spec(line)
        trial = spec.trial_id
        started_at = time.time()
        # Inline, what a trial prints belongs on the terminal of the person who debugs it.
        file = None if self._logs is None else self._logs / log_name(trial, attempt, self.place.worker)
        log = None if file is None else str(file.relative_to(self.store.root))
        with nullcontext() if file is None else section(file):
            self.journal.write(
                Started(
                    trial, attempt, started_at, self.place.node, os.getpid(), log,
                    self.place.job_id, self.place.task, array_name(self.store, path), line,
                )
            )  # fmt: skip
            start_s = time.time() - psutil.Process().create_time() if self._first else 0.0
            self._first = False
            finished = self._execute(submission, array, spec, attempt)
        self.spent = finished.spent
        if self.spent:
            _tell(f"no other trial runs in this process after trial {trial}: {self.spent}")
        values = {
            **finished.values,
            **self._circumstances(submission, array, spec, log),
            "outcome": OUTCOME_AFTER[sequel()] if finished.outcome == Outcome.preempted else finished.outcome,
            "started_at": datetime.fromtimestamp(started_at, UTC),
            "queue_s": started_at - array.submitted_at,
            "start_s": start_s,
            "ended_at": datetime.now(UTC),
        }
        if finished.outcome == Outcome.preempted and (why := WHY_STOPPED.get(values["outcome"])):
            values["error_message"] = why
        record = Record.keeping(self.sweep, trial, attempt, finished.parameters, values, finished.results)
        accuracy = values.get("test_accuracy", values.get("val_accuracy"))
        ended = Ended(
            trial,
            attempt,
            values["outcome"],
            accuracy,
            values.get("error_message"),
            values.get("total_s"),
            spec.group,
            submission.number,
            fault(values.get("error_type"), values.get("traceback")) if values["outcome"] == Outcome.failed else None,
        )
        with self._blaming_the_trial(trial):
            self._publish(record, trial)
            self.journal.write(ended)
            if ended.fault is not None:
                consider(submission, ended, read_all(self.store.sweep_folder(self.sweep)))
            elif ended.outcome == Outcome.completed:
                lift(submission, spec.group)
        if finished.stopped is not None:
            raise finished.stopped
        return Outcome(values["outcome"])

    def _execute(self, submission: Submission, array: FrozenArray, spec: JobSpec, attempt: int) -> Finished:
        _import_from(submission.about.import_path)
        resources = array.resources
        return execute(
            spec,
            sweep=self.sweep,
            attempt=attempt,
            files=self.store.files_folder(spec.trial_id),
            data_dir=_data_dir(submission),
            import_path=tuple(submission.about.import_path),
            expect=Expectation(
                gpu=resources.get("gpu"), gpus=resources.get("gpus", 0), cpus=resources.get("cpus", 1), mem_gb=resources.get("mem_gb")
            ),
            stop_requested=stop_requested,
        )

    def _circumstances(self, submission: Submission, array: FrozenArray, spec: JobSpec, log: str | None) -> dict[str, Any]:
        environment = submission.about.environment
        return {
            "workload": spec.workload,
            "target": spec.target,
            "seed": spec.seed,
            "group": spec.group,
            "derived": False,
            "submitted_at": datetime.fromtimestamp(array.submitted_at, UTC),
            "backend": array.backend,
            "node": self.place.node,
            "partition": self.place.partition,
            "job_id": self.place.job_id,
            "task": self.place.task,
            "pid": os.getpid(),
            "log": log,
            "commit": environment.commit,
            "dirty": environment.dirty,
            "runner_version": environment.runner_version,
        }

    @contextmanager
    def _blaming_the_trial(self, trial: str) -> Iterator[None]:
        """Where a trial has ruined the process, what cannot be recorded from it is no fault of the store; another process records it."""
        try:
            yield
        except (ArtifactsError, PublishFailed) as error:
            if not self.spent:
                raise
            why = f"the trial left its process unable to ({self.spent}): {error}"
            if self._logs is None:
                raise PublishFailed(trial, f"{why}; give its group `isolate: true`, or use --backend ray") from error
            raise ProcessLost(State.KILLED, f"its record could not be written, for {why}") from error

    def _publish(self, record: Record, trial: str) -> None:
        try:
            self.store.publish(record)
            self._loose.append(record)
        except RecordExists as error:
            _tell(f"{error}; this one is dropped")
        except ArtifactsError as error:
            raise PublishFailed(trial, str(error)) from error
        if len(self._loose) >= _COMPACT_EVERY:
            with suppress(ArtifactsError):  # it only tidies up, and the next submit or collect does it too
                self.store.compact_published(self.sweep, self._loose)
            self._loose.clear()


@lru_cache(maxsize=4)
def _worker(root: Path, sweep: str, backend: str) -> Worker:
    return Worker(root, sweep, backend)


def _tell(text: str) -> None:
    """Print something in the task's own output, where that is still possible after what the trial did."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _import_from(folders: list[str]) -> None:
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _data_dir(submission: Submission) -> Path | None:
    return Path(submission.about.data_dir) if submission.about.data_dir else None
