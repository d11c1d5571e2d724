"""How far a running submit is: counts kept from the journal, for whoever shows them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from artifacts.record import Outcome
from runner.sweep.journal import AttemptEnded, AttemptStarted, Entry

_CUT_SHORT = (Outcome.preempted, Outcome.interrupted, Outcome.cancelled, Outcome.node_failed)


@dataclass(frozen=True)
class Feeding:
    """How far a scheduler's queue has been filled."""

    queued: int
    """Tasks queued so far."""
    left: int
    """Tasks that do not fit yet."""


@dataclass(frozen=True)
class Stopping:
    """The submit was asked to stop; what runs may take this long to save itself."""

    grace_s: float


@dataclass
class Progress:
    """Trials of one submit by what has become of them."""

    total: int
    """Trials that this submit runs."""
    completed: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    """Attempts that ended otherwise, by outcome."""
    best_accuracy: float | None = None
    """Best test (else validation) accuracy so far, as a fraction."""
    now: Callable[[], float] = time.monotonic
    """A clock in seconds that never goes back."""
    began: float = field(init=False)
    _ended_at: float = field(init=False)
    _running: set[tuple[str, int]] = field(default_factory=set)
    _ended: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.began = self._ended_at = self.now()

    def follow(self, entries: Iterable[Entry]) -> None:
        """Count what the workers have written since."""
        for entry in entries:
            key = (entry.trial, entry.attempt)
            if isinstance(entry, AttemptStarted):
                if key not in self._ended:
                    self._running.add(key)
            else:
                self.end(entry)

    def end(self, entry: AttemptEnded) -> None:
        """Count one attempt that ended, once."""
        key = (entry.trial, entry.attempt)
        self._running.discard(key)
        if key in self._ended:
            return
        self._ended.add(key)
        self._ended_at = self.now()
        if entry.outcome == Outcome.completed:
            self.completed += 1
            if entry.accuracy is not None:
                self.best_accuracy = max(entry.accuracy, self.best_accuracy or 0.0)
        else:
            self.failed[entry.outcome] = self.failed.get(entry.outcome, 0) + 1

    def has_ended(self, trial: str, attempt: int) -> bool:
        """Return whether that attempt's record was announced."""
        return (trial, attempt) in self._ended

    @property
    def running(self) -> int:
        """Return the attempts under way."""
        return len(self._running)

    @property
    def done(self) -> int:
        """Return the attempts that have ended, however."""
        return len(self._ended)

    @property
    def left(self) -> int:
        """Return the trials that were not begun, or that ended with what drove them: the next
        submit runs them."""
        return self.total - self.done + sum(self.failed.get(outcome, 0) for outcome in _CUT_SHORT)

    @property
    def words(self) -> str:
        """Return how the attempts ended, counted."""
        counts = {Outcome.completed.value: self.completed, **dict(sorted(self.failed.items()))}
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)

    @property
    def rate(self) -> float | None:
        """Return the attempts ended per second, from the start to the last end; None before the
        first."""
        elapsed = self._ended_at - self.began
        return self.done / elapsed if self.done and elapsed > 0 else None

    @property
    def left_s(self) -> float | None:
        """Return the seconds left at this rate; None before the first end, and when that time is
        over."""
        if not self.rate:
            return None
        left = (self.total - self.done) / self.rate - (self.now() - self._ended_at)
        return left if left > 0 else None


Watch = Callable[[Progress | Feeding | Stopping], None]
"""Told how far a submit is, as often as there is news."""
