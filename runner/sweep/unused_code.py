"""Which snapshots of code nothing needs any more.

A snapshot is needed while a record names it, or a trial that is queued or running may import from
it. While a submit drives a sweep, or one has trials that are queued or have no record yet, nothing
is removed at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from artifacts.errors import ArtifactsError
from artifacts.publish import entries
from artifacts.store import Store
from runner.errors import FrozenFileDamaged
from runner.sweep.lock import is_held
from runner.sweep.snapshot import code_folder
from runner.sweep.sweep import Sweep


@dataclass(frozen=True)
class UnusedCode:
    """Snapshots that nothing needs."""

    folders: tuple[Path, ...]
    """None where a sweep is busy."""
    busy: tuple[str, ...]
    """Sweeps that a submit drives, that have something queued or unrecorded, or of which nobody can
    tell."""


def unused_code(
    store: Store, before: float = float("inf"), *, held: Collection[str] = ()
) -> UnusedCode:
    """Return what could be removed; changes nothing.

    Args:
        store: Where to look.
        before: Only what no submit has used since, in seconds since the epoch.
        held: Sweeps that this process has locked.
    """
    sweeps = [Sweep(store, name) for name in store.sweeps()]
    busy = tuple(sweep.shown_name for sweep in sweeps if _is_busy(sweep, held))
    if busy:
        return UnusedCode((), busy)
    named = {digest for sweep in sweeps for digest in _named(sweep)}
    unused = (path for path in _snapshots(store, before) if _of(path) not in named)
    return UnusedCode(tuple(unused), ())


def _is_busy(sweep: Sweep, held: Collection[str]) -> bool:
    try:
        if sweep.name not in held and is_held(sweep.folder):
            return True
        queue = sweep.queue
        return bool(queue.states or queue.scheduler_error or sweep.opened or sweep.index.unreadable)
    except (ArtifactsError, FrozenFileDamaged):
        return True


def _named(sweep: Sweep) -> Iterator[str]:
    """Digests that records name."""
    for attempts in sweep.index.trials.values():
        for attempt in attempts:
            yield from (attempt.code or "").split("+")


def _snapshots(store: Store, before: float) -> Iterator[Path]:
    for entry in sorted(entries(code_folder(store)), key=lambda entry: entry.name):
        if (
            entry.is_dir(follow_symlinks=False)
            and not entry.name.startswith(".")
            and entry.stat(follow_symlinks=False).st_mtime < before
        ):
            yield Path(entry.path)


def _of(snapshot: Path) -> str:
    """The digest of a snapshot; several may have one."""
    return snapshot.name.partition("-")[0]
