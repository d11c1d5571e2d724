"""How everything is printed: a table with colors on a terminal, plain lines for a pipe or where
NO_COLOR is set, JSON for scripts.

Results go to stdout, and whatever is said beside them to stderr, so that a pipe carries the result
alone.

Everything printed passes ``shown``: what a parameter, a result, a message, a log or a file name
brings along is shown and never obeyed.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

import msgspec

from runner.report.printable import OBEYED, shown

if TYPE_CHECKING:
    from rich.console import Console

    from runner.report.tables import Table


_BREAKS = str.maketrans({"\n": r"\n", "\t": r"\t"})
_GAP = "  "


def is_rich() -> bool:
    """Return whether stdout is a terminal that colors and boxes are wanted on."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def console() -> Console:
    """Return Rich's view of stdout: prints text as it is, without markup, highlighting or emoji
    codes."""
    from rich.console import Console  # a tenth of a second that plain output does without

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def say(text: str = "") -> None:
    """Print one line of the result."""
    sys.stdout.write(shown(text) + "\n")


def paragraph(text: str, *, indent: int = 0, hanging: int = 2) -> None:
    """Print prose: a terminal gets it wrapped between words, a pipe in one line."""
    if sys.stdout.isatty():
        width = max(40, shutil.get_terminal_size().columns)
        first, rest = " " * indent, " " * (indent + hanging)
        text = textwrap.fill(
            shown(text),
            width,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
        say(text)
    else:
        say(" " * indent + text)


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
    fits = (
        not sys.stdout.isatty()
        or columns_of(f"next: {command}   {reason}") <= shutil.get_terminal_size().columns
    )
    _styled("\nnext: ", (command, "bold cyan"), f"   {reason}" if fits else "")
    if not fits:
        paragraph(reason, indent=6, hanging=0)


def typed(*words: str) -> str:
    """Return a command line as a shell would have to be given it, with the store that this one was
    given."""
    return shlex.join([*words, *_store])


def name_store(path: str | None) -> None:
    """Say which store the commands that are printed from now on have to name; None for the one they
    find by themselves."""
    _store[:] = [] if path is None else ["--store", path]


_store: list[str] = []


def heading(text: str) -> None:
    """Print a line that opens a section."""
    _styled((text, "bold"))


def message(text: str) -> None:
    """Print a message of several lines that stands as it is: wrong usage, a traceback."""
    _beside(text.rstrip("\n"))


def cell(text: str) -> str:
    """Return text for one line: as ``shown``, with line feeds and tabs spelled out too."""
    return shown(text.translate(_BREAKS))


def columns_of(text: str) -> int:
    """Return the columns that a terminal needs for a text."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def fitted(*parts: tuple[str, str], width: int) -> None:
    """Print one line of parts with styles of rich's, cut where it would be wider than ``width``
    columns."""
    kept: list[tuple[str, str]] = []
    left = width
    for text, style in parts:
        text = cell(text)
        if columns_of(text) > left:
            text = _cut(text, left - 1) + "…"
            kept.append((text, style))
            break
        kept.append((text, style))
        left -= columns_of(text)
    _styled(*kept)


def table(content: Table, *, indent: int = 0) -> None:
    """Print a table and the notes below it.

    A terminal too narrow for it gets the columns in several blocks: no cell is broken and no id is
    cut. What tells the rows apart stands in each block, or the number of the row where that is too
    wide. A pipe gets one line per row, however long.
    """
    rows = [tuple(map(cell, row)) for row in content.rows]
    heads = [(cell(head.text), head.right) for head in content.headings]
    widths = [
        max(map(columns_of, column))
        for column in zip([text for text, _ in heads], *rows, strict=True)
    ]
    room = shutil.get_terminal_size().columns - indent
    if not sys.stdout.isatty() or _span(widths) <= room:
        blocks = [list(range(len(widths)))]
    else:
        keys = content.keys
        if _span(widths[:keys]) > room / 2 and keys != 1:
            rows = [(str(number), *row) for number, row in enumerate(rows, start=1)]
            heads, widths, keys = [("#", True), *heads], [max(1, len(str(len(rows)))), *widths], 1
        blocks = _blocks(widths, keys, room)
    for number, block in enumerate(blocks):
        if number:
            say()
        _block(
            [[row[i] for i in block] for row in rows],
            [heads[i] for i in block],
            [widths[i] for i in block],
            indent,
        )
    for text in content.notes:
        paragraph(text, indent=indent)


def redraws() -> bool:
    """Return whether stdout is a terminal on which something can be printed in place of what
    was."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def redrawn(*, beside: bool = False) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Give a function that prints what another one prints, each time in place of the time before.

    At the end nothing of it stays; after Ctrl-C and other exceptions the last one does. A terminal
    that changes its size is wiped, for nobody can tell where it has moved what was printed. A
    terminal that cannot move its cursor, and a pipe, get everything below one another.

    Args:
        beside: Draw on stderr.
    """
    if not redraws():
        yield lambda draw: draw()
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=sys.stderr if beside else sys.stdout)

    def begin() -> Live:
        live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        return live

    live, size = begin(), shutil.get_terminal_size()

    def redraw(draw: Callable[[], None]) -> None:
        nonlocal live, size
        frame = _Frame()
        with redirect_stdout(frame), redirect_stderr(frame):
            draw()
        if size != (size := shutil.get_terminal_size()):
            live.stop()
            console.clear()
            live = begin()
        live.update(Text.from_ansi(frame.getvalue().rstrip("\n")), refresh=True)

    try:
        yield redraw
    except BaseException:
        live.transient = False
        raise
    finally:
        live.stop()


class _Frame(io.StringIO):
    """What goes to the terminal all at once."""

    def isatty(self) -> bool:
        return True


def confirm(question: str) -> bool | None:
    """Ask a person, and return whether the answer is yes; None where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    sys.stdout.flush()
    sys.stderr.write(f"{shown(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def json(value: Any) -> None:
    """Print a value as JSON; what is not a number is null, times are ISO 8601."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    say(
        OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    )  # they can only stand inside a string


def _beside(text: str) -> None:
    # both may lead to one terminal, and the order tells which line belongs to what
    sys.stdout.flush()
    sys.stderr.write(shown(text) + "\n")
    sys.stderr.flush()


def _styled(*parts: str | tuple[str, str]) -> None:
    """Print one line of which some parts have a style of rich's, where colors are wanted."""
    plain = [part if isinstance(part, str) else part[0] for part in parts]
    if not is_rich():
        say("".join(plain))
        return
    from rich.text import Text

    safe = (
        (shown(text), "" if isinstance(part, str) else part[1])
        for text, part in zip(plain, parts, strict=True)
    )
    console().print(Text.assemble(*safe))


def _span(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _blocks(widths: Sequence[int], keys: int, room: int) -> list[list[int]]:
    """Which columns stand side by side: the keys, and as many others as there is room for."""
    repeated = list(range(keys))
    blocks = [repeated]
    for column in range(keys, len(widths)):
        wider = [*blocks[-1], column]
        if _span([widths[i] for i in wider]) > room and len(blocks[-1]) > keys:
            blocks.append([*repeated, column])
        else:
            blocks[-1] = wider
    return blocks


def _block(
    rows: list[list[str]], heads: list[tuple[str, bool]], widths: list[int], indent: int
) -> None:
    def line(cells: Iterable[str]) -> str:
        padded = (
            " " * (width - columns_of(text)) + text
            if right
            else text + " " * (width - columns_of(text))
            for text, width, (_, right) in zip(cells, widths, heads, strict=True)
        )
        return " " * indent + _GAP.join(padded).rstrip()

    heading(line(text for text, _ in heads))
    if is_rich():
        room = shutil.get_terminal_size().columns
        say((" " * indent + _GAP.join("─" * width for width in widths))[:room])
    for row in rows:
        say(line(row))


def _cut(text: str, width: int) -> str:
    """The beginning of a text that fits so many columns."""
    while columns_of(text) > width:
        text = text[: min(len(text) - 1, width)] if text.isascii() else text[:-1]
    return text
