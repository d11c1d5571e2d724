"""Where modules of the user's are imported from: plans find them as workers will.

The folders of a grid's code come before what is installed, as the folder of a script does, unless a
folder holds a module that would hide one of Python's own, of ours, or of a library that we import,
sometimes late: such a folder comes last. So a ``random.py`` or ``runner.py`` beside a grid does no
harm, and cannot be imported itself.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, Final

OURS: Final = frozenset({"artifacts", "cluster", "jobs", "runner"})
_NEEDED: Final = frozenset(
    """PIL click cloudpickle daal4py filelock fsspec jinja2 joblib matplotlib mpmath msgspec
    networkx numpy nvidia onedal packaging pandas platformdirs psutil pyarrow pynvml ray rich scipy
    shellingham sklearn sklearnex submitit sympy tensorboard threadpoolctl torch torchvision triton
    typer typing_extensions yaml""".split()  # noqa: SIM905 - a list of words
)
"""What our packages import, and what that imports when it is used."""

_KEPT: Final = OURS | _NEEDED | sys.stdlib_module_names


def add_to_path(folders: Sequence[str]) -> None:
    """Make the modules in these folders importable in this process."""
    front, back = arranged(tuple(folders))
    sys.path[:0] = [folder for folder in front if folder not in sys.path]
    sys.path += [folder for folder in back if folder not in sys.path]


def find(module: str, folders: Sequence[str]) -> ModuleSpec | None:
    """Return where a worker will find the module; None if nowhere. None of its packages is
    imported."""
    importlib.invalidate_caches()  # the file may have been written a moment ago
    front, back = arranged(tuple(folders))
    top, *rest = module.split(".")
    spec = (
        PathFinder.find_spec(top, front) or _installed(top, None) or PathFinder.find_spec(top, back)
    )
    qualified = top
    for name in rest:
        if spec is None:
            return None
        qualified += f".{name}"
        spec = _installed(qualified, list(spec.submodule_search_locations or []))
    return spec


def file_of(module: str, folders: Sequence[str]) -> Path | None:
    """Return the file that a worker will find the module in; None for one without a file, or that
    is not here."""
    spec = find(module, folders)
    return (
        Path(spec.origin)
        if spec is not None and spec.origin is not None and spec.has_location
        else None
    )


def why_out_of_reach(module: str, folders: Sequence[str]) -> str | None:
    """Return why a module that lies in one of the folders is not the one that would be imported;
    None if it is, or none lies there."""
    top = module.partition(".")[0]
    here, found = PathFinder.find_spec(top, list(folders)), find(top, folders)
    if here is None or here.origin is None or found is None or found.origin == here.origin:
        return None
    if top in OURS:
        taken = f"'{top}' is a package of the runner itself"
    elif top in sys.stdlib_module_names:
        taken = f"'{top}' is a module of Python itself"
    else:
        taken = f"'{top}' is an installed package ({found.origin})"
    folder = Path(here.origin).parent
    folder = folder.parent if here.submodule_search_locations else folder
    hiding = next(_hiding(str(folder)), top)
    because = (
        ""
        if top in _KEPT
        else f", which comes first because '{hiding}' in {folder} would hide a module that is "
        "needed"
    )
    return f"{here.origin} cannot be imported: {taken}{because}; give it another name"


def _installed(name: str, locations: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:  # editable installs bring finders of their own
        if (spec := ask(finder, name, locations)) is not None:
            return spec
    return None


def ask(finder: Any, name: str, locations: Sequence[str] | None) -> ModuleSpec | None:
    """Return what a finder finds, also where the packages that the module is in are not imported:
    of a package without ``__init__.py`` Python's own would want to see its parent."""
    parent, _, last = name.rpartition(".")
    alone = finder is PathFinder and parent and parent not in sys.modules
    found: ModuleSpec | None = finder.find_spec(last if alone else name, locations)
    return found


@cache
def arranged(folders: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the folders that come before what is installed, and those that come after."""
    behind = {folder for folder in folders if next(_hiding(folder), None) is not None}
    return [folder for folder in folders if folder not in behind], [
        folder for folder in folders if folder in behind
    ]


def _hiding(folder: str) -> Iterator[str]:
    """Names of modules in the folder that would hide what is needed."""
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError:
        return
    for entry in entries:
        name = entry.name.partition(".")[0]
        if name in _KEPT and (
            entry.name.endswith(tuple(importlib.machinery.all_suffixes()))
            or (entry / "__init__.py").exists()
        ):
            yield name
