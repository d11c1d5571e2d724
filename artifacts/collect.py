"""Records -> one table, for people and their tools."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from artifacts import compact
from artifacts.attempts import STORE, Attempts
from artifacts.choosing import COUNTS
from artifacts.index import Unreadable, named, names
from artifacts.preferred import Preferred
from artifacts.store import Store

# Compaction holds this many rows in memory, and loses at most this much work when it is killed.
_CHUNK: Final = 1000


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
    found = Attempts()
    found.add(store, sweeps, preferred or {})
    columns = [field for field in found.schema if field.name != STORE]
    every = found.select([field.name for field in columns if field.name not in without])
    for number, field in enumerate(columns):
        if field.name in without:
            every = every.add_column(number, field, pa.nulls(every.num_rows, field.type))
    table = every if attempts else every.filter(every[COUNTS])
    return Collected(table.drop_columns([COUNTS]), tuple(found.unreadable), every)


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
