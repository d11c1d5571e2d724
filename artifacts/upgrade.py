"""Rewrites the rows of earlier schemas as rows of today's, by the tables of
``artifacts.renamed``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from artifacts import renamed
from artifacts.columns import RESERVED, SCHEMA_VERSION

_OWN = ("parameters", "results")


def upgraded(table: pa.Table) -> pa.Table:
    """Return the rows under the names, in the words and in the units of today's schema.

    Args:
        table: Rows of one file, all of one version: compaction upgrades what it reads.
    """
    if SCHEMA_VERSION in table["schema_version"].to_pylist():
        return table
    table = _columns(table)
    for workload in renamed.PARAMETERS.keys() | renamed.VALUES.keys():
        table = _parameters(table, workload)
    table = _words(table, "outcome", renamed.OUTCOMES)
    for name in renamed.IN_GIGABYTES:
        if name in table.column_names:
            table = _put(table, name, pc.multiply(table[name], renamed.GIB_PER_GIGABYTE))
    if "history" in table.column_names:
        table = _put(table, "history", _history(table["history"]))
    return _put(table, "schema_version", pa.array([SCHEMA_VERSION] * table.num_rows, pa.int64()))


def old_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the names that columns of today's schema had in earlier ones."""
    return tuple(old for old, new in renamed.COLUMNS.items() if new in columns)


def _columns(table: pa.Table) -> pa.Table:
    """Rename the columns of the schema; a trial's own column gives way to a new one, and gets back
    the name an old one held."""
    names = dict(renamed.COLUMNS)
    parameters, results = (_names_in(table, own) for own in _OWN)
    for name in parameters:
        if name.removesuffix("_asked") in renamed.COLUMNS:
            names[name] = name.removesuffix("_asked")
        elif name in RESERVED:
            names[name] = f"{name}_asked"
    names |= {name: f"{name}_returned" for name in results if name in RESERVED}
    for own in _OWN:
        if own in table.column_names:
            changed = {name: names[name] for name in _names_in(table, own) if name in names}
            table = _put(table, own, _lists(table[own], changed))
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def _parameters(table: pa.Table, workload: str) -> pa.Table:
    """Rename the parameters of one workload, and the words among their values; other workloads' in
    the same file stay."""
    if "workload" not in table.column_names or "parameters" not in table.column_names:
        return table
    its = pc.fill_null(pc.equal(table["workload"], workload), False)
    for old, new in renamed.PARAMETERS.get(workload, {}).items():
        if old in _names_in(table.filter(its), "parameters"):
            values, lists = table[old], table["parameters"]
            nothing = pa.scalar(None, values.type)
            table = _put(table, new, pc.if_else(its, values, nothing))
            table = _put(table, old, pc.if_else(its, nothing, values))
            table = _put(table, "parameters", _lists(lists, {old: new}, its))
            if old not in _names_in(table, "parameters") | _names_in(table, "results"):
                table = table.drop_columns([old])
    for name, words in renamed.VALUES.get(workload, {}).items():
        if name in _names_in(table.filter(its), "parameters"):
            table = _words(table, name, words, its)
    return table


def _words(
    table: pa.Table, name: str, words: Mapping[str, str], of: pa.ChunkedArray | None = None
) -> pa.Table:
    if table[name].type != pa.string():
        return table
    for old, new in words.items():
        found = pc.equal(table[name], old)
        found = found if of is None else pc.and_(found, of)
        table = _put(table, name, pc.if_else(pc.fill_null(found, False), new, table[name]))
    return table


def _history(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Rename fields of the entries; Arrow's cast would match them by name and lose what they
    hold."""
    entries = [
        pa.field(renamed.HISTORY.get(field.name, field.name), field.type)
        for field in column.type.value_type
    ]
    kind = pa.list_(pa.field(column.type.value_field.name, pa.struct(entries)))
    return pa.chunked_array([_history_chunk(chunk, kind) for chunk in column.chunks], kind)


def _history_chunk(chunk: pa.ListArray, kind: pa.ListType) -> pa.ListArray:
    values = pa.StructArray.from_arrays(
        [chunk.values.field(index) for index in range(chunk.values.type.num_fields)],
        fields=list(kind.value_type),
    )
    return pa.ListArray.from_arrays(chunk.offsets, values, kind, mask=chunk.is_null())


def _lists(
    column: pa.ChunkedArray, names: Mapping[str, str], of: pa.ChunkedArray | None = None
) -> pa.ChunkedArray:
    """Rename the names that each row lists; with ``of`` only in the rows for which it is true."""
    if not names:
        return column
    rows = column.to_pylist()
    chosen = [True] * len(rows) if of is None else of.to_pylist()
    changed = [
        [names.get(name, name) for name in row] if its and row else row
        for row, its in zip(rows, chosen, strict=True)
    ]
    return pa.chunked_array([pa.array(changed, column.type)])


def _names_in(table: pa.Table, own: str) -> set[str]:
    if own not in table.column_names:
        return set()
    return set(pc.unique(pc.list_flatten(table[own])).to_pylist())


def _put(table: pa.Table, name: str, values: pa.ChunkedArray | pa.Array) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)
