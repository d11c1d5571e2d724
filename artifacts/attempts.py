"""Reads the attempts of sweeps column by column: a question needs few of a hundred columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import pyarrow as pa

from artifacts import parquet
from artifacts.choosing import COUNTS, KEYS, counting, order_once
from artifacts.index import Unreadable, load_table, named, walk
from artifacts.preferred import Preferred
from artifacts.store import Store
from artifacts.tables import TableBatch, unite

STORE: Final = "runner:store"
"""The column that names the store of each attempt."""


@dataclass(frozen=True)
class _SweepRows:
    """The rows of one sweep."""

    store: str
    sweep: str
    parts: list[pa.Table | parquet.RecordFile]
    order: pa.Array
    """Numbers of the rows of the parts, each attempt once."""
    counts: pa.Array

    def select(self, columns: Iterable[str]) -> pa.Table:
        """Return the columns of these names that any part has, and the trial."""
        wanted = {"trial", *columns}
        tables = [
            part.select([name for name in part.schema.names if name in wanted])
            for part in self.parts
        ]
        rows = unite(tables)
        if not self.order.equals(pa.array(range(rows.num_rows), pa.int64())):
            rows = rows.take(self.order)
        marks = {"sweep": pa.scalar(self.sweep), STORE: pa.scalar(self.store)}
        for name, value in marks.items():
            rows = rows.drop_columns([name]) if name in rows.column_names else rows
            rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
        return rows.append_column(COUNTS, self.counts)


class Attempts:
    """Every attempt of some sweeps, by sweep, trial and attempt; only key columns are in memory."""

    def __init__(self) -> None:
        self._sweeps: list[_SweepRows] = []
        self.unreadable: list[Unreadable] = []

    def add(
        self,
        store: Store,
        sweeps: Iterable[str],
        preferred: Mapping[str, Preferred],
        name: str = "",
    ) -> None:
        """Add the attempts of sweeps.

        Args:
            store: Where they are.
            sweeps: Their first names.
            preferred: By sweep, which completed attempts count before later ones.
            name: What the column STORE calls the store.

        Raises:
            UnknownSweep: The store has no such sweep.
        """
        shown = store.shown_names()
        for sweep in dict.fromkeys(sweeps):
            store.check_known(sweep)
            batch, files = TableBatch(), list[parquet.RecordFile]()
            for _, loaded in walk(store.records_folder(sweep), _load):
                if isinstance(loaded, Unreadable):
                    self.unreadable.append(loaded)
                elif isinstance(loaded, parquet.RecordFile):
                    files.append(loaded)
                else:
                    batch.add(loaded)
            parts: list[pa.Table | parquet.RecordFile] = [*batch.tables(), *files]
            if parts:
                keys = unite(
                    part.select([key for key in KEYS if key in part.schema.names]) for part in parts
                )
                order = order_once(keys)
                counts = counting(keys.take(order), preferred.get(sweep, Preferred()))
                rows = _SweepRows(name, shown.get(sweep, sweep), parts, order, counts)
                self._sweeps.append(rows)

    def keep(self, wanted: pa.ChunkedArray) -> Attempts:
        """Return the attempts for which a value is true."""
        kept, start = Attempts(), 0
        kept.unreadable = self.unreadable
        for rows in self._sweeps:
            mask = wanted.slice(start, len(rows.order)).combine_chunks()
            start += len(rows.order)
            order, counts = rows.order.filter(mask), rows.counts.filter(mask)
            kept._sweeps.append(replace(rows, order=order, counts=counts))
        return kept

    @property
    def num_rows(self) -> int:
        """Return the number of attempts."""
        return sum(len(rows.order) for rows in self._sweeps)

    @cached_property
    def schema(self) -> pa.Schema:
        """Return the columns: those of the schema, then the parameters and results, then STORE and
        COUNTS."""
        parts = [part for rows in self._sweeps for part in rows.parts]
        empty = [parquet.SCHEMA.empty_table(), *(part.schema.empty_table() for part in parts)]
        united = unite(empty).schema
        kinds: dict[str, set[str]] = {}
        for part in parts:
            for field in part.schema:
                if field.type != pa.null():
                    kinds.setdefault(field.name, set()).add(str(field.type))
        parameters = self.names_in("parameters")
        own = [name for name in united.names if name not in parquet.SCHEMA.names]
        own.sort(key=lambda name: name not in parameters)
        # Whether integers fit a column of doubles is told by the values only.
        several = [name for name in own if len(kinds.get(name, ())) > 1]
        found = {name: united.field(name) for name in united.names}
        if several:
            tables = [rows.select(several) for rows in self._sweeps]
            found |= {name: unite(tables).schema.field(name) for name in several}
        fields = [found[name] for name in (*parquet.SCHEMA.names, *own)]
        text = [f.with_type(pa.string()) if f.type == pa.null() else f for f in fields]
        return pa.schema([*text, pa.field(STORE, pa.string()), pa.field(COUNTS, pa.bool_())])

    def select(self, columns: Sequence[str]) -> pa.Table:
        """Return the columns of these names.

        Raises:
            UnreadableRecord: A file has gone since it was found.
        """
        fields = [self.schema.field(name) for name in columns]
        rows = unite(rows.select(columns) for rows in self._sweeps)
        arrays = [
            rows[field.name].cast(field.type)
            if field.name in rows.column_names
            else pa.chunked_array([pa.nulls(self.num_rows, field.type)])
            for field in fields
        ]
        return pa.table(arrays, schema=pa.schema(fields))

    def names_in(self, column: str) -> set[str]:
        """Return every name that a row lists in ``parameters`` or ``results``."""
        return {
            name
            for rows in self._sweeps
            for part in rows.parts
            for name in parquet.names_in(part, column)
        }


def _load(path: Path) -> pa.Table | parquet.RecordFile:
    return load_table(path) if named(path)[0] is not None else parquet.RecordFile(path)
