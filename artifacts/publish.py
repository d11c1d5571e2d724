"""Puts a file into the store whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from artifacts.errors import RecordExists, StoreFull, StoreNotReadable, StoreNotWritable

PARTIAL: Final = ".partial"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def publish(path: Path, data: memoryview) -> None:
    """Write aside, fsync, link into place; what another process put there stays.

    Raises:
        RecordExists: The path is taken.
        StoreFull: Disk or quota are used up.
        StoreNotWritable: Any other refusal of the file system.
    """
    with translate_write_errors(path), _written_aside(path.parent, data) as partial:
        try:
            os.link(
                partial, path
            )  # not rename, which would silently replace another worker's record
        except FileExistsError:
            # NFS may answer a repeated request with "exists" although the first one did the work;
            # the link count knows.
            if partial.stat().st_nlink < 2:
                raise RecordExists(path) from None
        sync_folder(path.parent)


def replace(path: Path, data: memoryview) -> None:
    """Publish in the place of an older file: for tables that a person exports.

    Raises:
        StoreFull: Disk or quota are used up; the older file is as it was.
        StoreNotWritable: Any other refusal of the file system.
    """
    with translate_write_errors(path), _written_aside(path.parent, data) as partial:
        partial.replace(path)
        sync_folder(path.parent)


def replace_by(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace a file by what a function writes, for what would take too much memory as one piece.

    Raises:
        StoreFull: Disk or quota are used up; the older file is as it was.
        StoreNotWritable: Any other refusal of the file system.
    """
    with translate_write_errors(path), _aside(path.parent) as (partial, descriptor):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            write(file)
        os.fsync(descriptor)
        partial.replace(path)
        sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, to last; one that is there is fine."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with translate_write_errors(path):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if (
            error.errno != errno.EINVAL
        ):  # some network file systems cannot sync a folder, and need not
            raise
    finally:
        os.close(descriptor)


@contextmanager
def translate_write_errors(path: Path) -> Iterator[None]:
    """Raise StoreFull or StoreNotWritable of the path where the file system refuses."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in _FULL:
            raise StoreFull(path, reason) from error
        raise StoreNotWritable(path, reason) from error


@contextmanager
def translate_read_errors(path: Path) -> Iterator[None]:
    """Raise StoreNotReadable of the path for a folder or file that may not be read."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreNotReadable(path, error.strerror or type(error).__name__) from error


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what lies in a folder, in no order; nothing if it is not there.

    Raises:
        StoreNotReadable: It cannot be listed, or is no folder.
    """
    try:
        with translate_read_errors(folder), os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []


@contextmanager
def _written_aside(folder: Path, data: memoryview) -> Iterator[Path]:
    with _aside(folder) as (partial, descriptor):
        while data:  # a disk that fills up takes a part first and refuses then
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
        yield partial


@contextmanager
def _aside(folder: Path) -> Iterator[tuple[Path, int]]:
    """A new file beside its future name, and its descriptor; what is left of it is removed."""
    partial = folder / f".{secrets.token_hex(8)}{PARTIAL}"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            yield partial, descriptor
        finally:
            os.close(descriptor)
    finally:
        with suppress(OSError):
            partial.unlink()
