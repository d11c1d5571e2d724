"""Where the command's words go: a reader that has gone, a full disk or a closed descriptor costs
words and never work."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import cast

_SPELLED = {
    "±": "+-",
    "…": "...",
    "─": "-",
    "–": "-",
    "—": "-",
    "×": "x",
    "·": ".",
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "’": "'",
}
_ERRORS = "runner.spelled"


class Outlet(io.FileIO):
    """A descriptor that takes everything, also where the words get lost from some point on."""

    lost: OSError | None = None
    """Why they do."""

    def write(self, data: object) -> int:
        """Write, or drop what cannot be written any more."""
        if self.lost is None:
            try:
                return super().write(data)  # type: ignore[arg-type]
            except OSError as problem:
                self.lost = problem
        return memoryview(data).nbytes  # type: ignore[arg-type]


def prepare() -> None:
    """Make this process's own stdout and stderr such that nothing that is written to them fails;
    others are left alone."""
    for descriptor in (
        0,
        1,
        2,
    ):  # one that is closed would be given to the next file that is opened, and get our words in it
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    codecs.register_error(_ERRORS, _spelled)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _stream(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _stream(2, sys.stderr)


def lost() -> OSError | None:
    """Return why not all of the result has reached stdout; None if it has."""
    with suppress(OSError):
        sys.stdout.flush()
    outlet = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return outlet.lost if isinstance(outlet, Outlet) else None


def _stream(descriptor: int, before: io.TextIOBase | object | None) -> io.TextIOWrapper:
    encoding = getattr(before, "encoding", None) or "utf-8"
    buffer = io.BufferedWriter(cast("io.RawIOBase", Outlet(descriptor, "w", closefd=False)))
    return io.TextIOWrapper(
        buffer,
        encoding,
        _ERRORS,
        line_buffering=descriptor == 2 or os.isatty(descriptor),
        write_through=descriptor == 2,
    )


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Put what the encoding lacks into characters that every terminal has."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(
        _SPELLED.get(character) or ascii(character)[1:-1] for character in missing
    ), error.end
