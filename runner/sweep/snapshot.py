"""Keeps the user's code as it was at submit, by its content: ``STORE/code/<digest>/``.

One folder holds one state of a repository, or of a folder without git, under the name it had. It
is written aside and renamed, read-only, and belongs to who made it: a second person with the same
code gets a folder of their own (``<digest>-2``), and so does a second copy of the code that lies
beside other data, since what is data is linked and not copied.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from artifacts.publish import PARTIAL, make_folder, sync_folder, translate_write_errors
from artifacts.store import Store
from cluster.profile import SnapshotSettings
from runner.errors import CodeTooLarge, SnapshotMissing, SnapshotOfAnother
from runner.sweep.code_files import Listing, Source, list_code

LIVE: Final = "live"
"""What records say in place of a digest where the code was not frozen."""

_FOLDER: Final = "code"
_DIGITS: Final = 16
_THREADS: Final = 16
_LARGEST: Final = 5
_MB: Final = 10**6


class FrozenRoot(msgspec.Struct, frozen=True, kw_only=True):
    """One folder of the user's code, and its copy."""

    live: str
    """The folder that was copied."""
    copy: str
    """Its copy, below the store's folder of code."""


class FrozenCode(msgspec.Struct, frozen=True, kw_only=True):
    """The code of one submission."""

    digest: str
    """Of its content; joined with + where there are several folders."""
    roots: list[FrozenRoot]
    import_path: list[str]
    """Folders to import from, below the store's folder of code."""


@dataclass(frozen=True)
class Sources:
    """Where the user's code lies."""

    roots: tuple[Path, ...]
    """Folders to freeze, none within another."""
    import_path: tuple[Path, ...]
    """Folders that the modules are imported from, first to last."""
    named: frozenset[Path] = frozenset()
    """Files that the grid names; they are code whatever they look like."""


def code_folder(store: Store) -> Path:
    """Return where a store keeps code."""
    return store.root / _FOLDER


def digest_of(sources: Sources, settings: SnapshotSettings) -> str:
    """Return what ``take`` would call the code as it is now; writes nothing.

    Raises:
        CodeTooLarge: It is more than the profile allows.
    """
    return "+".join(
        _digest(_hashes(_listed(root, sources, settings).taken)) for root in sources.roots
    )


def take(store: Store, sources: Sources, settings: SnapshotSettings) -> FrozenCode:
    """Freeze the code, or find it frozen.

    Raises:
        CodeTooLarge: It is more than the profile allows.
        StoreFull, StoreNotWritable: The store cannot hold it.
    """
    folder = code_folder(store)
    make_folder(folder)
    with translate_write_errors(folder):
        taken = [
            _take_one(folder, root, _listed(root, sources, settings)) for root in sources.roots
        ]
    roots = [
        FrozenRoot(live=str(root), copy=copy)
        for root, (_, copy) in zip(sources.roots, taken, strict=True)
    ]
    return FrozenCode(
        digest="+".join(digest for digest, _ in taken),
        roots=roots,
        import_path=list(dict.fromkeys(_copies(sources.import_path, roots))),
    )


def check(store: Store, code: FrozenCode) -> None:
    """Raise SnapshotMissing or SnapshotOfAnother unless all of the code is there and this user's
    own."""
    for root in code.roots:
        folder = code_folder(store) / root.copy.partition("/")[0]
        try:
            owner = folder.lstat()
        except OSError:
            raise SnapshotMissing(str(folder), root.live) from None
        if owner.st_uid != os.getuid() or not stat.S_ISDIR(owner.st_mode):
            raise SnapshotOfAnother(str(folder))


def files_of(store: Store, code: FrozenCode) -> dict[str, Path]:
    """Return the frozen files by their paths below their folder's name; without links to data."""
    found = {}
    for root in code.roots:
        top = code_folder(store) / root.copy
        for path in sorted(top.rglob("*")):
            if path.is_file() and not _leads_away(path):
                found[f"{top.name}/{path.relative_to(top)}"] = path
    return found


def remove(folder: Path) -> None:
    """Remove one snapshot, though it is read-only."""
    aside = folder.with_name(f".{secrets.token_hex(8)}{PARTIAL}")
    with translate_write_errors(folder):
        folder.rename(aside)
        _remove(aside)


def _copies(folders: Iterable[Path], roots: Sequence[FrozenRoot]) -> Iterator[str]:
    """Where the folders lie in the copies; of a folder that holds a root itself the folder of the
    copy."""
    for folder in folders:
        for root in roots:
            live = Path(root.live)
            if folder.is_relative_to(live):
                yield str(Path(root.copy) / folder.relative_to(live))
            elif live.parent == folder:
                yield str(Path(root.copy).parent)


def _listed(root: Path, sources: Sources, settings: SnapshotSettings) -> Listing:
    listing = list_code(root, settings.exclude, sources.named)
    files = [source for source in listing.taken.values() if source.link is None]
    size = sum(source.size for source in files)
    if size > settings.max_mb * _MB or len(files) > settings.max_files:
        raise CodeTooLarge(
            str(root), size / _MB, len(files), settings.max_mb, settings.max_files,
            tuple(_largest(listing.taken, by_size=size > settings.max_mb * _MB)),
        )  # fmt: skip
    return listing


def _largest(taken: Mapping[str, Source], *, by_size: bool) -> Iterator[str]:
    """The files that take most room, or the folders that hold most files."""
    if by_size:
        files = sorted(taken, key=lambda name: -taken[name].size)[:_LARGEST]
        yield from (f"{name} ({taken[name].size / _MB:.1f} MB)" for name in files)
        return
    folders: dict[str, int] = {}
    for name in taken:
        top = name.rpartition("/")[0] or "."
        folders[top] = folders.get(top, 0) + 1
    for name in sorted(folders, key=lambda name: -folders[name])[:_LARGEST]:
        yield f"{name}/ ({folders[name]} files)"


def _take_one(folder: Path, root: Path, listing: Listing) -> tuple[str, str]:
    """Return the digest of one folder's code, and where below the store's folder its copy is."""
    digest = _digest(_hashes(listing.taken))
    name = root.name or "root"
    if copy := _known(folder, digest, name, listing.left_out):
        return digest, copy
    partial = folder / f".{secrets.token_hex(8)}{PARTIAL}"
    try:
        partial.mkdir()
        written = _write(partial / name, listing)
        digest = _digest(
            written
        )  # of what is there: a file may have changed since it was looked at
        while not (copy := _known(folder, digest, name, listing.left_out)):
            goal = next(path for path in _places(folder, digest) if not os.path.lexists(path))
            partial.chmod(stat.S_IMODE((partial / name).stat().st_mode))
            try:
                partial.rename(goal)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise  # else another submit was first
            else:
                sync_folder(folder)
                return digest, f"{goal.name}/{name}"
    finally:
        if partial.exists():
            _remove(partial)
    return digest, copy


def _places(folder: Path, digest: str) -> Iterator[Path]:
    """Where a snapshot of this digest may lie."""
    for number in count(1):
        yield folder / (digest if number == 1 else f"{digest}-{number}")


def _known(folder: Path, digest: str, name: str, links: Mapping[str, Path]) -> str | None:
    """The snapshot of this user's that has this digest, and lies beside the same data."""
    for place in _places(folder, digest):
        try:
            found = place.lstat()
        except OSError:
            return None
        if (
            found.st_uid == os.getuid()
            and stat.S_ISDIR(found.st_mode)
            and (place / name).is_dir()
            and not _other_links(place / name, links)
        ):
            _add_links(place / name, links)
            os.utime(place)  # it is in use
            return f"{place.name}/{name}"
    return None


def _other_links(top: Path, links: Mapping[str, Path]) -> bool:
    """Whether the snapshot links to other data under the same names."""
    for name, goal in links.items():
        with suppress(OSError):
            if (top / name).readlink() != goal:
                return True
    return False


def _add_links(top: Path, links: Mapping[str, Path]) -> None:
    """Link to the data that was put beside the code since."""
    for name, goal in links.items():
        path = top / name
        if not os.path.lexists(path):
            with _writable(_nearest(path.parent)):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(goal)


def _nearest(folder: Path) -> Path:
    return folder if folder.exists() else _nearest(folder.parent)


class _writable:  # noqa: N801 - used as a function
    """Make a folder writable in the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._mode = stat.S_IMODE(self._folder.stat().st_mode)
        self._folder.chmod(self._mode | stat.S_IWUSR)

    def __exit__(self, *_: object) -> None:
        self._folder.chmod(self._mode)


def _hashes(taken: Mapping[str, Source]) -> dict[str, str]:
    """What each file holds; one that is gone by now is no part of the code."""
    found = {}
    for name, source in taken.items():
        with suppress(OSError):
            content = b"" if source.link is not None else source.path.read_bytes()
            found[name] = _hash(source, content)
    return found


def _hash(source: Source, content: bytes) -> str:
    if source.link is not None:
        return f"link {source.link}"
    kind = "x" if source.mode & stat.S_IXUSR else "-"
    return f"{kind} {hashlib.sha256(content).hexdigest()}"


def _digest(hashes: Mapping[str, str]) -> str:
    whole = hashlib.sha256()
    for name in sorted(hashes):
        whole.update(os.fsencode(f"{name}\0{hashes[name]}\n"))
    return whole.hexdigest()[:_DIGITS]


def _write(top: Path, listing: Listing) -> dict[str, str]:
    """Copy the code and link the data; the hash of each file as it was copied."""
    mask = os.umask(0o077)
    os.umask(mask)
    for folder in sorted({top / name for name in (*listing.taken, *listing.left_out)}):
        folder.parent.mkdir(parents=True, exist_ok=True)
    top.mkdir(exist_ok=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        copied = pool.map(
            lambda item: (item[0], _copy(top / item[0], item[1], mask)), listing.taken.items()
        )
        hashes = {name: found for name, found in copied if found is not None}
    for name, goal in listing.left_out.items():
        if not os.path.lexists(top / name):
            (top / name).symlink_to(goal)
    for made, _, _ in os.walk(top, topdown=False):
        of_group = os.stat(made).st_mode & stat.S_ISGID  # noqa: PTH116 - of a shared store
        os.chmod(made, of_group | 0o555 & ~mask)  # noqa: PTH101
    return hashes


def _copy(path: Path, source: Source, mask: int) -> str | None:
    if source.link is not None:
        path.symlink_to(source.link)
        return _hash(source, b"")
    try:
        content = source.path.read_bytes()
    except FileNotFoundError:
        return None
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fchmod(descriptor, source.mode & 0o555 & ~mask | stat.S_IRUSR)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return _hash(source, content)


def _leads_away(path: Path) -> bool:
    """Whether it is a link to data, which is absolute, or lies in a linked folder."""
    return path.is_symlink() and path.readlink().is_absolute()


def _remove(folder: Path) -> None:
    for inner, _, _ in os.walk(folder):
        os.chmod(inner, 0o700)  # noqa: PTH101
    shutil.rmtree(folder)
