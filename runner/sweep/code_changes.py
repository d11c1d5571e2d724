"""What differs between two states of the user's code: of a snapshot, or of the live folders."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from artifacts.publish import entries
from artifacts.store import Store
from cluster.profile import SnapshotSettings
from runner.sweep.code_files import list_code
from runner.sweep.snapshot import Sources, code_folder

_SHOWN_BYTES: Final = 2**20
"""Of a larger file only that it differs is said."""


@dataclass(frozen=True)
class CodeState:
    """The files of the user's code at one moment."""

    files: Mapping[str, Path | str]
    """By path: where the content lies, or where a symbolic link leads."""

    def content(self, name: str) -> bytes | None:
        """Return what a file holds; None where there is none."""
        place = self.files.get(name)
        if place is None or isinstance(place, str):
            return None if place is None else f"link to {place}\n".encode()
        try:
            return place.read_bytes()
        except OSError:
            return None


@dataclass(frozen=True)
class ChangedFile:
    """One file that is not the same in two states."""

    name: str
    how: Literal["added", "removed", "changed"]


def frozen_state(store: Store, digest: str) -> CodeState | None:
    """Return the code of a digest as records have it; None where the store does not have all of
    it."""
    parts = digest.split("+")
    files: dict[str, Path | str] = {}
    for part in parts:
        top = _snapshot(store, part)
        if top is None:
            return None
        prefix = f"{top.name}/" if len(parts) > 1 else ""
        files |= {prefix + name: place for name, place in _files(top)}
    return CodeState(files)


def live_state(sources: Sources, settings: SnapshotSettings) -> CodeState:
    """Return the code as a submit would freeze it now."""
    files: dict[str, Path | str] = {}
    for root in sources.roots:
        prefix = f"{root.name}/" if len(sources.roots) > 1 else ""
        for name, source in list_code(root, settings.exclude, sources.named).taken.items():
            files[prefix + name] = source.path if source.link is None else source.link
    return CodeState(files)


def changed_files(before: CodeState, after: CodeState) -> list[ChangedFile]:
    """Return which files differ, by name."""
    found = []
    for name in sorted(before.files.keys() | after.files.keys()):
        if name not in before.files:
            found.append(ChangedFile(name, "added"))
        elif name not in after.files:
            found.append(ChangedFile(name, "removed"))
        elif before.content(name) != after.content(name):
            found.append(ChangedFile(name, "changed"))
    return found


def unified_diff(before: CodeState, after: CodeState) -> str:
    """Return what differs, in the form of ``diff -u``; of binary and large files only that they
    do."""
    return "".join(
        line
        for changed in changed_files(before, after)
        for line in _diff(changed, before.content(changed.name), after.content(changed.name))
    )


def _snapshot(store: Store, digest: str) -> Path | None:
    """The top of a snapshot's copy, whoever made it: it is only read."""
    folder = code_folder(store)
    with suppress(OSError):
        for entry in entries(folder):
            if entry.name.partition("-")[0] == digest:
                return next(Path(inner.path) for inner in entries(Path(entry.path)))
    return None


def _files(top: Path) -> Iterator[tuple[str, Path | str]]:
    """The files of a snapshot by name; what is linked to is data, and no part of it."""
    for folder, inner, names in os.walk(top):
        for name in (*names, *(one for one in inner if Path(folder, one).is_symlink())):
            path = Path(folder, name)
            where = str(path.relative_to(top))
            if not path.is_symlink():
                yield where, path
            elif not path.readlink().is_absolute():
                yield where, str(path.readlink())


def _diff(changed: ChangedFile, before: bytes | None, after: bytes | None) -> Iterator[str]:
    names = (
        "/dev/null" if before is None else f"a/{changed.name}",
        "/dev/null" if after is None else f"b/{changed.name}",
    )
    texts = []
    for content in (before or b"", after or b""):
        if len(content) > _SHOWN_BYTES or b"\0" in content:
            yield f"Files {names[0]} and {names[1]} differ\n"
            return
        texts.append(content.decode(errors="replace").splitlines(keepends=True))
    for line in difflib.unified_diff(texts[0], texts[1], *names):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
