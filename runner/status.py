"""How a sweep stands: what was frozen, what is recorded, what runs or waits; read-only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from artifacts.errors import UnknownSweep
from artifacts.index import Index
from artifacts.record import Outcome
from artifacts.store import Store
from runner.errors import SweepNotNamed
from runner.freeze import Submission, submissions
from runner.journal import open_attempts
from runner.lock import is_held

WAITING, RUNNING, CUT_SHORT = "waiting", "running", "cut short"
"""States of a trial without a record: not begun; begun by a live worker; begun by one that is gone, see runner.derive."""


@dataclass(frozen=True)
class SweepStatus:
    """One sweep, counted by target."""

    sweep: str
    submission: int
    trials: int
    driven: bool
    """Whether a submit is running it right now."""
    by_target: dict[str, Counter[str]]
    """For each target how many trials stand at each word: an outcome of the last attempt, or waiting, running, cut short."""
    earlier: int
    """Recorded trials that are not in the latest submission."""
    unreadable: tuple[str, ...]
    errors: tuple[tuple[str, int], ...] = field(default=())

    @property
    def counts(self) -> Counter[str]:
        """All targets together."""
        return sum(self.by_target.values(), Counter())

    @property
    def completed(self) -> bool:
        """Whether every trial has a completed record."""
        return self.counts[Outcome.completed] == self.trials


def sweep_status(store: Store, sweep: str) -> SweepStatus:
    """Raises UnknownSweep, FrozenFileDamaged."""
    submission = latest_submission(store, sweep)
    index = store.index(sweep)
    folder = store.sweep_folder(sweep)
    driven = is_held(folder)
    begun = {trial for trial, attempt in open_attempts(folder) if attempt not in _attempts(index, trial)}
    by_target: dict[str, Counter[str]] = {}
    expected = set()
    for spec in submission.specs:
        trial = spec.trial_id
        expected.add(trial)
        by_target.setdefault(spec.target, Counter())[_word(index, trial, trial in begun, driven)] += 1
    return SweepStatus(
        sweep=sweep,
        submission=submission.number,
        trials=len(expected),
        driven=driven,
        by_target=by_target,
        earlier=len(index.trials.keys() - expected),
        unreadable=tuple(f"{damaged.path}: {damaged.reason}" for damaged in index.unreadable),
    )


def latest_submission(store: Store, sweep: str) -> Submission:
    """The submission that says which trials the sweep has; UnknownSweep if it was never submitted."""
    frozen = submissions(store.sweep_folder(sweep))
    if not frozen:
        raise UnknownSweep(sweep, tuple(submitted_sweeps(store)), store.root)
    return frozen[-1]


def submitted_sweeps(store: Store) -> list[str]:
    """Names of the sweeps that have a submission."""
    folder = store.root / "sweeps"
    return sorted(path.name for path in _folders(folder) if submissions(path))


def the_sweep(store: Store, name: str | None) -> str:
    """The sweep named, or the only one there is.

    Raises:
        SweepNotNamed: None is named, and the store has none or several.
    """
    if name is not None:
        return name
    known = submitted_sweeps(store)
    if len(known) != 1:
        raise SweepNotNamed(str(store.root), tuple(known))
    return known[0]


def _word(index: Index, trial: str, begun: bool, driven: bool) -> str:
    if trial in index.completed:
        return Outcome.completed
    if begun:
        return RUNNING if driven else CUT_SHORT
    attempts = index.trials.get(trial)
    if attempts:
        return attempts[-1].outcome or Outcome.unknown
    return WAITING


def _attempts(index: Index, trial: str) -> frozenset[int]:
    return frozenset(attempt.attempt for attempt in index.trials.get(trial, ()))


def _folders(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []
