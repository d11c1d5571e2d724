"""Where the running trials are: one small file per worker, written over every few seconds.

It is for display only. A thread of the worker writes it, so that a slow or full file system holds
up no trial; whatever goes wrong is passed over. Each look is one write of a fixed length to the
beginning of the file, without sync or rename, which a network file system stands; a reader that
meets half of a new one takes the next. Trials shorter than ``EVERY_S`` write nothing. The file goes
with the attempt; what a killed worker leaves, the next command that may write removes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from time import time as now

import msgspec

from artifacts.publish import entries
from jobs.position import Position
from runner.sweep.stamp import stamped

EVERY_S = 2.0
"""Seconds between two looks at a trial, and before the first."""

_LENGTH = 512
_FOLDER, _SUFFIX = "positions", ".json"


class Seen(msgspec.Struct, frozen=True):
    """A worker's last look at the trial that it runs."""

    trial: str
    attempt: int
    at: float
    """Seconds since the epoch."""
    position: Position


_decoder = msgspec.json.Decoder(Seen)


class Reporter:
    """Writes one worker's file; one attempt at a time.

    Args:
        sweep_folder: Of the sweep.
        worker: Name of this process.
        every_s: Seconds between two looks, and before the first.
    """

    def __init__(self, sweep_folder: Path, worker: str, every_s: float = EVERY_S) -> None:
        self._path = sweep_folder / _FOLDER / f"{worker}{_SUFFIX}"
        self._every_s = every_s
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        with suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
        self._current: tuple[str, int, Callable[[], Position], float] | None = None
        self._writing = threading.Lock()
        self._written = False
        self._thread = self._started()

    @contextmanager
    def watching(
        self, trial: str, attempt: int, position: Callable[[], Position]
    ) -> Iterator[None]:
        """Write from time to time where the attempt is, while the block runs."""
        self._current = trial, attempt, position, monotonic()
        if not self._thread.is_alive():  # a forked process has no threads
            self._thread = self._started()
        try:
            yield
        finally:
            self._current = None
            # a write that hangs is not waited for: its file is left to whoever tidies up
            if self._written and self._writing.acquire(blocking=False):
                with suppress(OSError):
                    self._path.unlink()
                self._written = False
                self._writing.release()

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="positions", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        # The functions of os and time that a trial may replace were imported before it.
        looked = 0.0
        while True:
            sleep(self._every_s / 4)
            with self._writing, suppress(Exception):
                current = self._current
                if current is None or monotonic() - max(looked, current[3]) < self._every_s:
                    continue
                looked = monotonic()
                trial, attempt, position, _ = current
                self._write(Seen(trial, attempt, now(), position()))

    def _write(self, seen: Seen) -> None:
        data = stamped(seen)
        if len(data) >= _LENGTH:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o666)
        try:
            if not self._written:
                os.fchmod(descriptor, 0o666 & ~self._umask)
            self._written = True
            os.pwrite(descriptor, data.ljust(_LENGTH - 1) + b"\n", 0)
        finally:
            os.close(descriptor)


def read_positions(sweep_folder: Path) -> dict[tuple[str, int], Seen]:
    """Return the last look at each attempt, by trial and number; what cannot be read is left
    out."""
    found: dict[tuple[str, int], Seen] = {}
    with suppress(Exception):
        for entry in entries(sweep_folder / _FOLDER):
            with suppress(OSError, msgspec.DecodeError, ValueError, RecursionError):
                seen = _decoder.decode(Path(entry.path).read_bytes())
                found[seen.trial, seen.attempt] = seen
    return found


def tidy(sweep_folder: Path, running: Collection[tuple[str, int]]) -> None:
    """Remove what workers that were killed have left.

    Args:
        sweep_folder: Of the sweep.
        running: Attempts without a record, by trial and number: their files stay.
    """
    with suppress(Exception):
        for entry in entries(sweep_folder / _FOLDER):
            with suppress(OSError, msgspec.DecodeError, ValueError, RecursionError):
                seen = _decoder.decode(Path(entry.path).read_bytes())
                if (seen.trial, seen.attempt) in running:
                    continue
            Path(entry.path).unlink(missing_ok=True)
