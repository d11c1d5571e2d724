"""Read the columns of a table as integers, so that a hundred thousand rows group in
milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artifacts.tables import is_mixed
from artifacts.values import read_back, spelled
from runner.report.summary import known_columns

if TYPE_CHECKING:
    import pyarrow as pa

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_ROOM = 2**40


class Codes:
    """The columns of a table as codes: equal for equal values, -1 for a missing one."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._codes: dict[str, tuple[Ints, list[Any]]] = {}
        self.n_rows: int = table.num_rows
        self.names: list[str] = list(table.column_names)

    def known(self) -> tuple[str, ...]:
        """Return the columns that any row has a value in."""
        return known_columns(self._table)

    def of(self, name: str) -> Ints:
        """Return the code of every row, shape (n_rows,); -1 throughout if there is no such
        column."""
        return self._encoded(name)[0]

    def levels(self, name: str) -> list[Any]:
        """Return the value that each code stands for."""
        return self._encoded(name)[1]

    def value(self, name: str, row: int) -> Any:
        """Return the value of one row."""
        codes, levels = self._encoded(name)
        return None if codes[row] < 0 else levels[codes[row]]

    def numbers(self, name: str) -> Floats:
        """Return a numeric column's values, shape (n_rows,); NaN where they are missing."""
        import pyarrow as pa

        column = self._table[name].cast(pa.float64())
        return np.asarray(column.to_numpy(), dtype=np.float64)

    def has(self, name: str) -> Bools:
        """Return which rows have a value in a column, NaN included, shape (n_rows,)."""
        return np.asarray(self._table[name].is_valid().to_numpy(), dtype=bool)

    def times(self, name: str) -> Ints:
        """Return a column of times as integers that grow with time; -1 where they are missing."""
        import pyarrow as pa

        column = self._table[name].cast(pa.int64()).fill_null(-1)
        return np.asarray(column.to_numpy(), dtype=np.int64)

    def joint(self, names: Sequence[str]) -> Ints:
        """Return one code for the values of several columns together, shape (n_rows,)."""
        joined = np.zeros(self.n_rows, dtype=np.int64)
        for name in names:
            joined = combined(joined, self.of(name))
        return joined

    def named_in(self, list_column: str) -> list[str]:
        """Return the columns that any row lists as its parameters, or its results."""
        import pyarrow.compute as pc

        listed = set(pc.unique(pc.list_flatten(self._table[list_column])).to_pylist())
        return [name for name in self.names if name in listed]

    def lists(self, name: str) -> Bools:
        """Return which rows have the column among their parameters, shape (n_rows,)."""
        import pyarrow.compute as pc

        column = self._table["parameters"].combine_chunks()
        has = pc.equal(pc.list_flatten(column), name).to_numpy(zero_copy_only=False)
        listed = np.zeros(self.n_rows, dtype=bool)
        listed[pc.list_parent_indices(column).to_numpy()[has.astype(bool)]] = True
        return listed

    def _encoded(self, name: str) -> tuple[Ints, list[Any]]:
        if name not in self._codes:
            self._codes[name] = (
                self._encode(name)
                if name in self.names
                else (np.full(self.n_rows, -1, dtype=np.int64), [])
            )
        return self._codes[name]

    def _encode(self, name: str) -> tuple[Ints, list[Any]]:
        import pyarrow as pa

        column = self._table[name]
        nested = pa.types.is_nested(column.type)
        if nested:  # which Arrow cannot encode
            values = column.to_pylist(maps_as_pydicts="strict")
            shown = list(map(repr, values))
            distinct = dict(zip(shown, values, strict=True))  # few, and spelling takes its time
            spelling = {
                text: None if value is None else spelled(value) for text, value in distinct.items()
            }
            column = pa.array([spelling[text] for text in shown], pa.string())
        else:
            column = column.combine_chunks()
        encoded = column.dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        levels = encoded.dictionary.to_pylist()
        if nested or is_mixed(self._table.schema.field(name)):
            levels = [read_back(level) for level in levels]
        return codes, levels


def combined(first: Ints, second: Ints) -> Ints:
    """Return a code for each pair of codes, where -1 is a value like the others."""
    n_second = int(second.max(initial=-1)) + 2
    if n_second == 1 or (n_second == 2 and second.min(initial=0) == 0):  # says nothing
        return first
    if (int(first.max(initial=0)) + 2) * n_second > _ROOM:
        first = compact(first)
    return compact((first + 1) * n_second + second + 1)


def compact(codes: Ints) -> Ints:
    """Return the codes renumbered from 0 in their order."""
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.int64)
