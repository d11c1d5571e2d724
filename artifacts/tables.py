"""Brings the tables of many records, whose columns differ, together into one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.parquet import SCHEMA
from artifacts.values import read_back, spelled

_MIXED: Final = {"values": "spelled"}
"""Metadata of a text column whose values were of several kinds, and are spelled so that each can be
told."""


class TableBatch:
    """Tables of equal schemas, gathered; kept small by joining them now and then.

    A table of one row has a hundred columns of some hundred bytes of bookkeeping each, so ten
    thousand of them cost gigabytes.
    """

    _JOIN_EVERY: Final = 256

    def __init__(self) -> None:
        self._tables: dict[pa.Schema, list[pa.Table]] = {}

    def add(self, table: pa.Table) -> None:
        """Add a table."""
        tables = self._tables.setdefault(table.schema, [])
        tables.append(table)
        if len(tables) >= self._JOIN_EVERY:
            tables[:] = [pa.concat_tables(tables).combine_chunks()]

    def tables(self) -> list[pa.Table]:
        """Return one table per schema."""
        return [pa.concat_tables(tables).combine_chunks() for tables in self._tables.values()]


def compatible(tables: Iterable[pa.Table]) -> list[list[pa.Table]]:
    """Return the groups of tables that agree in the types of the columns they share: joining such a
    group changes no value."""
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
    """Return one table with every column of any; numbers that disagree are widened, everything else
    that does is spelled as text."""
    tables = list(tables)
    if not tables:
        return pa.table({})
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
    several = {name: kinds for name, kinds in types.items() if len(kinds) > 1}
    mixed |= {name for name, kinds in several.items() if not _agree(kinds)}
    try:
        return _joined(tables, mixed)
    except pa.ArrowInvalid:  # an integer that no double can hold
        return _joined(tables, mixed | several.keys())


def is_mixed(field: pa.Field) -> bool:
    """Return whether a text column holds values of several kinds, each spelled as
    ``artifacts.values`` does."""
    return bool(field.metadata) and field.metadata.get(b"values") == b"spelled"


def values_of(table: pa.Table, name: str) -> list[Any]:
    """Return a column's values, each of the kind it had in its record; mappings as dict."""
    values: list[Any] = table.column(name).to_pylist(maps_as_pydicts="strict")
    if is_mixed(table.schema.field(name)):
        return [None if value is None else read_back(value) for value in values]
    return values


def column_of(name: str, values: Sequence[Any]) -> tuple[pa.Field, pa.Array]:
    """Return the values as a column; those of several kinds are spelled, as ``unite`` does."""
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
    """Return the table with all columns of the schema, in its order, then the parameters, then the
    results."""
    for field in SCHEMA:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    own = [name for name in table.column_names if name not in SCHEMA.names]
    parameters = set(pc.unique(pc.list_flatten(table["parameters"])).to_pylist())
    return table.select([*SCHEMA.names, *sorted(own, key=lambda name: name not in parameters)])


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Return the table's rows as Python values of the kinds they had: mappings as dict, times of
    day in datetime's own UTC."""
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
    """Return a column of lists or structures as JSON."""
    texts = [
        None if value is None else json.dumps(value, ensure_ascii=False)
        for value in column.to_pylist(maps_as_pydicts="strict")
    ]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _agree(kinds: list[pa.DataType]) -> bool:
    """Whether values of these types can stand in one column without being spelled."""
    try:
        pa.unify_schemas([pa.schema([("", kind)]) for kind in kinds], promote_options="permissive")
    except pa.ArrowTypeError:
        return False
    return True


def _joined(tables: list[pa.Table], mixed: Collection[str]) -> pa.Table:
    """Join tables after the columns of several kinds have been spelled as text."""
    return pa.concat_tables(
        [_with_spelled(table, mixed) for table in tables], promote_options="permissive"
    ).combine_chunks()


def _spelled(table: pa.Table, name: str) -> pa.Array:
    return pa.array(
        [None if value is None else spelled(value) for value in values_of(table, name)], pa.string()
    )


def _with_spelled(table: pa.Table, mixed: Collection[str]) -> pa.Table:
    for name in mixed:
        place = table.schema.get_field_index(name)
        if place >= 0:
            field = pa.field(name, pa.string(), metadata=_MIXED)
            table = table.set_column(place, field, _spelled(table, name))
    return table
