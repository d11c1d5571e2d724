"""Which store a folder is: a random id in ``STORE/id``, which a moved or mounted store keeps and a
copy does not.

The file has a line for each id: the id, and the path and the inode number of the folder that it was
given to. An id belongs to the folder that is read now if

1. the folder is at that very path (also after its file system was replaced or put back from a
    backup); else
2. the path leads to a store with this id, and that is the same folder: through a symbolic link, a
    bind, another mount; else
3. the path leads to no such store, and the inode number is the same: the store was moved, or the
    path is not mounted on this machine.

Device numbers are not looked at: they differ from node to node for one network file system. In a
copy the lines of the original belong to nobody, and its first submit adds a line of its own. Lines
are only added, so that a machine that sees another inode number takes no id away from the others.
A line also names its format (artifacts/formats.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from artifacts.errors import RecordExists
from artifacts.formats import FORMAT, refuse_newer
from artifacts.publish import publish, translate_write_errors

_FILE = "id"


@dataclass(frozen=True)
class Identity:
    """An id, and the folder that it was given to."""

    id: str
    path: str
    """Without symbolic links."""
    inode: int


def ids_of(root: Path) -> tuple[str, ...]:
    """Return the ids that belong to this folder, the first given first.

    There are none for a copy, and for a store older than its id. Raises NewerFormat.
    """
    return tuple(dict.fromkeys(one.id for one in _read(root) if _is_here(one, root)))


def name_of(root: Path) -> str:
    """Return what other stores call this one, and write nothing: its id, that of the store it is a
    copy of, or, for a store older than its id, a digest of its path."""
    known = ids_of(root) or tuple(one.id for one in _read(root))[-1:]
    if known:
        return known[0]
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]


def give_id(root: Path) -> str:
    """Return the store's id; write one down first if it has none.

    Raises:
        StoreFull, StoreNotWritable: It cannot be written.
    """
    known = ids_of(root)
    if known:
        return known[0]
    path = root / _FILE
    with translate_write_errors(path):
        given = Identity(secrets.token_hex(8), str(root.resolve()), root.stat().st_ino)
        line = json.dumps({"format": FORMAT, **asdict(given)}).encode() + b"\n"
        with suppress(RecordExists):  # another submit was quicker
            if not path.exists():
                publish(path, memoryview(line))
        if not ids_of(root):
            _append(path, line)
    # Of two submits that add a line at the same time both take the first one.
    return ids_of(root)[0]


def is_same_folder(one: Path, other: Path) -> bool:
    """Return whether two paths lead to one folder, also through two mounts, which may have
    different device numbers."""
    with suppress(OSError):
        if one.samefile(other):
            return True
        inodes = [(path.stat().st_ino, (path / _FILE).stat().st_ino) for path in (one, other)]
        return inodes[0] == inodes[1]
    return False


def _is_here(identity: Identity, root: Path) -> bool:
    with suppress(OSError):
        if identity.path == str(root.resolve()):
            return True
        there = Path(identity.path)
        if any(one.id == identity.id for one in _read(there)):
            return is_same_folder(there, root)
        return identity.inode == root.stat().st_ino
    return False


def _read(root: Path) -> Iterable[Identity]:
    try:
        lines = (root / _FILE).read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError, TypeError):  # a line that a full disk cut short
            words = dict(json.loads(line))
            refuse_newer(root / _FILE, words.pop("format", None))
            found.append(Identity(**words))
    return found


def _append(path: Path, line: bytes) -> None:
    with translate_write_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, b"\n" + line)  # the line before may have been cut short
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
