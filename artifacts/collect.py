"""Records -> one table, for people and their tools."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import pyarrow as pa

from artifacts import compact, parquet
from artifacts.choosing import COUNTS, Preferred, counting, each_once
from artifacts.index import Unreadable, load_table, named, names, walk
from artifacts.store import Store
from artifacts.tables import TableBatch, in_order, unite

# Compaction holds this many rows in memory, and loses at most this much work when it is killed.
_CHUNK: Final = 1000
_COUNTS: Final = pa.field(COUNTS, pa.bool_())


@dataclass(frozen=True)
class Collected:
    """Rows of one or more sweeps, and the files that could not be read."""

    table: pa.Table
    unreadable: tuple[Unreadable, ...]
    attempts: pa.Table
    """Every attempt, and the column COUNTS that marks those of one row per trial."""


def collect(
    store: Store,
    sweeps: Iterable[str],
    *,
    attempts: bool = False,
    preferred: Mapping[str, Preferred] | None = None,
    without: Collection[str] = (),
) -> Collected:
    """Return one table of the sweeps' records, with all columns of the schema, then the parameters,
    then the results.

    Args:
        store: Where the records are.
        sweeps: Their names; rows come in this order, within a sweep by trial and attempt.
        attempts: Give every attempt. Otherwise a trial has one row: its last completed attempt, or
            else its last. The store's own attempts count as later than those merged into it.
        preferred: By sweep, which completed attempts count before later ones.
        without: Columns that are not read, such as the history; they are missing in every row.

    Raises:
        UnknownSweep: The store has no such sweep.
    """
    tables, unreadable, shown = [], [], store.shown_names()
    for sweep in dict.fromkeys(sweeps):
        store.check_known(sweep)
        batch = TableBatch()
        for _, table in walk(store.records_folder(sweep), partial(load_table, without=without)):
            if isinstance(table, Unreadable):
                unreadable.append(table)
            else:
                batch.add(table)
        rows = _named(unite(batch.tables()), shown.get(sweep, sweep))
        if rows.num_rows:
            rows = each_once(rows)
            mark = counting(rows, (preferred or {}).get(sweep, Preferred()))
            tables.append(rows.append_column(COUNTS, mark))
    every = unite([parquet.SCHEMA.append(_COUNTS).empty_table(), *tables])
    every = _without_nulls_type(in_order(every))
    table = every if attempts else every.filter(every[COUNTS])
    return Collected(table.drop_columns([COUNTS]), tuple(unreadable), every)


def compact_leftovers(store: Store, sweep: str) -> int:
    """Compact all single records of a sweep, and clear away what killed workers left half-written;
    gives the number of files removed.

    Raises:
        StoreFull, StoreNotWritable: The singles that were not compacted are as they were.
    """
    folder = store.records_folder(sweep)
    if not folder.is_dir():
        return 0
    compact.remove_stale_partials(folder)
    before = [
        folder / name for name in sorted(names(folder)) if named(folder / name)[0] is not None
    ]
    for start in range(0, len(before), _CHUNK):
        store.compact(sweep, before[start : start + _CHUNK])
    return sum(not path.exists() for path in before)


def _named(rows: pa.Table, sweep: str) -> pa.Table:
    """The rows under the name that the sweep has now; each has the one that it was written with."""
    if "sweep" not in rows.column_names:
        return rows
    place = rows.schema.get_field_index("sweep")
    return rows.set_column(place, "sweep", pa.repeat(pa.scalar(sweep), rows.num_rows))


def _without_nulls_type(table: pa.Table) -> pa.Table:
    """A parameter that no row has a value for becomes an empty text column: few tools know Arrow's
    type of nothing."""
    return table.cast(
        pa.schema(
            [
                field.with_type(pa.string()) if field.type == pa.null() else field
                for field in table.schema
            ]
        )
    )
