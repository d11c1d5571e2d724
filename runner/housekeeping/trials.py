"""Which trials a sweep has, and which of them something still works on."""

from __future__ import annotations

from pathlib import Path

from artifacts.errors import ArtifactsError
from artifacts.publish import entries
from artifacts.store import Store
from runner.errors import FrozenFileDamaged
from runner.sweep.lock import is_held
from runner.sweep.sweep import Sweep


def trials_of(sweep: Sweep) -> frozenset[str] | None:
    """Return every trial that the sweep ever had: frozen, begun or recorded; None if something that
    would name more cannot be read."""
    try:
        index = sweep.index
        found = {entry.trial for entry in sweep.journal} | index.trials.keys()
        found |= {one.trial for one in index.unreadable if one.trial is not None}
        for submission in sweep.submissions:
            found |= {spec.trial_id for spec in submission.specs}
    except (ArtifactsError, FrozenFileDamaged):
        return None
    return frozenset(found)


def busy_trials(sweep: Sweep, *, held: bool = False) -> frozenset[str] | None:
    """Return the trials that are queued or may be running; None if it may be any of the sweep's: a
    submit drives it, or the scheduler does not tell.

    Args:
        held: This command holds the sweep itself.
    """
    if (not held and is_held(sweep.folder)) or sweep.queue.scheduler_error:
        return None
    return frozenset(sweep.queue.states) | {trial for trial, _ in sweep.opened}


def trials_with_files(store: Store) -> frozenset[str]:
    """Return the trials that have a folder of files."""
    return frozenset(
        entry.name
        for entry in entries(store.root / "files")
        if not entry.name.startswith(".") and Path(entry.path).is_dir()
    )
