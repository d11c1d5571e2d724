"""Chooses in a table which record of an attempt counts, and which attempt of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.index import began, weight
from artifacts.preferred import Preferred
from artifacts.record import Outcome

COUNTS: Final = "runner:counts"
"""The column of a table of attempts that says which one of a trial counts."""
KEYS: Final = (
    "trial", "attempt", "outcome", "derived", "merged_from", "started_at", "code", "data_digest",
)  # fmt: skip
"""The columns that tell which rows count."""
_MOST_ROWS: Final = 2**40


def order_once(table: pa.Table) -> pa.Array:
    """Return row numbers by trial and attempt, in ``index.order``; of several records of one
    attempt that of the one that counts.

    Args:
        table: The columns KEYS, as far as its records have them.
    """
    weights = pc.if_else(
        pc.fill_null(_column(table, "derived", pa.bool_()), False),
        weight(Outcome.failed, derived=True),
        pc.if_else(
            pc.equal(table["outcome"], Outcome.completed.value),
            weight(Outcome.completed, derived=False),
            weight(Outcome.failed, derived=False),
        ),
    )
    merged_from = pc.fill_null(_column(table, "merged_from", pa.string()), "")
    own = pc.equal(merged_from, "")
    keys = pa.table(
        {
            "trial": table["trial"],
            "own": pc.cast(own, pa.int8()),
            "began": pc.if_else(own, 0, began(table)),
            "merged_from": merged_from,
            "attempt": table["attempt"],
        }
    )
    attempt = ("trial", "merged_from", "attempt")
    rows = _largest(keys, attempt, pc.cast(weights, pa.int64()), last=False)
    sort_keys = [(name, "ascending") for name in keys.column_names]
    return rows.take(pc.sort_indices(keys.take(rows), sort_keys=sort_keys))


def counting(table: pa.Table, preferred: Preferred) -> pa.Array:
    """Return for each attempt whether it counts for its trial: of its completed ones the one that
    fits best, and of these the last; if it has none, its last.

    Args:
        table: Each attempt once, those of a trial in order.
        preferred: What fits.
    """
    fits = pc.add(
        pc.multiply(_rank(_column(table, "code", pa.string()), preferred.code), 3),
        _rank(_column(table, "data_digest", pa.string()), preferred.data),
    )
    completed = pc.equal(table["outcome"], Outcome.completed.value)
    weights = pc.if_else(completed, pc.add(fits, 1), 0)
    chosen = _largest(table, ("trial",), pc.cast(weights, pa.int64()), last=True)
    return pc.is_in(_numbers(table), chosen)


def _rank(found: pa.ChunkedArray, wanted: frozenset[str]) -> pa.ChunkedArray | pa.Array:
    """Return how well each digest fits, 0 to 2; one that is not known stands between."""
    if not wanted:
        return pa.repeat(pa.scalar(1, pa.int64()), len(found))
    fits = pc.if_else(pc.is_in(found, pa.array(sorted(wanted), pa.string())), 2, 0)
    return pc.if_else(pc.is_null(found), 1, fits)


def _largest(
    table: pa.Table, keys: Sequence[str], weights: pa.ChunkedArray, *, last: bool
) -> pa.Array:
    """Return for each value of the keys the number of its row of the largest weight; of several the
    last or the first."""
    numbers = _numbers(table)
    places = numbers if last else pc.subtract(_MOST_ROWS - 1, numbers)
    scores = pc.add(pc.multiply(weights, _MOST_ROWS), places)
    groups = table.select(list(keys)).append_column("score", scores).group_by(list(keys))
    best = groups.aggregate([("score", "max")])["score_max"].combine_chunks()
    places = pc.bit_wise_and(best, _MOST_ROWS - 1)
    return places if last else pc.subtract(_MOST_ROWS - 1, places)


def _column(table: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray:
    if name in table.column_names:
        return table[name]
    return pa.chunked_array([pa.nulls(table.num_rows, kind)])


def _numbers(table: pa.Table) -> pa.Array:
    return pa.array(range(table.num_rows), pa.int64())
