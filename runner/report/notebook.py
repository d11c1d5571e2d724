"""Shows records in a notebook: a small table of HTML, in which everything is text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

import pyarrow as pa

from artifacts.tables import rows_of
from runner.report.printable import shown as spelled
from runner.report.summary import metrics_of, varying_columns
from runner.report.tables import Table, listing, plural

_ROWS: Final = 20
_RIGHT: Final = ' style="text-align: right"'
_LEFT: Final = ' style="text-align: left"'


def records_html(table: pa.Table, title: str, notes: Sequence[str]) -> str:
    """Return the first rows as HTML: what tells the trials apart, how each ended, how good it is.

    Args:
        table: Collected records.
        title: Stands above.
        notes: Stand below.
    """
    outcomes = Counter(table["outcome"].to_pylist()).most_common()
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes)
    said = f"{title}: {plural(table.num_rows, 'row')}{f' ({counts})' if counts else ''}"
    if not table.num_rows:
        return _paragraphs([said, *notes])
    metrics = [metric.name for metric in metrics_of(table) if not metric.timing]
    names = dict.fromkeys(
        (
            "sweep",
            "trial",
            "attempt",
            "outcome",
            *varying_columns(table),
            "seed",
            *metrics,
            "total_s",
        )
    )
    if len(set(table["sweep"].to_pylist())) == 1:
        del names["sweep"]
    shown = listing(list(names), rows_of(table.slice(0, _ROWS).select(list(names))))
    more = [f"the first {_ROWS} of {table.num_rows} rows"] if table.num_rows > _ROWS else []
    more.append("to_pandas() gives all columns")
    return _paragraphs([said]) + _table(shown) + _paragraphs([*more, *notes])


def _table(table: Table) -> str:
    sides = [_RIGHT if heading.right else _LEFT for heading in table.headings]
    head = "".join(
        f'<th scope="col"{side}>{_text(heading.text)}</th>'
        for heading, side in zip(table.headings, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{side}>{_text(cell)}</td>" for cell, side in zip(row, sides, strict=True))
        + "</tr>"
        for row in table.rows
    )
    return (
        '<div style="overflow-x: auto"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _paragraphs(texts: Iterable[str]) -> str:
    return "".join(f"<p>{_text(text)}</p>" for text in texts)


def _text(text: str) -> str:
    return escape(spelled(text))
