"""Writes a table as .parquet, .csv or .json: a CSV that no spreadsheet runs, and JSON without what
JSON does not know."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from artifacts import parquet
from artifacts.errors import UnknownFormat
from artifacts.publish import replace
from artifacts.tables import as_text, column_of, is_mixed, rows_of, values_of

_FORMULA: Final = r"^[=+\-@\t\r\n＝＋－＠]"


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


def csv_bytes(table: pa.Table) -> bytes:
    """Return a table as CSV; no cell of text is a formula to a spreadsheet."""
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


_FORMATS: Final = {".parquet": parquet.table_bytes, ".csv": csv_bytes, ".json": _json}
