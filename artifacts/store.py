"""The store: a plain folder, on a file system that all workers share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from artifacts.errors import (
    AmbiguousTrial,
    RecordExists,
    StoreNotWritable,
    UnknownSweep,
    UnknownTrial,
    UnreadableRecord,
)
from artifacts.identity import give_id, ids_of
from artifacts.index import Attempt, Cache, Index, file_name, load_table, weight
from artifacts.names import aliases
from artifacts.publish import PARTIAL, entries, make_folder, publish, translate_write_errors
from artifacts.record import RESERVED, Record, check_sweep, check_trial

_RECORDS: Final = "records"
_SWEEPS: Final = "sweeps"
_FILES: Final = "files"


class Store:
    """Records of attempts, one Parquet file each, under ``root``; nothing is created before
    create()."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()
        self._caches: dict[str, Cache] = {}

    def create(self) -> None:
        """Make the store's folders and its id, and see that they can be written to.

        Raises:
            StoreFull, StoreNotWritable: They cannot.
        """
        for name in (_RECORDS, _SWEEPS, _FILES):
            make_folder(self.root / name)
            with (
                translate_write_errors(self.root / name),
                tempfile.NamedTemporaryFile(
                    dir=self.root / name, prefix=".", suffix=PARTIAL
                ) as probe,
            ):
                probe.write(b"x")
                probe.flush()
                _check_links(Path(probe.name))
        give_id(self.root)

    @property
    def id(self) -> str:
        """Return its own random id; written if it has none.

        Raises:
            StoreFull, StoreNotWritable: It cannot be written.
        """
        return give_id(self.root)

    @property
    def ids(self) -> tuple[str, ...]:
        """Return every id that was given to this folder; none before the first submit, and none in
        a copy before its own."""
        return ids_of(self.root)

    def publish(self, record: Record) -> Path:
        """Publish a record whole or not at all.

        A derived record stands in for one that its worker could not write. If the worker's own
        comes after all, both stay, and every reader counts the worker's.

        Raises:
            RecordExists: The attempt has one: for a derived record also one of its worker's. A
                compacted one is not looked for: no plan gives a number twice.
            StoreFull: Disk or quota are used up.
            StoreNotWritable: The file system refuses, or the store is not there.
        """
        folder = self.records_folder(record.sweep)
        own = folder / file_name(record.trial, record.attempt, derived=False)
        path = folder / file_name(record.trial, record.attempt, derived=record.derived)
        if record.derived and own.exists():
            raise RecordExists(own)
        data = memoryview(record.file)
        if not folder.is_dir():
            with translate_write_errors(folder):
                # Not its parents: where they are missing the store's file system is not mounted,
                # and the record would be lost beneath.
                folder.mkdir(exist_ok=True)
        publish(path, data)
        return path

    def compact(self, sweep: str, paths: Iterable[Path]) -> list[Path]:
        """Put single records into files of many; gives these. Unreadable and vanished ones are
        passed over.

        Raises:
            StoreFull, StoreNotWritable: The singles that were not compacted are as they were.
        """
        from artifacts import compact

        return compact.compact(self.records_folder(sweep), paths)

    def compact_published(self, sweep: str, records: Iterable[Record]) -> list[Path]:
        """Compact records that this process has published and still holds: a third of
        the cost, for nothing is read.

        Raises:
            StoreFull, StoreNotWritable: The singles that were not compacted are as they were.
        """
        from artifacts import compact

        return compact.compact_records(self.records_folder(sweep), records)

    def index(self, sweep: str) -> Index:
        """Return the sweep's recorded attempts; empty for a sweep without records. Only files that
        are new since the last call are read."""
        return self._caches.setdefault(sweep, Cache()).index(self.records_folder(sweep))

    def read(self, sweep: str, trial: str) -> list[dict[str, Any]]:
        """Return every recorded attempt of a trial, the first first, each with all columns of the
        schema, its parameters and its results.

        Raises:
            UnknownTrial: It has no record in this sweep.
            UnreadableRecord: It has, but none that can be read.
        """
        check_trial(trial)
        while True:
            index = self.index(sweep)
            try:
                rows = [self._row(trial, attempt) for attempt in index.attempts(trial)]
            except FileNotFoundError:  # compacted since it was indexed
                continue
            if rows:
                name = self.shown_name(sweep)
                return [{**row, "sweep": name} for row in rows]
            for damaged in index.unreadable:
                if damaged.trial == trial:
                    raise UnreadableRecord(damaged.path, damaged.reason)
            raise UnknownTrial(trial, (sweep,), self.root)

    def find(self, prefix: str, sweeps: Iterable[str] | None = None) -> tuple[str, tuple[str, ...]]:
        """Return the one trial whose id starts so, and the sweeps that have a record of it.

        Raises:
            UnknownTrial: There is none.
            AmbiguousTrial: There are several.
        """
        searched = tuple(self.sweeps() if sweeps is None else sweeps)
        found: dict[str, list[str]] = {}
        for sweep in searched:
            index = self.index(sweep)
            damaged = {
                unreadable.trial for unreadable in index.unreadable if unreadable.trial is not None
            }
            for trial in sorted(index.trials.keys() | damaged):
                if trial.startswith(prefix):
                    found.setdefault(trial, []).append(sweep)
        if prefix in found:
            return prefix, tuple(found[prefix])
        if len(found) > 1:
            raise AmbiguousTrial(prefix, tuple(found))
        for trial, holders in found.items():
            return trial, tuple(holders)
        raise UnknownTrial(prefix, searched, self.root)

    def sweeps(self) -> list[str]:
        """Return the names of all sweeps, submitted or recorded, in order."""
        found = [entry for name in (_SWEEPS, _RECORDS) for entry in entries(self.root / name)]
        return sorted(
            {
                entry.name
                for entry in found
                if not entry.name.startswith(".") and Path(entry.path).is_dir()
            }
        )

    def has(self, sweep: str) -> bool:
        """Return whether a sweep of this first name was submitted or has records; raises
        BadName."""
        return self.sweep_folder(sweep).is_dir() or self.records_folder(sweep).is_dir()

    def check_known(self, sweep: str) -> None:
        """Raise UnknownSweep unless the sweep was submitted or has records."""
        if not self.has(sweep):
            raise UnknownSweep(sweep, tuple(self.shown_names().values()), self.root)

    def resolve(self, name: str) -> str:
        """Return the first name of the sweep that a name means, which its folders have; the name
        itself if no sweep has had it."""
        for alias in aliases(self.root):
            if alias.name == name and self.has(alias.sweep):
                return name if self.has(name) else alias.sweep
        return name

    def shown_names(self) -> dict[str, str]:
        """Return for the first name of every sweep the one that it has now."""
        names = {name: name for name in self.sweeps()}
        for alias in aliases(self.root):
            if alias.sweep in names and (alias.name == alias.sweep or alias.name not in names):
                names[alias.sweep] = alias.name
        return names

    def names_of(self, sweep: str) -> list[str]:
        """Return every name that the sweep of this first name has had, the first first."""
        further = (alias.name for alias in aliases(self.root) if alias.sweep == sweep)
        return list(dict.fromkeys((sweep, *further)))

    def shown_name(self, sweep: str) -> str:
        """Return the name that the sweep of this first name has now."""
        return self.shown_names().get(sweep, sweep)

    def records_folder(self, sweep: str) -> Path:
        """Return where the sweep's records lie."""
        check_sweep(sweep)
        return self.root / _RECORDS / sweep

    def sweep_folder(self, sweep: str) -> Path:
        """Return where the sweep's frozen grid, profile and specs lie."""
        check_sweep(sweep)
        return self.root / _SWEEPS / sweep

    def logs_folder(self, sweep: str) -> Path:
        """Return where the sweep's tasks print to."""
        return self.sweep_folder(sweep) / "logs"

    def files_folder(self, trial: str) -> Path:
        """Return where the trial's checkpoints, profiles and event files lie."""
        check_trial(trial)
        return self.root / _FILES / trial

    def _row(self, trial: str, attempt: Attempt) -> dict[str, Any]:
        import pyarrow.compute as pc

        from artifacts import parquet
        from artifacts.tables import rows_of

        table = load_table(attempt.path)
        rows = table.filter((pc.field("trial") == trial) & (pc.field("attempt") == attempt.attempt))
        if "merged_from" in rows.column_names:
            rows = rows.filter(pc.equal(pc.fill_null(rows["merged_from"], ""), attempt.merged_from))
        for row in sorted(
            rows_of(rows),
            key=lambda row: weight(row["outcome"], derived=bool(row.get("derived"))),
            reverse=True,
        ):
            own = {
                *row["parameters"],
                *row["results"],
            }  # a file of many has other rows' parameters too
            return {
                **dict.fromkeys(parquet.SCHEMA.names),
                **{name: value for name, value in row.items() if name in RESERVED or name in own},
            }
        raise UnreadableRecord(
            attempt.path, f"attempt {attempt.attempt} of trial {trial} was in it, and is gone"
        )


def _check_links(probe: Path) -> None:
    """Try what a record is published by, before a trial has run whose record could not be."""
    link = probe.with_suffix(".link")
    try:
        os.link(probe, link)
    except OSError as error:
        raise StoreNotWritable(
            probe.parent, f"its file system makes no hard links: {error.strerror}"
        ) from error
    link.unlink()
