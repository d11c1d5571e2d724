"""Copies files between stores, each whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from artifacts.publish import (
    PARTIAL,
    entries,
    make_folder,
    translate_read_errors,
    translate_write_errors,
)

_STALE_S: Final = 3600.0
"""After so long nobody works on a partial copy any more."""
_CHUNK: Final = 1 << 20


def copy_file(source: Path, target: Path) -> bool | None:
    """Copy a file where there is none yet, or where its beginning is: it has grown since.

    Returns:
        True if it was copied, False if it was there already, None if another file is there, which
        stays.

    Raises:
        FileNotFoundError: It is gone.
        StoreNotReadable: It may not be read.
        StoreFull, StoreNotWritable: It cannot be written.
    """
    with translate_read_errors(source):
        original = source.open("rb")
    with original:
        about = os.fstat(original.fileno())
        if target.exists():
            if not _begins_with(original, target):
                return None
            if about.st_size == target.stat().st_size:
                return False
        make_folder(target.parent)
        with _aside(target) as partial:
            original.seek(0)
            with partial.open("xb") as copy:
                shutil.copyfileobj(original, copy)
            # By the time of the original `clean` tells how old it is.
            os.utime(partial, ns=(about.st_atime_ns, about.st_mtime_ns))
            partial.replace(target)
    return True


def copy_folder(source: Path, target: Path) -> bool:
    """Copy a folder with its links and modes, unless there is one; return whether it was copied.

    Raises:
        StoreFull, StoreNotWritable: It cannot be copied.
    """
    if target.exists():
        return False
    make_folder(target.parent)
    with _aside(target) as partial:
        shutil.copytree(source, partial, symlinks=True)
        with suppress(FileExistsError):  # another merge was quicker
            partial.rename(target)
    return True


def remove_stale(folder: Path) -> None:
    """Remove what killed copies left half-written long ago."""
    for entry in entries(folder):
        path = Path(entry.path)
        if path.name.startswith(".") and path.name.endswith(PARTIAL):
            with suppress(OSError):
                if path.lstat().st_mtime < time.time() - _STALE_S:
                    delete(path)


def delete(path: Path) -> None:
    """Delete a file or a folder, also a read-only one; one that is gone is fine."""
    with translate_write_errors(path):
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
        try:
            shutil.rmtree(path)
        except PermissionError:  # a read-only folder, as snapshots of code are
            for folder, _, _ in os.walk(path):
                with suppress(OSError):
                    Path(folder).chmod(0o700)
            shutil.rmtree(path)


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    partial = target.with_name(f".{secrets.token_hex(8)}{PARTIAL}")
    with translate_write_errors(target):
        try:
            yield partial
        finally:
            if partial.exists():
                delete(partial)


def _begins_with(longer: BinaryIO, target: Path) -> bool:
    """Whether the file at the target is the beginning of the other, or all of it."""
    with target.open("rb") as shorter:
        while chunk := shorter.read(_CHUNK):
            if longer.read(len(chunk)) != chunk:
                return False
    return True
