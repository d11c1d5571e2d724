"""The only place that turns records into Parquet and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.columns import COLUMNS, HISTORY, SCHEMA_VERSION
from artifacts.errors import UnreadableRecord
from artifacts.record import Record

_SCALARS: Final[dict[str, pa.DataType]] = {
    "null": pa.null(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", "UTC"),
    "map<string, double>": pa.map_(pa.string(), pa.float64()),
}


def list_of(item: pa.DataType) -> pa.DataType:
    """A list type as Parquet gives it back; Arrow's own name for the items would make it another type."""
    return pa.list_(pa.field("element", item))


_HISTORY: Final = list_of(pa.struct([pa.field(name, pa.int32() if name == "epoch" else _SCALARS[kind]) for name, kind, _, _ in HISTORY]))
_KEY: Final = ("schema_version", "sweep", "trial", "attempt", "outcome")


def arrow_type(kind: str) -> pa.DataType:
    """The Arrow type of a column's type word."""
    if kind == "history":
        return _HISTORY
    if kind.startswith("list<"):
        return list_of(_SCALARS[kind[5:-1]])
    return _SCALARS[kind]


SCHEMA: Final = pa.schema([pa.field(column.name, arrow_type(column.type)) for column in COLUMNS])


def table_of(record: Record) -> pa.Table:
    """The record's row, with columns only for what it has."""
    return pa.Table.from_batches([_batch(record)])


def record_bytes(record: Record) -> pa.Buffer:
    """The record as a Parquet file."""
    batch = _batch(record)
    sink = pa.BufferOutputStream()
    # Dictionaries, statistics and compression cost more than they save on a single row.
    with pq.ParquetWriter(
        sink, batch.schema, use_dictionary=False, write_statistics=False, compression="none", store_schema=False, write_page_checksum=True
    ) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def table_bytes(table: pa.Table) -> pa.Buffer:
    """Many rows as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", store_schema=False, write_page_checksum=True)
    return sink.getvalue()


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a record file, all columns or those of the given names that it has.

    Raises:
        FileNotFoundError: It is gone: compacted by somebody else, most likely.
        UnreadableRecord: It is not a whole record file, or one of a newer schema.
    """
    try:
        with pa.OSFile(str(path)) as source:
            file = pq.ParquetFile(source, page_checksum_verification=True)
            # Reader threads cost more than they save on files this small.
            table = file.read(columns=None if columns is None else [*dict.fromkeys((*_KEY, *columns))], use_threads=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file makes the reader raise anything: OSError, ArrowInvalid, UnicodeDecodeError, MemoryError
        raise UnreadableRecord(path, _first_line(error)) from error
    _check(path, table)
    return table


def _check(path: Path, table: pa.Table) -> None:
    for name in _KEY:
        if name not in table.column_names or table[name].type != SCHEMA.field(name).type or table[name].null_count:
            raise UnreadableRecord(path, f"no usable column '{name}'")
    if table.num_rows == 0:
        raise UnreadableRecord(path, "no rows")
    newest = max(table["schema_version"].to_pylist())
    if newest > SCHEMA_VERSION:
        raise UnreadableRecord(path, f"written with schema {newest}, and this runner knows up to {SCHEMA_VERSION}: use a newer runner")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _batch(record: Record) -> pa.RecordBatch:
    columns = list(record.columns())
    row = {name: value for name, _, value in columns}
    # One conversion of one struct is more than twice as fast as an array per column.
    return pa.RecordBatch.from_struct_array(pa.array([row], _row_type(tuple((name, kind) for name, kind, _ in columns))))


@lru_cache(maxsize=64)
def _row_type(columns: tuple[tuple[str, str], ...]) -> Any:
    return pa.struct([pa.field(name, arrow_type(kind)) for name, kind in columns])
