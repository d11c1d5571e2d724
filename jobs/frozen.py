"""The user's modules imported from the copy of their code that submit made, and not from where the
code lies today.

While a copy is in use, whatever leads to the live folder leads to the copy: the entries of
``sys.path`` and of ``PYTHONPATH``, and what any finder finds, as that of an editable install.
Nothing is written into the copy. What is imported from elsewhere can be told (``outside``).
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    ModuleSpec,
    SourceFileLoader,
    all_suffixes,
)
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from jobs.importing import OURS, add_to_path, arranged, ask

_SUFFIXES: Final = tuple({*all_suffixes()} - {*BYTECODE_SUFFIXES})
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_NOT_THE_USERS: Final = OURS | {"__main__", "__mp_main__", "_remote_module_non_scriptable"}
_NO_BYTECODE: Final = "PYTHONDONTWRITEBYTECODE"

Copies = tuple[tuple[str, str], ...]
"""Folders of the user's code, each with its copy."""


@dataclass(frozen=True)
class _Before:
    """What was changed when a copy was taken into use."""

    path: list[str]
    environment: dict[str, str | None]
    modules: dict[str, ModuleType]


def enter(copies: Copies, import_path: Sequence[str]) -> None:
    """Import the user's modules from these copies from now on, and from no other.

    Args:
        copies: None means the live code.
        import_path: Folders of the modules.
    """
    if copies != _finder.copies:
        leave()
        _seen.clear()
        _digest.cache_clear()
        if copies:
            _finder.copies = copies
            _finder.before = _Before(
                list(sys.path),
                {name: os.environ.get(name) for name in ("PYTHONPATH", _NO_BYTECODE)},
                _taken_out(lambda file: copy_of(file) is not None),
            )
            _lead_to_copies(import_path)
            sys.meta_path.insert(0, _finder)
            importlib.invalidate_caches()
    add_to_path(import_path)


def leave() -> None:
    """Go back to the live code; the modules of the copy are dropped."""
    before = _finder.before
    if before is None:
        return
    tops = [copy for _, copy in _finder.copies]
    _taken_out(lambda file: any(_is_in(file, top) for top in tops))
    _finder.copies, _finder.before = (), None
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    sys.path[:] = before.path
    for name, value in before.environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    sys.modules.update(before.modules)
    importlib.invalidate_caches()


def fits(copies: Copies) -> bool:
    """Return whether this process can take the copies into use: a compiled module is loaded once in
    a process."""
    if copies == _finder.copies:
        return True
    return not any(
        name.partition(".")[0] not in OURS
        and (file := _file_of(module)).endswith(tuple(EXTENSION_SUFFIXES))
        and (top_of(file) is not None or _copy_in(file, copies) is not None)
        for name, module in list(sys.modules.items())
    )


def copy_of(path: str) -> str | None:
    """Return where a path of the live code lies in the copy in use; None if it is not there."""
    return _copy_in(path, _finder.copies)


def top_of(path: str) -> str | None:
    """Return the copy in use that a path lies in; None if it lies in none."""
    return next((copy for _, copy in _finder.copies if _is_in(path, copy)), None)


def outside() -> dict[str, str]:
    """Return the user's modules that were imported from elsewhere than the copy in use, by
    top-level name, each with a digest of all modules of its folder."""
    for name in {name.partition(".")[0] for name in list(sys.modules)} - _seen.keys():
        _seen[name] = _places_of(name)
    tops = [copy for _, copy in _finder.copies]
    return {
        name: _digest(places)
        for name, places in sorted(_seen.items())
        if places
        and name in sys.modules
        and not any(_is_in(place, top) for place in places for top in tops)
    }


class _Finder:
    """Stands before all others, and leads what they find in the live code to the copy."""

    def __init__(self) -> None:
        self.copies: Copies = ()
        self.before: _Before | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's place in the copy, or wherever it is."""
        if name.partition(".")[0] in OURS:
            return None
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec = ask(finder, name, path)
                if spec is not None:
                    return _led_to_copy(spec)
        return None

    def invalidate_caches(self) -> None:
        """Do nothing: it keeps none."""


class _Loader(SourceFileLoader):
    """Loads a module and writes no bytecode beside it."""

    def set_data(self, path: str, data: bytes, *, _mode: int = 0o666) -> None:  # type: ignore[override]
        """Do nothing."""


_finder = _Finder()
_seen: dict[str, tuple[str, ...]] = {}


def _copy_in(path: str, copies: Copies) -> str | None:
    for spelled in (path, _resolved(path)):
        for live, copy in sorted(copies, key=lambda pair: -len(pair[0])):
            if _is_in(spelled, live) and os.path.lexists(found := copy + spelled[len(live) :]):
                return found
    return None


def _led_to_copy(spec: ModuleSpec) -> ModuleSpec:
    if not spec.has_location or spec.origin is None:
        return spec
    copy = copy_of(spec.origin)
    if copy is not None and os.path.isfile(copy):  # noqa: PTH113
        inner = None if spec.submodule_search_locations is None else [os.path.dirname(copy)]  # noqa: PTH120
        led = spec_from_file_location(spec.name, copy, submodule_search_locations=inner)
        spec = led or spec
    if type(spec.loader) is SourceFileLoader and top_of(spec.origin or "") is not None:
        spec.loader = _Loader(spec.loader.name, spec.loader.path)
        spec.cached = None
    return spec


def _lead_to_copies(import_path: Sequence[str]) -> None:
    """Change what leads to the live code in this process, and in those that it starts."""
    ours = str(Path(__file__).parents[1])  # also where the user's code is our own checkout
    sys.path[:] = dict.fromkeys(
        entry if os.path.realpath(entry) == ours else copy_of(os.path.realpath(entry)) or entry
        for entry in sys.path
    )
    # A process that is started with spawn has this path, and no finder of ours.
    editable = [copy for folder in _editable() if (copy := copy_of(folder)) is not None]
    sys.path += [folder for folder in editable if folder not in sys.path]
    front, _ = arranged(tuple(import_path))
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    led = [copy_of(os.path.realpath(entry)) or entry for entry in given]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*front, *led, *editable]))
    os.environ[_NO_BYTECODE] = "1"


def _editable() -> Iterator[str]:
    """The folders of packages that setuptools has installed in editable mode."""
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):
            for package, place in dict(getattr(module, "MAPPING", {})).items():
                folder, last = os.path.split(os.path.realpath(place))
                if last == package:
                    yield folder


def _taken_out(chosen: Callable[[str], bool]) -> dict[str, ModuleType]:
    """Drop the modules whose file is chosen; give them back."""
    found = {
        name: module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in _NOT_THE_USERS
        and (file := _file_of(module))
        and chosen(file)
    }
    for name in found:
        del sys.modules[name]
    return found


def _file_of(module: ModuleType) -> str:
    """The file of a module, or the folder of a package without one; empty if neither."""
    try:
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            return file
        places = getattr(module, "__path__", None)
        return str(next(iter(places))) if places else ""
    except Exception:  # a module may be any object
        return ""


def _places_of(name: str) -> tuple[str, ...]:
    """Where a module of the user's lies: its file, or the folders of a package; nothing for one of
    Python's, ours, or installed."""
    module = sys.modules.get(name)
    if module is None or name in _NOT_THE_USERS or name.startswith("__"):
        return ()
    file = _resolved(_file_of(module)) if _file_of(module) else ""
    if not file or _is_installed(file) or name in sys.stdlib_module_names:
        return ()
    if hasattr(module, "__path__"):
        return tuple(_resolved(str(place)) for place in module.__path__)
    return (file,)


def _is_installed(file: str) -> bool:
    return bool(_INSTALLED & set(Path(file).parts)) or any(
        _is_in(file, folder) for folder in _python()
    )


@cache
def _python() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({_resolved(paths[name]) for name in ("stdlib", "platstdlib", "purelib")})


@cache
def _digest(places: tuple[str, ...]) -> str:
    """Of the modules below the places, by content."""
    whole = hashlib.sha256()
    for place in places:
        for path in sorted(_modules_in(Path(place))):
            try:
                content = path.read_bytes()
            except OSError:
                continue
            whole.update(os.fsencode(path.relative_to(Path(place).parent)) + b"\0")
            whole.update(hashlib.sha256(content).digest())
    return whole.hexdigest()[:16]


def _modules_in(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return [path for path in place.rglob("*") if path.name.endswith(_SUFFIXES) and path.is_file()]


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _resolved(path: str) -> str:
    """The path, with the links on the way to it resolved; not the file itself, which may be one."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
