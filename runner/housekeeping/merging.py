"""Brings what several stores recorded together in one.

Records, logs, code and what submits froze are copied; nothing of the sources is changed. What is
frozen lies in ``sweeps/<sweep>/merged/<store>/<number>/``: it tells what ran, and is no submission
of the store that it was brought to. Everything is copied whole or not at all and never twice, so a
merge that was killed is done by the same command.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from artifacts.errors import NameTaken, StoreNotReadable
from artifacts.identity import is_same_folder, name_of
from artifacts.merge import merge_records
from artifacts.names import Alias, add_alias, aliases
from artifacts.publish import PARTIAL, entries
from artifacts.store import Store
from runner.errors import RunnerError
from runner.housekeeping.copying import copy_file, copy_folder, remove_stale
from runner.housekeeping.sizes import Space, files_below, space_of
from runner.sweep.submission import submissions

_MERGED: Final = "merged"
_CODE: Final = "code"


class NotMergeable(RunnerError):
    """A folder cannot be merged; nothing of it was copied."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} {self.reason}, so nothing was merged from it: name another store"


@dataclass
class MergedSweep:
    """What came of one sweep of one store."""

    sweep: str
    added: int = 0
    """Records."""
    known: int = 0
    """Records that were there already."""
    unreadable: tuple[str, ...] = ()
    logs: int = 0
    submissions: int = 0


@dataclass
class MergedStore:
    """What came of one store."""

    path: Path
    id: str
    sweeps: list[MergedSweep] = field(default_factory=list)
    snapshots: int = 0
    """Of code."""
    files: int = 0
    """Checkpoints, profiles and other files of trials that were copied."""
    left: Space = field(default_factory=Space)
    """Files of trials that were not asked for."""
    kept: list[Path] = field(default_factory=list)
    """Files that were not copied, because another one of that name was there."""
    notes: list[str] = field(default_factory=list)


def merge(sources: Iterable[Store], into: Store, *, files: bool = False) -> list[MergedStore]:
    """Copy what the stores recorded into another one, which is created if absent.

    Args:
        sources: Only read.
        into: May hold sweeps of its own.
        files: Copy the files of trials too: checkpoints, profiles and what workloads left there.

    Raises:
        NotMergeable: A source has no sweep, or is the store that is merged into.
        StoreFull, StoreNotWritable: Not everything was copied; the same call goes on.
    """
    sources = list(sources)
    for source in sources:
        if not source.sweeps():
            raise NotMergeable(str(source.root), "is no store with sweeps")
        if into.root.exists() and is_same_folder(source.root, into.root):
            raise NotMergeable(str(source.root), "is the store that is merged into")
        for sweep in source.sweeps():
            if (taken := into.resolve(sweep)) != sweep:
                raise NameTaken(sweep, into.shown_name(taken), into.root)
    into.create()
    return [_merge_one(source, into, files=files) for source in sources]


def _merge_one(source: Store, into: Store, *, files: bool) -> MergedStore:
    merged = MergedStore(source.root, name_of(source.root))
    remove_stale(into.root / _CODE)
    for entry in entries(source.root / _CODE):
        if not entry.name.startswith(".") and Path(entry.path).is_dir():
            merged.snapshots += copy_folder(Path(entry.path), into.root / _CODE / entry.name)
    for entry in entries(source.root / "files"):
        if files:
            merged.files += _copy_all(Path(entry.path), into.root / "files" / entry.name, merged)
        else:
            merged.left += space_of(Path(entry.path))
    for sweep in source.sweeps():
        merged.sweeps.append(_merge_sweep(source, into, sweep, merged))
    _merge_names(source, into, merged)
    return merged


def _merge_sweep(source: Store, into: Store, sweep: str, merged: MergedStore) -> MergedSweep:
    # What the records name comes before them: a merge that is killed leaves no record without.
    found = MergedSweep(sweep)
    folder = source.sweep_folder(sweep)
    target = into.sweep_folder(sweep)
    brought = [
        (one.folder, target / _MERGED / merged.id / one.folder.name) for one in submissions(folder)
    ] + [
        (Path(one.path), target / _MERGED / store.name / one.name)
        for store in entries(folder / _MERGED)
        for one in entries(Path(store.path))
    ]
    for frozen, place in brought:
        new = False
        for entry in entries(frozen):
            if entry.is_file(follow_symlinks=False):
                new = copy_file(Path(entry.path), place / entry.name) or new
        found.submissions += new
    found.logs = _copy_all(source.logs_folder(sweep), into.logs_folder(sweep), merged)
    records = merge_records(source, sweep, into)
    found.added, found.known = records.added, records.known
    found.unreadable = tuple(f"{one.path}: {one.reason}" for one in records.unreadable)
    return found


def _copy_all(source: Path, target: Path, merged: MergedStore) -> int:
    """Copy every file below a folder, and return how many were new."""
    copied = 0
    for path in files_below(source):
        if path.is_symlink() or not path.is_file() or path.name.endswith(PARTIAL):
            continue
        try:
            done = copy_file(path, target / path.relative_to(source))
        except FileNotFoundError:  # its trial has replaced or removed it
            continue
        except StoreNotReadable as error:
            merged.notes.append(str(error))
            continue
        if done is None:
            merged.kept.append(target / path.relative_to(source))
        copied += bool(done)
    return copied


def _merge_names(source: Store, into: Store, merged: MergedStore) -> None:
    """Bring the further names of the sweeps, unless another sweep has them."""
    known = {(alias.name, alias.sweep) for alias in aliases(into.root)}
    for alias in aliases(source.root):
        if (alias.name, alias.sweep) in known or not source.has(alias.sweep):
            continue
        if alias.name != alias.sweep and into.has(alias.name):
            taken = True
        else:
            try:
                add_alias(into.root, Alias(alias.name, alias.sweep, alias.since))
                taken = False
            except NameTaken:
                taken = True
        if taken:
            merged.notes.append(
                f"'{alias.sweep}' of {source.root} is called '{alias.name}' there, and "
                f"{into.root} has another sweep of this name: it keeps its first name here"
            )
