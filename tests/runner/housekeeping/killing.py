"""Kills a call before each change that it makes to the file system, one run after another."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

_CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.link", "os.mkdir", "os.chmod"})
_KILLED = 9


def killed_at_every_step(act: Callable[[], object], stride: int = 1) -> Iterator[int]:
    """Yield after each run of ``act`` that was killed at its first, second, … change; end with the
    run that is not.

    The caller sets the scene anew, or not, before it goes on. With a stride only each so-and-so
    many changes are tried.
    """
    for step in count(1, stride):
        child = os.fork()
        if child == 0:
            _run(act, step)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, _KILLED), f"the call failed at step {step}"
        yield step
        if code == 0:
            return


def _run(act: Callable[[], object], step: int) -> None:
    left = step

    def kill(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        written = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if event in _CHANGES or written:
            left -= 1
            if left == 0:
                os._exit(_KILLED)

    sys.addaudithook(kill)
    try:
        act()
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)
    os._exit(0)
