"""What trials print: one file for each attempt, which belongs to it as a whole, so that nothing in
it has to be told apart.

Stores of earlier versions have one file for each worker, with a heading before each attempt; they
are read as well.
"""

from __future__ import annotations

import ctypes
import fcntl
import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from artifacts.publish import translate_read_errors, translate_write_errors

_HEADING = re.compile(r"=== trial (\S+) attempt (\d+)\b.* ===\s*$")

_LIBC = ctypes.CDLL(None)

_OUT_OF_THE_WAY = 100
"""Our own descriptors have numbers from here on, beyond those that a trial would close by
number."""


def log_name(trial: str, attempt: int, worker: str) -> str:
    """Return the file's name; two lives of one attempt, on two nodes, write two files."""
    return f"{_beginning(trial, attempt)}{worker}.log"


@contextmanager
def section(log: Path) -> Iterator[None]:
    """Send to a file what this process and its children print in the block, also from C.

    What a thread or a child of the block prints later goes there too; a thread's only if it prints
    through Python. A file in which nothing was written is removed.

    Raises:
        StoreFull, StoreNotWritable: It cannot be opened.
    """
    task = _task_output()
    threads = set(threading.enumerate())
    with translate_write_errors(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        file = _File(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666))
    _flush()
    for number in (1, 2):
        os.dup2(file.descriptor, number)
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    try:
        yield
    finally:
        _flush()
        for number in (1, 2):
            with suppress(OSError):
                os.dup2(task[number].descriptor, number)
        left = [thread for thread in threading.enumerate() if thread not in threads]
        for thread in left:
            _left_behind.setdefault(thread, file)
        if not left and not _has_children():
            with suppress(OSError):
                if log.stat().st_size == 0:
                    log.unlink()


def section_lines(log: Path, trial: str, attempt: int) -> Iterator[str]:
    """Yield the lines that belong to one attempt; none if the file is gone."""
    whole = is_its_own(log, trial, attempt)
    inside = whole
    try:
        with translate_read_errors(log), log.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                heading = None if whole else _HEADING.match(line)
                if heading is not None:
                    inside = (heading[1], int(heading[2])) == (trial, attempt)
                if inside:
                    yield line.rstrip("\n")
    except FileNotFoundError:
        return


def is_its_own(log: Path, trial: str, attempt: int) -> bool:
    """Return whether the file is this attempt's alone; in an earlier version's store it is a
    worker's."""
    return log.name.startswith(_beginning(trial, attempt))


def _beginning(trial: str, attempt: int) -> str:
    return f"{trial}-{attempt}."


class _File:
    """A descriptor that is closed when nobody writes to it any more."""

    def __init__(self, descriptor: int) -> None:
        try:
            self.descriptor = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
            os.close(descriptor)
        except OSError:  # so few may be open
            self.descriptor = descriptor

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self.descriptor)


_left_behind: WeakKeyDictionary[threading.Thread, _File] = WeakKeyDictionary()
"""Threads that outlive their trial, and its log."""


class _Output(io.RawIOBase):
    """stdout or stderr of whichever trial the printing thread belongs to.

    It is never closed: whoever closes ``sys.stdout`` or wraps it in something that does means their
    own.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def write(self, data: Any) -> int:
        file = _left_behind.get(threading.current_thread()) if _left_behind else None
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[os.write(self._number if file is None else file.descriptor, rest) :]
        return len(data)

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        return


def _stream(number: int) -> io.TextIOWrapper:
    raw: Any = _Output(number)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


_task: dict[int, _File] = {}


def _task_output() -> dict[int, _File]:
    """Where this process printed before its first trial: what the runner itself has to say belongs
    there."""
    if not _task:
        _task.update({number: _File(os.dup(number)) for number in (1, 2)})
    return _task


def _flush() -> None:
    """Have Python and C write what they hold back."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    _LIBC.fflush(None)


def _has_children() -> bool:
    """Whether a process that this one started is still there; taken for granted where the kernel
    does not tell."""
    try:
        return any((task / "children").read_bytes() for task in Path("/proc/self/task").iterdir())
    except OSError:
        return True
