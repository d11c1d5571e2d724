"""How a sweep stands: what was frozen, what is recorded, what runs or waits; read-only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from artifacts.index import Index
from artifacts.record import Outcome
from cluster.state import State
from runner.sweep.early_stop import Stopped, stopped_groups
from runner.sweep.lock import is_held
from runner.sweep.pace import Cell
from runner.sweep.submission import Submission
from runner.sweep.sweep import Sweep

WAITING, QUEUED, RUNNING, CUT_SHORT = "waiting", "queued", "running", "cut short"
"""What a trial without a final record is at: held by nobody; held by the scheduler; begun by a live
worker; begun by a local one that is gone, whose record the next submit or collect derives."""


@dataclass(frozen=True)
class SweepStatus:
    """One sweep, counted by target."""

    sweep: str
    submission: int
    trials: int
    submit_is_running: bool
    """Whether a submit is running it right now."""
    by_cell: dict[Cell, Counter[str]]
    """For each group and target how many trials stand at each word: an outcome of the last attempt,
    or one of the four above."""
    earlier: int
    """Recorded trials that are not in the latest submission."""
    unreadable: tuple[str, ...]
    stopped: tuple[Stopped, ...]
    """Groups whose queue was stopped because their first trials all failed in the same way."""
    not_started: dict[str, str]
    """For each task that ended before it began a trial, why, by the first trial of its pack."""
    grid: str
    """The file that it was submitted from, as one would type it here; empty if it is not there any
    more."""
    scheduler_error: str
    """Why the scheduler could not be asked; empty if it answered, or had nothing to be asked."""
    diverged: int = 0
    """Completed trials with a loss or an accuracy that is NaN or infinite."""

    words: dict[str, str] = field(default_factory=dict, repr=False)
    """Where each trial stands, in the order of the specs."""

    @property
    def by_target(self) -> dict[str, Counter[str]]:
        """Return the same for each target, all groups together."""
        found: dict[str, Counter[str]] = {}
        for (_, target), counts in self.by_cell.items():
            found.setdefault(target, Counter()).update(counts)
        return found

    @property
    def counts(self) -> Counter[str]:
        """Return all of them together."""
        return sum(self.by_cell.values(), Counter())

    @property
    def settled(self) -> bool:
        """Return whether nothing of it runs or is queued any more."""
        return (
            not self.submit_is_running
            and not self.scheduler_error
            and not self.counts[QUEUED]
            and not self.counts[RUNNING]
        )

    @property
    def completed(self) -> bool:
        """Return whether every trial has a completed record."""
        return self.counts[Outcome.completed] == self.trials


def sweep_status(sweep: Sweep) -> SweepStatus:
    """Return how a sweep stands: what the scheduler says, then what the journal and the records
    say.

    Raises:
        UnknownSweep: It was never submitted.
        FrozenFileDamaged: What was frozen cannot be read.
    """
    submission = sweep.latest
    driven = is_held(sweep.folder)
    view, index = sweep.queue, sweep.index
    driven = driven or is_held(sweep.folder)  # one that has begun meanwhile
    begun = {trial for trial, _ in sweep.opened}
    dead = {item.started.trial: item.outcome for item in view.dead}
    by_cell: dict[Cell, Counter[str]] = {}
    words: dict[str, str] = {}
    for spec in submission.specs:
        trial = spec.trial_id
        if trial in index.completed:
            word: str = Outcome.completed
        elif trial in view.states:
            word = _queue_word(view.states[trial])
        elif trial in dead:
            word = dead[trial]
        elif trial in begun:
            word = RUNNING if driven else CUT_SHORT
        else:
            attempts = index.attempts(trial)
            word = attempts[-1].outcome if attempts else WAITING
        words[trial] = word
        by_cell.setdefault((spec.group, spec.target), Counter())[word] += 1
    expected = words.keys()
    return SweepStatus(
        sweep=sweep.shown_name,
        submission=submission.number,
        trials=len(expected),
        submit_is_running=driven,
        by_cell=by_cell,
        words=words,
        earlier=len(index.trials.keys() - expected),
        unreadable=tuple(f"{damaged.path}: {damaged.reason}" for damaged in index.unreadable),
        stopped=tuple(stopped_groups(submission.folder)),
        not_started=view.not_started,
        grid=grid_file(submission),
        scheduler_error=view.scheduler_error,
        diverged=sum(_has_diverged(index, trial) for trial in expected & index.completed),
    )


def grid_file(submission: Submission) -> str:
    """Return the file that a submission was read from, as one would type it here; empty if it is
    not there any more."""
    path = Path(submission.about.grid)
    if not submission.about.grid or not path.is_file():
        return ""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _has_diverged(index: Index, trial: str) -> bool:
    return [
        attempt.diverged
        for attempt in index.attempts(trial)
        if attempt.outcome is Outcome.completed
    ][-1]


def _queue_word(state: State) -> str:
    return {State.PENDING: QUEUED, State.RUNNING: RUNNING}.get(state, Outcome.unknown)
