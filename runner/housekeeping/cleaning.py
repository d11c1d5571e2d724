"""Removes old checkpoints, profiles, logs and snapshots of code; never a record, nothing that
belongs to a trial that is queued or running, and no code that a record names."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artifacts.errors import ArtifactsError
from artifacts.publish import make_folder, translate_write_errors
from artifacts.store import Store
from runner.errors import FrozenFileDamaged, LocksMissing, SweepBusy
from runner.housekeeping.copying import delete
from runner.housekeeping.removal import CUT, leftovers, removed_folder
from runner.housekeeping.sizes import Space, files_below, space_of
from runner.housekeeping.trials import busy_trials, trials_of, trials_with_files
from runner.sweep.lock import sweep_lock
from runner.sweep.snapshot import remove as remove_snapshot
from runner.sweep.sweep import Sweep
from runner.sweep.unused_code import unused_code

CHECKPOINTS, PROFILES, LOGS, CODE = "checkpoints", "profiles", "logs", "code"
KINDS: Final = (CHECKPOINTS, PROFILES, LOGS, CODE)
_FOLDERS: Final = {
    "checkpoint": CHECKPOINTS,
    "profile": PROFILES,
    "tensorboard": PROFILES,
}
_LOG: Final = re.compile(r"([^.]+)-\d+\.")
"""The beginning of a log's name that belongs to one attempt."""


@dataclass(frozen=True)
class Item:
    """A file or a folder that would go."""

    kind: str
    path: Path
    space: Space


@dataclass(frozen=True)
class Cleaning:
    """What would go, and what is left alone."""

    items: tuple[Item, ...]
    busy: tuple[str, ...]
    """Sweeps of which something is queued, running or not known: their trials are left alone."""

    def of(self, kind: str) -> list[Item]:
        """Return what would go of one kind."""
        return [item for item in self.items if item.kind == kind]


def cleaning_of(
    store: Store, sweeps: Sequence[str], kinds: Collection[str], older_than_s: float
) -> Cleaning:
    """Return what would go; changes nothing.

    Args:
        store: Its records are never touched.
        sweeps: Only what belongs to these, by their first names; everything if none is named.
        kinds: Some of KINDS.
        older_than_s: Only what was last written so many seconds ago.

    Raises:
        UnknownSweep: The store has no such sweep.
    """
    for sweep in sweeps:
        store.check_known(sweep)
    return _found(store, sweeps, kinds, time.time() - older_than_s, held=frozenset())


def clean(
    store: Store, sweeps: Sequence[str], kinds: Collection[str], older_than_s: float
) -> Cleaning:
    """Remove the same, and return what went; no submit of the store begins meanwhile.

    Raises:
        StoreNotWritable: Not everything could be removed; the same call goes on.
    """
    before = time.time() - older_than_s
    for path in leftovers(store):
        delete(path)
    with ExitStack() as locks:
        held = set()
        for sweep in store.sweeps():
            folder = store.sweep_folder(sweep)
            # Of what cannot be locked, a submit may begin: it counts as busy.
            with suppress(SweepBusy, LocksMissing, ArtifactsError):
                if folder.is_dir():
                    locks.enter_context(sweep_lock(folder))
                held.add(sweep)
        found = _found(store, sweeps, kinds, before, held=frozenset(held))
        aside = removed_folder(store) / f"{CUT}{secrets.token_hex(8)}"
        if found.items:
            make_folder(aside)
        for number, item in enumerate(found.items):
            if item.kind == CODE:
                remove_snapshot(item.path)
                continue
            with translate_write_errors(item.path), suppress(FileNotFoundError):
                item.path.rename(aside / str(number))
            if item.kind != LOGS:
                with suppress(OSError):  # unless the trial has other files
                    item.path.parent.rmdir()
    delete(aside)
    return found


def _found(
    store: Store,
    sweeps: Sequence[str],
    kinds: Collection[str],
    before: float,
    *,
    held: frozenset[str],
) -> Cleaning:
    opened = [Sweep(store, name) for name in store.sweeps()]
    busy = {sweep.name: _busy(sweep, held) for sweep in opened}
    trials = trials_with_files(store)
    if sweeps:
        own = [trials_of(sweep) for sweep in opened if sweep.name in sweeps]
        trials &= frozenset().union(*(each for each in own if each is not None))
    protected: set[str] = set()
    for sweep in opened:
        state = busy[sweep.name]
        if state is None:
            all_of_it = trials_of(sweep)
            protected |= trials if all_of_it is None else all_of_it
        else:
            protected |= state
    items = [
        item
        for trial in sorted(trials - protected)
        for item in _of_trial(store.files_folder(trial), kinds)
    ]
    if LOGS in kinds:
        for sweep in opened:
            if not sweeps or sweep.name in sweeps:
                items += _logs(store.logs_folder(sweep.name), protected, busy[sweep.name])
    old = [item for item in items if item.space.files and item.space.newest < before]
    if CODE in kinds and not sweeps:  # code belongs to no sweep
        unused = unused_code(store, before, held=held).folders
        old += [Item(CODE, path, space_of(path)) for path in unused]
    return Cleaning(
        tuple(old),
        tuple(sweep.shown_name for sweep in opened if busy[sweep.name] != frozenset()),
    )


def _busy(sweep: Sweep, held: frozenset[str]) -> frozenset[str] | None:
    try:
        return busy_trials(sweep, held=sweep.name in held)
    except (ArtifactsError, FrozenFileDamaged):
        return None


def _of_trial(folder: Path, kinds: Collection[str]) -> Iterator[Item]:
    for name, kind in _FOLDERS.items():
        path = folder / name
        if kind in kinds and path.is_dir() and not path.is_symlink():
            yield Item(kind, path, space_of(path))


def _logs(folder: Path, protected: Collection[str], busy: frozenset[str] | None) -> Iterator[Item]:
    """The logs of attempts of other trials; what belongs to tasks only where the sweep is idle."""
    for path in files_below(folder):
        name = _LOG.match(path.name)
        if busy is not None and (name[1] not in protected if name else not busy):
            yield Item(LOGS, path, space_of(path))
