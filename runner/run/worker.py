"""One array task: its pack of specs in, one record each out, whatever happens.

What arrives is the path of a frozen array and an index. A worker process may be given many tasks (a
warm pool) or one (an array task of SLURM, which may also be requeued and then goes on with what its
earlier life left).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from artifacts.errors import ArtifactsError, RecordExists
from artifacts.record import Outcome, Record
from artifacts.store import Store
from cluster import startup
from cluster.errors import ProcessLost, ProcessSpent, Requeue
from cluster.place import Place, here
from cluster.processes import Birth
from cluster.signals import after_stop, stop_requested
from cluster.state import State
from jobs.data import source_digest
from jobs.execute import Expectation, Finished, execute, warm
from jobs.frozen import enter, outside
from jobs.registry import dataset_of
from jobs.spec import JobSpec
from runner.errors import PublishFailed
from runner.sweep.attempts import (
    GO_ON,
    TakenOver,
    array_name,
    outcome_after,
    take_over,
)
from runner.sweep.circumstances import circumstances, code_of, data_columns, needs_code
from runner.sweep.early_stop import consider, fault, is_stopped, lift
from runner.sweep.journal import AttemptEnded, AttemptStarted, Journal, read_all
from runner.sweep.logs import log_name, section
from runner.sweep.positions import Reporter
from runner.sweep.provenance import runner_code
from runner.sweep.snapshot import check as check_snapshot
from runner.sweep.submission import FrozenArray, Submission, read_array
from runner.sweep.surroundings import found_here

_COMPACT_EVERY = 1000
"""Loose records of a worker at most, so that a look at a running sweep stays quick; the rest is
compacted when it has ended, since removing the single files costs a third of what writing them
does."""


def run_task(array_path: str, index: int, number: int = 0) -> None:
    """Run the trials of pack ``index``; the function that travels to the nodes.

    Args:
        array_path: Of the frozen array.
        index: Of the pack.
        number: How many processes this run of the task had before.

    Raises:
        PublishFailed: A record could not be written; the trial counts as not run, and the rest of
            the pack is not begun.
        Requeue: The scheduler asked to stop; what is left of the pack wants to be run later.
        ProcessSpent: A trial left a process in which none can compute any more, or wants it for
            itself; it has its record, the rest of the pack is not begun.
        ProcessLost: A trial left a process that cannot even write its record.
    """
    path = Path(array_path)
    submission, array = read_array(path)
    worker = _worker(path.parents[4], submission.sweep, array.backend)
    taken = worker.take_over(
        array_name(worker.store, path),
        [submission.spec(line).trial_id for line, _ in array.packs[index]],
        number,
    )
    left: list[tuple[int, int]] = []
    for line, planned in array.packs[index]:
        trial = submission.spec(line).trial_id
        attempts = taken.outcomes.get(trial, {})
        if trial in taken.elsewhere:
            print(f"trial {trial} is left to another process that computes it", file=sys.stderr)
        elif not attempts or attempts[max(attempts)] in GO_ON:
            left.append((line, max([planned, *(number + 1 for number in attempts)])))
    isolated = (count for count, (line, _) in enumerate(left, 1) if submission.spec(line).isolate)
    worker.share_start(next(isolated, len(left)))  # after that one comes another process
    for line, attempt in left:
        spec = submission.spec(line)
        if is_stopped(submission, spec):
            continue
        if stop_requested():
            raise Requeue
        worker.run(path, submission, array, line, attempt)
        if worker.stopped:
            raise Requeue
        if worker.spent or spec.isolate:
            raise ProcessSpent


def warm_up(array_path: str) -> None:
    """Import what the array's workloads need and map their data, before the first trial's clock
    starts."""
    submission, array = read_array(Path(array_path))
    found_here(submission.folder)  # before anything that is loaded sets a variable
    _enter_code(submission)
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
        self.name = self.place.worker
        # Its thread begins before any trial, so that no trial's log takes it for the trial's own.
        self.reporter = Reporter(self.store.sweep_folder(sweep), self.name)
        self._birth = Birth.of(os.getpid())
        self._logs = None if backend == "inline" else self.store.logs_folder(sweep)
        self._loose: list[Record] = []
        self._startup_s, self._sharing = 0.0, 0
        self._alone = False
        self.stopped = False
        """The trial was asked to stop, and did."""
        self.spent = ""
        """Why no trial may run in this process any more; empty if one may."""

    @cached_property
    def journal(self) -> Journal:
        """Return this worker's own file."""
        return Journal(self.store.sweep_folder(self.sweep), self.name)

    def take_over(self, array: str, trials: list[str], number: int) -> TakenOver:
        """Return what the trials of this array task have behind them; nothing where no scheduler
        started it, and none can start it again."""
        if self.place.array_job_id is None:
            return TakenOver({}, frozenset())
        self._alone = number == 0
        return take_over(
            self.store,
            self.sweep,
            self.place,
            array,
            trials,
            continues=number > 0 or self.place.life > 0,
        )

    def share_start(self, trials: int) -> None:
        """Divide what this worker's start took, if it has just started, among the next trials:
        those of the task it was started for."""
        took_s = startup.took_s() if trials else 0.0
        if took_s:
            self._startup_s, self._sharing = took_s / trials, trials

    def run(
        self, path: Path, submission: Submission, array: FrozenArray, line: int, attempt: int
    ) -> None:
        """Run one attempt, from its line in the journal to its record."""
        _enter_code(submission)  # first: without its code the attempt does not begin
        spec = submission.spec(line)
        trial = spec.trial_id
        # Inline, what a trial prints belongs on the terminal of the person who debugs it.
        file = None if self._logs is None else self._logs / log_name(trial, attempt, self.name)
        started = AttemptStarted(
            trial=trial,
            attempt=attempt,
            at=time.time(),
            node=self.place.node,
            pid=os.getpid(),
            log=None if file is None else str(file.relative_to(self.store.root)),
            array_job_id=self.place.array_job_id,
            array_task_id=self.place.array_task_id,
            array=array_name(self.store, path),
            line=line,
            born=None if self._birth is None else self._birth.ticks,
            life=self.place.life,
            partition=self.place.partition,
            startup_s=self._startup_s if self._sharing > 0 else 0.0,
            found=_found(submission, spec),
        )
        self._sharing -= 1
        with nullcontext() if file is None else section(file):
            self.journal.write(started)
            alone, self._alone = self._alone, False
            finished = self._execute(submission, array, spec, attempt)
        self.spent, self.stopped = finished.spent, finished.outcome == Outcome.preempted
        if self.spent:
            _print(f"no other trial runs in this process after trial {trial}: {self.spent}")
        values = {
            **finished.values,
            **circumstances(submission, array, started),
            **data_columns(submission, spec, finished.values.get("data_digest")),
            "code_outside": _imported_from_elsewhere(spec),
            "runner_code": runner_code(),
            "outcome": finished.outcome,
            "derived": False,
            "ended_at": datetime.now(UTC),
        }
        if self.stopped:
            values["outcome"], values["error_message"] = outcome_after(after_stop(), alone=alone)
        record = Record.keeping(
            self.sweep, trial, attempt, finished.parameters, values, finished.results
        )
        accuracy = values.get("test_accuracy", values.get("val_accuracy"))
        ended = AttemptEnded(
            trial,
            attempt,
            values["outcome"],
            accuracy,
            values.get("error_message"),
            values.get("total_s"),
            spec.group,
            submission.number,
            fault(values.get("error_type"), values.get("traceback"))
            if values["outcome"] == Outcome.failed
            else None,
        )
        with self._blaming_the_trial(trial):
            self._publish(record)
            self.journal.write(ended)
            if ended.fault is not None:
                consider(submission, ended, read_all(self.store.sweep_folder(self.sweep)))
            elif ended.outcome == Outcome.completed:
                lift(submission, spec.group)
        if finished.stopped is not None:
            raise finished.stopped

    def _execute(
        self, submission: Submission, array: FrozenArray, spec: JobSpec, attempt: int
    ) -> Finished:
        resources = array.resources
        return execute(
            spec,
            sweep=self.sweep,
            attempt=attempt,
            files=self.store.files_folder(spec.trial_id),
            data_dir=_data_dir(submission),
            import_path=submission.import_path,
            code=code_of(submission, spec),
            expect=Expectation(
                gpu=resources.get("gpu"),
                gpus=resources.get("gpus", 0),
                cpus=resources.get("cpus", 1),
                mem_gb=resources.get("mem_gb"),
            ),
            stop_requested=stop_requested,
            watched=partial(self.reporter.watching, spec.trial_id, attempt),
        )

    @contextmanager
    def _blaming_the_trial(self, trial: str) -> Iterator[None]:
        """Where a trial has ruined the process, what cannot be recorded from it is no fault of the
        store; another process records it."""
        try:
            yield
        except (ArtifactsError, PublishFailed) as error:
            if not self.spent:
                raise
            why = f"the trial left its process unable to ({self.spent}): {error}"
            if self._logs is None:
                raise PublishFailed(
                    trial, f"{why}; give its group `isolate: true`, or use --backend ray"
                ) from error
            raise ProcessLost(
                State.KILLED, f"its record could not be written, for {why}"
            ) from error

    def _publish(self, record: Record) -> None:
        """Publish the record, under the next number that is free if another worker's own has this
        one: both attempts were made."""
        published = False
        while not published:
            try:
                self.store.publish(record)
                published = True
            except RecordExists as error:
                _print(f"{error}; this one becomes attempt {record.attempt + 1}")
                record = replace(record, attempt=record.attempt + 1)
            except ArtifactsError as error:
                raise PublishFailed(record.trial, str(error)) from error
        self._loose.append(record)
        if len(self._loose) >= _COMPACT_EVERY:
            with suppress(
                ArtifactsError
            ):  # it only tidies up, and the next submit or collect does it too
                self.store.compact_published(self.sweep, self._loose)
            self._loose.clear()


@lru_cache(maxsize=4)
def _worker(root: Path, sweep: str, backend: str) -> Worker:
    return Worker(root, sweep, backend)


def _print(text: str) -> None:
    """Print something in the task's own output, where that is still possible after what the trial
    did."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _found(submission: Submission, spec: JobSpec) -> dict[str, str]:
    """What this process finds around it before the trial begins, by column of the record."""
    columns = dict(found_here(submission.folder))
    dataset = dataset_of(spec.workload, spec.params)
    # To look through a folder of images takes as long as to open it, which the trial does.
    if dataset is not None and not dataset.startswith("folder:"):
        digest = source_digest(dataset, _data_dir(submission))
        return columns if digest is None else {**columns, "data_digest": digest}
    return columns


def _enter_code(submission: Submission) -> None:
    """Import the user's modules from where the submission has them, from now on.

    Raises:
        SnapshotMissing, SnapshotOfAnother: The frozen code is gone, or is not this user's.
    """
    code = submission.about.code
    if code is not None:
        check_snapshot(Store(submission.folder.parents[2]), code)
    enter(submission.copies, submission.import_path)


def _imported_from_elsewhere(spec: JobSpec) -> str | None:
    """The user's modules in this process that are not of the frozen code, for the record."""
    found = outside() if needs_code(spec) else {}
    return json.dumps(found) if found else None


def _data_dir(submission: Submission) -> Path | None:
    return Path(submission.about.data_dir) if submission.about.data_dir else None
