"""Where the user's code lies: which repositories, or folders without git, hold what a grid names.

These are the repositories of the grid and of the modules and scripts that it names, and without
git their folders. The folder that submit was typed in counts where the code imports from it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cache
from pathlib import Path

from jobs.importing import OURS
from runner.sweep.code_files import MODULES, holds_modules, list_code
from runner.sweep.git import GitFailed, git
from runner.sweep.snapshot import Sources

_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+(\w+)|import[ \t]+([\w., \t]+))", re.MULTILINE)


def find_sources(
    grid_folder: Path,
    import_path: Sequence[Path],
    modules: Mapping[str, Path],
    scripts: Iterable[Path],
) -> Sources:
    """Return what is to be frozen.

    Args:
        grid_folder: Of the grid.
        import_path: Folders that modules are looked for in: the grid's and the current one.
        modules: Files of the modules that the grid names, by their names.
        scripts: Files of the commands that it names.
    """
    _top.cache_clear()
    own = {
        module: path
        for module, path in modules.items()
        if not {"site-packages", "dist-packages"} & set(path.parts)
    }
    files = [path.absolute() for path in (*own.values(), *scripts)]
    folders = [
        *(folder.resolve() for folder in import_path),
        *(folder for module, path in own.items() if (folder := _import_folder(module, path))),
    ]
    roots = [_root(path.resolve().parent, path.resolve().parent) for path in files]
    for index, (module, path) in enumerate(own.items()):
        if not _in_repository(path.resolve().parent):
            roots[index] = _without_git(module, path)
    grid_folder = grid_folder.resolve()
    if _in_repository(grid_folder) or (
        not _is_nobodys(grid_folder)
        and (not modules or any(path.is_relative_to(grid_folder) for path in files)
             or holds_modules(grid_folder))
    ):  # fmt: skip
        roots.append(_root(grid_folder, grid_folder))
    roots = _outermost(roots)
    for folder in folders:
        if not any(folder.is_relative_to(root) for root in roots):
            covered = [one for one in folders if any(one.is_relative_to(root) for root in roots)]
            names = _imported(roots)
            for one in covered:
                names -= _importable(one, names)
            for name in sorted(_importable(folder, names)):
                inner = folder / name
                roots.append(_root(folder, inner if inner.is_dir() else folder))
    return Sources(
        tuple(_outermost(roots)),
        tuple(dict.fromkeys(folders)),
        frozenset(path.resolve() for path in files),
    )


@cache
def _top(folder: Path) -> Path | None:
    """The repository that holds the folder, the outermost where it is a submodule."""
    try:
        top = Path(os.fsdecode(git(folder, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
        above = git(folder, "rev-parse", "--show-superproject-working-tree").removesuffix(b"\n")
    except GitFailed:
        return None
    return _top(Path(os.fsdecode(above))) if above else top.resolve()


def _in_repository(folder: Path) -> bool:
    return _top(folder) is not None


def _root(folder: Path, otherwise: Path) -> Path:
    return _top(folder) or otherwise


def _without_git(module: str, path: Path) -> Path:
    """The module's folder: of a package the outermost package."""
    folder = _import_folder(module, path)
    package = None if folder is None else folder / module.partition(".")[0]
    return package if package is not None and package.is_dir() else path.resolve().parent


def _import_folder(module: str, path: Path) -> Path | None:
    """Where the module is imported from; None if its names are not those of its folders."""
    names = module.split(".")
    place = path.resolve().parent if path.name.partition(".")[0] == "__init__" else path.resolve()
    for name in reversed(names):
        if place.name != name and place.name.partition(".")[0] != name:
            return None
        place = place.parent
    return place


def _is_nobodys(folder: Path) -> bool:
    """Whether the folder is no project's, so that much else lies in it."""
    return folder in {Path("/"), Path.home(), Path(tempfile.gettempdir()).resolve()}


def _outermost(folders: Iterable[Path]) -> list[Path]:
    unique = list(dict.fromkeys(folders))
    return [
        folder
        for folder in unique
        if not any(folder != other and folder.is_relative_to(other) for other in unique)
    ]


def _imported(roots: Sequence[Path]) -> set[str]:
    """The names that the code imports."""
    names: set[str] = set()
    for root in roots:
        for name, source in list_code(root).taken.items():
            if name.endswith(".py") and source.link is None:
                try:
                    text = source.path.read_bytes()
                except OSError:
                    continue
                names |= set(_names_in(text))
    return names


def _names_in(text: bytes) -> Iterator[str]:
    for one, several in _IMPORT.findall(text):
        for part in (one, *several.split(b",")):
            name = part.strip().partition(b" ")[0].partition(b".")[0].decode()
            if name and name not in OURS:
                yield name


def _importable(folder: Path, names: Set[str]) -> set[str]:
    """Those of the names that can be imported from the folder."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return set()
    return {
        name
        for entry in entries
        if (name := entry.name.partition(".")[0]) in names
        and (
            entry.name.endswith(MODULES)
            or (entry.name == name and entry.is_dir() and holds_modules(Path(entry.path)))
        )
    }
