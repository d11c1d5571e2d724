"""Answers SQL over the records by DuckDB: SELECT only, and nothing but the views is in reach.

The views are ``results`` (one row per trial: the attempt that counts), ``attempts`` (every
attempt), ``epochs`` (the history of ``results``, one row per epoch) and ``parameters`` (one row per
trial). SQL does not tell names apart that differ only in case, so a later one gets a number.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from difflib import get_close_matches
from itertools import chain, count
from typing import TYPE_CHECKING, Any, ClassVar, Final

import duckdb
import psutil
import pyarrow as pa

from artifacts import parquet
from artifacts.attempts import STORE, Attempts
from artifacts.choosing import COUNTS
from artifacts.columns import COLUMNS, HISTORY
from artifacts.errors import ArtifactsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


_BASE: Final = "runner:attempts"
_IDENTITY: Final = ("store", "sweep", "trial", "attempt", "workload", "target", "seed")
_DESCRIPTION: Final = ("view", "column", "type", "unit", "meaning")
_MOST_THREADS: Final = 4
_MOST_BYTES: Final = 4 * 2**30
_CHUNK: Final = 2**16
_EXPLAIN: Final = "EXPLAIN (FORMAT JSON)"  # in a line of its own: errors name the line
_USED: Final = frozenset({"Projections", "Filters"})
_KNOWN: Final = {column.name: column for column in COLUMNS}
_USAGE: Final = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.PermissionException,
    duckdb.NotImplementedException,
    duckdb.InvalidInputException,
)


class BadQuery(ArtifactsError):
    """The SQL cannot be read, names what is not there, or is not a SELECT."""

    exit_code: ClassVar[int] = 2

    reason: str

    def __str__(self) -> str:
        return f"SQL: {self.reason}"


class QueryFailed(ArtifactsError):
    """The SQL is in order, but it could not be computed."""

    reason: str

    def __str__(self) -> str:
        return f"the query failed: {self.reason}"


def answer(sql: str, attempts: pa.Table | Attempts) -> pa.Table:
    """Return the rows that a SELECT gives, in columns of plain types and distinct names.

    Args:
        sql: One statement.
        attempts: Every attempt, with the columns STORE and COUNTS; only the columns that the
            statement uses are read.

    Raises:
        BadQuery: It is not one SELECT, or names what the views do not have.
        QueryFailed: It ran out of memory, or met a value that it cannot convert.
    """
    views = _Views(attempts)
    with duckdb.connect(":memory:") as connection:
        _lock(connection, views)
        try:
            _check_select(connection, sql)
            read: set[str] = set()
            while used := views.used(connection, sql) - read:
                read |= used
                views.fill(connection, read)
            found = connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise _explained(error, views) from error
    return _plain(found)


def describe(attempts: pa.Table | Attempts) -> pa.Table:
    """Return the columns of the views: view, column, type as DuckDB calls it, unit and meaning."""
    views = _Views(attempts)
    rows = []
    with duckdb.connect(":memory:") as connection:
        _lock(connection, views)
        for view in views.definitions:
            for name, kind, *_ in connection.execute(f"DESCRIBE {view}").fetchall():
                rows.append((view, name, kind, *views.about(view, name)))
    return pa.table(list(map(list, zip(*rows, strict=True))), names=_DESCRIPTION)


class _Views:
    """The views over one table of attempts, and the columns of it that have been read."""

    def __init__(self, attempts: pa.Table | Attempts) -> None:
        self._attempts = attempts
        columns = [name for name in attempts.schema.names if name not in (STORE, COUNTS)]
        self.names = _distinct([STORE, *columns])
        self._base = {**self.names, COUNTS: COUNTS}
        parameters, results = (
            parquet.names_in(attempts, name)
            if isinstance(attempts, pa.Table)
            else attempts.names_in(name)
            for name in ("parameters", "results")
        )
        everything = ", ".join(map(_quoted, self.names.values()))
        identity = [_quoted(name) for name in _IDENTITY]
        entries = [f"entry.{name} AS {name}" for name, *_ in HISTORY]
        # A name may be a parameter of one workload and a result of another.
        own = [
            f"CASE WHEN list_contains(parameters, {_text(column)}) THEN {_quoted(name)} END AS "
            f"{_quoted(name)}"
            if column in results
            else _quoted(name)
            for column, name in self.names.items()
            if column in parameters
        ]
        base = _quoted(_BASE)
        self.definitions = {
            "results": f"SELECT {everything} FROM {base} WHERE {_quoted(COUNTS)}",
            "attempts": f"SELECT {everything} FROM {base}",
            "epochs": f"SELECT {', '.join([*identity, *entries])} FROM (SELECT "
            f"{', '.join(identity)}, unnest(history) AS entry FROM results)",
            "parameters": f"SELECT {', '.join([*identity, *own])} FROM results",
        }

    def create(self, connection: DuckDBPyConnection) -> None:
        """Define the views over a table that has all columns and no value yet."""
        self.fill(connection, ())
        for view, query in self.definitions.items():
            connection.execute(f"CREATE VIEW {view} AS {query}")

    def fill(self, connection: DuckDBPyConnection, columns: Iterable[str]) -> None:
        """Read these columns; all others stay empty, and take no memory."""
        schema, n_rows = self._attempts.schema, self._attempts.num_rows
        read = self._attempts.select(list(columns))
        filled = [
            read[name] if name in read.column_names else _nothing(schema.field(name).type, n_rows)
            for name in self._base
        ]
        # DuckDB knows no column without a type.
        filled = [
            column.cast(pa.string()) if column.type == pa.null() else column for column in filled
        ]
        connection.register(_BASE, pa.table(filled, names=list(self._base.values())))

    def used(self, connection: DuckDBPyConnection, sql: str) -> set[str]:
        """Return the columns that DuckDB's plan of a statement scans."""
        try:
            plans = connection.execute(f"{_EXPLAIN}\n{sql}").fetchall()
        except duckdb.Error as error:
            raise _explained(error, self, lines_above=1) from error
        words = {word for _, plan in plans for word in _scanned(json.loads(plan))}
        return {column for column, name in self._base.items() if name in words}

    def about(self, view: str, name: str) -> tuple[str, str]:
        """Return the unit and the meaning of a view's column."""
        if view == "epochs" and name not in _IDENTITY:
            return next((unit, meaning) for field, _, unit, meaning in HISTORY if field == name)
        column = next(column for column, known in self.names.items() if known == name)
        if column == STORE:
            return "", "The store that the row is from."
        if column in _KNOWN:
            return _KNOWN[column].unit, _KNOWN[column].meaning
        renamed = f" '{column}': SQL does not tell upper from lower case." * (column != name)
        return "", renamed.strip()

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns of all views."""
        return (*self.names.values(), *(name for name, *_ in HISTORY))


def _lock(connection: DuckDBPyConnection, views: _Views) -> None:
    """Define the views, and then shut everything else: files, extensions, the variables of this
    process, and these settings."""
    memory = min(_MOST_BYTES, psutil.virtual_memory().available // 2)
    threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    for setting, value in (
        ("TimeZone", "'UTC'"),
        ("memory_limit", f"'{memory}B'"),
        ("threads", threads),
        ("temp_directory", "''"),
        ("python_enable_replacements", "false"),
        ("autoinstall_known_extensions", "false"),
        ("autoload_known_extensions", "false"),
        ("allow_community_extensions", "false"),
        ("enable_progress_bar", "false"),
    ):
        connection.execute(f"SET {setting} = {value}")
    views.create(connection)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _check_select(connection: DuckDBPyConnection, sql: str) -> None:
    """Raise BadQuery unless the text is one SELECT."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise BadQuery(f"one SELECT is asked for, and this has {len(statements)} statements")
    if (kind := statements[0].type) != duckdb.StatementType.SELECT:
        word = "PIVOT without IN" if kind == duckdb.StatementType.MULTI else kind.name
        raise BadQuery(f"only SELECT is allowed, and this is {word}: a query changes nothing")


def _scanned(plan: Any) -> Iterator[str]:
    """Give the names, and words that may be names, of what the nodes of a plan read."""
    for node in plan if isinstance(plan, list) else [plan]:
        for key, value in node.get("extra_info", {}).items():
            if key in _USED:
                for text in [value] if isinstance(value, str) else value:
                    yield text
                    yield from re.findall(r"[^\s\"'()<>=,]+", text)
        yield from _scanned(node.get("children", []))


def _nothing(kind: pa.DataType, n_rows: int) -> pa.ChunkedArray:
    """Return nulls that take the memory of one chunk, however many there are."""
    chunk = pa.nulls(min(n_rows, _CHUNK), kind)
    whole, rest = divmod(n_rows, _CHUNK)
    return pa.chunked_array([chunk] * whole + [chunk.slice(0, rest)] * bool(rest), kind)


def _distinct(columns: Iterable[str]) -> dict[str, str]:
    """Return the name of each column in SQL, which does not tell upper from lower case."""
    columns = list(columns)
    found: dict[str, str] = {STORE: "store", **{name: name for name in _KNOWN}}
    taken = set(found.values())
    for column in sorted(columns):  # their order says which files were read first, and may change
        if column not in found:
            found[column] = _free(column, taken)
            taken.add(found[column].lower())
    return {column: found[column] for column in columns}


def _explained(error: duckdb.Error, views: _Views, *, lines_above: int = 0) -> ArtifactsError:
    """Return DuckDB's error as ours: what is wrong, where, and what may have been meant."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryFailed("it needs more memory than half of what is free: select or join less")
    what, _, where = str(error).partition("\n\nLINE ")
    reason = what.splitlines()[0].partition("Error: ")[2] or what
    number, _, quoted = where.rstrip().partition(":")
    place = f"\nLINE {int(number) - lines_above}:{quoted}" if where else ""
    if isinstance(error, duckdb.PermissionException):
        place, reason = "", "a query reads the views only, and no file or setting"
    if not isinstance(error, _USAGE):
        return QueryFailed(f"{reason}{place}")
    if found := re.search(r"""column (?:named )?"(.+?)"|field '(.+?)' from""", reason, re.I):
        hint = _nearest(found[1] or found[2], views.columns())
        return BadQuery(
            f"{reason}{place}\n{hint}text stands in single quotes, and 'runner query "
            "--schema' lists the columns"
        )
    if found := re.search(r"Table with name (.+?) does not exist", reason):
        hint = _nearest(found[1], tuple(views.definitions))
        return BadQuery(f"{reason}{place}\n{hint}the views are {', '.join(views.definitions)}")
    return BadQuery(f"{reason}{place}")


def _nearest(word: str, known: Sequence[str]) -> str:
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1)
    return f"did you mean '{by_lower[close[0]]}'? " if close else ""


def _plain(table: pa.Table) -> pa.Table:
    """Return the table in types that Parquet, CSV and JSON have, its columns named apart."""
    names: list[str] = []
    for name in table.column_names:
        names.append(_free(name, [known.lower() for known in names]))
    return pa.table([_plain_column(column) for column in table.columns], names=names)


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = _plain_type(column.type)
    if kind is None:
        texts = [None if value is None else _as_text(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    try:
        return column if kind == column.type else column.cast(kind)
    except pa.ArrowInvalid:  # a sum of integers that no int64 holds, or a time beyond the calendar
        return column.cast(pa.float64() if pa.types.is_decimal(column.type) else pa.string())


def _free(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number behind it if it is taken in lower case."""
    numbered = (f"{name}_{number}" for number in count(1))
    return next(free for free in chain([name], numbered) if free.lower() not in taken)


def _plain_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type that stands for one of DuckDB's; None where only text can."""
    if pa.types.is_decimal(kind):
        return pa.int64() if kind.scale == 0 and kind.precision == 38 else pa.float64()
    if pa.types.is_dictionary(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz and "UTC")
    if pa.types.is_list(kind):
        inner = _plain_type(kind.value_type)
        return None if inner is None else pa.list_(pa.field("element", inner))
    if pa.types.is_struct(kind):
        inner = [(field.name, _plain_type(field.type)) for field in kind]
        return None if any(found is None for _, found in inner) else pa.struct(inner)
    if pa.types.is_map(kind):
        key, item = _plain_type(kind.key_type), _plain_type(kind.item_type)
        return None if not pa.types.is_string(kind.key_type) or item is None else pa.map_(key, item)
    simple = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string,
              pa.types.is_date, pa.types.is_time)  # fmt: skip
    return kind if any(is_it(kind) for is_it in simple) else None


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, pa.MonthDayNano):  # what the difference of two times is
        span = timedelta(days=value.days, microseconds=value.nanoseconds // 1000)
        return f"{value.months} months, {span}" if value.months else str(span)
    return str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
