"""Removes a sweep from a store: its records, what was submitted, and the files of trials that no
other sweep has.

Everything is moved aside first and deleted there. A removal that is killed has moved a part; the
same command moves the rest and deletes all of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artifacts.names import aliases, remove_aliases
from artifacts.publish import entries, make_folder, sync_folder, translate_write_errors
from artifacts.store import Store
from runner.errors import SweepBusy
from runner.housekeeping.copying import delete
from runner.housekeeping.errors import SweepInUse
from runner.housekeeping.sizes import Space, space_of
from runner.housekeeping.trials import trials_of, trials_with_files
from runner.sweep.lock import is_held, sweep_lock
from runner.sweep.queue import QueueView
from runner.sweep.reconcile import reconcile
from runner.sweep.sweep import Sweep

_FOLDER: Final = "removed"
CUT: Final = "~"
"""Between the name of a sweep and what makes the folder of its removal unique."""


@dataclass(frozen=True)
class Removal:
    """What goes with a sweep."""

    sweep: str
    """Its first name."""
    name: str
    """That it has now."""
    submissions: int
    attempts: int
    """With a record."""
    trials: int
    space: Space
    """Of records, submissions and logs."""
    files: tuple[str, ...]
    """Trials whose files go."""
    files_space: Space
    shared: tuple[str, ...]
    """Trials whose files stay, because another sweep has the trial or may have it."""


def removal_of(store: Store, name: str) -> Removal:
    """Return what would go with a sweep; changes nothing.

    Args:
        name: Any of its names.

    Raises:
        UnknownSweep: The store has no such sweep.
        SweepInUse: Something of it is queued or running.
    """
    sweep = Sweep(store, name)
    store.check_known(sweep.name)
    if is_held(sweep.folder):
        raise _driven(sweep)
    _check_idle(sweep, sweep.queue)
    return _removal(sweep)


def remove(store: Store, name: str) -> None:
    """Remove a sweep.

    Raises:
        UnknownSweep: The store has no such sweep, and no removal of one was cut short.
        SweepInUse: Something of it is queued or running.
        StoreNotWritable: Not everything could be removed; the same call goes on.
    """
    first = _first_name(store, name)
    if not store.has(first) and _left_behind(store, first):
        _finish(store, first)
        return
    store.check_known(first)
    sweep = Sweep(store, first)
    with _locked(sweep):
        reconcile(sweep)
        _check_idle(sweep, sweep.queue)
        removal = _removal(sweep)
        aside = removed_folder(store) / f"{first}{CUT}{secrets.token_hex(8)}"
        make_folder(aside / "files")
        for trial in removal.files:
            _move(store.files_folder(trial), aside / "files" / trial)
        _move(store.records_folder(first), aside / "records")
        _move(sweep.folder, aside / "sweep")
        sync_folder(store.root)
    _finish(store, first)


def was_cut_short(store: Store, name: str) -> bool:
    """Return whether the sweep is gone, but for what its removal left when it was killed."""
    first = _first_name(store, name)
    return not store.has(first) and _left_behind(store, first)


def removed_folder(store: Store) -> Path:
    """Return where a store keeps what is being removed."""
    return store.root / _FOLDER


def leftovers(store: Store) -> list[Path]:
    """Return what removals that were cut short have moved aside and not deleted."""
    return sorted(Path(entry.path) for entry in entries(removed_folder(store)))


def _removal(sweep: Sweep) -> Removal:
    store = sweep.store
    own = trials_of(sweep)
    index = sweep.index
    with_files = trials_with_files(store) & (frozenset(index.trials) if own is None else own)
    shared: set[str] = set()
    if with_files:
        for name in store.sweeps():
            if name != sweep.name:
                others = trials_of(Sweep(store, name))
                shared |= with_files if others is None else with_files & others
    files = sorted(with_files - shared)
    return Removal(
        sweep=sweep.name,
        name=sweep.shown_name,
        submissions=len(sweep.submissions),
        attempts=sum(map(len, index.trials.values())),
        trials=len(index.trials if own is None else own),
        space=space_of(sweep.folder, store.records_folder(sweep.name)),
        files=tuple(files),
        files_space=space_of(*map(store.files_folder, files)),
        shared=tuple(sorted(shared)),
    )


def _check_idle(sweep: Sweep, queue: QueueView) -> None:
    name = sweep.shown_name
    if queue.scheduler_error:
        raise SweepInUse(
            name,
            f"the scheduler does not say what it holds ({queue.scheduler_error})",
            "try again when it answers",
        )
    if queue.states:
        raise SweepInUse(
            name,
            f"{len(queue.states)} of its trials are queued or running",
            f"end them with 'runner cancel {name}', or wait",
        )


def _driven(sweep: Sweep) -> SweepInUse:
    return SweepInUse(
        sweep.shown_name,
        "another command holds it, most likely a submit that is running it",
        "stop that submit with Ctrl-C, or wait",
    )


@contextmanager
def _locked(sweep: Sweep) -> Iterator[None]:
    try:
        with sweep_lock(sweep.folder):
            yield
    except SweepBusy:
        raise _driven(sweep) from None


def _first_name(store: Store, name: str) -> str:
    """The sweep that a name means, also one that is gone but for its further names."""
    known = store.resolve(name)
    if store.has(known):
        return known
    return next((one.sweep for one in aliases(store.root) if one.name == name), known)


def _left_behind(store: Store, sweep: str) -> bool:
    names = any(alias.sweep == sweep for alias in aliases(store.root))
    return names or bool(_folders_of(store, sweep))


def _folders_of(store: Store, sweep: str) -> list[Path]:
    return [path for path in leftovers(store) if path.name.rpartition(CUT)[0] == sweep]


def _finish(store: Store, sweep: str) -> None:
    """Delete what was moved aside, and the sweep's further names last: they still mean it until
    nothing is left."""
    for folder in _folders_of(store, sweep):
        delete(folder)
    if not store.has(sweep):
        remove_aliases(store.root, sweep)


def _move(path: Path, target: Path) -> None:
    with translate_write_errors(path), suppress(FileNotFoundError):
        path.rename(target)
