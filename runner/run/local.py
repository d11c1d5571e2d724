"""Runs a plan on a local backend: queues its arrays, sees them through, records what dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from artifacts.collect import compact_leftovers
from artifacts.errors import ArtifactsError
from artifacts.record import Outcome
from cluster.backend import ArrayHandle, LocalBackend, TaskEvent
from cluster.state import State
from jobs.frozen import leave
from runner.errors import PublishFailed, RecordingStopped, SubmitStopped
from runner.planning.packing import Plan, PlannedArray
from runner.run.freezing import freeze_array
from runner.run.interruption import TwoSteps
from runner.run.isolated import run_inline
from runner.run.progress import Progress, Stopping, Watch
from runner.run.worker import run_task, warm_up
from runner.sweep.attempts import OUTCOME_OF, publish_derived
from runner.sweep.journal import AttemptEnded, AttemptStarted
from runner.sweep.positions import tidy
from runner.sweep.submission import FrozenArray, Submission
from runner.sweep.sweep import Sweep

_LOOK_S, _SHOW_S = 0.25, 0.1
_GRACE_S = 10.0
"""What a trial under way has for finishing its step and writing a checkpoint when the submit is
asked to stop."""
_CUT_SHORT = "submit was stopped while it ran; the same submit runs it again"


class LocalDriver:
    """Stays with a local backend until every task has ended."""

    def __init__(
        self, backend: LocalBackend, sweep: Sweep, submission: Submission, plan: Plan, watch: Watch
    ) -> None:
        self.backend, self.sweep, self.submission, self.plan, self.watch = (
            backend,
            sweep,
            submission,
            plan,
            watch,
        )
        self.store, self.follower = sweep.store, sweep.follower
        self.progress = Progress(plan.trials)
        self.started: dict[tuple[str, int], AttemptStarted] = {}
        self.arrays: dict[str, FrozenArray] = {}
        self.unstarted: dict[str, None] = {}
        """Why tasks ended before their trial began, each reason once."""
        self.stopping = False
        self.signals = TwoSteps(self._ask_to_stop)

    def run(self) -> None:
        """Run the plan; ``progress`` and ``unstarted`` then tell what became of it.

        Raises:
            SubmitStopped: It was asked to stop; every attempt under way got its record.
            RecordingStopped: Records cannot be written any more.
            BackendLost: What ran the trials is gone; every attempt under way got its record.
        """
        try:
            with self.signals:
                with self._recording_what_is_cut_short():
                    self._see_through()
                self.signals.settle()
                self.backend.close()
        finally:
            leave()  # inline, this process has imported the frozen code, and goes on
        compact_leftovers(self.store, self.submission.sweep)
        tidy(self.sweep.folder, ())
        if self.stopping and self.progress.left:
            raise self._stopped()

    def _see_through(self) -> None:
        """Queue everything, and follow it until the last task has ended."""
        outstanding = sum(self._queue(array).n_tasks for array in self.plan.arrays)
        looked = 0.0
        while outstanding:
            for event in self.backend.wait(_LOOK_S):
                if event.state.final or event.state is State.UNKNOWN:
                    outstanding -= 1
                    self._ended(event)
            # Of short trials hundreds end in a second; nobody reads a display that often.
            if not outstanding or time.monotonic() > looked + _SHOW_S:
                self._read_journal()
                self.watch(self.progress)
                looked = time.monotonic()

    def _ask_to_stop(self) -> None:
        """Wind the sweep down; runs in the handler of a signal."""
        self.stopping = True
        self.backend.stop(_GRACE_S)
        self.watch(Stopping(_GRACE_S))

    def _stopped(self) -> SubmitStopped:
        progress = self.progress
        return SubmitStopped(self.submission.sweep, progress.words, progress.left, progress.total)

    def _queue(self, planned: PlannedArray) -> ArrayHandle:
        array = freeze_array(planned, self.backend.name)
        path = str(self.submission.add_array(array))
        handle = self.backend.submit(
            partial(run_inline if self.backend.name == "inline" else run_task, path),
            len(array.packs),
            planned.resources,
            name=f"{self.submission.sweep}-{planned.target}",
            warm=partial(warm_up, path),
        )
        self.arrays[handle.id] = array
        return handle

    def _ended(self, event: TaskEvent) -> None:
        """See that every trial the task began has its record."""
        if event.state is State.COMPLETED:
            return
        self._read_journal()
        if event.code == PublishFailed.code:
            raise RecordingStopped(self.submission.sweep, self.progress.left, event.detail)
        for line, attempt in self.arrays[event.handle_id].packs[event.index]:
            trial = self.submission.spec(line).trial_id
            started = self.started.get((trial, attempt))
            if started is None and self.stopping:
                continue
            if started is None:
                self.unstarted.setdefault(event.detail or f"the task ended as {event.state}")
            elif not self.progress.has_ended(trial, attempt):
                cut_short = self.stopping and event.state is State.CANCELLED
                self._derive(
                    started,
                    *(
                        (Outcome.interrupted, _CUT_SHORT)
                        if cut_short
                        else (OUTCOME_OF[event.state], event.detail)
                    ),
                )

    def _derive(self, started: AttemptStarted, outcome: Outcome, message: str) -> None:
        if not publish_derived(
            self.store, started, outcome, message, time.time()
        ):  # it has its own, and its worker died before it said so
            attempts = self.store.index(self.submission.sweep).own_attempts(started.trial)
            outcome = next(
                (own.outcome for own in attempts if own.attempt == started.attempt), outcome
            )
        self.progress.end(AttemptEnded(started.trial, started.attempt, outcome))

    def _read_journal(self) -> None:
        entries = self.follower.new_entries()
        for entry in entries:
            if isinstance(entry, AttemptStarted):
                self.started[entry.trial, entry.attempt] = entry
        self.progress.follow(entries)

    @contextmanager
    def _recording_what_is_cut_short(self) -> Iterator[None]:
        """However the loop is left, no worker outlives it and no attempt stays without a record."""
        try:
            yield
        except BaseException as error:
            self.signals.settle()
            self.backend.close()
            self._read_journal()
            for key, started in self.started.items():
                if not self.progress.has_ended(*key):
                    with suppress(
                        ArtifactsError
                    ):  # what stopped the loop says more than that nothing can be recorded
                        self._derive(started, Outcome.interrupted, _CUT_SHORT)
            if isinstance(error, KeyboardInterrupt):
                raise self._stopped() from None
            raise
