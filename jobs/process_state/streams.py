"""Standard streams that are again what they were, whatever a trial did to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2, "__stdin__": 0, "__stdout__": 1, "__stderr__": 2}


@contextmanager
def standard_streams_kept() -> Iterator[None]:
    """Put stdin, stdout and stderr back at the end of the block, as objects of Python and as
    descriptors."""
    objects = {name: getattr(sys, name) for name in _STREAMS}
    copies = {number: _copy(number) for number in range(3)}
    try:
        yield
    finally:
        for number, copy in copies.items():
            _restore_descriptor(number, copy)
        for name, stream in objects.items():
            setattr(sys, name, _usable(name, stream))


def _copy(number: int) -> tuple[int, os.stat_result] | None:
    """A second descriptor of the same file; None where the first is closed."""
    try:
        return os.dup(number), os.fstat(number)
    except OSError:
        return None


def _restore_descriptor(number: int, copy: tuple[int, os.stat_result] | None) -> None:
    if copy is None:
        return
    with suppress(OSError):
        # The trial may have closed the copy too, and opened something else under its number.
        if os.path.samestat(os.fstat(copy[0]), copy[1]):
            if not _is_file(number, copy[1]):
                os.dup2(copy[0], number)
            os.close(copy[0])
            return
    if not _is_file(number, copy[1]):
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)


def _is_file(number: int, expected: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(number), expected)
    except OSError:
        return False


def _usable(name: str, stream: Any) -> Any:
    """The stream, or another on the same descriptor if the trial closed or detached it."""
    try:
        if stream is None or not stream.closed:
            return stream
    except ValueError:  # detached
        pass
    number = _STREAMS[name]
    try:
        return open(
            number,
            "w" if number else "r",
            encoding="utf-8",
            errors="backslashreplace",
            closefd=False,
        )
    except OSError:
        return None
