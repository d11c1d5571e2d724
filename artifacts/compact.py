"""Puts many single records into one file: ten thousand small files are slow to read and hard on a
shared file system."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa

from artifacts import parquet
from artifacts.errors import UnreadableRecord
from artifacts.index import COMPACTED, SUFFIX, file_name, load_table, named
from artifacts.publish import PARTIAL, publish, sync_folder, translate_write_errors
from artifacts.record import Record
from artifacts.tables import TableBatch, compatible, unite

# A file that a killed worker was writing; publishing takes milliseconds, so nobody is at it any
# more.
_STALE_S: Final = 3600.0
_Key = tuple[str, int, bool]


def compact(folder: Path, paths: Iterable[Path]) -> list[Path]:
    """Copy single records into one file per set of column types, published whole, then remove the
    singles.

    Whoever dies in between leaves rows twice, which readers see through; two that compact the same
    files do as well. Values keep their types: records that disagree in one go to separate files.
    """
    batch, singles = TableBatch(), dict[_Key, Path]()
    for path in dict.fromkeys(paths):
        if named(path)[0] is None:
            continue
        try:
            table = load_table(path)
        except (FileNotFoundError, UnreadableRecord):
            # another process compacted it; or it is damaged, and stays where the index names it
            continue
        batch.add(table)
        singles[_keys(table)[0]] = path
    return _merge(folder, batch, singles)


def compact_records(folder: Path, records: Iterable[Record]) -> list[Path]:
    """Do the same with records that this process has published itself and need not read again."""
    batch, singles = TableBatch(), dict[_Key, Path]()
    for record in records:
        batch.add(record.to_table())
        name = file_name(record.trial, record.attempt, derived=record.derived)
        singles[record.trial, record.attempt, record.derived] = folder / name
    return _merge(folder, batch, singles)


def remove_stale_partials(folder: Path) -> None:
    """Remove what killed workers left half-written long ago."""
    with translate_write_errors(folder):
        for path in folder.glob(f".*{PARTIAL}"):
            try:
                if path.stat().st_mtime < time.time() - _STALE_S:
                    path.unlink()
            except FileNotFoundError:
                continue


def _merge(folder: Path, batch: TableBatch, singles: Mapping[_Key, Path]) -> list[Path]:
    published = []
    for group in compatible(batch.tables()):
        table = unite(group)
        if table.num_rows < 2:
            continue
        target = folder / f"{COMPACTED}{uuid.uuid4().hex}{SUFFIX}"
        publish(target, memoryview(parquet.table_bytes(table)))
        published.append(target)
        with translate_write_errors(folder):
            for key in _keys(table):
                singles[key].unlink(missing_ok=True)
            sync_folder(folder)
    return published


def _keys(table: pa.Table) -> list[_Key]:
    """What tells a table's rows apart: an attempt may have a derived record beside its worker's
    own."""
    derived = (
        table["derived"].to_pylist()
        if "derived" in table.column_names
        else [False] * table.num_rows
    )
    return list(
        zip(
            table["trial"].to_pylist(),
            table["attempt"].to_pylist(),
            map(bool, derived),
            strict=True,
        )
    )
