"""Which sweeps a store has, how they ended and how much space they take; changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.errors import StoreNotReadable
from artifacts.record import Outcome
from artifacts.store import Store
from runner.housekeeping.sizes import Space, space_of
from runner.housekeeping.trials import trials_with_files
from runner.sweep.lock import is_held
from runner.sweep.sweep import Sweep


@dataclass(frozen=True)
class ListedSweep:
    """One sweep of a store."""

    name: str
    """That it has now."""
    former: tuple[str, ...]
    """Its earlier names, which go on meaning it."""
    submitted_at: float | None
    """When its latest submission was frozen, in seconds since the epoch; None if it has none."""
    submissions: int
    trials: int
    """Of its latest submission; if it has none, those that have a record."""
    outcomes: Counter[str]
    """By word the trials of any submission that have a record: completed, or how the last attempt
    ended."""
    running: bool
    """Whether a submit is running it."""
    size: int
    """In bytes: records, submissions, logs, and the files of its trials, which another sweep may
    have too."""
    unreadable: tuple[str, ...]
    """What could not be read."""


def listed(store: Store, sweeps: Sequence[str] = ()) -> list[ListedSweep]:
    """Return the sweeps of these first names, of all if none is named, the latest last."""
    with_files = trials_with_files(store)
    found = [_listed(store, name, with_files) for name in sweeps or store.sweeps()]
    return sorted(found, key=lambda one: (one.submitted_at or 0.0, one.name))


def _listed(store: Store, name: str, with_files: frozenset[str]) -> ListedSweep:
    sweep = Sweep(store, name)
    outcomes: Counter[str] = Counter()
    unreadable: list[str] = []
    trials, submitted_at, submissions = 0, None, 0
    recorded: frozenset[str] = frozenset()
    try:
        index = store.index(name)
        recorded = frozenset(index.trials)
        for trial, attempts in index.trials.items():
            done = trial in index.completed
            outcomes[Outcome.completed if done else attempts[-1].outcome] += 1
        unreadable += [f"{damaged.path}: {damaged.reason}" for damaged in index.unreadable]
        trials, submissions = len(recorded), len(sweep.submissions)
        if sweep.submissions:
            latest = sweep.submissions[-1]
            trials = latest.n_trials
            submitted_at = space_of(latest.folder / "submission.json").newest or None
    except StoreNotReadable as error:
        unreadable.append(str(error))
    files = [store.files_folder(trial) for trial in recorded & with_files]
    space: Space = space_of(store.records_folder(name), sweep.folder, *files)
    shown = sweep.shown_name
    return ListedSweep(
        name=shown,
        former=tuple(former for former in store.names_of(name) if former != shown),
        submitted_at=submitted_at,
        submissions=submissions,
        trials=trials,
        outcomes=outcomes,
        running=is_held(sweep.folder),
        size=space.bytes,
        unreadable=tuple(unreadable),
    )
