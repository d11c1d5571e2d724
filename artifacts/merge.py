"""Copies the records of one store into another; an attempt stays that of the store that made it.

Each copied row names its store in ``merged_from``, so that attempt 1 of one store and attempt 1 of
another stay two. A row that is there already is not added again. It is told by its store, trial
and number, or, where one store is a copy of another, by when and where the attempt ran.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from artifacts import parquet
from artifacts.errors import RecordExists
from artifacts.identity import name_of
from artifacts.index import SUFFIX, Unreadable, load_table, walk
from artifacts.publish import make_folder, publish
from artifacts.store import Store
from artifacts.tables import TableBatch, compatible, unite

MERGED: Final = "merged-"
_CHUNK: Final = 10_000
"""Rows of one file: at most this much work is lost when a merge is killed."""
_KEY: Final = ("trial", "attempt", "derived", "outcome")
_PLACE: Final = ("started_at", "node", "pid")
_Key = tuple[Any, ...]


@dataclass(frozen=True)
class MergedRecords:
    """What became of the records of one sweep."""

    added: int
    known: int
    """Were there already."""
    unreadable: tuple[Unreadable, ...]
    """Files of the source that are damaged, and were left out."""


def merge_records(source: Store, sweep: str, into: Store) -> MergedRecords:
    """Copy the records of a sweep that the other store lacks; killed and repeated, it adds the
    rest.

    Args:
        source: Only read.
        sweep: Its name, in both.
        into: Created already.

    Raises:
        StoreFull, StoreNotWritable: Not everything was copied.
    """
    folder = into.records_folder(sweep)
    origin = name_of(source.root)
    own = frozenset(into.ids)
    known = set(_known(into, sweep, own))
    batch, damaged = TableBatch(), []
    for _, table in walk(source.records_folder(sweep), load_table):
        if isinstance(table, Unreadable):
            damaged.append(table)
        else:
            batch.add(table)
    added, passed = 0, 0
    for group in compatible(batch.tables()):
        table = _marked(unite(group), origin)
        new = []
        for row, keys in enumerate(_keys(table, own)):
            if known.isdisjoint(keys):
                new.append(row)
            known.update(keys)
        passed += table.num_rows - len(new)
        added += len(new)
        for start in range(0, len(new), _CHUNK):
            data = parquet.table_bytes(table.take(new[start : start + _CHUNK]))
            name = f"{MERGED}{origin}-{hashlib.sha256(data).hexdigest()[:16]}{SUFFIX}"
            make_folder(folder)
            with suppress(RecordExists):  # another merge of the same stores was quicker
                publish(folder / name, memoryview(data))
    return MergedRecords(added, passed, tuple(damaged))


def _known(store: Store, sweep: str, own: frozenset[str]) -> Iterator[_Key]:
    columns = (*_KEY, *_PLACE, "merged_from")
    for _, table in walk(store.records_folder(sweep), lambda path: load_table(path, columns)):
        if not isinstance(table, Unreadable):
            for keys in _keys(table, own):
                yield from keys


def _keys(table: pa.Table, own: frozenset[str]) -> Iterator[tuple[_Key, ...]]:
    """Yield for each row what tells it from others: its store and attempt, and where and when it
    ran, if that is known."""
    stores = ("" if store in own else store for store in _column(table, "merged_from", ""))
    attempts = zip(*(_column(table, name) for name in _KEY), strict=True)
    places = zip(*(_column(table, name) for name in _PLACE), strict=True)
    for store, attempt, place in zip(stores, attempts, places, strict=True):
        by_store = (store, *attempt)
        yield (by_store,) if place[0] is None else (by_store, (None, *attempt, *place))


def _column(table: pa.Table, name: str, missing: Any = None) -> Iterable[Any]:
    if name not in table.column_names:
        return [False if name == "derived" else missing] * table.num_rows
    column = table[name]
    if name == "derived":
        column = column.fill_null(False)
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values = column.to_pylist()
    return values if missing is None else [missing if value is None else value for value in values]


def _marked(table: pa.Table, origin: str) -> pa.Table:
    """The rows, each with the store that made it; what that store had merged itself keeps its
    own."""
    if "merged_from" not in table.column_names:
        return table.append_column("merged_from", pa.array([origin] * table.num_rows, pa.string()))
    place = table.schema.get_field_index("merged_from")
    return table.set_column(place, "merged_from", table["merged_from"].fill_null(origin))
