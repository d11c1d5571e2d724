"""The working folder of a command whose code is frozen: it looks like the folder of the script, and
can be written to.

It holds links to what lies in the frozen folder, and in the folders above it, up to the top of the
code: so a command finds its files and modules by the same relative paths as in the live folder.
What it writes beside them stays with the trial.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from jobs.frozen import top_of

_NAME = "work"


def make(folder: str, files: Path) -> Path:
    """Return where a command runs whose script lies in a folder.

    Args:
        folder: Of the script; one of live code is the working folder itself.
        files: The trial's own folder.
    """
    top = top_of(folder)
    if top is None:
        return Path(folder)
    frozen, work = Path(top), files / _NAME / Path(top).name
    work.mkdir(parents=True, exist_ok=True)
    _link(frozen, work)
    for name in Path(folder).relative_to(frozen).parts:
        frozen, work = frozen / name, work / name
        if work.is_symlink():
            work.unlink()
        work.mkdir(exist_ok=True)
        _link(frozen, work)
    return work


def tidy(files: Path) -> None:
    """Remove the links, and the folders in which a command has written nothing."""
    for folder, inner, names in os.walk(files / _NAME, topdown=False):
        for name in (*inner, *names):
            path = Path(folder, name)
            if path.is_symlink() and path.readlink().is_absolute():
                path.unlink()
        with suppress(OSError):  # it holds something
            Path(folder).rmdir()


def _link(frozen: Path, work: Path) -> None:
    """Link to all that the frozen folder holds; what the trial has put there itself stays."""
    for entry in os.scandir(frozen):
        path = work / entry.name
        if path.is_symlink():
            path.unlink()
        with suppress(FileExistsError):
            path.symlink_to(entry.path)
