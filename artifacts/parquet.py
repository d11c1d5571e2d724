"""The only place that turns records into Parquet and back."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.columns import COLUMNS, HISTORY, SCHEMA_VERSION
from artifacts.errors import BadColumn, UnreadableRecord
from artifacts.upgrade import old_names, upgraded
from artifacts.values import describe_error

Value = tuple[str, str, Any]
"""A column's name, its type word, and what a record has in it."""

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
    """Return a list type as Parquet gives it back; Arrow's own name for the items would make it
    another type."""
    return pa.list_(pa.field("element", item))


_HISTORY: Final = list_of(
    pa.struct([pa.field(name, _SCALARS[kind]) for name, kind, _, _ in HISTORY])
)
_MARK: Final = b"crc32:"
_ZEROS: Final = b"00000000"
_SEAL: Final = {"seal": _MARK + _ZEROS}
_LISTS: Final = ("parameters", "results")
_KEY: Final = ("schema_version", "sweep", "trial", "attempt", "outcome")


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type of a column's type word."""
    if kind == "history":
        return _HISTORY
    if kind.startswith("list<"):
        return list_of(_SCALARS[kind[5:-1]])
    return _SCALARS[kind]


SCHEMA: Final = pa.schema([pa.field(column.name, arrow_type(column.type)) for column in COLUMNS])


def row_table(columns: Sequence[Value]) -> pa.Table:
    """Return a record's values as a table of one row."""
    return pa.Table.from_batches([_batch(columns)])


def row_bytes(columns: Sequence[Value]) -> bytes:
    """Return a record's values as a Parquet file, sealed.

    Raises:
        BadColumn: One of the columns cannot be written.
    """
    try:
        return _row_bytes(columns)
    except Exception:
        for column in columns:
            try:
                _row_bytes([column])
            except Exception as error:
                raise BadColumn(
                    column[0], f"it cannot be written ({describe_error(error)})"
                ) from error
        raise


def _row_bytes(columns: Sequence[Value]) -> bytes:
    batch = _batch(columns)
    sink = pa.BufferOutputStream()
    # Dictionaries, statistics and compression cost more than they save on a single row.
    with pq.ParquetWriter(
        sink,
        batch.schema,
        use_dictionary=False,
        write_statistics=False,
        compression="none",
        store_schema=False,
    ) as writer:
        writer.add_key_value_metadata(_SEAL)
        writer.write_batch(batch)
    return _sealed(sink.getvalue())


def table_bytes(table: pa.Table) -> bytes:
    """Return many rows as a Parquet file, sealed."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd", store_schema=False) as writer:
        writer.add_key_value_metadata(_SEAL)
        writer.write_table(table)
    return _sealed(sink.getvalue())


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of a record file in today's schema.

    Args:
        path: The file.
        columns: Only those of these names that it has; None for all.

    Raises:
        FileNotFoundError: It is gone: compacted by somebody else, most likely.
        UnreadableRecord: It is not a whole record file, or one of a newer schema.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableRecord(path, error.strerror or type(error).__name__) from error
    if damage := _damage(data):
        raise UnreadableRecord(path, damage)
    try:
        # Reader threads cost more than they save on files this small.
        file = pq.ParquetFile(pa.BufferReader(data))
        table = file.read(
            columns=None
            if columns is None
            else [*dict.fromkeys((*_KEY, *columns, *old_names(columns)))],
            use_threads=False,
        )
        table = table.replace_schema_metadata(
            None
        )  # the seal is the file's, and tells equal schemas apart
        _check(path, table)
        table = upgraded(table)
        table = table.cast(_as_now(table.schema)) if columns is None else table
    except (pa.ArrowException, OSError) as error:
        raise UnreadableRecord(path, _first_line(error)) from error
    return table


class RecordFile:
    """A file of many records, which is checked at once, and of which columns are read when they are
    asked for.

    Raises:
        FileNotFoundError, UnreadableRecord: As ``read``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._whole: pa.Table | None = None
        try:
            data = path.read_bytes()
            if damage := _damage(data):
                raise UnreadableRecord(path, damage)
            # A list of names is read as numbers of them: it is long, and the same in every row.
            lists = [f"{name}.list.element" for name in _LISTS]
            file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=lists)
            keys = file.read(columns=[*_KEY, *_LISTS], use_threads=False)
            _check(path, keys)
            self.names = {name: names_in(keys, name) for name in _LISTS}
            if min(keys["schema_version"].to_pylist()) < SCHEMA_VERSION:
                self._whole = read(path)
                self.names = {name: names_in(self._whole, name) for name in _LISTS}
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise UnreadableRecord(path, _first_line(error)) from error
        found = file.schema.to_arrow_schema().remove_metadata()
        self.schema: pa.Schema = _as_now(found) if self._whole is None else self._whole.schema
        self.num_rows: int = keys.num_rows

    def select(self, columns: Sequence[str]) -> pa.Table:
        """Return the columns of these names.

        Raises:
            UnreadableRecord: It has gone.
        """
        columns = list(columns)
        if self._whole is not None:
            return self._whole.select(columns)
        try:
            with pq.ParquetFile(self._path, memory_map=True) as file:
                table = file.read(columns=columns, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableRecord(self._path, _first_line(error)) from error
        kinds = pa.schema([self.schema.field(name) for name in columns])
        return table.select(columns).replace_schema_metadata(None).cast(kinds)


def names_in(rows: pa.Table | RecordFile, column: str) -> set[str]:
    """Return every name that a row lists in ``parameters`` or ``results``."""
    if isinstance(rows, RecordFile):
        return rows.names[column]
    chunks = rows[column].chunks if column in rows.column_names else ()
    return {name for chunk in chunks for name in chunk.flatten().unique().to_pylist()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _as_now(schema: pa.Schema) -> pa.Schema:
    """The schema with the types that the record's columns have now: in records of before, an epoch
    is a small integer."""
    return pa.schema(
        [SCHEMA.field(field.name) if field.name in SCHEMA.names else field for field in schema]
    )


def _sealed(buffer: pa.Buffer) -> bytes:
    """Fill in the checksum of the whole file, taken with zeros in its own place.

    Parquet's own checksums are of pages only, and most of a single record is footer: one flipped
    bit there renames a column.
    """
    data = bytearray(buffer)
    place = data.rindex(_MARK) + len(_MARK)
    data[place : place + len(_ZEROS)] = b"%08x" % zlib.crc32(data)
    return bytes(data)


def _damage(data: bytes) -> str | None:
    place = data.rfind(_MARK) + len(_MARK)
    if place < len(_MARK):
        return "no checksum: cut short, or not written by a runner" if data else "empty"
    seal = data[place : place + len(_ZEROS)]
    expected = zlib.crc32(data[place + len(seal) :], zlib.crc32(_ZEROS, zlib.crc32(data[:place])))
    return (
        None
        if seal == b"%08x" % expected
        else "damaged, or rewritten by another program: its checksum does not agree with it"
    )


def _check(path: Path, table: pa.Table) -> None:
    for name in _KEY:
        if (
            name not in table.column_names
            or table[name].type != SCHEMA.field(name).type
            or table[name].null_count
        ):
            raise UnreadableRecord(path, f"no usable column '{name}'")
    if table.num_rows == 0:
        raise UnreadableRecord(path, "no rows")
    newest = max(table["schema_version"].to_pylist())
    if newest > SCHEMA_VERSION:
        raise UnreadableRecord(
            path,
            f"written with schema {newest}, and this runner knows up to {SCHEMA_VERSION}: use a "
            "newer runner",
        )


def _batch(columns: Sequence[Value]) -> pa.RecordBatch:
    row = {name: value for name, _, value in columns}
    # One conversion of one struct is more than twice as fast as an array per column.
    return pa.RecordBatch.from_struct_array(
        pa.array([row], _row_type(tuple((name, kind) for name, kind, _ in columns)))
    )


@lru_cache(maxsize=64)
def _row_type(columns: tuple[tuple[str, str], ...]) -> Any:
    return pa.struct([pa.field(name, arrow_type(kind)) for name, kind in columns])
