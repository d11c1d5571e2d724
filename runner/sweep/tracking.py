"""One sweep from now on: how it stands, which trials run and how far they are, what fails, and how
long the rest takes.

Where it stands at first is read once (``runner.sweep.status``). After that only the journal and the
positions are read, which costs a scheduler nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from artifacts.record import Outcome
from jobs.position import Position
from jobs.spec import JobSpec
from runner.sweep.journal import AttemptEnded, AttemptStarted, Entry
from runner.sweep.lock import is_held
from runner.sweep.pace import Cell, Durations, TimeLeft, UnderWay, time_left
from runner.sweep.positions import read_positions
from runner.sweep.status import QUEUED, RUNNING, WAITING, SweepStatus, sweep_status
from runner.sweep.sweep import Sweep

_LONGEST_GAP_S = 30.0
"""Time between two trials of a process that still counts as the cost of the first."""
_BURST_S = 60.0
"""Arrays frozen within this time of one another belong to one submit."""


@dataclass(frozen=True)
class RunningTrial:
    """A trial that runs now."""

    trial: str
    attempt: int
    group: str
    target: str
    node: str
    for_s: float
    position: Position | None
    """None until its worker has told it."""
    epochs: float | None
    """How many it has in all; None where its parameters do not say."""
    settings: Mapping[str, object]
    """Its target, parameters and seed, as far as they differ within its group."""


@dataclass(frozen=True)
class Cause:
    """Attempts that ended in one way, of trials that are not completed since."""

    outcome: str
    error: str
    """First line of the last one's message; empty where nobody could tell."""
    count: int
    trial: str
    """The last one."""


@dataclass(frozen=True)
class View:
    """A sweep at one moment."""

    status: SweepStatus
    running: tuple[RunningTrial, ...]
    """Those that have run longest come first."""
    causes: tuple[Cause, ...]
    """The most frequent first."""
    rate_per_s: float | None
    """Attempts that end in a second, since the latest submit; None before the first."""
    left: TimeLeft | None
    """None while nobody can tell."""
    best_accuracy: float | None
    """Best test (else validation) accuracy of a completed trial, as a fraction."""

    @property
    def done(self) -> int:
        """Return the trials whose attempts have ended, however."""
        open_ones = (WAITING, QUEUED, RUNNING)
        counts = self.status.counts
        return self.status.trials - sum(counts[word] for word in open_ones)


class Tracker:
    """Follows one sweep.

    Args:
        sweep: Opened afresh.
        now: Seconds since the epoch.
    """

    def __init__(self, sweep: Sweep, now: Callable[[], float] = time.time) -> None:
        self._sweep, self._now = sweep, now
        self._status = sweep_status(sweep)
        self._words = dict(self._status.words)
        specs = sweep.latest.specs
        trials = self._words if len(specs) == len(self._words) else [one.trial_id for one in specs]
        self._specs: dict[str, JobSpec] = dict(zip(trials, specs, strict=True))
        self._since = _submitted_at(sweep.latest.arrays())
        self._running: dict[tuple[str, int], AttemptStarted] = {}
        self._failures: dict[str, AttemptEnded] = {}
        self._durations = Durations()
        self._of_process: dict[tuple[str, int], tuple[AttemptStarted, float]] = {}
        self._ended = 0
        self._first_start = self._last_end = 0.0
        self._best: float | None = None
        self._take(sweep.journal)
        self._running = {
            key: started
            for key, started in sweep.opened.items()
            if self._words.get(key[0]) == RUNNING
        }
        self._words = dict(self._status.words)  # what the scheduler and the records say counts

    @property
    def name(self) -> str:
        """Return the name of the sweep."""
        return self._sweep.name

    @property
    def status(self) -> SweepStatus:
        """Return where it stood when this began."""
        return self._status

    @property
    def is_left(self) -> bool:
        """Return whether a submit drove it when this began, and has ended."""
        return self._status.submit_is_running and not is_held(self._sweep.folder)

    def follow(self) -> tuple[AttemptEnded, ...]:
        """Read what workers have noted since; return the attempts that ended."""
        entries = self._sweep.follower.new_entries()
        self._take(entries)
        return tuple(entry for entry in entries if isinstance(entry, AttemptEnded))

    def view(self, coming: int | None = None) -> View:
        """Return the sweep as it is now.

        Args:
            coming: Trials that are still to begin; all that wait, if a submit runs, and those in
                the scheduler's queue if it is None.
        """
        by_cell: dict[Cell, Counter[str]] = {}
        for trial, word in self._words.items():
            by_cell.setdefault(self._cell(trial), Counter())[word] += 1
        status = replace(self._status, by_cell=by_cell, words=self._words)
        positions = read_positions(self._sweep.folder) if self._running else {}
        running = sorted(
            (
                self._running_trial(started, positions[key].position if key in positions else None)
                for key, started in self._running.items()
            ),
            key=lambda one: -one.for_s,
        )
        return View(
            status,
            tuple(running),
            tuple(self._causes()),
            self._rate(),
            time_left(self._known(), map(_under_way, running), self._waiting(status, coming)),
            self._best,
        )

    def _take(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            key = (entry.trial, entry.attempt)
            if isinstance(entry, AttemptStarted):
                self._begin(key, entry)
            else:
                self._end(key, entry)

    def _begin(self, key: tuple[str, int], started: AttemptStarted) -> None:
        self._running[key] = started
        if self._words.get(started.trial, Outcome.completed) != Outcome.completed:
            self._words[started.trial] = RUNNING
        process = (started.node, started.pid)
        before, took_s = self._of_process.pop(process, (None, 0.0))
        if before is not None:
            gap = started.at - before.at - took_s
            whole = took_s + gap if 0 <= gap < _LONGEST_GAP_S else took_s
            self._durations.add(self._cell(before.trial), whole)
        if started.at >= self._since:
            self._first_start = min(self._first_start or started.at, started.at)

    def _end(self, key: tuple[str, int], ended: AttemptEnded) -> None:
        started = self._running.pop(key, None)
        trial = ended.trial
        if trial not in self._words:
            return  # of an earlier grid
        if ended.outcome == Outcome.completed:
            self._failures.pop(trial, None)
            self._words[trial] = Outcome.completed
            if ended.accuracy is not None:
                self._best = max(ended.accuracy, self._best or 0.0)
        else:
            self._failures[trial] = ended
            if self._words[trial] != Outcome.completed:
                self._words[trial] = ended.outcome
        if started is not None and ended.total_s is not None:
            # Counted when the process goes on, with what it needed in between.
            self._of_process[started.node, started.pid] = started, ended.total_s
            if started.at >= self._since:
                self._ended += 1
                self._last_end = max(self._last_end, started.at + ended.total_s)

    def _known(self) -> Durations:
        """Return how long trials took, the last one of each process without what follows it."""
        known = self._durations.copy()
        for started, took_s in self._of_process.values():
            known.add(self._cell(started.trial), took_s)
        return known

    def _cell(self, trial: str) -> Cell:
        spec = self._specs.get(trial)
        return ("", "") if spec is None else (spec.group, spec.target)

    def _rate(self) -> float | None:
        seconds = self._last_end - self._first_start
        return self._ended / seconds if self._ended and seconds > 0 else None

    def _waiting(self, status: SweepStatus, coming: int | None) -> dict[Cell, int]:
        words = (WAITING, QUEUED) if status.submit_is_running else (QUEUED,)
        waiting = {
            cell: sum(counts[word] for word in words) for cell, counts in status.by_cell.items()
        }
        total = sum(waiting.values())
        if coming is None or coming >= total:
            return waiting
        return {cell: round(n * coming / total) for cell, n in waiting.items()}

    def _causes(self) -> list[Cause]:
        alike: dict[tuple[str, str], list[AttemptEnded]] = {}
        for trial, ended in self._failures.items():
            if self._words[trial] == ended.outcome:
                alike.setdefault(
                    (ended.outcome, ended.fault or _first_line(ended.error)), []
                ).append(ended)
        silent: dict[str, list[str]] = {}
        for trial, word in self._words.items():
            if word in _NOT_COMPLETED and trial not in self._failures:
                silent.setdefault(word, []).append(trial)
        causes = [
            Cause(outcome, _first_line(all_of_it[-1].error), len(all_of_it), all_of_it[-1].trial)
            for (outcome, _), all_of_it in alike.items()
        ]
        causes += [Cause(word, "", len(trials), trials[-1]) for word, trials in silent.items()]
        return sorted(causes, key=lambda cause: -cause.count)

    def _running_trial(self, started: AttemptStarted, position: Position | None) -> RunningTrial:
        spec = self._specs.get(started.trial)
        epochs = None if spec is None else spec.params.get("epochs")
        group, target = self._cell(started.trial)
        return RunningTrial(
            started.trial,
            started.attempt,
            group,
            target,
            started.node,
            max(0.0, self._now() - started.at),
            position,
            epochs if isinstance(epochs, int | float) and not isinstance(epochs, bool) else None,
            {} if spec is None else self._settings(spec),
        )

    def _settings(self, spec: JobSpec) -> dict[str, object]:
        varying = self._varying.get(spec.group, set[str]())
        told = {"target": spec.target, **spec.params, "seed": spec.seed}
        return {name: value for name, value in told.items() if name in varying}

    @cached_property
    def _varying(self) -> dict[str, set[str]]:
        """By group what its trials have several values of."""
        first: dict[str, JobSpec] = {}
        varying: dict[str, set[str]] = {}
        for spec in self._specs.values():
            one = first.setdefault(spec.group, spec)
            found = varying.setdefault(spec.group, set())
            found.update(
                name for name in ("seed", "target") if getattr(spec, name) != getattr(one, name)
            )
            if spec.params != one.params:
                for name in spec.params.keys() | one.params.keys():
                    if spec.params.get(name) != one.params.get(name):
                        found.add(name)
        return varying


_NOT_COMPLETED = frozenset(Outcome) - {Outcome.completed}


def _under_way(one: RunningTrial) -> UnderWay:
    share = None
    if one.position is not None and one.position.epoch is not None and one.epochs:
        share = min(one.position.epoch / one.epochs, 1.0)
    return UnderWay((one.group, one.target), one.for_s, share)


def _first_line(error: str | None) -> str:
    lines = (error or "").strip().splitlines()
    return lines[0] if lines else ""


def _submitted_at(arrays: list[Path]) -> float:
    """When the latest submit froze its first array; 0 before there is one."""
    times = sorted((path.stat().st_mtime for path in arrays), reverse=True)
    since = times[0] if times else 0.0
    for earlier in times:
        if since - earlier > _BURST_S:
            break
        since = earlier
    return since - 1
