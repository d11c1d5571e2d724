"""Which attempts have started: one append-only file per worker process.

A record exists only once an attempt has ended. The journal is what tells an attempt that died
without a word from one that never began, what the progress display follows, and where a requeued
task finds its own unfinished attempt. It is advisory: the records decide, so a line lost to a power
cut costs a display and never a result. One ``write`` per line to a file opened for appending, so
that a kill leaves whole lines, but for the last. No two processes share a file: on a network file
system they would garble it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from artifacts.errors import BadName
from artifacts.formats import FORMAT, refuse_newer
from artifacts.publish import entries as files_of
from artifacts.publish import translate_read_errors, translate_write_errors
from artifacts.record import check_trial
from cluster.processes import Birth

_FOLDER = "journal"
_ATTEMPTS = range(2**31)
"""Numbers that an attempt can have; a line with another one is damaged."""


class AttemptStarted(msgspec.Struct, frozen=True, tag="started"):
    """An attempt that a worker has begun."""

    trial: str
    attempt: int
    at: float
    """Seconds since the epoch."""
    node: str
    pid: int
    log: str | None = None
    """Path of what it prints, relative to the store."""
    array_job_id: str | None = msgspec.field(default=None, name="job")
    array_task_id: int | None = msgspec.field(default=None, name="task")
    array: str = ""
    """Name of the frozen array that the attempt belongs to."""
    line: int = -1
    """Which line of the specs it computes."""
    born: int | None = None
    """When its process started, in clock ticks since its node booted: with node and pid, which
    process it is."""
    life: int = 0
    """How often the scheduler had started its task again."""
    partition: str | None = None
    startup_s: float | None = msgspec.field(default=None, name="start_s")
    """Its share of the worker's start in seconds; None in a journal of an earlier version."""
    found: dict[str, str] = {}
    """What the worker found around it, by column of the record."""

    @property
    def process(self) -> Birth | None:
        """Return its process, as it is known on its node; None in a journal of an earlier
        version."""
        return None if self.born is None else Birth(self.pid, self.born)


class AttemptEnded(msgspec.Struct, frozen=True, tag="ended"):
    """An attempt whose record is published, by its worker or by whoever saw the worker die."""

    trial: str
    attempt: int
    outcome: str
    accuracy: float | None = None
    """Test accuracy, else validation accuracy, as a fraction."""
    error: str | None = None
    total_s: float | None = None
    group: str = ""
    submission: int = 0
    fault: str | None = None
    """Which way it failed, see runner.sweep.early_stop; None unless it raised an exception."""


class _Head(msgspec.Struct, frozen=True, tag="journal"):
    """The first line of a file; there is none in a journal of an earlier version."""

    format: int


Entry = AttemptStarted | AttemptEnded

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry | _Head] = msgspec.json.Decoder(Entry | _Head)


def folder_of(sweep_folder: Path) -> Path:
    """Return where the sweep's journal files are."""
    return sweep_folder / _FOLDER


class Journal:
    """One worker's file, opened for appending."""

    def __init__(self, sweep_folder: Path, worker: str) -> None:
        self.path = _file(sweep_folder, worker)
        with translate_write_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._open()

    def write(self, entry: Entry) -> None:
        """Append one line; StoreFull, StoreNotWritable."""
        with translate_write_errors(self.path):
            try:
                intact = os.path.samestat(os.fstat(self._fd), self._file)
            except OSError:
                intact = False
            if (
                not intact
            ):  # the trial has closed it, and may have opened something else under its number
                self._open()
            os.write(self._fd, _encoder.encode(entry) + b"\n")

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._file = os.fstat(self._fd)
        if not self._file.st_size:
            os.write(self._fd, _encoder.encode(_Head(FORMAT)) + b"\n")


def read_all(sweep_folder: Path) -> list[Entry]:
    """Return what every worker of the sweep has written so far."""
    return Follower(sweep_folder).new_entries()


def entries(sweep_folder: Path, worker: str) -> list[Entry]:
    """Return the whole lines of one worker's file, in order."""
    path = _file(sweep_folder, worker)
    try:
        with translate_read_errors(path):
            data = path.read_bytes()
    except FileNotFoundError:
        return []
    return list(_decoded(path, data))


def workers(sweep_folder: Path, pattern: str) -> list[str]:
    """Return the names of the workers that have a file, those that fit the pattern of a shell."""
    return sorted(path.stem for path in folder_of(sweep_folder).glob(f"{pattern}.jsonl"))


class Follower:
    """Reads what workers have appended since the last look; StoreNotReadable where the journal is
    closed to this user."""

    def __init__(self, sweep_folder: Path, *, from_now: bool = False) -> None:
        self._folder = folder_of(sweep_folder)
        self._seen: dict[Path, int] = {}
        if from_now:
            for path in self._files():
                with suppress(FileNotFoundError), translate_read_errors(path):
                    self._seen[path] = path.stat().st_size

    def new_entries(self) -> list[Entry]:
        """Return the entries not yet returned, in the order of each file."""
        found: list[Entry] = []
        for path in self._files():
            start = self._seen.get(path, 0)
            try:
                with translate_read_errors(path):
                    if path.stat().st_size <= start:
                        continue
                with translate_read_errors(path), path.open("rb") as file:
                    file.seek(start)
                    data = file.read()
            except FileNotFoundError:
                continue
            whole = data.rfind(b"\n") + 1
            self._seen[path] = start + whole
            found.extend(_decoded(path, data[:whole]))
        return found

    def _files(self) -> list[Path]:
        return sorted(
            Path(entry.path) for entry in files_of(self._folder) if entry.name.endswith(".jsonl")
        )


def _file(sweep_folder: Path, worker: str) -> Path:
    return folder_of(sweep_folder) / f"{worker}.jsonl"


def _decoded(path: Path, data: bytes) -> Iterator[Entry]:
    """Yield the entries; raises NewerFormat where a newer runner began the file."""
    for line in data.splitlines():
        try:
            entry = _decoder.decode(line)
            if isinstance(entry, _Head):
                refuse_newer(path, entry.format)
                continue
            check_trial(entry.trial)
        except (msgspec.DecodeError, ValueError, RecursionError, BadName):
            # A line that a kill cut short, or that was damaged, says nothing; the records know the
            # truth.
            continue
        if entry.attempt in _ATTEMPTS:
            yield entry
