"""What a trial forks ends where the trial's code ends, as in a script, and never goes on as a
second worker."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn


@contextmanager
def forks_end_here() -> Iterator[None]:
    """End every process that the block forks as soon as it would leave the block, with the exit
    code that a script would have.

    Its output is flushed. Its exit handlers are not run: they are the worker's.
    """
    worker = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != worker:
            _leave(error)
        raise
    if os.getpid() != worker:
        _leave(None)


def _leave(error: BaseException | None) -> NoReturn:
    code = 1
    try:
        code = _exit_code(error)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # the trial may have closed or replaced it
                stream.flush()
    finally:
        os._exit(code)


def _exit_code(error: BaseException | None) -> int:
    """What Python makes of an exception that nobody caught; says what it says."""
    match error:
        case None:
            return 0
        case SystemExit(code=None):
            return 0
        case SystemExit(code=int(code)):
            return code & 0xFF
        case SystemExit(code=said):
            print(said, file=sys.stderr)
            return 1
        case KeyboardInterrupt():
            return 130
    traceback.print_exception(error)
    return 1
