"""Show how a sweep goes on: a live view that fits a terminal, or plain lines for a log file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from runner.cli import output

if TYPE_CHECKING:
    from runner.report.tables import Table
    from runner.sweep.journal import AttemptEnded
    from runner.sweep.tracking import Tracker, View

_LINE_EVERY_S = 10.0
_LEAST_ROWS = 3
"""A part of the view is left out rather than cut to less than this."""
_SPARE_COLUMNS = 3
"""Some terminals break a line at the last column, and a ^C that is typed is shown behind a line."""


def draw(views: Sequence[View], note: str = "") -> None:
    """Print the sweeps in as many lines as the terminal has.

    Args:
        views: What there is to show.
        note: A line below them.
    """
    size = shutil.get_terminal_size()
    width, room = max(20, size.columns - _SPARE_COLUMNS), size.lines - 1 - bool(note)
    for number, view in enumerate(views):
        if number:
            output.say()
        _draw(view, width, max(2, room // len(views) - bool(number)))
    if note:
        output.fitted((note, "yellow"), width=width)


class Lines:
    """Prints a line about a sweep from time to time, and one for each new way to fail."""

    def __init__(self) -> None:
        self._next = 0.0
        self._lines: dict[str, str] = {}
        self._said: set[tuple[str, str | None]] = set()

    def show(self, trackers: Sequence[Tracker]) -> None:
        """Print how they stand, where that has changed and the last line is old enough."""
        from runner.report.watching import line

        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LINE_EVERY_S
        for tracker in trackers:
            if (text := line(tracker.view())) != self._lines.get(tracker.name):
                output.note(text)
            self._lines[tracker.name] = text

    def failed(self, sweep: str, ended: Sequence[AttemptEnded]) -> None:
        """Print what has failed in a way that was not printed yet."""
        for one in ended:
            cause = (one.outcome, one.fault)
            if one.outcome != "completed" and cause not in self._said:
                self._said.add(cause)
                first = (one.error or "").strip().partition("\n")[0]
                output.note(f"{sweep}: trial {one.trial} {one.outcome}{first and ': '}{first}")


def _draw(view: View, width: int, room: int) -> None:
    from runner.report.watching import (
        causes_table,
        failures,
        headline,
        pace_text,
        parts,
        running_table,
    )

    status = view.status
    output.fitted((headline(status), "bold"), width=width)
    _bar(view, failures(view), pace_text(view), width)
    room -= 2
    blocks: list[tuple[Table, int, int, str]] = []
    table = parts(status)
    if len(table.rows) > 1:
        blocks.append((table, 0, len(table.rows), ""))
    if view.running:
        blocks.append((running_table(view.running[:room], short=True), 1, len(view.running), ""))
    if view.causes:
        blocks.append((causes_table(view.causes[:room], short=True), 2, len(view.causes), "red"))
    wanted = [rows for _, _, rows, _ in blocks]
    for (table, _, rows, style), given in zip(blocks, _shares(wanted, room), strict=True):
        if given:
            output.say()
            _table(table, rows, given, width, style)


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """How many lines each table gets of the room, its heading and the empty line before it not
    counted: what one does not need, the others have."""
    left = room - 2 * len(wanted)
    given = [0] * len(wanted)
    while left > 0 and any(g < w for g, w in zip(given, wanted, strict=True)):
        for index, most in enumerate(wanted):
            if given[index] < most and left > 0:
                given[index] += 1
                left -= 1
    return given


def _table(table: Table, rows: int, given: int, width: int, style: str) -> None:
    """Print a table one line a row, the last column cut where the line would be too long."""
    shown = table.rows if rows <= given else table.rows[: given - 1]
    cells = [[output.cell(text) for text in row] for row in shown]
    heads = [output.cell(heading.text) for heading in table.headings]
    widths = [max(map(output.columns_of, column)) for column in zip(heads, *cells, strict=True)]

    def text(row: Sequence[str]) -> str:
        padded = []
        for cell, wide, heading in zip(row, widths, table.headings, strict=True):
            gap = " " * (wide - output.columns_of(cell))
            padded.append(gap + cell if heading.right else cell + gap)
        return "  ".join(padded).rstrip()

    output.fitted((text(heads), "dim"), width=width)
    for row in cells:
        output.fitted((text(row), style), width=width)
    if len(shown) < rows:
        output.fitted((f"… and {rows - len(shown)} more", "dim"), width=width)


def _bar(view: View, failed: int, words: str, width: int) -> None:
    """Print how much has ended, as a bar with the pace beside it; below it where the terminal is
    narrow."""
    total = max(view.status.trials, 1)
    completed = view.status.counts["completed"]
    words = f"  {100 * view.done // total}%  {words}"
    long = max(10, min(40, width - output.columns_of(words)))
    good = long * completed // total
    bad = min(long - good, -(-long * failed // total))
    output.fitted(
        ("━" * good, "green"),
        ("━" * bad, "red"),
        ("─" * (long - good - bad), "dim"),
        (words, ""),
        width=width,
    )


Redraw = Callable[[Callable[[], None]], None]
