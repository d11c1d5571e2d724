"""Records -> one table, for people and their tools."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from artifacts import compact, parquet
from artifacts.errors import UnknownFormat
from artifacts.index import Unreadable, began, load_table, named, names, order, walk, weight
from artifacts.publish import replace
from artifacts.record import Outcome
from artifacts.store import Store
from artifacts.tables import (
    TableBatch,
    as_text,
    column_of,
    in_order,
    is_mixed,
    rows_of,
    unite,
    values_of,
)

# Compaction holds this many rows in memory, and loses at most this much work when it is killed.
_CHUNK: Final = 1000
_FORMULA: Final = r"^[=+\-@\t\r\n]"


@dataclass(frozen=True)
class Collected:
    """Rows of one or more sweeps, and the files that could not be read."""

    table: pa.Table
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True)
class Preferred:
    """Which of several completed attempts at one trial counts before the others."""

    code: frozenset[str] = frozenset()
    """Digests of code; an attempt that ran one of these comes first."""
    data: frozenset[str] = frozenset()
    """Digests of data; of the rest, an attempt that read one of these comes first."""

    def rank(self, code: str | None, data: str | None) -> tuple[int, ...]:
        """Return how well an attempt fits; one of which nothing is known stands between."""
        return tuple(
            1 if found is None or not wanted else 2 * (found in wanted)
            for found, wanted in ((code, self.code), (data, self.data))
        )


def collect(
    store: Store,
    sweeps: Iterable[str],
    *,
    attempts: bool = False,
    preferred: Mapping[str, Preferred] | None = None,
) -> Collected:
    """Return one table of the sweeps' records, with all columns of the schema, then the parameters,
    then the results.

    Args:
        store: Where the records are.
        sweeps: Their names; rows come in this order, within a sweep by trial and attempt.
        attempts: Give every attempt. Otherwise a trial has one row: its last completed attempt, or
            else its last. The store's own attempts count as later than those merged into it.
        preferred: By sweep, which completed attempts count before later ones.

    Raises:
        UnknownSweep: The store has no such sweep.
    """
    tables, unreadable, shown = [], [], store.shown_names()
    for sweep in dict.fromkeys(sweeps):
        store.check_known(sweep)
        batch = TableBatch()
        for _, table in walk(store.records_folder(sweep), load_table):
            if isinstance(table, Unreadable):
                unreadable.append(table)
            else:
                batch.add(table)
        rows = _named(unite(batch.tables()), shown.get(sweep, sweep))
        first = (preferred or {}).get(sweep, Preferred())
        tables.append(rows.take(pa.array(_chosen(rows, first, attempts=attempts), pa.int64())))
    table = in_order(unite([parquet.SCHEMA.empty_table(), *tables]))
    return Collected(_without_nulls_type(table), tuple(unreadable))


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


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table whole or not at all, in the format its name ends in; an older file gives way.

    Raises:
        UnknownFormat: The name ends in none of .parquet, .csv, .json.
        StoreFull, StoreNotWritable: It could not be written.
    """
    if path.suffix not in _FORMATS:
        raise UnknownFormat(path, tuple(_FORMATS))
    replace(path, memoryview(_FORMATS[path.suffix](table)))


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write mappings with the same keys as ``write_table`` does a table; a column of several kinds
    is spelled."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [column_of(name, [row.get(name) for row in rows]) for name in names]
    write_table(
        pa.table(
            [values for _, values in columns], schema=pa.schema([field for field, _ in columns])
        ),
        path,
    )


def _named(rows: pa.Table, sweep: str) -> pa.Table:
    """The rows under the name that the sweep has now; each has the one that it was written with."""
    if "sweep" not in rows.column_names:
        return rows
    place = rows.schema.get_field_index("sweep")
    return rows.set_column(place, "sweep", pa.array([sweep] * rows.num_rows, pa.string()))


def _chosen(table: pa.Table, preferred: Preferred, *, attempts: bool) -> list[int]:
    """Row numbers, each attempt once, by trial and attempt."""
    if table.num_rows == 0:
        return []
    outcomes = table["outcome"].to_pylist()
    weights = [
        weight(outcome, derived=bool(derived))
        for outcome, derived in zip(outcomes, table["derived"].to_pylist(), strict=True)
    ]
    merged = "merged_from" in table.column_names
    stores = table["merged_from"].fill_null("").to_pylist() if merged else [""] * table.num_rows
    times = began(table).to_pylist() if merged else [0] * table.num_rows
    once: dict[tuple[str, str, int], int] = {}
    for row, key in enumerate(
        zip(table["trial"].to_pylist(), stores, table["attempt"].to_pylist(), strict=True)
    ):
        if key not in once or weights[once[key]] < weights[row]:
            once[key] = row
    keys = sorted(once, key=lambda key: (key[0], order(key[1], times[once[key]], key[2])))
    if attempts:
        return [once[key] for key in keys]
    code, data = (
        table[name].to_pylist() if name in table.column_names else [None] * table.num_rows
        for name in ("code", "data_digest")
    )
    best: dict[str, tuple[tuple[int, ...], int]] = {}
    for key in keys:
        trial, row = key[0], once[key]
        completed = outcomes[row] == Outcome.completed
        rank = (1, *preferred.rank(code[row], data[row])) if completed else (0,)
        if trial not in best or best[trial][0] <= rank:
            best[trial] = rank, row
    return [row for _, row in best.values()]


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


def _csv(table: pa.Table) -> bytes:
    columns = [_cells(table, field) for field in table.schema]
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(
        pa.table(columns, names=_harmless(pa.array(table.column_names)).to_pylist()), sink
    )
    return bytes(sink.getvalue())


def _cells(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if pa.types.is_nested(field.type):
        return as_text(table[field.name])
    if not pa.types.is_string(field.type):
        return table[field.name]
    cells = _harmless(table[field.name])
    if is_mixed(field):  # where a cell may be a number after all
        numbers = pa.array(
            [isinstance(value, int | float) for value in values_of(table, field.name)]
        )
        cells = pc.if_else(numbers, table[field.name], cells)
    return cells


def _harmless(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts, an apostrophe before those that a spreadsheet would run as a formula."""
    return pc.if_else(
        pc.match_substring_regex(texts, _FORMULA),
        pc.binary_join_element_wise("'", texts, ""),
        texts,
    )


def _json(table: pa.Table) -> bytes:
    # JSON has no NaN and no infinity: a diverged loss is null there, and told apart only in Parquet
    # and CSV.
    return json.dumps(
        [_finite(row) for row in rows_of(table)],
        ensure_ascii=False,
        indent=1,
        default=lambda time: time.isoformat(),
    ).encode()


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case list():
            return [_finite(item) for item in value]
    return value


_FORMATS: Final = {".parquet": parquet.table_bytes, ".csv": _csv, ".json": _json}
