"""How everything is printed: a table with colours on a terminal, plain lines for a pipe or where NO_COLOR is set, JSON for scripts.

Results go to stdout, and whatever is said beside them to stderr, so that a pipe carries the result alone.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console

    from runner.report.tables import Table


def is_rich() -> bool:
    """Whether stdout is a terminal that colours and boxes are wanted on."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def console() -> Console:
    """Rich's view of stdout: prints text as it is, without markup, highlighting or emoji codes."""
    from rich.console import Console  # a tenth of a second that plain output does without

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def say(text: str = "") -> None:
    """Print one line of the result."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print something that stands beside the result."""
    _beside(text)


def warn(text: str) -> None:
    """Print what went wrong without stopping the command."""
    _beside(f"warning: {text}")


def error(text: str) -> None:
    """Print why the command failed; further lines stand below the first."""
    _beside("error: " + text.replace("\n", "\n       "))


def next_step(command: str, reason: str) -> None:
    """Print the line that says what to type next, and what for."""
    if is_rich():
        from rich.text import Text

        console().print(Text.assemble("\nnext: ", (command, "bold cyan"), f"   {reason}"))
    else:
        say(f"\nnext: {command}   {reason}")


def heading(text: str) -> None:
    """Print a line that opens a section."""
    if is_rich():
        from rich.text import Text

        console().print(Text(text, style="bold"))
    else:
        say(text)


def table(content: Table, *, indent: int = 0) -> None:
    """Print a table and the notes below it."""
    if is_rich():
        _rich_table(content, indent)
    else:
        _plain_table(content, indent)
    for text in content.notes:
        say(" " * indent + text)


def json(value: Any) -> None:
    """Print a value as JSON; what is not a number is null, times are ISO 8601."""
    say(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def _beside(text: str) -> None:
    sys.stdout.flush()  # both may lead to one terminal, and the order tells which line belongs to what
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _rich_table(content: Table, indent: int) -> None:
    from rich import box
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for head in content.headings:
        shown.add_column(Text(head.text), justify="right" if head.right else "left", overflow="fold")
    for row in content.rows:
        shown.add_row(*map(Text, row))
    console().print(Padding(shown, (0, 0, 0, indent)), soft_wrap=False)


def _plain_table(content: Table, indent: int) -> None:
    rows = [tuple(head.text for head in content.headings), *content.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            f"{cell:>{width}}" if head.right else f"{cell:<{width}}"
            for cell, width, head in zip(row, widths, content.headings, strict=True)
        )
        say(" " * indent + "  ".join(cells).rstrip())
