"""Prepared folders: found by what they were built from, built aside under a lock, renamed into
place whole.

A folder's name is a hash of its sources' places, sizes and times of change. A changed source
therefore has another folder, no folder is ever changed, and a worker that has mapped one keeps
reading what it opened. Killing a builder at any point leaves a folder that nobody takes for a
dataset, and the next builder removes it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from platformdirs import user_cache_path

from jobs.data.catalog import PREPARED, Source
from jobs.data.errors import BadSource, CacheNotWritable

FORMAT: Final = (
    1  # part of every folder's name: raise it when the arrays of one change their meaning
)
MANIFEST: Final = "manifest.json"
SOURCES: Final = "sources.json"

_NO_LOCKS_HERE: Final = frozenset((errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS))
_TAKEN: Final = frozenset((errno.ENOTEMPTY, errno.EEXIST))


def folders(data_dir: Path | None) -> tuple[Path, ...]:
    """Return where prepared data may lie, in the order of looking: RUNNER_CACHE alone, else beside
    the data, else the user's cache."""
    if given := os.environ.get("RUNNER_CACHE"):
        return (Path(given).expanduser(),)
    home = user_cache_path("runner") / "data"
    return (home,) if data_dir is None else (data_dir / PREPARED, home)


def find(source: Source, data_dir: Path | None) -> Path | None:
    """Return the prepared folder of these very sources, if one was built."""
    for folder in folders(data_dir):
        path = _place(source, folder)
        if (path / MANIFEST).is_file():
            return path
    return None


def is_prepared(folder: Path) -> bool:
    """Return whether a folder is that of a prepared dataset."""
    return all((folder / name).is_file() for name in (MANIFEST, SOURCES))


def build(source: Source, data_dir: Path | None, fill: Callable[[Path], None]) -> tuple[Path, bool]:
    """Have `fill` write a new prepared folder, unless another process was quicker.

    Args:
        fill: Writes the arrays and the manifest into the empty folder it is given.

    Returns:
        The finished folder, in the first place that can be written to, and whether it was this
        process that built it.

    Raises:
        CacheNotWritable: None could be; the message names the last.
    """
    refused: CacheNotWritable | None = None
    for folder in folders(data_dir):
        try:
            return _build_in(folder, source, fill)
        except CacheNotWritable as error:
            refused = error
    assert refused is not None
    raise refused


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into CacheNotWritable."""
    try:
        yield
    except OSError as error:
        raise CacheNotWritable(str(folder), error.strerror or str(error)) from error


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock that ends with the process, whatever ends it; False where the file system has no
    locks."""
    with writing(path.parent):
        file = path.open("a")
    with file:
        with writing(path.parent):
            held = _lock(file)
        yield held


def state_of(path: Path) -> tuple[int, int]:
    """Return the size in bytes and time of change in ns: what tells cheaply that a file is still
    the same."""
    try:
        found = path.stat()
    except OSError as error:
        raise BadSource(str(path), f"cannot be read ({error.strerror})") from error
    return found.st_size, found.st_mtime_ns


def _place(source: Source, folder: Path) -> Path:
    kind, colon, _ = source.name.partition(":")
    # A place relative to the cache stays the same where a node mounts the shared folder elsewhere
    # than the login node.
    files = [(os.path.relpath(path, folder), *state_of(path)) for path in source.files]
    identity = json.dumps([FORMAT, source.name if not files else kind, source.reader, files])
    readable = re.sub(
        r"[^a-z0-9_]",
        "-",
        source.name if not colon or not files else f"{kind}-{Path(source.name).stem}".lower(),
    )
    return folder / f"{readable[:40]}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def _build_in(folder: Path, source: Source, fill: Callable[[Path], None]) -> tuple[Path, bool]:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    place = _place(source, folder)
    with locked(folder / f".{place.name}.lock") as alone:
        if (place / MANIFEST).is_file():
            return place, False
        if alone:  # so whatever lies aside was left by a process that was killed
            for leftover in folder.glob(f".{place.name}.*.partial"):
                shutil.rmtree(leftover, ignore_errors=True)
        with writing(folder):
            aside = folder / f".{place.name}.{secrets.token_hex(8)}.partial"
            # not mkdtemp, which is private: others who read the data read its cache too
            aside.mkdir()
        try:
            fill(aside)
            if _place(source, folder) != place:
                raise BadSource(
                    str(source.files[0].parent),
                    "changed while it was read: try again when it is complete",
                )
            with writing(folder):
                published = _publish(aside, place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return place, published


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            raise
        return False
    return True


def _publish(aside: Path, place: Path) -> bool:
    """Rename a filled folder into its place; False if another process was quicker, where there are
    no locks: its folder is as good."""
    for path in (*aside.iterdir(), aside):
        _flush(path)
    try:
        aside.rename(place)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    _flush(place.parent)
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
