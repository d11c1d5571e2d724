"""What tells whether two datasets hold the same: a digest of the files that one is prepared from.

It says nothing of where the files lie or when they changed, so that a copy of them has the same.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jobs.data.catalog import Source
from jobs.data.errors import BadSource

_PACKED: Final = ".gz"
_DIGITS: Final = 16


def of_source(source: Source, known: Sequence[str] = ()) -> str:
    """Return the digest of a dataset's files, each read once; of its name where it has none.

    Args:
        source: The files.
        known: Their sha256 as they lie there, if they were read already. What is packed is read
            all the same, because its digest is that of what is in it.

    Raises:
        BadSource: A file cannot be read.
    """
    read = [
        known[at] if known and path.suffix != _PACKED else of_content(path)
        for at, path in enumerate(source.files)
    ]
    named = list(zip(_names(source), read, strict=True))
    identity = json.dumps([source.reader, named or source.name])
    return hashlib.sha256(identity.encode()).hexdigest()[:_DIGITS]


def of_content(path: Path) -> str:
    """Return the sha256 of a file, unpacked if it is packed; raises BadSource."""
    try:
        with gzip.open(path) if path.suffix == _PACKED else path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise BadSource(str(path), f"cannot be read ({why})") from error


def bytes_of(source: Source) -> int:
    """Return the size of a dataset's files; raises OSError."""
    return sum(path.stat().st_size for path in source.files)


def _names(source: Source) -> list[str]:
    """What of the files' places is part of the data: the class of an image, the part of a shard."""
    if source.reader == "npz":
        return [""]
    if source.reader == "folder":
        return [f"{path.parent.name}/{path.name}" for path in source.files]
    return [path.name.removesuffix(_PACKED) for path in source.files]
