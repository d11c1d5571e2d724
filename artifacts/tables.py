"""Brings the tables of many records, whose columns differ, together into one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.parquet import SCHEMA, list_of
from artifacts.values import read_back, spelled

_NUMBERS: Final = (pa.int64(), pa.float64())
_LISTS: Final = (list_of(pa.int64()), list_of(pa.float64()))
_MIXED: Final = {"values": "spelled"}
"""Metadata of a text column whose values were of several kinds, and are spelled so that each can be
told."""


class Pile:
    """Tables of equal schemas, gathered; kept small by joining them now and then.

    A table of one row has a hundred columns of some hundred bytes of bookkeeping each, so ten
    thousand of them cost gigabytes.
    """

    _JOIN_EVERY: Final = 256

    def __init__(self) -> None:
        self._tables: dict[pa.Schema, list[pa.Table]] = {}

    def add(self, table: pa.Table) -> None:
        """Put a table on the pile."""
        tables = self._tables.setdefault(table.schema, [])
        tables.append(table)
        if len(tables) >= self._JOIN_EVERY:
            tables[:] = [pa.concat_tables(tables).combine_chunks()]

    def tables(self) -> list[pa.Table]:
        """One table per schema."""
        return [pa.concat_tables(tables).combine_chunks() for tables in self._tables.values()]


def compatible(tables: Iterable[pa.Table]) -> list[list[pa.Table]]:
    """Groups of tables that agree in the types of the columns they share: joining such a group
    changes no value."""
    groups: list[tuple[dict[str, pa.DataType], list[pa.Table]]] = []
    for table in tables:
        types = {field.name: field.type for field in table.schema if field.type != pa.null()}
        for known, members in groups:
            if all(known.get(name, kind) == kind for name, kind in types.items()):
                known.update(types)
                members.append(table)
                break
        else:
            groups.append((types, [table]))
    return [members for _, members in groups]


def unite(tables: Iterable[pa.Table]) -> pa.Table:
    """One table with every column of any; numbers that disagree are widened, everything else that
    does is spelled as text."""
    tables = list(tables)
    types: dict[str, list[pa.DataType]] = {}
    mixed = set()
    for table in tables:
        for field in table.schema:
            kinds = types.setdefault(field.name, [])
            # By equality and not in a set: equal types of maps may differ in their hashes.
            if field.type != pa.null() and field.type not in kinds:
                kinds.append(field.type)
            if is_mixed(field):
                mixed.add(field.name)
    try:
        return _joined(
            tables, pa.schema([_common(name, kinds, mixed) for name, kinds in types.items()])
        )
    except pa.ArrowInvalid:  # an integer that no double can hold
        return _joined(
            tables,
            pa.schema([_common(name, kinds, mixed, widen=False) for name, kinds in types.items()]),
        )


def is_mixed(field: pa.Field) -> bool:
    """Whether a text column holds values of several kinds, each spelled as ``artifacts.values``
    does."""
    return bool(field.metadata) and field.metadata.get(b"values") == b"spelled"


def values_of(table: pa.Table, name: str) -> list[Any]:
    """A column's values, each of the kind it had in its record; mappings as dict."""
    values: list[Any] = table.column(name).to_pylist(maps_as_pydicts="strict")
    if is_mixed(table.schema.field(name)):
        return [None if value is None else read_back(value) for value in values]
    return values


def column_of(name: str, values: Sequence[Any]) -> tuple[pa.Field, pa.Array]:
    """The values as a column; those of several kinds are spelled, as ``unite`` does."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        array = pa.array(
            [None if value is None else spelled(value) for value in values], pa.string()
        )
        return pa.field(name, array.type, metadata=_MIXED), array
    array = pa.array(values)
    array = array.cast(pa.string()) if array.type == pa.null() else array
    return pa.field(name, array.type), array


def in_order(table: pa.Table) -> pa.Table:
    """The table with all columns of the schema, in its order, then the parameters, then the
    results."""
    for field in SCHEMA:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    own = [name for name in table.column_names if name not in SCHEMA.names]
    parameters = set(pc.unique(pc.list_flatten(table["parameters"])).to_pylist())
    return table.select([*SCHEMA.names, *sorted(own, key=lambda name: name not in parameters)])


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """The table's rows as Python values of the kinds they had: mappings as dict, times of day in
    datetime's own UTC."""
    times = [
        field.with_type(pa.timestamp("us", "+00:00"))
        if pa.types.is_timestamp(field.type)
        else field
        for field in table.schema
    ]
    # Arrow asks the system's time zone files what "UTC" is, and a bare node may have none.
    rows: list[dict[str, Any]] = table.cast(pa.schema(times)).to_pylist(maps_as_pydicts="strict")
    for name in (field.name for field in table.schema if is_mixed(field)):
        for row, value in zip(rows, values_of(table, name), strict=True):
            row[name] = value
    return rows


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of lists or structures as JSON."""
    texts = [
        None if value is None else json.dumps(value, ensure_ascii=False)
        for value in column.to_pylist(maps_as_pydicts="strict")
    ]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _common(
    name: str, kinds: list[pa.DataType], mixed: set[str], *, widen: bool = True
) -> pa.Field:
    if len(kinds) <= 1 and name not in mixed:
        return pa.field(name, kinds[0] if kinds else pa.null())
    if widen and all(kind in _NUMBERS for kind in kinds):
        return pa.field(name, pa.float64())
    if widen and all(kind in _LISTS for kind in kinds):
        return pa.field(name, list_of(pa.float64()))
    return pa.field(name, pa.string(), metadata=_MIXED)


def _joined(tables: list[pa.Table], schema: pa.Schema) -> pa.Table:
    return (
        pa.concat_tables([_as(table, schema) for table in tables]).combine_chunks()
        if tables
        else schema.empty_table()
    )


def _spelled(table: pa.Table, name: str) -> pa.Array:
    return pa.array(
        [None if value is None else spelled(value) for value in values_of(table, name)], pa.string()
    )


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
        elif is_mixed(field):
            columns.append(_spelled(table, field.name))
        elif table[field.name].type == field.type:
            columns.append(table[field.name])
        else:
            columns.append(table[field.name].cast(field.type))
    return pa.table(columns, schema=schema)
