"""How much space files take, and how old they are; links are not followed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from artifacts.errors import StoreNotReadable
from artifacts.publish import entries

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True)
class Space:
    """What a set of files takes."""

    files: int = 0
    bytes: int = 0
    newest: float = 0.0
    """When the youngest was written, in seconds since the epoch."""

    def __add__(self, other: Space) -> Space:
        return Space(
            self.files + other.files,
            self.bytes + other.bytes,
            max(self.newest, other.newest),
        )


def space_of(*paths: Path) -> Space:
    """Return what files and folders take together; what vanishes meanwhile, or may not be read,
    counts nothing."""
    total = Space()
    for entry in _walk(paths):
        try:
            about = os.lstat(entry)
        except OSError:
            continue
        total += Space(1, about.st_size, about.st_mtime)
    return total


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder that can be listed."""
    return _walk([folder])


def human(size: int) -> str:
    """Return a number of bytes for a reader, ``1.2 MB``; a kB has 1,000 bytes."""
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return (
        f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 10 else f"{value:.1f} {_UNITS[unit]}"
    )


def _walk(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_symlink() or not path.is_dir():
            if path.is_symlink() or path.exists():
                yield path
            continue
        try:
            found = entries(path)
        except StoreNotReadable:
            continue
        yield from _walk(Path(entry.path) for entry in found)
