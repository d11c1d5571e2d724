"""The data folder that a store remembers, so that only the first command has to name it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from artifacts.errors import StoreNotReadable
from artifacts.publish import make_folder, replace, translate_write_errors
from artifacts.store import Store

_FILE: Final = "data-folder"


def remembered(store: Store) -> Path | None:
    """Return the folder of the datasets that was named last; None if none ever was.

    Raises:
        StoreNotReadable, StoreNotWritable: The file that says so is there and cannot be read.
    """
    file = store.root / _FILE
    with translate_write_errors(file):
        try:
            text = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
    if b"\0" in text:
        raise StoreNotReadable(file, "it holds no path")
    return Path(os.fsdecode(text).rstrip("\n")) if text.strip() else None


def remember(store: Store, folder: Path) -> None:
    """Have later commands use a folder.

    Raises:
        StoreFull, StoreNotWritable: It cannot be written down.
    """
    if remembered(store) != folder.resolve():
        make_folder(store.root)
        replace(store.root / _FILE, memoryview(os.fsencode(folder.resolve()) + b"\n"))
