"""How a command that drives trials is stopped from outside: first in good order, then at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the wish of a scheduler or a service manager, a terminal that was closed."""


class TwoSteps:
    """In its block the first of the signals calls ``ask``, the second raises KeyboardInterrupt, and
    later ones do nothing.

    What was ignored before stays ignored (``nohup``); outside the main thread nothing changes.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._steps = [self._at_once, ask]
        self._handled = _handled_by(self._handle)

    def settle(self) -> None:
        """Let no signal in any more: what is left to do takes no longer than it must."""
        self._steps.clear()

    def __enter__(self) -> Self:
        self._handled.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handled.__exit__(kind, error, trace)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._steps:
            self._steps.pop()()

    def _at_once(self) -> None:
        raise KeyboardInterrupt


@contextmanager
def all_like_ctrl_c() -> Iterator[None]:
    """Have each of the signals raise KeyboardInterrupt in the block."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled_by(interrupt):
        yield


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back the first of the signals until the block has ended, which must not be cut in two; a
    second one ends it at once."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt

    try:
        with _handled_by(note):
            yield
    finally:
        if len(came) == 1:
            signal.raise_signal(came[0])


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
