"""The format version of the files that a store keeps beside its records.

Tasks may wait in a queue for days, and the runner may be upgraded meanwhile. So each file says in
which format it was written: an older file is read, a newer one is refused by name. A file without
a version was written before there were versions, in format 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from artifacts.errors import NewerFormat

FORMAT: Final = 1
"""What this version writes, and the newest that it reads. Raise it when an older version would
misread what this one writes, and have the reader of that file go on reading the older format."""


def refuse_newer(path: Path, found: object) -> None:
    """Raise NewerFormat if the version that a file names is one that this runner cannot read."""
    if isinstance(found, int) and found > FORMAT:
        raise NewerFormat(path, found, FORMAT)
